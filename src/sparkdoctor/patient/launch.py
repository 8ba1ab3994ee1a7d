"""Whether a kernel that the patient's Triton compiles for this GPU can be launched, and is right. A branch of pytorch.py."""

import importlib.util

from compile import kernel_module
from compute import compare, random
from steps import attempt, learnt


def work(torch):
    with attempt("torch.cuda.init"):
        available = bool(torch.cuda.is_available())
        learnt(available=available)
        if available:
            torch.cuda.init()
    if not available:
        return
    with attempt("import triton"):
        learnt(installed=importlib.util.find_spec("triton") is not None)
        kernel = kernel_module()
    with attempt("launch a Triton kernel"):
        x, y = random(torch, 4000).float(), random(torch, 2, 4000)[1].float()
        out = torch.empty(4000, device="cuda")
        kernel.muladd[(4,)](x.cuda(), y.cuda(), out, 4000, BLOCK=1024)
        compare(torch, out, x.double() * y.double() + x.double())
