"""Builds DeepSpeed's evoformer_attn in a directory of PyTorch's cache, proves it, and has another process load it.

The arguments are that directory, which is there and empty, and the device (cuda). DeepSpeed's own builder builds, with the
flags that it would make at first use; nothing is built anywhere else. The other process imports all of DeepSpeed while
compilers work, and uses what they have made.
"""

import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from evoformer import KINDS, openfold3, quiet, said
from steps import attempt, learnt, main

ENVIRONMENT, OTHER = dict(os.environ), os.path.join(os.path.dirname(os.path.abspath(__file__)), "evoformer.py")
"""As this process was started; the packages change it."""
NAME = "evoformer_attn"
TOLERANCE = {"bfloat16": 0.03, "float16": 0.01}
"""Relative errors in the Frobenius norm. Rounding makes up to a tenth of that, a wrong kernel makes 0.1 and more."""
ERROR = re.compile(r"\b(?:fatal|error)\b[^:\n]{0,40}:|cannot find -l|Killed")
PATIENCE = 120
"""Seconds for another process to load what is built."""


def work(directory, device="cuda"):
    with attempt("import torch"):
        import torch
        from torch.utils import cpp_extension

        learnt(version=str(torch.__version__))
    with attempt("find the cache"):
        find(cpp_extension, directory)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    other = subprocess.Popen([sys.executable, OTHER, device], env=ENVIRONMENT, **pipes)
    try:
        with attempt("import DeepSpeed's builder"):
            openfold3()
            builder = find_builder()
            from deepspeed.git_version_info import version

            learnt(version=str(version))
        with attempt("build " + NAME):
            build(builder, directory)
        with attempt("load in a new process"):
            ready(ask(other))
        for kind in KINDS:
            with attempt("compare in " + kind, vital=False):
                compare(kind, answer(other))
    finally:
        other.kill()
        other.wait()


def find_builder():
    """DeepSpeed's builder without what its packages import besides, which costs ten seconds.

    The other process has all of it: it would find something to build if that made a difference.
    """
    from importlib import util

    try:
        for name in ("deepspeed", "deepspeed.ops"):
            sys.modules[name] = util.module_from_spec(util.find_spec(name))
        from deepspeed.ops.op_builder import EvoformerAttnBuilder
    except Exception:
        for name in [name for name in sys.modules if name.partition(".")[0] == "deepspeed"]:
            del sys.modules[name]
        from deepspeed.ops.op_builder import EvoformerAttnBuilder
    return EvoformerAttnBuilder


def find(cpp_extension, directory):
    """Whether PyTorch looks for the extension in this directory; it makes the one where it does."""
    place = os.path.realpath(cpp_extension._get_build_directory(NAME, False))
    if place != os.path.realpath(directory):
        if not os.listdir(place):
            os.rmdir(place)
        raise RuntimeError("PyTorch looks for it in %s, not in %s" % (place, directory))


def build(builder, directory):
    """DeepSpeed's own load, which compiles; of what compilers print only the error that ended it is of interest."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as file:
        try:
            with quiet(file):
                builder().load(verbose=True)
        except Exception as error:
            cause = first_error("%s\n%s" % (said(file), error))
            if cause:
                raise RuntimeError(cause) from None
            raise
    seconds = time.monotonic() - began
    libraries = [name for name in os.listdir(directory) if name.endswith(".so")]
    if not libraries:
        raise RuntimeError("it was loaded, but nothing was built in %s" % directory)
    learnt(seconds=round(seconds, 1), bytes=os.path.getsize(os.path.join(directory, libraries[0])))


def first_error(text):
    """The first line of a failed translation unit that names an error; None where there is none.

    Ninja prints `FAILED: attention_cu.cuda.o`, the command, then what the compiler printed; units that did not fail go before it.
    """
    _, failed, rest = text.partition("FAILED: ")
    lines = rest.splitlines()[2:] if failed else text.splitlines()
    found = next((line.strip() for line in lines if ERROR.search(line)), None)
    unit = re.match(r"(?:\[code=\d+\] )?(\S+)", rest)
    return "%s: %s" % (unit[1], found) if found and unit else found


def ask(other):
    """Have the other process begin; what it says of its load."""
    other.stdin.write(b"now\n")
    return answer(other)


def answer(other):
    """The next line of the other process."""
    if not select.select([other.stdout], [], [], PATIENCE)[0]:
        raise RuntimeError("it did not answer in %d s" % PATIENCE)
    line = other.stdout.readline()
    said = json.loads(line) if line else {"error": "it ended with status %s" % other.wait()}
    if "error" in said:
        raise RuntimeError(said["error"])
    return said


def ready(found):
    """Whether the other process had nothing to build."""
    learnt(seconds=found["seconds"])
    if "ninja: no work to do" not in found["said"]:
        lines = [line for line in found["said"].splitlines() if line.startswith(("[", "ninja"))]
        raise RuntimeError("DeepSpeed has built it anew: %s" % (lines[0] if lines else "ninja did not say `no work to do`"))


def compare(kind, found):
    """All that comes out of the operator, and the gradients of all that goes in, against float64."""
    learnt(errors={name: float("%.3g" % error) for name, error in found.items()})
    wrong = ["%s %.2g" % pair for pair in found.items() if not pair[1] <= TOLERANCE[kind]]
    if wrong:
        raise ArithmeticError("relative error against float64 above %g: %s" % (TOLERANCE[kind], ", ".join(wrong)))


if __name__ == "__main__":
    main(work)
