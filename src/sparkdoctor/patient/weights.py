"""Looks into a checkpoint after a prediction that cannot be believed: whether it holds numbers, and whether it was ever trained.

The argument is the file. Layer norms start at exactly 1 and leave it with the first step of training.
"""

import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from steps import attempt, learnt, main

NEVER = 0.99
"""The share of layer norms at exactly 1 from which on a network was never trained."""


def work(path):
    with attempt("import PyTorch"):
        import torch
    with attempt("read the weights"):
        found = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        for name in ("module", "state_dict"):
            if isinstance(found, dict) and isinstance(found.get(name), dict):
                found = found[name]
    with attempt("look at the weights"):
        tensors = {name: value for name, value in found.items() if torch.is_tensor(value)}
        floating = {name: value for name, value in tensors.items() if value.is_floating_point()}
        # One pass over each: the least and the greatest are NaN where any is.
        ends = {name: [abs(float(end)) for end in torch.aminmax(value)] for name, value in floating.items() if value.numel()}
        wrong = [name for name, values in ends.items() if not all(map(math.isfinite, values))]
        # A vector: what an adaptive layer norm multiplies with (layer_norm_a.linear_g.weight) begins otherwise.
        norms = [one for name, one in floating.items() if "layer_norm" in name and name.endswith("weight") and one.dim() == 1]
        untouched = sum(bool((value == 1).all()) for value in norms)
        learnt(
            tensors=len(tensors),
            parameters=sum(value.numel() for value in floating.values()),
            largest=max((max(values) for name, values in ends.items() if name not in wrong), default=0.0),
            not_finite=wrong[:5],
            not_finite_count=len(wrong),
            norms=len(norms),
            norms_at_one=untouched,
            untrained=bool(norms) and untouched >= NEVER * len(norms),
        )


if __name__ == "__main__":
    main(work)
