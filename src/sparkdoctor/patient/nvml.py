"""What NVML says about this machine's GPUs, one JSON line an answer.

Run in a child process with the directory of pynvml as its argument. Before every call its name is written, so that a
library that crashes or hangs still tells where. Creates no CUDA context.
"""

import ctypes
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # -I has left it out
from wire import dumps

MAX_DEVICES = 32


def say(**line):
    sys.stdout.write(dumps(line) + "\n")
    sys.stdout.flush()


def ask(name, call, *args, **where):
    """Say what is about to be asked, ask it, say what came back. Returns the answer or None."""
    say(ask=name, **where)
    try:
        value = call(*args)
    except Exception as error:
        say(error=type(error).__name__, code=getattr(error, "value", None), text=str(error))
        return None
    say(answer=plain(value))
    return value


def plain(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (str, int, float, list, tuple)) or value is None:
        return value
    if isinstance(value, ctypes.Structure):
        return {field[0]: plain(getattr(value, field[0])) for field in value._fields_}
    return None


def loaded_file():
    """The file that the library was loaded from; its name carries the driver's version."""
    with open("/proc/self/maps", encoding="utf-8", errors="backslashreplace") as maps:
        for line in maps:
            if "libnvidia-ml.so" in line:
                return line.rstrip("\n").split(None, 5)[-1]
    return None


def main():
    say(ask="load")
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError as error:
        say(error="OSError", text=str(error))
        return
    say(answer=None)
    ask("file", loaded_file)
    sys.path.append(sys.argv[1])
    # pynvml imports this module for Windows alone, and it takes half the time of this script.
    sys.modules.setdefault("ctypes.util", type(sys)("ctypes.util")).find_library = None
    import pynvml

    say(ask="nvmlInit")
    try:
        pynvml.nvmlInit()
    except Exception as error:
        say(error=type(error).__name__, code=getattr(error, "value", None), text=str(error))
        return
    say(answer=None)
    ask("nvmlSystemGetDriverVersion", pynvml.nvmlSystemGetDriverVersion)
    ask("nvmlSystemGetNVMLVersion", pynvml.nvmlSystemGetNVMLVersion)
    ask("nvmlSystemGetCudaDriverVersion", pynvml.nvmlSystemGetCudaDriverVersion)
    count = ask("nvmlDeviceGetCount", pynvml.nvmlDeviceGetCount)
    for index in range(min(count or 0, MAX_DEVICES)):
        handle = ask("nvmlDeviceGetHandleByIndex", pynvml.nvmlDeviceGetHandleByIndex, index, device=index)
        if handle is None:
            continue
        for name in (
            "nvmlDeviceGetName",
            "nvmlDeviceGetCudaComputeCapability",
            "nvmlDeviceGetMemoryInfo",
            "nvmlDeviceGetGspFirmwareVersion",
        ):
            ask(name, getattr(pynvml, name, None) or missing(name), handle, device=index)


def missing(name):
    def call(*_):
        raise NotImplementedError(name + " is not in this pynvml")

    return call


if __name__ == "__main__":
    main()
    os._exit(0)  # all is said and flushed; taking ctypes apart would cost a seventh of the time of this script
