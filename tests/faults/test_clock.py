"""The installed command among faults: the clock."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sick import SOURCES, Env, check, statuses


def test_durations_are_measured_on_a_clock_that_cannot_be_set() -> None:
    wall = re.compile(r"\btime\.(time|time_ns|localtime|gmtime|ctime|strftime)\(|\bdatetime\b|\bgetmtime\b")
    files = [*SOURCES.rglob("*.py")]
    assert files
    lines = [f"{path.name}: {line}" for path in files for line in path.read_text().splitlines() if wall.search(line)]
    allowed = {
        "reading.py": "the clock of file times",
        "journal.py": "time.gmtime(at)",
        "perform.py": '"at": int(time.time())',
        "run.py": "began, stopped = time.time()",  # what is older than a run is none of its files
        "build.py": "time.",  # when a build was, for people
        "findings.py": "datetime",  # when a run was, for people
        "runner_settings.py": "datetime raise",
        "strangers.py": "datetime raise",
    }
    assert [line for line in lines if allowed.get(line.partition(":")[0], "\0") not in line] == []


CLOCK = """
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
static long at = 1000000000;
int clock_gettime(clockid_t id, struct timespec *t) {
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) return (int)syscall(SYS_clock_gettime, id, t);
    at -= 100000; t->tv_sec = at; t->tv_nsec = 0; return 0;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    (void)zone; at -= 100000; t->tv_sec = at; t->tv_usec = 0; return 0;
}
time_t time(time_t *t) { at -= 100000; if (t) *t = at; return at; }
"""


def test_a_clock_that_runs_backwards(env: Env, tmp_path: Path, compiler: str) -> None:
    (tmp_path / "clock.c").write_text(CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "clock.so", tmp_path / "clock.c"], check=True)
    usual = check(env)
    document = check(env | {"LD_PRELOAD": f"{tmp_path}/clock.so"})
    assert statuses(document) == statuses(usual)
    assert 0 <= document["seconds"] < 5


def test_limits_that_leave_hardly_a_thing(env: Env) -> None:
    """Few open files, no core, little stack: what a batch system gives."""
    limits: tuple[tuple[str, Callable[[dict[str, Any]], bool]], ...] = (
        ("ulimit -n 64", lambda document: document["verdict"] != "unknown"),
        ("ulimit -c 0; ulimit -s 1024", lambda document: statuses(document)["stack-limit-low"] == "failed"),
        ("ulimit -f 0", lambda document: document["verdict"] != "unknown"),
    )
    for limit, holds in limits:
        assert holds(check(env, prefix=("/bin/sh", "-c", f'{limit}; exec "$0" "$@"'))), limit
