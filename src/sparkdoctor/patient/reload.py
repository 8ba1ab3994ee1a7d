"""Whether a process that knows nothing of a build loads DeepSpeed's evoformer_attn as it lies there: patient/warm.py starts it.

The argument is the device. It imports, waits for a line on its input, loads, and writes one line of JSON.
"""

import contextlib
import json
import os
import sys
import tempfile
import time

SAID = 64 << 10


def openfold3():
    """What OpenFold3 tells DeepSpeed before it uses evoformer_attn: it is part of the flags. Source: hacks.py of its 0.4.0."""
    import importlib

    with contextlib.suppress(ModuleNotFoundError):
        hacks = importlib.import_module("openfold3.hacks")
        for name in ("prep_deepspeed", "prep_cutlass"):
            getattr(hacks, name, lambda: None)()


@contextlib.contextmanager
def quiet(file):
    """What is printed meanwhile, by whomever, goes into a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    try:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, old in zip((1, 2), kept):
            os.dup2(old, number)
            os.close(old)


def said(file):
    """What has been printed; of very much the beginning and the end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    text = file.read(SAID)
    if size > 2 * SAID:
        file.seek(size - SAID)
        text += b"\n...\n"
    return (text + file.read(SAID)).decode("utf-8", "backslashreplace")


def load(device):
    """Seconds of DeepSpeed's own load, and what was printed meanwhile. CUDA is initialised before: that is not of the load."""
    import torch
    from deepspeed.ops.op_builder import EvoformerAttnBuilder

    torch.zeros(1, device=device)
    with tempfile.TemporaryFile() as file:
        with quiet(file):
            began = time.monotonic()
            EvoformerAttnBuilder().load(verbose=True)
            seconds = time.monotonic() - began
        return {"seconds": round(seconds, 4), "said": said(file)}


def main(device):
    told = os.dup(1)
    os.dup2(2, 1)  # packages talk
    answer = {}
    try:
        openfold3()
        import deepspeed  # noqa: F401

        sys.stdin.readline()
        answer = load(device)
    except BaseException as error:
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    os.write(told, (json.dumps(answer) + "\n").encode())
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
