"""Has OpenFold3 predict ubiquitin, so that Triton compiles what a prediction needs, and then again, when it must compile nothing.

The arguments are the directory of Triton's cache, which is there, and the device (cuda). Each prediction is a process of its own
(patient/ubiquitin.py) and OpenFold3's own code from the query on; the weights are random, and of a model of one block each:
kernels go by the shapes and the kinds of numbers, which are those of the whole model.
"""

import json
import os
import select
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from steps import attempt, learnt, main

ENVIRONMENT, PREDICTION = dict(os.environ), os.path.join(os.path.dirname(os.path.abspath(__file__)), "ubiquitin.py")
"""As this process was started; the packages change it."""
PATIENCE = 900
"""Seconds for one step of a prediction."""


def work(directory, device="cuda"):
    with attempt("find Triton's cache"):
        find(directory, device)
    before = {}
    with tempfile.TemporaryDirectory(prefix="sparkdoctor-") as place:
        # Its runner.yml would be merged, and its ckpt_root written.
        own = {"TMPDIR": place, "OPENFOLD_CACHE": os.path.join(place, "openfold3")}
        for again in ("", " again"):
            known = set(os.listdir(directory))
            process = subprocess.Popen(
                [sys.executable, "-B", PREDICTION, place, device],
                env={**ENVIRONMENT, **own},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
            try:
                with attempt("start OpenFold3" + again):
                    learnt(**answer(process))
                with attempt("predict ubiquitin" + again):
                    done = answer(process)
                    came = [os.path.join(directory, name) for name in os.listdir(directory) if name not in known]
                    learnt(entries=len(came), bytes=sum(map(size, came)), **done)
                    if again and done["compiled"]:
                        names = sorted({name for name, _ in done["compiled"]})
                        raise RuntimeError("Triton has compiled again what is in its cache: %s" % ", ".join(names))
                    if again:
                        learnt(told=told(before, done))
                    before = done
            finally:
                process.kill()
                process.wait()


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


def told(cold, warm):
    """What the first prediction cost, and what the second."""
    seconds = sum(seconds for _, seconds in cold["compiled"])
    compiled = "compiled %d kernels in %.1f s and took %.1f s" % (len(cold["compiled"]), seconds, cold["inference"])
    return "the first prediction %s, the second compiled none and took %.1f s" % (compiled, warm["inference"])


def size(path):
    """Bytes of the files in a directory."""
    return sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(path) for name in names)


def answer(process):
    """The next line of a prediction."""
    if not select.select([process.stdout], [], [], PATIENCE)[0]:
        raise RuntimeError("it did not answer in %d s" % PATIENCE)
    line = process.stdout.readline()
    said = json.loads(line) if line else {"error": "it ended with status %s" % process.wait()}
    if "error" in said:
        raise RuntimeError(said["error"])
    return said


if __name__ == "__main__":
    main(work)
