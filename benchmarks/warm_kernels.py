"""What `sparkdoctor fix warm-kernels` costs beside DeepSpeed's own build of evoformer_attn at first use.

    python benchmarks/warm_kernels.py [--python PATH] [--profile hopper] [--only theirs|ours] [--results FILE] [--format json]

Each builds in a fresh TORCH_EXTENSIONS_DIR, on a machine with a GPU, DeepSpeed and CUTLASS: DeepSpeed by its own `load` with
nothing set for nvcc, sparkdoctor by its command. Wall time is that of the whole process, imports and proofs included. The
memory of all compilers together is sampled in the same way for both, every 0.2 s. Afterwards a new process loads each library
as DeepSpeed does and compares it with float64. A build takes minutes: with --results one can be measured now and the other later.

Ends with 1 where a bound is broken.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any

from sparkdoctor import compiling
from sparkdoctor.host import PATIENT

RATIO, WARM, NOISE = 0.45, 0.1, 1.1
"""Bounds: of the wall time, of a warm load in seconds, and of the error (the bias' gradient is summed up in any order)."""
INTERVAL = 0.2
COLD = "from deepspeed.ops.op_builder import EvoformerAttnBuilder; EvoformerAttnBuilder().load()"
PROOF = """
import json, sys
sys.path.insert(0, sys.argv[1])
import evoformer
evoformer.openfold3()
import torch, deepspeed
found = evoformer.load("cuda")
found["errors"] = {kind: evoformer.errors(torch, kind, "cuda") for kind in ("bfloat16", "float16")}
from deepspeed.ops.deepspeed4science import DS4Sci_EvoformerAttention
def inputs(*shape):
    return torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=True)
values = [inputs(1, 128, 256, 4, 32) for _ in range(3)]
biases = [inputs(1, 128, 1, 1, 256), inputs(1, 1, 4, 256, 256)]
times = []
for _ in range(30):
    ends = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
    ends[0].record()
    DS4Sci_EvoformerAttention(*values, list(biases)).sum().backward()
    ends[1].record()
    torch.cuda.synchronize()
    times.append(ends[0].elapsed_time(ends[1]))
found["milliseconds"] = sorted(times)[len(times) // 2]
print("PROOF " + json.dumps(found))
"""


def measured(command: list[str], env: dict[str, str]) -> dict[str, Any]:
    """Wall time of a command, and the peak of the memory of all compilers below it."""
    peak, units = 0, 0
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        while True:
            found = compiling.look(child.pid)
            peak, units = max(peak, found.memory), max(units, len(found.units))
            try:
                child.wait(INTERVAL)
                break
            except subprocess.TimeoutExpired:
                pass
        seconds = time.perf_counter() - began
        said.seek(0)
        text = said.read()
    return {"seconds": round(seconds, 1), "peak": peak, "units": units, "code": child.returncode, "said": text[-20_000:]}


def side(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One of the two builds, and what a new process finds of it."""
    place = tempfile.mkdtemp(prefix=f"warm-{name}-", dir=options.place)
    ours = name == "ours"
    dropped = () if ours else ("NVCC_APPEND_FLAGS", "NVCC_PREPEND_FLAGS", "MAX_JOBS", "DS_NVCC_THREADS")
    env = {key: value for key, value in os.environ.items() if key not in dropped} | {"TORCH_EXTENSIONS_DIR": place}
    doctor = ["fix", "warm-kernels", "--yes", "--format", "json", "--profile", options.profile, "--python", options.python]
    try:
        found = measured([options.sparkdoctor, *doctor] if ours else [options.python, "-c", COLD], env)
        library = os.path.join(place, "evoformer_attn", "evoformer_attn.so")
        if not os.path.exists(library):
            sys.exit(f"{name}: nothing was built (status {found['code']}):\n{found['said']}")
        found["bytes"] = os.path.getsize(library)
        # With what the user's programs have: nothing that the build alone was given.
        ran = subprocess.run([options.python, "-c", PROOF, PATIENT], env=env, capture_output=True, text=True, check=False)
        proof = next((line.removeprefix("PROOF ") for line in ran.stdout.splitlines() if line.startswith("PROOF ")), None)
        if proof is None:
            sys.exit(f"{name}: its library cannot be proven:\n{ran.stderr[-4000:]}")
        return found | {"load": json.loads(proof)}
    finally:
        shutil.rmtree(place, ignore_errors=True)


def worst(found: dict[str, Any]) -> dict[str, float]:
    return {f"{kind} {part}": error for kind, parts in found["load"]["errors"].items() for part, error in parts.items()}


def warm(found: dict[str, Any]) -> bool:
    return "ninja: no work to do" in found["load"]["said"] and found["load"]["seconds"] < WARM


def judged(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """What was found of each bound, and whether it holds."""
    ratio, mine, other = ours["seconds"] / theirs["seconds"], worst(ours), worst(theirs)
    higher = {name: error / other[name] for name, error in mine.items()}
    name = max(higher, key=lambda key: higher[key])
    return {
        f"wall time, at most {RATIO} of theirs": (f"{ratio:.3f}", ratio <= RATIO),
        "peak memory of all compilers, at most theirs": (f"{ours['peak'] / theirs['peak']:.3f}", ours["peak"] <= theirs["peak"]),
        f"relative errors, at most {NOISE} of theirs": (f"{higher[name]:.3f} ({name})", higher[name] <= NOISE),
        f"DeepSpeed loads ours without building, in less than {WARM} s": (f"{ours['load']['seconds']:.3f} s", warm(ours)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--profile", default="dgx-spark")
    parser.add_argument("--sparkdoctor", default=shutil.which("sparkdoctor"))
    parser.add_argument("--only", choices=("theirs", "ours"))
    parser.add_argument("--results", help="a file of results: what it holds of the other side is used, what is found is added")
    parser.add_argument("--place", help="where the fresh directories are made")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    options = parser.parse_args()
    if options.sparkdoctor is None:
        sys.exit("sparkdoctor is not on PATH")
    found: dict[str, Any] = {}
    if options.results and os.path.exists(options.results):
        with open(options.results, encoding="utf-8") as file:
            found = json.load(file)
    for name in ("theirs", "ours"):
        if options.only == name or (options.only is None and name not in found):
            found[name] = side(name, options)
            if options.results:
                with open(options.results, "w", encoding="utf-8") as file:
                    json.dump(found, file, indent=1)
    verdict = judged(found["theirs"], found["ours"]) if len(found) > 1 else {}
    if options.format == "json":
        print(
            json.dumps(
                {**found, "bounds": {name: {"found": text, "holds": ok} for name, (text, ok) in verdict.items()}}, indent=1
            )
        )
    else:
        table(found, verdict)
    sys.exit(0 if all(ok for _, ok in verdict.values()) else 1)


def table(found: dict[str, Any], verdict: dict[str, tuple[str, bool]]) -> None:
    print(f"{'':34}" + "".join(f"{name:>12}" for name in found))
    rows = {
        "wall time, s": lambda one: f"{one['seconds']:.1f}",
        "peak of all compilers, GiB": lambda one: f"{one['peak'] / (1 << 30):.2f}",
        "files compiled at once": lambda one: str(one["units"]),
        "library, MiB": lambda one: f"{one['bytes'] / (1 << 20):.1f}",
        "load in a new process, s": lambda one: f"{one['load']['seconds']:.3f}",
        "forward and backward, ms": lambda one: f"{one['load']['milliseconds']:.3f}",
    }
    for title, show in rows.items():
        print(f"{title:34}" + "".join(f"{show(one):>12}" for one in found.values()))
    for name in worst(next(iter(found.values()))):
        print(f"{'error, ' + name:34}" + "".join(f"{worst(one)[name]:>12.2e}" for one in found.values()))
    for name, (text, ok) in verdict.items():
        print(f"{'✓' if ok else '✗'} {name}: {text}")


if __name__ == "__main__":
    main()
