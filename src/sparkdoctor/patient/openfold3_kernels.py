"""Imports the attention of the patient's OpenFold3 and reports which kernels it has found. Nothing is built or run."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from steps import attempt, learnt, main

FOUND = (
    ("use_deepspeed_evo_attention", "ds4s_is_installed"),
    ("use_triton_triangle_kernels", "TRITON_AVAILABLE"),
    ("use_cueq_triangle_kernels", "cueq_is_installed"),
)
"""The switches of its model's configuration, and what its module says of each."""


def work():
    with attempt("import torch"):
        import torch

        learnt(version=str(torch.__version__), available=bool(torch.cuda.is_available()))
    with attempt("import openfold3"):
        import openfold3  # noqa: F401
    with attempt("import openfold3's attention"):
        from openfold3.core.model.primitives import attention

        learnt(**{switch: bool(getattr(attention, name)) for switch, name in FOUND if hasattr(attention, name)})


if __name__ == "__main__":
    main(work)
