"""Imports the patient's PyTorch once, and does with it, side by side, what may end badly: see the branches."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
import compute
import extension
import launch
from steps import attempt, branch, learnt, main, outputs

BRANCHES = {"compute": compute.work, "launch": launch.work, "extension": extension.work}


def work():
    before = outputs()
    with attempt("import torch"):
        import torch

        learnt(version=str(torch.__version__), closed=outputs() != before)
    apart = not initialised(torch)
    for name, part in BRANCHES.items():
        branch(name, lambda part=part: part(torch), apart)


def initialised(torch):
    """Whether something that was imported has reached for the GPU already: CUDA does not survive a fork."""
    try:
        return bool(torch.cuda.is_initialized())
    except Exception:  # whatever stands there for PyTorch
        return False


if __name__ == "__main__":
    main(work)
