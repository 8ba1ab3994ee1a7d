"""What `sparkdoctor preflight` adds to the start of a command, in turn with the command alone; medians.

    python benchmarks/preflight.py [--runs 15] [--profile NAME|FILE] [--python PYTHON] [COMMAND…]

Run it with the Python that sparkdoctor is installed in. CPU time is user + system of the process and all its children; what is
measured ends where the command (default: true) does. Without --profile it is dgx-spark, less what fails on this machine. Beside
it: SPARKDOCTOR_PREFLIGHT=warn, off, and one quick check.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

from quick_check import DOCTOR, in_turn, median, show

DEMANDS = """schema = "sparkdoctor.profile/1"
name = "met"
extends = "dgx-spark"
[severity]
"""


def met(python: Sequence[str]) -> str:
    """A profile that this machine meets: dgx-spark without what fails here. Nothing that is asked is left out by that."""
    ended = subprocess.run([DOCTOR, "check", "--format", "json", *python], capture_output=True, check=False)
    results = json.loads(ended.stdout)["results"]
    return DEMANDS + "".join(f'{result["id"]} = "off"\n' for result in results if result["status"] == "failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--profile", metavar="NAME|FILE")
    parser.add_argument("--python", metavar="PYTHON")
    parser.add_argument("command", nargs="*", default=["true"], metavar="COMMAND")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {options.runs} runs each, in turn")

    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        python = ["--python", options.python] if options.python else []
        file.write(met(python))
        file.flush()
        given = ["--profile", options.profile or file.name, *python]
        preflight = [DOCTOR, "preflight", *given, "--", *options.command]
        said = subprocess.run(preflight, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        print(textwrap.indent(said.stderr.strip(), "  | "))
        env = shutil.which("env") or "/usr/bin/env"
        found = in_turn(
            {
                "the command": options.command,
                "preflight -- command": preflight,
                "  SPARKDOCTOR_PREFLIGHT=warn": [env, "SPARKDOCTOR_PREFLIGHT=warn", *preflight],
                "  SPARKDOCTOR_PREFLIGHT=off": [env, "SPARKDOCTOR_PREFLIGHT=off", *preflight],
                "sparkdoctor check": [DOCTOR, "check", *given],
            },
            options.runs,
        )
        show(found)
        pairs = [ours.cpu - bare.cpu for ours, bare in zip(found["preflight -- command"], found["the command"], strict=True)]
        wall = median(found["preflight -- command"], "wall") - median(found["the command"], "wall")
        spread = f"{statistics.median(pairs):.3f} s ({min(pairs):.3f} to {max(pairs):.3f})"
        print(f"preflight adds to CPU time:       {spread}   (bound: 0.25)")
        print(f"preflight adds to wall time:      {wall:.3f} s")

        # After exec there is nothing of us: one process, and no thread or child beside it.
        look = [sys.executable, "-c", "import os; print(os.listdir('/proc/self/task') == [str(os.getpid())])"]
        alone = subprocess.run([DOCTOR, "preflight", *given, "--", *look], capture_output=True, text=True, check=False)
        print(f"after exec the command is alone:  {alone.stdout.strip() or 'it was not started'}")


if __name__ == "__main__":
    assert Path(DOCTOR).exists(), DOCTOR
    main()
