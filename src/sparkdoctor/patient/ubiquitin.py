"""One prediction of ubiquitin by OpenFold3, with random weights; patient/warm_triton.py starts it.

The arguments are a directory for all that it writes, where weights that an earlier one has made are used again, and the device.
It writes a line of JSON when OpenFold3 is there and has its weights, and one when the prediction is made.
"""

import contextlib
import glob
import json
import os
import sys
import time

SEQUENCE = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"
SAMPLES = 5
"""OpenFold3's own number: its confidence heads take all samples at once, which is a shape of its own."""


def blocks(node, path=()):
    """The paths of all numbers of blocks in a configuration."""
    for name in node:
        if name == "no_blocks":
            yield (*path, name)
        elif hasattr(node[name], "keys"):
            yield from blocks(node[name], (*path, name))


def small(architecture):
    """What makes of a model one of one block each, that is run through once and diffuses in two steps."""
    custom = {}
    values = dict.fromkeys(blocks(architecture), 1)
    values.update({("shared", "num_recycles"): 0, ("shared", "diffusion", "no_full_rollout_steps"): 2})
    for (*path, name), value in values.items():
        node = custom
        for key in path:
            node = node.setdefault(key, {})
        node[name] = value
    return {"architecture": custom}


def prepare(place, device):
    """Import OpenFold3 and write what a prediction takes; the versions."""
    began = time.monotonic()
    import torch
    from openfold3.projects.of3_all_atom.project_entry import ModelUpdate, OF3ProjectEntry

    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("PyTorch reaches no GPU")
    entry = OF3ProjectEntry()
    custom = small(entry.get_model_config_with_update(ModelUpdate(presets=["predict"], custom={})).architecture)
    weights = os.path.join(place, "weights.pt")
    if not os.path.exists(weights):
        make(torch, entry.get_model_config_with_update(ModelUpdate(presets=["predict"], custom=custom)), weights)
    if device != "cuda":
        custom["settings"] = {"memory": {"eval": {"use_triton_triangle_kernels": False}}}
    query = {"chains": [{"molecule_type": "protein", "chain_ids": ["A"], "sequence": SEQUENCE}]}
    runner = {"data_module_args": {"num_workers": 0}, "model_update": {"presets": ["predict"], "custom": custom}}
    if device != "cuda":
        runner["pl_trainer_args"] = {"accelerator": device}
    for name, content in (("query.json", {"queries": {"ubiquitin": query}}), ("runner.yml", runner)):
        with open(os.path.join(place, name), "w") as file:
            json.dump(content, file)  # which is YAML too
    return {"torch": str(torch.__version__), "seconds": round(time.monotonic() - began, 1)}


def make(torch, config, path):
    """Random weights with which numbers stay in bounds."""
    from openfold3.projects.of3_all_atom.model import OpenFold3

    try:
        from openfold3.entry_points.experiment_runner import skip_random_init
    except ImportError:
        skip_random_init = contextlib.nullcontext
    with skip_random_init():
        model = OpenFold3(config)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "layer_norm" in name and name.endswith("weight"):
                values.fill_(1)
            elif values.ndim < 2:
                values.zero_()
            else:
                values.normal_(0, values.shape[-1] ** -0.5)
    torch.save(model.state_dict(), path)


def predict(place, device):
    """OpenFold3's own command; what Triton compiled, with seconds, what it found compiled, and the seconds of the inference."""
    compiled, found = [], set()
    if device == "cuda":
        listen(compiled, found)
    from openfold3.run_openfold import cli

    output = os.path.join(place, "output-%d" % os.getpid())
    options = {
        "query_json": os.path.join(place, "query.json"),
        "inference_ckpt_path": os.path.join(place, "weights.pt"),
        "runner_yaml": os.path.join(place, "runner.yml"),
        "use_msa_server": False,
        "use_templates": False,
        "num_diffusion_samples": SAMPLES,
        "output_dir": output,
    }
    arguments = ["predict", *("--%s=%s" % option for option in options.items())]
    began = time.monotonic()
    cli.main(args=arguments, prog_name="run_openfold", standalone_mode=False)
    whole = time.monotonic() - began
    timings = glob.glob(os.path.join(glob.escape(output), "ubiquitin", "seed_*", "timing.json"))
    if not timings or not glob.glob(os.path.join(os.path.dirname(timings[0]), "*_model.cif")):
        raise RuntimeError(complaint(output))
    with open(timings[0]) as file:
        seconds = json.load(file)["runtime_s"]
    return {"inference": round(seconds, 2), "seconds": round(whole, 1), "compiled": compiled, "found": len(found)}


def listen(compiled, found):
    """Have Triton tell what it compiles; one before 3.4 does not."""
    import triton

    def hear(*, src, times, cache_hit, **_):
        if cache_hit:
            found.add(src.name)
        else:
            compiled.append([src.name, round(times.total / 1e6, 2)])

    with contextlib.suppress(AttributeError):
        triton.knobs.compilation.listener = hear


def complaint(output):
    """Why there is no structure: OpenFold3 writes it down and ends as if all were well."""
    for path in glob.glob(os.path.join(glob.escape(output), "logs", "predict_err*.log")):
        with open(path, errors="replace") as file:
            lines = [line.strip() for line in file if line.strip() and not line.startswith((" ", "-", "="))]
        if lines:
            return "OpenFold3 made no structure: %s" % lines[-1]
    return "OpenFold3 made no structure"


def main(*arguments):
    told = os.dup(1)
    os.dup2(2, 1)  # packages talk
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [place for place in sys.path if os.path.realpath(place or ".") != here]
    for step in (prepare, predict):
        try:
            said = step(*arguments)
        except BaseException as error:
            said = {"error": "%s: %s" % (type(error).__name__, error)}
        os.write(told, (json.dumps(said) + "\n").encode())
        if "error" in said:
            break
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
