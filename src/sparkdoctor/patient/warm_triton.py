"""Has OpenFold3 make a prediction, so that Triton compiles what one needs, and then again, when it must compile nothing.

The arguments are the directory of Triton's cache, which is there, the query as JSON, and the device (cuda). Each prediction is a
process of its own, as `sparkdoctor smoke` starts it (patient/predict.py); the weights are random, and of a model of one block of
each kind (patient/small_model.py): kernels go by the shapes and the kinds of numbers, which are those of the whole model.
"""

import glob
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from steps import attempt, learnt, main

ENVIRONMENT, HERE = dict(os.environ), os.path.dirname(os.path.abspath(__file__))
"""As this process was started; the packages change it."""
SAMPLES = 5
"""OpenFold3's own number: its confidence heads take all samples at once, which is a shape of its own."""
SAID = 64 << 10
"""Bytes of the end of what a process has printed, shown where it went wrong."""


def work(directory, query, device="cuda"):
    with attempt("find Triton's cache"):
        find(directory, device)
    before = {}
    with tempfile.TemporaryDirectory(prefix="sparkdoctor-") as place:
        with attempt("make a small model"):
            run(place, "small_model.py", os.path.join(place, "weights"))
        for again in ("", " again"):
            with attempt("predict ubiquitin" + again):
                known = set(os.listdir(directory))
                done = predict(place, query, device)
                came = [os.path.join(directory, name) for name in os.listdir(directory) if name not in known]
                learnt(entries=len(came), bytes=sum(map(size, came)), **done)
                if again and done["compiled"]:
                    names = sorted({name for name, _ in done["compiled"]})
                    raise RuntimeError("Triton has compiled again what is in its cache: %s" % ", ".join(names))
                if again:
                    learnt(told=told(before, done))
                before = done


def find(directory, device):
    """Whether Triton looks in this directory for what it has compiled."""
    import importlib.util

    names = ("openfold3", "triton") if device == "cuda" else ("openfold3",)
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise RuntimeError("%s is not installed" % name)
    if device != "cuda":
        return
    import triton

    try:
        place = triton.knobs.cache.dir
    except AttributeError:  # before 3.4
        from triton.runtime.cache import default_cache_dir

        place = os.environ.get("TRITON_CACHE_DIR", "").strip() or default_cache_dir()
    learnt(version=str(triton.__version__))
    if os.path.realpath(place) != os.path.realpath(directory):
        raise RuntimeError("Triton looks for it in %s, not in %s" % (place, directory))


def predict(place, query, device):
    """Make a prediction: what Triton compiled, how much it found compiled, and the seconds of the inference and of all."""
    with open(os.path.join(place, "weights.json")) as file:
        custom = json.load(file)
    kernels = dict.fromkeys(("use_cueq_triangle_kernels", "use_deepspeed_evo_attention", "use_lma"), False)
    custom["settings"] = {"memory": {"eval": {**kernels, "use_triton_triangle_kernels": device == "cuda"}}}
    settings = {"model_update": {"presets": ["predict"], "custom": custom}}
    if device != "cuda":
        settings["pl_trainer_args"] = {"accelerator": device}
    output = tempfile.mkdtemp(dir=place)
    order = {
        "output": output,
        "query": os.path.join(place, "query.json"),
        "weights": os.path.join(place, "weights.pt"),
        "runner": None,
        "defaults": {"data_module_args": {"num_workers": 0}},
        "settings": settings,
        "samples": SAMPLES,
        "merged": os.path.join(place, "runner.json"),
    }
    for name, text in (("query.json", query), ("order.json", json.dumps(order))):
        with open(os.path.join(place, name), "w", encoding="utf-8") as file:
            file.write(text)
    began = time.monotonic()
    lines = run(place, "predict.py", os.path.join(place, "order.json"))
    whole = time.monotonic() - began
    timings = glob.glob(os.path.join(glob.escape(output), "*", "seed_*", "timing.json"))
    if not timings or not glob.glob(os.path.join(glob.escape(os.path.dirname(timings[0])), "*_model.cif")):
        raise RuntimeError(complaint(output))
    with open(timings[0]) as file:
        seconds = json.load(file)["runtime_s"]
    compiled = [[line["kernel"], round(line["seconds"], 2)] for line in lines if "kernel" in line]
    found = sum(line["learnt"]["kernels"]["found"] for line in lines if "kernels" in line.get("learnt", ()))
    return {"inference": round(seconds, 2), "seconds": round(whole, 1), "compiled": compiled, "found": found}


def run(place, script, argument):
    """Run one of these scripts in a process of its own; the lines of its report."""
    reading, writing = os.pipe()
    environment = {**ENVIRONMENT, "SPARKDOCTOR_SAY": str(writing), "TMPDIR": place}
    environment["OPENFOLD_CACHE"] = os.path.join(place, "openfold3")  # the user's runner.yml would be merged, ckpt_root written
    with tempfile.TemporaryFile(dir=place) as printed:
        process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, script), argument],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
        )
        os.close(writing)
        with os.fdopen(reading) as report:
            lines = [json.loads(line) for line in report]
        status = process.wait()
        if status:
            printed.seek(max(0, printed.seek(0, os.SEEK_END) - SAID))
            words = printed.read().decode("utf-8", "backslashreplace")
            sys.stderr.write(words)
            last = [line.strip() for line in words.splitlines() if line.strip()][-1:]
            how = "it ended with status %d" % status if status > 0 else "it was ended by signal %d" % -status
            raise RuntimeError(": ".join([how, *last]) if status > 0 else how)
    return lines


def complaint(output):
    """Why there is no structure: OpenFold3 writes it down and ends as if all were well."""
    for path in glob.glob(os.path.join(glob.escape(output), "logs", "predict_err*.log")):
        with open(path, errors="replace") as file:
            lines = [line.strip() for line in file if line.strip() and not line.startswith((" ", "-", "="))]
        if lines:
            return "OpenFold3 made no structure: %s" % lines[-1]
    return "OpenFold3 made no structure"


def told(cold, warm):
    """What the first prediction cost, and what the second."""
    seconds = sum(seconds for _, seconds in cold["compiled"])
    compiled = "compiled %d kernels in %.1f s and took %.1f s" % (len(cold["compiled"]), seconds, cold["inference"])
    return "the first prediction %s, the second compiled none and took %.1f s" % (compiled, warm["inference"])


def size(path):
    """Bytes of the files in a directory."""
    return sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(path) for name in names)


if __name__ == "__main__":
    main(work)
