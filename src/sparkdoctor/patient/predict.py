"""Runs the installed OpenFold3 as its own command does, and tells what goes on inside while it does so.

The argument is a JSON file: `output` (directory), `query`, `weights` (or null), `runner` (the user's YAML or null), `settings`
(what goes on top of it; what it gives as `defaults` goes below), `samples`, `merged` (where the settings of this run are
written). OpenFold3 prints hardly anything, so its classes are watched: the stage, kernels that Triton compiles, operators that
PyTorch builds or loads, and which attention is called how often. Where a version has no such class, that is not told. What is
printed is left to OpenFold3, and so is the exit status.
"""

import contextlib
import functools
import glob
import importlib
import json
import os
import runpy
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from steps import BEGAN, PIPE, REPORT, SELF, identity, settle
from weights import look
from wire import dumps

ATTENTION = {
    "_triton_evo_attn": "triton",
    "_deepspeed_evo_attn": "deepspeed",
    "_cueq_triangle_attn": "cuequivariance",
    "_lma": "lma",
    "_attention": "pytorch",
}
"""The functions of OpenFold3's attention, and whose kernels each calls."""
PAUSE = 0.5
"""Seconds between two words on how far a stage is."""
KERNELS = 500
"""Kernels that are told of one by one."""
calls = dict.fromkeys(ATTENTION.values(), 0)
kernels = {"built": 0, "found": 0, "seconds": 0.0}
told = 0.0


def tell(**line):
    """Report; a package that has closed the pipe, or a process that was forked, must not end for it. Without a listener, end."""
    if os.getpid() == SELF and identity(PIPE) == REPORT:
        try:
            os.write(PIPE, (dumps(line) + "\n").encode())
        except BrokenPipeError:  # nobody listens: who started this was killed, perhaps before the kernel knew of us
            os.killpg(0, signal.SIGKILL)
        except OSError:
            pass


def begin(step):
    tell(step=step, at=round(time.monotonic() - BEGAN, 3))


def progress(done, of):
    """How far the stage is, twice a second at most."""
    global told  # noqa: PLW0603
    now = time.monotonic()
    if now - told >= PAUSE or done in (1, of):
        told = now
        tell(learnt={"done": done, "of": of})


def around(owner, name, before=None, after=None):
    """Have a function or method call others before and after it; nothing where there is none."""
    real = None if owner is None else getattr(owner, name, None)
    if real is None:
        return

    @functools.wraps(real)
    def watched(*args, **named):
        if before:
            before(*args, **named)
        try:
            return real(*args, **named)
        finally:
            if after:
                after(*args, **named)

    setattr(owner, name, watched)


def module(name):
    """A module of the patient's; None where this version has none."""
    try:
        return importlib.import_module(name)
    except Exception:
        return None


def watch_stages():
    runner = module("openfold3.entry_points.experiment_runner")
    model = module("openfold3.projects.of3_all_atom.model")
    writer = module("openfold3.core.runners.writer")
    inference = getattr(runner, "InferenceExperimentRunner", None)
    around(inference, "setup", lambda *_, **__: begin("load the weights"))
    around(inference, "run", lambda *_, **__: begin("featurise"))
    network = getattr(model, "OpenFold3", None)
    around(network, "run_trunk", lambda *_, **__: begin("trunk"))
    around(network, "_rollout", lambda *_, **__: begin("diffusion"))
    around(network, "__init__", after=watch_modules)
    around(getattr(writer, "OF3OutputWriter", None), "write_all_outputs", lambda *_, **__: begin("write"))
    around(getattr(writer, "OF3OutputWriter", None), "on_predict_end", summarise)


def summarise(_, __, module, *___):
    """Before the summary, while the network is there: whether its weights are numbers, and were trained."""
    begin("summarise")
    with contextlib.suppress(Exception):
        tell(learnt={"weights": look(sys.modules["torch"], dict(module.named_parameters()))})


def watch_modules(model, *_, **__):
    """Count the cycles of the trunk and the steps of the diffusion."""
    with contextlib.suppress(Exception):
        shared = model.config.architecture.shared
        count(model.pairformer_stack, shared.num_recycles + 1)
        count(model.diffusion_module, shared.diffusion.no_full_rollout_steps)
    with contextlib.suppress(Exception):
        model.aux_heads.register_forward_pre_hook(lambda *_: begin("confidence"))


def count(layer, of):
    done = [0]

    def hook(*_):
        done[0] += 1
        progress(done[0], max(of, done[0]))

    layer.register_forward_pre_hook(hook)


def watch_attention():
    attention = module("openfold3.core.model.primitives.attention")

    def counting(kernel):
        def before(*_, **__):
            calls[kernel] += 1

        return before

    for name, kernel in ATTENTION.items():
        around(attention, name, counting(kernel))


def watch_triton():
    """Kernels as they are compiled, or found compiled. Triton has told of both since 3.4."""
    if "triton" not in sys.modules:
        return
    with contextlib.suppress(Exception):
        from triton import knobs

        chained = knobs.compilation.listener

        def listener(*, src, metadata, metadata_group, times, cache_hit):
            with contextlib.suppress(Exception):
                seconds = times.total / 1e6
                if cache_hit:
                    kernels["found"] += 1
                else:
                    kernels["built"] += 1
                    kernels["seconds"] += seconds
                    if kernels["built"] <= KERNELS:
                        tell(kernel=str(src.name)[:200], seconds=round(seconds, 3))
            if chained:
                chained(src=src, metadata=metadata, metadata_group=metadata_group, times=times, cache_hit=cache_hit)

        knobs.compilation.listener = listener
    with contextlib.suppress(Exception):
        before = knobs.runtime.jit_cache_hook

        def hook(*args, **named):
            with contextlib.suppress(Exception):
                tell(learnt={"compiling": str(named["fn"].name)[:200]})
            return before(*args, **named) if before else None

        knobs.runtime.jit_cache_hook = hook


def watch_operators():
    """Operators that PyTorch builds at first use (DeepSpeed's), or loads."""
    from torch.utils import cpp_extension

    real = cpp_extension.load

    @functools.wraps(real)
    def load(name, *args, **named):
        tell(learnt={"compiling": str(name)[:200]})
        before, began = libraries(cpp_extension, name), time.monotonic()
        try:
            return real(name, *args, **named)
        finally:
            built = libraries(cpp_extension, name) != before
            tell(operator=str(name)[:200], seconds=round(time.monotonic() - began, 3), built=built)

    cpp_extension.load = load


def libraries(cpp_extension, name):
    """The libraries of an operator, and when each was written."""
    try:
        place = cpp_extension._get_build_directory(name, False)
        return {path: os.stat(path).st_mtime_ns for path in glob.glob(os.path.join(glob.escape(place), "*.so"))}
    except Exception:
        return {}


def merged(order):
    """The settings of this run: the user's, between those that give way to them and those that do not."""
    user = {}
    if order["runner"]:
        import yaml

        with open(order["runner"], encoding="utf-8") as file:
            user = yaml.safe_load(file) or {}
        if not isinstance(user, dict):
            raise SystemExit("%s: a table is due, not %s" % (order["runner"], type(user).__name__))
    return update(update(order["defaults"], user), order["settings"])


def update(below, above):
    """Tables in tables; what is above wins."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = update(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def versions():
    from importlib import metadata

    found = {}
    for name in ("openfold3", "torch", "triton", "pytorch-triton", "deepspeed", "cuequivariance-torch"):
        with contextlib.suppress(Exception):
            found[name] = metadata.version(name)
    return found


def gpu_memory():
    """Bytes of GPU memory that PyTorch had at most; None without a GPU."""
    try:
        import torch

        return torch.cuda.max_memory_reserved() if torch.cuda.is_initialized() else None
    except Exception:
        return None


def main(path):
    with open(path, encoding="utf-8") as file:
        order = json.load(file)
    settle()
    begin("import PyTorch")
    import torch  # noqa: F401

    begin("import OpenFold3")
    importlib.import_module("openfold3.entry_points.experiment_runner")
    tell(learnt=versions())
    begin("settings")
    with open(order["merged"], "w", encoding="utf-8") as file:
        json.dump(merged(order), file, indent=1)  # JSON is YAML
    for watch in (watch_stages, watch_attention, watch_triton, watch_operators):
        with contextlib.suppress(Exception):  # it is there to be run, not to be watched
            watch()
    arguments = ["predict", "--query_json", order["query"], "--runner_yaml", order["merged"], "--output_dir", order["output"]]
    arguments += ["--num_diffusion_samples", str(order["samples"]), "--use_msa_server", "False", "--use_templates", "False"]
    if order["weights"]:
        arguments += ["--inference_ckpt_path", order["weights"]]
    sys.argv = ["run_openfold", *arguments]
    try:
        runpy.run_module("openfold3.run_openfold", run_name="__main__", alter_sys=True)
    finally:
        begin("end")
        tell(learnt={"calls": calls, "kernels": {**kernels, "seconds": round(kernels["seconds"], 3)}, "gpu_memory": gpu_memory()})


if __name__ == "__main__":
    main(sys.argv[1])
