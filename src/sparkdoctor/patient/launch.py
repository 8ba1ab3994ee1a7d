"""Whether a kernel that the patient's Triton compiles for this GPU can be launched, and is right."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from compile import kernel_module
from compute import compare, random
from steps import attempt, main


def work():
    with attempt("import torch"):
        import torch
    with attempt("torch.cuda.init"):
        torch.cuda.init()
    with attempt("import triton"):
        kernel = kernel_module()
    with attempt("launch a Triton kernel"):
        x, y = random(torch, 4000).float(), random(torch, 2, 4000)[1].float()
        out = torch.empty(4000, device="cuda")
        kernel.muladd[(4,)](x.cuda(), y.cuda(), out, 4000, BLOCK=1024)
        compare(torch, out, x.double() * y.double() + x.double())


if __name__ == "__main__":
    main(work)
