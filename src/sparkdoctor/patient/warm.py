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
from reload import openfold3, quiet, said
from steps import attempt, learnt, main

ENVIRONMENT, RELOAD = dict(os.environ), os.path.join(os.path.dirname(os.path.abspath(__file__)), "reload.py")
"""As the user's programs are started; the packages change it."""
NAME = "evoformer_attn"
ROWS, RESIDUES, HEADS, DIM = 8, 76, 4, 32
"""Ubiquitin's length, and a few rows of an alignment."""
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
    other = subprocess.Popen([sys.executable, RELOAD, device], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        with attempt("build " + NAME):
            build(directory)
        for kind in TOLERANCE:
            with attempt("compare in " + kind, vital=False):
                compare(torch, getattr(torch, kind), device)
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
        except BaseException as error:
            cause = first_error("%s\n%s" % (said(file), error))
            raise RuntimeError(cause or "%s: %s" % (type(error).__name__, error)) from None
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
    lines = rest.splitlines()[1:] if failed else text.splitlines()
    found = next((line.strip() for line in lines if ERROR.search(line) and not line.startswith("/bin/sh -c")), None)
    unit = re.match(r"(?:\[code=\d+\] )?(\S+)", rest)
    return "%s: %s" % (unit[1], found) if found and unit else found


def compare(torch, dtype, device):
    """The operator against the same in float64: what comes out of it, and the gradients of all that goes in."""
    from deepspeed.ops.deepspeed4science import DS4Sci_EvoformerAttention

    random = torch.Generator().manual_seed(76)
    shapes = ((1, ROWS, RESIDUES, HEADS, DIM),) * 3 + ((1, ROWS, 1, 1, RESIDUES), (1, 1, HEADS, RESIDUES, RESIDUES))
    given = [torch.randn(shape, generator=random).to(dtype) for shape in shapes]
    weight = torch.randn(shapes[0], generator=random).to(dtype)
    exact = [value.double().requires_grad_() for value in given]
    mine = [value.to(device).requires_grad_() for value in given]
    reference, found = attention(*exact), DS4Sci_EvoformerAttention(*mine[:3], mine[3:])
    reference.backward(weight.double())
    found.backward(weight.to(device))
    pairs = [(found, reference)] + [(value.grad, right.grad) for value, right in zip(mine, exact)]
    errors = {}
    for name, (value, right) in zip(("forward", "dQ", "dK", "dV", "dbias1", "dbias2"), pairs):
        value = value.detach().double().cpu()
        if not bool(torch.isfinite(value).all()):
            raise ArithmeticError("%s is not finite" % name)
        errors[name] = float((value - right.detach()).norm() / right.detach().norm())
    learnt(errors={name: float("%.3g" % error) for name, error in errors.items()})
    tolerance = TOLERANCE[str(dtype).rpartition(".")[2]]
    wrong = ["%s %.2g" % pair for pair in errors.items() if not pair[1] <= tolerance]
    if wrong:
        raise ArithmeticError("relative error against float64 above %g: %s" % (tolerance, ", ".join(wrong)))


def attention(q, k, v, bias1, bias2):
    """What DS4Sci_EvoformerAttention computes: softmax(QK/sqrt(dim) + biases)V, of [1, rows, residues, heads, dim]."""
    q, k, v = (value.transpose(-2, -3) for value in (q, k, v))
    scores = q @ k.transpose(-1, -2) / DIM**0.5 + bias1 + bias2
    return (scores.softmax(-1) @ v).transpose(-2, -3)


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
