"""`sparkdoctor build` in real containers: real compilers, real limits, process 1."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from containers import Containers, podman

pytestmark = pytest.mark.containers
PER_MB = 4040
"""Elements of an array of int for which g++ 12 takes a megabyte."""
SIZES = (200, 180, 200, 180, 200, 180, 200, 180)
"""What a compiler takes for each file of the project, in MB, about."""
LIMIT = 480
"""MB: enough for each two of them; for each three it is not."""
SAMPLER = """\
import json, os, subprocess, sys, time
group = "/sys/fs/cgroup/memory/"
if os.path.exists(group):
    names = group + "memory.limit_in_bytes", group + "memory.usage_in_bytes", group + "memory.stat", "total_inactive_file"
else:
    group = "/sys/fs/cgroup/"
    names = group + "memory.max", group + "memory.current", group + "memory.stat", "inactive_file"
limit = int(open(names[0]).read())
reserve = int(sys.argv[1])
def free():
    return limit - int(open(names[1]).read()) + int(dict(map(str.split, open(names[2])))[names[3]])
def others():
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        if int(entry) not in (1, os.getpid()):
            try:
                found.append(open(f"/proc/{entry}/stat").read().split(")")[0])
            except OSError:
                pass
    return found
build = subprocess.Popen(sys.argv[2:])
crossed, least = None, limit
while build.poll() is None:
    least = min(least, now := free())
    if crossed is None and now < reserve:
        crossed = time.monotonic()
    time.sleep(0.005)
took = None if crossed is None else time.monotonic() - crossed
print(json.dumps({"status": build.returncode, "after": took, "least": least, "others": others()}), flush=True)
"""
GROWS = """\
#!/usr/bin/env python3
import os, signal, sys, time
if "deaf" in sys.argv:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
kept = []
while True:
    kept.append(bytearray(b"x") * 6_000_000)
    time.sleep(0.02)
"""
BOMB = """\
template<unsigned long a, unsigned long d> struct T { static constexpr int v = T<a * 2, d + 1>::v + T<a * 2 + 1, d + 1>::v; };
template<unsigned long a> struct T<a, 60> { static constexpr int v = 1; };
int x = T<1, 0>::v;
"""


class Ended(NamedTuple):
    """A build that was sampled: its status, seconds from the crossing of the reserve to its end, bytes, who was left."""

    status: int
    after: float | None
    least: int
    others: list[str]
    stderr: str
    report: dict[str, Any]


class Box:
    """A project of C++ files with known appetite, in containers with little memory."""

    def __init__(self, containers: Containers, place: Path) -> None:
        self.containers, self.place = containers, place
        place.chmod(0o755)
        (place / "sample.py").write_text(SAMPLER)

    def project(self) -> None:
        """Files, and what builds them: ninja, make, and a script that starts all compilers at once."""
        rules, objects = ["rule cc", "  command = g++ -O0 -c $in -o $out"], []
        for number, size in enumerate(SIZES):
            name = f"unit{number}_{size}"
            numbers = ",".join(map(str, range((size - 25) * PER_MB)))
            (self.place / f"{name}.cpp").write_text(f"int unit{number}[]={{{numbers}}};\n")
            rules.append(f"build {name}.o: cc {name}.cpp")
            objects.append(f"{name}.o")
        (self.place / "build.ninja").write_text("\n".join(rules) + "\n")
        (self.place / "Makefile").write_text(f"all: {' '.join(objects)}\n%.o: %.cpp\n\tg++ -O0 -c $< -o $@\n")
        (self.place / "go.py").write_text(
            "import glob, subprocess, sys\n"
            "began = [subprocess.Popen(['g++', '-O0', '-c', name, '-o', name + '.o']) for name in sorted(glob.glob('*.cpp'))]\n"
            "sys.exit(max(abs(one.wait()) for one in began))\n"
        )

    def program(self, name: str, text: str) -> str:
        (self.place / name).write_text(text)
        (self.place / name).chmod(0o755)
        return f"/given/{name}"

    def options(self, megabytes: int, *more: str) -> tuple[str, ...]:
        limit = ("--memory", f"{megabytes}m", "--memory-swap", f"{megabytes}m")
        return ("-v", f"{self.place}:/given", "-w", "/given", *limit, *more)

    def run(self, *command: str, megabytes: int = LIMIT, options: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
        return self.containers.run(*command, options=self.options(megabytes, *options))

    def sampled(self, *command: str, megabytes: int) -> Ended:
        """Run `sparkdoctor build -- COMMAND` and measure from outside of it."""
        reserve = megabytes * (1 << 20) // 16
        ended = self.run(
            *("python3", "sample.py", str(reserve), "sparkdoctor", "build", "--report", "report.json", "--", *command),
            megabytes=megabytes,
        )
        found = json.loads(ended.stdout.splitlines()[-1])
        assert "Traceback" not in ended.stderr
        report = json.loads((self.place / "report.json").read_text())
        return Ended(found["status"], found["after"], found["least"], found["others"], ended.stderr, report)


@pytest.fixture
def box(containers: Containers, tmp_path: Path) -> Box:
    return Box(containers, tmp_path)


# --- what dies without, and lives with


@pytest.mark.parametrize(
    "command",
    [("ninja", "-j4"), ("make", "-j4"), ("sh", "-c", "cd /given && make -j4"), ("python3", "go.py")],
    ids=["ninja", "make", "make in a shell", "a script"],
)
def test_a_build_that_the_kernel_kills_finishes(box: Box, command: tuple[str, ...]) -> None:
    box.project()
    bare = box.run(*command)
    assert bare.returncode != 0
    assert "Killed" in bare.stdout + bare.stderr
    for made in box.place.glob("*.o"):
        made.unlink()
    watched = box.run("sparkdoctor", "build", "--report", "report.json", "--", *command)
    assert watched.returncode == 0, watched.stderr
    assert len(list(box.place.glob("*.o"))) == len(SIZES)
    report = json.loads((box.place / "report.json").read_text())
    assert report["memory"]["oom_kills"] == 0
    assert report["memory"]["limit"] == "container"
    assert report["memory"]["budget"] < LIMIT << 20
    assert report["diagnosis"]["id"] == "too-many-jobs"
    assert {unit["name"] for unit in report["units"]} == {name.name for name in box.place.glob("*.cpp")}
    for unit in report["units"]:
        size = int(unit["name"].partition("_")[2].partition(".")[0])
        assert 0.8 * size < unit["peak"] / 1e6 < 1.25 * size, unit


# --- a compiler that runs away


@pytest.mark.parametrize("how", ["alone", "deaf", "among small ones"])
def test_a_compiler_without_bound_is_ended_soon(box: Box, how: str) -> None:
    deaf = " deaf" if how == "deaf" else ""
    cicc = box.program("cicc", GROWS)
    nvcc = box.program("nvcc", f"#!/bin/sh\ntrap '' TERM\n{cicc} \"$2\"{deaf}\n" if deaf else f'#!/bin/sh\n{cicc} "$2"\n')
    command: tuple[str, ...] = (nvcc, "-c", "attention.cu")
    if how == "among small ones":
        box.project()
        (box.place / "attention.cu").write_text("")
        rules = (box.place / "build.ninja").read_text()
        (box.place / "build.ninja").write_text(f"rule nvcc\n  command = {nvcc} -c $in\nbuild x: nvcc attention.cu\n{rules}")
        command = ("ninja", "-j4")
    ended = box.sampled(*command, megabytes=700)
    assert ended.status == 1
    assert ended.after is not None
    assert ended.after < 2
    assert ended.least > 0
    assert ended.others == []
    assert ended.report["memory"]["oom_kills"] == 0
    assert ended.report["exit"]["ended"].startswith("attention.cu: cicc has taken ")
    assert ended.report["diagnosis"]["id"] == "too-large"
    assert "attention.cu: cicc has taken" in " ".join(ended.stderr.split())


def test_a_template_without_bound_is_ended_and_leaves_nothing_behind(box: Box) -> None:
    (box.place / "bomb.cpp").write_text(BOMB)
    build = "TMPDIR=/given/tmp g++ -ftemplate-depth=100000 -c /given/bomb.cpp -o bomb.o"
    (box.place / "tmp").mkdir()
    ended = box.sampled("sh", "-c", build, megabytes=300)
    assert (ended.status, ended.others) == (1, [])
    assert ended.after is not None
    assert ended.after < 2
    assert "cc1plus has taken" in ended.report["exit"]["ended"]
    assert not list((box.place / "tmp").iterdir())
    assert not (box.place / "bomb.o").exists()


# --- process 1


TERM = """\
import os, signal, sys, time
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
for _ in range(5):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.3)
        os._exit(0)
    os.wait()
print("ready", flush=True)
while not heard:
    time.sleep(0.01)
time.sleep(0.6)
states = [open(f"/proc/{entry}/stat").read().rpartition(")")[2].split()[0] for entry in os.listdir("/proc") if entry.isdecimal()]
print(len(heard), states.count("Z"), flush=True)
sys.exit(40 + len(heard))
"""


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["", "with an init before it"])
def test_to_stop_the_container_is_to_stop_the_command(box: Box, init: tuple[str, ...]) -> None:
    with box.containers.start("sparkdoctor", "build", "--", "python3", "-c", TERM, options=init) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        podman("stop", "--time", "20", box.containers.last)
        assert child.wait(30) == 41
        assert child.stdout.read() == b"1 0\n"


@pytest.mark.parametrize("init", [(), ("--init",)], ids=["", "with an init before it"])
def test_a_command_that_dies_of_a_signal_is_told_as_shells_do(box: Box, init: tuple[str, ...]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
        ended = box.run("sparkdoctor", "build", "--", "sh", "-c", f"kill -{number.value} $$", options=init)
        assert (ended.returncode, ended.stderr) == (128 + number, "")


def test_a_bare_container_does(box: Box) -> None:
    """No home, nothing writable, no root, no capabilities, many variables, few processes."""
    bare = ("--read-only", "--read-only-tmpfs=false", "--user", "1000:1000", "--unsetenv", "HOME", "--cap-drop=ALL")
    many = [word for number in range(1000) for word in ("-e", f"VARIABLE_{number}=value {number}")]
    (box.place / "x.cpp").write_text("#include <vector>\nint x;\n")
    line = "g++ -fsyntax-only x.cpp && env | grep -c ^VARIABLE_ && id -u && exit 7"
    ended = box.run(
        "sparkdoctor",
        "build",
        "--",
        "sh",
        "-c",
        line,
        options=(*bare, "--pids-limit", "16", "--security-opt=no-new-privileges", *many),
    )
    assert (ended.stdout.split(), ended.returncode) == (["1000", "1000"], 7), ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_place_for_a_watchdog_is_a_line(box: Box) -> None:
    ended = box.run("sparkdoctor", "build", "--", "true", options=("--pids-limit", "1"))
    assert ended.returncode == 2
    assert ended.stderr.startswith("sparkdoctor: true: it could not be started")
    assert len(ended.stderr.splitlines()) == 1


def test_who_belongs_to_another_is_left_alone(box: Box) -> None:
    """A job that may not be signalled runs on; the others are held as ever."""
    box.program("make", '#!/bin/sh\n[ "$1" = --version ] && exit\nfor i in 1 2 3; do /given/cc -c "unit$i.c" & done\nwait\n')
    box.program("cc", "#!/bin/sh\ncase $2 in unit1.c) exec /bin/owned 2;; esac\nexec sleep 0.5\n")
    line = (
        "cp /bin/sleep /bin/owned && chmod 4755 /bin/owned && "
        "exec setpriv --reuid 1000 --regid 1000 --clear-groups sparkdoctor build --jobs 1 -- ./make"
    )
    ended = box.run("sh", "-c", line)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_input_and_a_terminal_pass(box: Box) -> None:
    ended = box.containers.run("sparkdoctor", "build", "--", "cat", options=("-i",), stdin="said")
    assert (ended.stdout, ended.returncode) == ("said", 0)
    argv = box.containers.argv(
        "sparkdoctor", "build", "--", "sh", "-c", "test -t 0 && test -t 2; sleep 1.3; exit 6", options=("-it",)
    )
    pid, terminal = os.forkpty()
    if pid == 0:
        os.execvpe(argv[0], argv, {**os.environ, "TERM": "xterm"})
    said = b""
    try:
        while chunk := os.read(terminal, 4096):
            said += chunk
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 6
    os.close(terminal)
    if b"sparkdoctor 0:01" in said:  # podman gives it a terminal of some size
        assert b"\x1b[r" in said


# --- cost


def test_a_build_that_needs_no_help_costs_next_to_nothing(box: Box) -> None:
    """In CPU time of its own: wall time is the machine's."""
    (box.place / "work.sh").write_text("i=0; while [ $i -lt 1500 ]; do /bin/true -c x$i.c; i=$((i+1)); done; sleep 8\n")
    code = (
        "import subprocess, sys, time\nbuild = subprocess.Popen(sys.argv[1:])\nused, began = 0, time.monotonic()\n"
        "while build.poll() is None:\n    fields = open(f'/proc/{build.pid}/stat').read().rpartition(')')[2].split()\n"
        "    used = int(fields[11]) + int(fields[12]) if fields[0] != 'Z' else used\n    time.sleep(0.02)\n"
        "print(used / 100, time.monotonic() - began)\n"
    )
    ended = box.run("python3", "-c", code, "sparkdoctor", "build", "--", "sh", "work.sh")
    used, wall = map(float, ended.stdout.split())
    start = 0.35  # Python, click and the first look
    assert used - start < 0.02 * wall, (used, wall)
