"""Builds DeepSpeed's evoformer_attn in a directory of PyTorch's cache, proves it, and has another process load it.

The arguments are that directory, which is there and empty, and the device (cuda). DeepSpeed's own builder builds, with the
flags that it would make at first use; nothing is built anywhere else.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from evoformer import errors, openfold3, quiet, said
from steps import attempt, learnt, main

ENVIRONMENT, OTHER = dict(os.environ), os.path.join(os.path.dirname(os.path.abspath(__file__)), "evoformer.py")
"""As the user's programs are started; the packages change it."""
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
    with attempt("import deepspeed"):
        openfold3()
        import deepspeed

        learnt(version=str(deepspeed.__version__))
    # Its imports cost no time while compilers work.
    other = subprocess.Popen([sys.executable, OTHER, device], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        with attempt("build " + NAME):
            build(directory)
        for kind in TOLERANCE:
            with attempt("compare in " + kind, vital=False):
                compare(torch, kind, device)
        with attempt("load in a new process"):
            reload(other)
    finally:
        other.kill()
        other.wait()


def find(cpp_extension, directory):
    """Whether PyTorch looks for the extension in this directory; it makes the one where it does."""
    place = os.path.realpath(cpp_extension._get_build_directory(NAME, False))
    if place != os.path.realpath(directory):
        if not os.listdir(place):
            os.rmdir(place)
        raise RuntimeError("PyTorch looks for it in %s, not in %s" % (place, directory))


def build(directory):
    """DeepSpeed's own load, which compiles; of what compilers print only the error that ended it is of interest."""
    from deepspeed.ops.op_builder import EvoformerAttnBuilder

    began = time.monotonic()
    with tempfile.TemporaryFile() as file:
        try:
            with quiet(file):
                EvoformerAttnBuilder().load(verbose=True)
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


def compare(torch, kind, device):
    """All that comes out of the operator, and the gradients of all that goes in, against float64."""
    found = errors(torch, kind, device)
    learnt(errors={name: float("%.3g" % error) for name, error in found.items()})
    wrong = ["%s %.2g" % pair for pair in found.items() if not pair[1] <= TOLERANCE[kind]]
    if wrong:
        raise ArithmeticError("relative error against float64 above %g: %s" % (TOLERANCE[kind], ", ".join(wrong)))


def reload(other):
    """What the other process finds: nothing to build, with the environment of the user's programs."""
    told, _ = other.communicate(b"now\n", PATIENCE)
    answer = json.loads(told) if told else {"error": "it ended with status %s" % other.returncode}
    if "error" in answer:
        raise RuntimeError(answer["error"])
    learnt(seconds=answer["seconds"])
    if "ninja: no work to do" not in answer["said"]:
        lines = [line for line in answer["said"].splitlines() if line.startswith(("[", "ninja"))]
        raise RuntimeError("DeepSpeed has built it anew: %s" % (lines[0] if lines else "ninja did not say `no work to do`"))


if __name__ == "__main__":
    main(work)
