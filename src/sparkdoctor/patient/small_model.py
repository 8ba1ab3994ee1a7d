"""Makes random weights for the installed OpenFold3 with one block of each kind, through which numbers stay in bounds.

The argument is a path without its ending: PATH.pt are the weights, PATH.json is the `model_update.custom` that goes with them, by
which the trunk is run through once and the diffusion takes two steps.
"""

import contextlib
import json
import os
import sys


def blocks(node, path=()):
    """The paths of all numbers of blocks in a configuration."""
    for name in node:
        if name == "no_blocks":
            yield (*path, name)
        elif hasattr(node[name], "keys"):
            yield from blocks(node[name], (*path, name))


def small(architecture):
    """What makes of a model a small one."""
    custom = {}
    values = dict.fromkeys(blocks(architecture), 1)
    values.update({("shared", "num_recycles"): 0, ("shared", "diffusion", "no_full_rollout_steps"): 2})
    for (*path, name), value in values.items():
        node = custom
        for key in path:
            node = node.setdefault(key, {})
        node[name] = value
    return {"architecture": custom}


def main(path):
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [place for place in sys.path if os.path.realpath(place or ".") != here]
    import torch
    from openfold3.entry_points import experiment_runner
    from openfold3.projects.of3_all_atom.model import OpenFold3
    from openfold3.projects.of3_all_atom.project_entry import ModelUpdate, OF3ProjectEntry

    def config(custom):
        return OF3ProjectEntry().get_model_config_with_update(ModelUpdate(presets=["predict"], custom=custom))

    custom = small(config({}).architecture)
    torch.manual_seed(0)
    with getattr(experiment_runner, "skip_random_init", contextlib.nullcontext)():  # since 0.4
        model = OpenFold3(config(custom))
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "layer_norm" in name and name.endswith("weight"):
                values.fill_(1)
            elif values.ndim < 2:
                values.zero_()
            else:
                values.normal_(0, values.shape[-1] ** -0.5)
    torch.save(model.state_dict(), path + ".pt")
    with open(path + ".json", "w") as file:
        json.dump(custom, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
