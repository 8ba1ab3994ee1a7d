"""DeepSpeed's evoformer_attn as it is: loaded from PyTorch's cache, and compared with float64.

As a script it is a process that knows nothing of a build; patient/warm.py starts it. The argument is the device. It imports,
waits for a line on its input, and writes a line of JSON when it has loaded, and one for each kind of numbers compared.
"""

import contextlib
import json
import os
import sys
import tempfile
import time

SAID = 64 << 10
ROWS, RESIDUES, HEADS, DIM = 8, 76, 4, 32
"""Ubiquitin's length, and a few rows of an alignment."""
KINDS = ("bfloat16", "float16")
PARTS = ("forward", "dQ", "dK", "dV", "dbias1", "dbias2")


def openfold3():
    """What OpenFold3 tells DeepSpeed before it uses evoformer_attn: it is part of the flags. Source: hacks.py of its 0.4.0."""
    from importlib import util

    found = util.find_spec("openfold3")
    place = os.path.join(os.path.dirname(found.origin), "hacks.py") if found and found.origin else ""
    if os.path.exists(place):  # by itself: what the rest imports is not needed
        spec = util.spec_from_file_location("sparkdoctor_openfold3_hacks", place)
        hacks = util.module_from_spec(spec)
        spec.loader.exec_module(hacks)
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


def errors(torch, kind, device):
    """Relative errors (Frobenius norm) of the operator in `bfloat16` or `float16` against the same in float64 on the CPU."""
    from deepspeed.ops.deepspeed4science import DS4Sci_EvoformerAttention

    random, dtype = torch.Generator().manual_seed(RESIDUES), getattr(torch, kind)
    shapes = ((1, ROWS, RESIDUES, HEADS, DIM),) * 3 + ((1, ROWS, 1, 1, RESIDUES), (1, 1, HEADS, RESIDUES, RESIDUES))
    given = [torch.randn(shape, generator=random).to(dtype) for shape in shapes]
    weight = torch.randn(shapes[0], generator=random).to(dtype)
    exact = [value.double().requires_grad_() for value in given]
    mine = [value.to(device).requires_grad_() for value in given]
    reference, found = attention(*exact), DS4Sci_EvoformerAttention(*mine[:3], mine[3:])
    reference.backward(weight.double())
    found.backward(weight.to(device))
    pairs = [(found, reference)] + [(value.grad, right.grad) for value, right in zip(mine, exact)]
    result = {}
    for name, (value, right) in zip(PARTS, pairs):
        value = value.detach().double().cpu()
        if not bool(torch.isfinite(value).all()):
            raise ArithmeticError("%s is not finite" % name)
        result[name] = distance(value, right.detach())
    return result


def attention(q, k, v, bias1, bias2):
    """What all these kernels compute: softmax(QK/sqrt(dim) + biases)V, of [1, rows, residues, heads, dim]."""
    dim = q.shape[-1]
    q, k, v = (value.transpose(-2, -3) for value in (q, k, v))
    scores = q @ k.transpose(-1, -2) / dim**0.5 + bias1 + bias2
    return (scores.softmax(-1) @ v).transpose(-2, -3)


def distance(value, right):
    """A relative error, in the Frobenius norm."""
    return float((value - right).norm() / right.norm())


def main(device):
    told = os.dup(1)
    os.dup2(2, 1)  # packages talk

    def tell(ask, *arguments):
        try:
            answer = ask(*arguments)
        except BaseException as error:
            answer = {"error": "%s: %s" % (type(error).__name__, error)}
        os.write(told, (json.dumps(answer) + "\n").encode())

    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [place for place in sys.path if os.path.realpath(place or ".") != here]
    torch = None
    with contextlib.suppress(BaseException):  # it is said when it is asked for
        openfold3()
        import deepspeed  # noqa: F401
        import torch
    sys.stdin.readline()
    tell(load, device)
    for kind in KINDS:
        tell(errors, torch, kind, device)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
