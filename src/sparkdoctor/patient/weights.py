"""Looks into a checkpoint with which a prediction went wrong: whether it holds numbers, and was ever trained.

The argument is the file. Of a network that has made a prediction, patient/predict.py tells the same at less cost.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from steps import attempt, learnt, main

NEVER = 0.99
"""The share of layer norms at exactly 1 from which on a network was never trained: they leave it with the first step."""
NAMED = 5
"""Tensors that are named."""


def work(path):
    with attempt("import PyTorch"):
        import torch
    with attempt("read the weights"):
        found = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        for name in ("module", "state_dict"):
            if isinstance(found, dict) and isinstance(found.get(name), dict):
                found = found[name]
    with attempt("look at the weights"):
        learnt(**look(torch, found))


def look(torch, found):
    """What the tensors of a network tell, wherever they lie; of what is on a GPU only the answers are copied."""
    tensors = {name: value for name, value in found.items() if torch.is_tensor(value)}
    floating = {name: value for name, value in tensors.items() if value.is_floating_point() and value.numel()}
    finite = answers(torch, [value.isfinite().all() for value in floating.values()])
    wrong = [name for name, whole in zip(floating, finite) if not whole]
    # A vector: what an adaptive layer norm multiplies with (layer_norm_a.linear_g.weight) begins otherwise.
    norms = [value for name, value in floating.items() if "layer_norm" in name and name.endswith("weight") and value.dim() == 1]
    untouched = sum(answers(torch, [(value == 1).all() for value in norms]))
    return {
        "tensors": len(tensors),
        "parameters": sum(value.numel() for value in floating.values()),
        "largest": max(answers(torch, [value.abs().max().float() for value in floating.values()]), default=0.0),
        "not_finite": wrong[:NAMED],
        "not_finite_count": len(wrong),
        "norms": len(norms),
        "norms_at_one": untouched,
        "untrained": bool(norms) and untouched >= NEVER * len(norms),
    }


def answers(torch, asked):
    """The value of each, fetched at once where all are on one device."""
    if len({one.device for one in asked}) > 1:
        return [one.item() for one in asked]
    return torch.stack(asked).tolist() if asked else []


if __name__ == "__main__":
    main(work)
