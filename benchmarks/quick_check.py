"""What a quick check costs, beside things that everybody knows; all in one run, in turn, medians.

    python benchmarks/quick_check.py [--runs 15] [--torch PYTHON]

Run it with the Python that sparkdoctor is installed in. With --torch (a Python that has torch; default: python3 where that
has it) the check is also measured against `python -m torch.utils.collect_env`. CPU time is user + system of the process
and all its children; memory is the peak of the largest process.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

IMPORTS = "import click, rich.console, rich.table, packaging.version, pynvml"
DOCTOR = str(Path(sys.executable).with_name("sparkdoctor"))


STAGES = """
import resource, time
marks = [("Python itself", time.process_time())]
def mark(name): marks.append((name, time.process_time()))
import click
mark("import click")
import rich.console, rich.text
mark("import rich")
import sparkdoctor.cli.check, sparkdoctor.render.terminal
mark("import the engine")
from sparkdoctor import doctor, profiles
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.registry import Registry
machine = Machine(LocalHost(), profiles.load("dgx-spark"))
registry = Registry.load()
mark("import the checks")
report = doctor.diagnose(machine, registry, doctor.select(registry))
mark("ask and judge")
sparkdoctor.render.terminal.render(report, verbose=False, to_file=False)
mark("render")
before = 0.0
for name, now in marks:
    print(f"  {name:<34} cpu {1000 * (now - before):7.1f} ms")
    before = now
children = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"  {'child processes':<34} cpu {1000 * (children.ru_utime + children.ru_stime):7.1f} ms")
"""
"""Where the time goes, stage by stage, in one process."""


class Cost(NamedTuple):
    cpu: float
    wall: float
    peak_mib: float


def cost(argv: Sequence[str], env: dict[str, str] | None = None) -> Cost:
    started = time.perf_counter()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    _, _, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - started, usage.ru_maxrss / 1024)


def in_turn(commands: dict[str, Sequence[str]], runs: int, env: dict[str, str] | None = None) -> dict[str, list[Cost]]:
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, argv in commands.items():
            spent = cost(argv, env)
            if number:  # the first warms the file cache
                found[name].append(spent)
    return found


def median(costs: list[Cost], field: str) -> float:
    return statistics.median(getattr(spent, field) for spent in costs)


def show(found: dict[str, list[Cost]]) -> None:
    for name, costs in found.items():
        cpu, wall, peak = (median(costs, field) for field in Cost._fields)
        print(f"  {name:<34} cpu {cpu:7.3f} s   wall {wall:7.3f} s   peak {peak:5.0f} MiB")


def ratio(found: dict[str, list[Cost]], ours: str, theirs: str, field: str) -> str:
    pairs = [getattr(a, field) / getattr(b, field) for a, b in zip(found[ours], found[theirs], strict=True)]
    return f"{statistics.median(pairs):.3f} (median of {len(pairs)} pairs, {min(pairs):.3f} to {max(pairs):.3f})"


def many_checks(folder: Path, number: int) -> dict[str, str]:
    """A plugin of `number` trivial checks; the environment in which it is installed."""
    metadata = folder / "many-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: many\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[sparkdoctor.plugins]\nmany = many\n")
    body = "".join(
        f'@check\ndef many_{n}(system: System) -> Verdict:\n    """Fine."""\n    return ok("fine")\n\n' for n in range(number)
    )
    (folder / "many.py").write_text(
        "from sparkdoctor.facts import System\nfrom sparkdoctor.plugin import Verdict, check, ok\n\n" + body
    )
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=True)
    return {**os.environ, "PYTHONPATH": str(folder)}


def main() -> None:
    parser = argparse.ArgumentParser(description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--torch", default=shutil.which("python3"), metavar="PYTHON")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {options.runs} runs each, in turn")

    found = in_turn(
        {
            "python -c pass": [sys.executable, "-c", "pass"],
            "python -c 'import click, rich, …'": [sys.executable, "-c", IMPORTS],
            "sparkdoctor check": [DOCTOR, "check"],
            "sparkdoctor check --format json": [DOCTOR, "check", "--format", "json"],
        },
        options.runs,
    )
    show(found)
    imports = "python -c 'import click, rich, …'"
    print(f"CPU time, check / imports:        {ratio(found, 'sparkdoctor check', imports, 'cpu')}   (bound: 2.0)")
    print(f"CPU time, check json / imports:   {ratio(found, 'sparkdoctor check --format json', imports, 'cpu')}")
    print(f"Peak memory of a check:           {median(found['sparkdoctor check'], 'peak_mib'):.0f} MiB   (bound: 60)")

    print("Where the time of one check goes:", flush=True)
    subprocess.run([sys.executable, "-c", STAGES], check=True)

    with tempfile.TemporaryDirectory() as folder:
        env = many_checks(Path(folder), 1000)
        more = in_turn({"with 1,000 more checks": [DOCTOR, "check", "--format", "json"]}, max(3, options.runs // 3), env)
    show(more)
    added = median(more["with 1,000 more checks"], "wall") - median(found["sparkdoctor check --format json"], "wall")
    print(f"1,000 more checks add:            {added:.3f} s of wall time   (bound: 0.3)")

    has_torch = "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)"
    if not shutil.which(options.torch or "") or subprocess.run([options.torch, "-c", has_torch], check=False).returncode:
        print("no torch: not measured against torch.utils.collect_env")
        return
    peers = in_turn(
        {
            "sparkdoctor check": [DOCTOR, "check", "--python", options.torch],
            "python -m torch.utils.collect_env": [options.torch, "-m", "torch.utils.collect_env"],
        },
        max(3, options.runs // 3),
    )
    show(peers)
    found_ratio = ratio(peers, "python -m torch.utils.collect_env", "sparkdoctor check", "wall")
    print(f"Wall time, collect_env / check:   {found_ratio}   (bound on a machine with a GPU: 25)")


if __name__ == "__main__":
    main()
