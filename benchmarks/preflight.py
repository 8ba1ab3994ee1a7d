"""What `sparkdoctor preflight` adds to the start of a command, in turn with the command alone; medians.

    python benchmarks/preflight.py [--runs 15] [--profile NAME|FILE] [--python PYTHON] [COMMAND…]

Run it with the Python that sparkdoctor is installed in. CPU time is user + system of the process and all its children; what is
measured ends where the command (default: true) does. A machine that the profile refuses is measured with
SPARKDOCTOR_PREFLIGHT=warn too, which shows the problems and starts the command. Beside it: what the environment switch
SPARKDOCTOR_PREFLIGHT=off leaves, and one quick check.
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
from pathlib import Path

from quick_check import DOCTOR, in_turn, median, show

HEALTHY = """schema = "sparkdoctor.profile/1"
name = "few"
[disk_gib]
failed = 0.000001
[stack_mib]
failed = 8
[severity]
driver-missing = "off"
nvcc-missing = "off"
python-headers-missing = "off"
torch-without-cuda = "off"
"""
"""Demands that any machine meets: the same questions are asked, since what is demanded of the answers costs next to nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--profile", metavar="NAME|FILE")
    parser.add_argument("--python", metavar="PYTHON")
    parser.add_argument("command", nargs="*", default=["true"], metavar="COMMAND")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {options.runs} runs each, in turn")

    with tempfile.NamedTemporaryFile("w", suffix=".toml") as few:
        few.write(HEALTHY)
        few.flush()
        given = ["--profile", options.profile or few.name, *(["--python", options.python] if options.python else [])]
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
        print(
            f"preflight adds to CPU time:       {statistics.median(pairs):.3f} s ({min(pairs):.3f} to {max(pairs):.3f})   (bound: 0.25)"
        )
        print(f"preflight adds to wall time:      {wall:.3f} s")

        # After exec there is nothing of us: one process, and no thread or child beside it.
        look = [sys.executable, "-c", "import os; print(os.listdir('/proc/self/task') == [str(os.getpid())])"]
        alone = subprocess.run([DOCTOR, "preflight", *given, "--", *look], capture_output=True, text=True, check=False)
        print(f"after exec the command is alone:  {alone.stdout.strip() or 'it was not started'}")


if __name__ == "__main__":
    assert Path(DOCTOR).exists(), DOCTOR
    main()
