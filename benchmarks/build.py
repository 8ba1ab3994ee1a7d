"""Builds in a container with little memory: bare, with each fixed number of jobs, and under `sparkdoctor build`.

python benchmarks/build.py [--memory 3g] [--runs 1] [--most 4] [--project DIR --mount PATH …]

Needs root, podman, runc and debootstrap, as the tests marked `containers` do. Without --project a C++ set is made whose units
need known memory (300 MB to 1.4 GB); DIR is any directory with a build.ninja, and what that needs lies below the PATHs, which are
mounted where they are. `--plenty` measures what sparkdoctor costs a build that needs no help: no limit, bare and watched in turn.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from containers import Containers, image, podman, reason

PER_MB = 4040
"""Elements of an array of int for which g++ 12 takes a megabyte."""
SIZES = (300, 300, 1400, 300, 700, 300, 1400, 300, 700, 300, 300, 1400, 300, 300, 700, 300, 300, 1400, 300, 300)
SMALL = (200,) * 60
"""Half a minute and more on two processors."""
RUN = """\
import os, shutil, subprocess, sys, time
subprocess.run(["ninja", "-t", "clean"], stdout=subprocess.DEVNULL)
began, used = time.monotonic(), 0
build = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=open("log", "w"))
while build.poll() is None:
    fields = open(f"/proc/{build.pid}/stat").read().rpartition(")")[2].split()
    used = used if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    time.sleep(0.02)
print("took", time.monotonic() - began, build.returncode, used)
"""


def project(place: Path, sizes: tuple[int, ...]) -> None:
    """A set of C++ files, each of which takes about so many MB to compile, and the build.ninja for them."""
    lines = ["rule cc", "  command = g++ -O0 -c $in -o $out"]
    for number, size in enumerate(sizes):
        numbers = ",".join(map(str, range((size - 25) * PER_MB)))
        (place / f"unit{number}_{size}.cpp").write_text(f"int unit{number}[]={{{numbers}}};\n")
        lines.append(f"build unit{number}.o: cc unit{number}_{size}.cpp")
    (place / "build.ninja").write_text("\n".join(lines) + "\n")


def timed(box: Containers, place: Path, options: list[str], *command: str) -> tuple[float, int, float]:
    """Seconds and exit status of a build in a fresh container, and CPU seconds of its first process, without its children."""
    ended = box.run("python3", "-c", RUN, *command, options=["-v", f"{place}:/build", "-w", "/build", *options], timeout=3600)
    word = [line.split() for line in ended.stdout.splitlines() if line.startswith("took ")]
    return (float(word[0][1]), int(word[0][2]), float(word[0][3])) if word else (float("nan"), ended.returncode, float("nan"))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", default="3g")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--most", type=int, default=4)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--mount", action="append", default=[])
    parser.add_argument("--plenty", action="store_true")
    given = parser.parse_args()
    if why := reason():
        print(why)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        box = Containers(image(Path(scratch)))
        try:
            place = given.project or Path(scratch)
            if not given.project:
                project(place, SMALL if given.plenty else SIZES)
            options = [word for path in given.mount for word in ("-v", f"{path}:{path}:ro")]
            watched = ("sparkdoctor", "build", "--report", "report.json", "--", "ninja")
            if given.plenty:
                compare(box, place, options, given.runs, watched)
            else:
                limited(box, place, [*options, "--memory", given.memory, "--memory-swap", given.memory], given, watched)
        finally:
            podman("rmi", "--force", box.image)
    return 0


def compare(box: Containers, place: Path, options: list[str], runs: int, watched: tuple[str, ...]) -> None:
    found: dict[str, list[float]] = {"bare": [], "watched": []}
    for _ in range(runs):
        for name, command in (("bare", ("ninja",)), ("watched", watched)):
            seconds, code, used = timed(box, place, options, *command)
            found[name].append(seconds)
            print(f"{name}: {seconds:.2f} s, exit status {code}, {used:.2f} s of CPU time itself", flush=True)
    bare, ours = (statistics.median(times) for times in found.values())
    print(f"medians: bare {bare:.2f} s, watched {ours:.2f} s: {100 * (ours / bare - 1):+.1f} %")


def limited(box: Containers, place: Path, options: list[str], given: argparse.Namespace, watched: tuple[str, ...]) -> None:
    best: dict[str, float] = {}
    commands = {"ninja": ("ninja",), **{f"ninja -j{count}": ("ninja", f"-j{count}") for count in range(1, given.most + 1)}}
    for _ in range(given.runs):
        for name, command in {**commands, "sparkdoctor build -- ninja": watched}.items():
            seconds, code, _ = timed(box, place, options, *command)
            said = (place / "log").read_text(errors="replace")
            print(f"{name}: {seconds:.1f} s, exit status {code}{', killed' if 'Killed' in said else ''}", flush=True)
            if code == 0:
                best.setdefault(name, seconds)
                best[name] = min(best[name], seconds)
    print((place / "log").read_text(errors="replace"))
    fixed = {name: seconds for name, seconds in best.items() if name.startswith("ninja -j")}
    if fixed and (ours := best.get("sparkdoctor build -- ninja")):
        winner = min(fixed, key=fixed.__getitem__)
        print(f"sparkdoctor build: {ours:.1f} s, best fixed count ({winner}): {fixed[winner]:.1f} s: {ours / fixed[winner]:.2f}")


if __name__ == "__main__":
    sys.exit(main())
