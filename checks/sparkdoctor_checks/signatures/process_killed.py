"""Processes that were killed."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.build_out_of_memory import BOUND, FEWER_JOBS, is_tool

_BY_HAND = (
    "kill -9",
    "kill -KILL",
    "kill -s KILL",
    "pkill",
    "killall",
    "docker kill",
    "docker stop",
    "docker rm -f",
    "podman stop",
    "compose stop",
    "compose down",
    "compose kill",
    "Gracefully stopping",
    "Stopping ",
    "Aborting on container exit",
    "^C",
    "KeyboardInterrupt",
    "DUE TO TIME LIMIT",
    "CANCELLED",
    "was canceled",
    "exceeded the maximum execution time",
    "forcefully exiting via Signals.SIGKILL",
    "Stopping timed out",
    "stop-sigterm",
    "timeout -s KILL",
    "timeout -k",
    "timeout --kill-after",
)
_BUILD = ("pip install", "pip wheel", "Building wheel", "ninja", "bdist_wheel", "nvcc", "cmake", "make -j", "setup.py", "uv sync")


@signature(
    " Killed ",
    ": line {number:int}: {pid:int} Killed {command}",
    "bash: {pid:int} Killed {command}",
    "zsh: killed {command}",
    "Job {job:int}, '{command}' terminated by signal SIGKILL",
    "terminated with signal SIGKILL",
    "Command '{command}' died with <Signals.SIGKILL: 9>",
    "Command '{command}' returned non-zero exit status 137",
    "Command '{command}' returned non-zero exit status -9",
    "Signal 9 (SIGKILL) received by PID {pid:int}",
    "failed (exitcode: -9) local_rank: {rank:int} (pid: {pid:int})",
    " : -9 (pid: {pid:int})",
    "exits with return code = -9",
    "DataLoader worker (pid {pid:int}) is killed by signal: Killed",
    "The exit codes of the workers are {{SIGKILL(-9)",
    "Main process exited, code=killed, status=9/KILL",
    "A process of this unit has been killed by the OOM killer",
    "Failed with result 'oom-kill'",
    "exited with code 137",
    "exit code 137",
    "exit status 137",
    "exit code: 137",
    "exit code: -9",
    "Exit Code: {code:int} ",
    " Exited (137) ",
    " exitCode: 137 ",
    checks=("oom-killed-recently", "memory-low", "memory-pressure", "build-jobs-unbounded"),
    because=(
        "build-out-of-memory",
        "compiler-runaway",
        "killed-by-kernel",
        "memory-limit-reached",
        "killed-by-daemon",
        "oom-killer-invoked",
        "host-memory-exhausted",
        "cuda-out-of-memory",
        "kv-cache-too-small",
    ),
)
def process_killed(found: Found) -> Verdict | None:
    """A process was killed with SIGKILL.

    Nobody but a user, a supervisor or the kernel sends SIGKILL; where nothing says otherwise it was the kernel, for want of
    memory. The process itself can say nothing; 137 is 128 + 9, and -9 is the same in Python.

    Sources:
    - bash, dash and Python's subprocess, run and killed; hpcaitech/ColossalAI #3514 (torchrun); mittagessen/kraken #266
    - Linux, signal(7)
    """
    line = found.line
    if found["code"] not in ("", "137") or any(word in near for near in (*found.before, line) for word in _BY_HAND):
        return None
    command = _command(found)
    if command is None:
        return None
    if "DataLoader worker" in line:
        return fail(
            f"a worker of the data loader (process {found['pid']}) was killed, most likely for want of memory",
            remedy="Start fewer workers (num_workers), and free memory first.",
            command="ps aux --sort=-rss | head",
        )
    if is_tool(command) or (not command and any(word in near for near in found.before for word in _BUILD)):
        return fail("a build was killed, most likely for want of memory", remedy=FEWER_JOBS, command=BOUND)
    if "xited (137)" in line or ("exited with code 137" in line and "rocess exited" not in line):
        return fail(
            "a container was killed: docker knows whether it reached its own limit (true), or the machine's (false)",
            remedy="Ask docker.",
            command="docker inspect -f '{{.Name}} {{.State.OOMKilled}}' $(docker ps -aqf exited=137)",
        )
    who = f"`{command[:80]}`" if command else f"process {found['pid']}" if found["pid"] else "a process"
    return fail(
        f"{who} was killed (SIGKILL), most likely by the kernel for want of memory",
        remedy="Ask the kernel whether it was out of memory; if so, free some before you start it again.",
        command="sudo dmesg -T | grep -iE 'out of memory|killed process'",
        needs_root=True,
    )


def _command(found: Found) -> str | None:
    """The command that was killed, empty where it is not said; None where nothing was, or a build that is found as such."""
    line, command = found.line, found["command"]
    if " means " in line or " indicates " in line:  # a text on the subject
        return None
    if ("137" in line or "-9" in line) and any(" Killed " in f" {near} " for near in found.before):  # told already
        return None
    if "did not complete successfully" in line or line.startswith("Killed ") or (not command and "Command '" in line):
        return None
    if command:
        return None if "Command '" in line and is_tool(command) else command
    if line.endswith("Killed"):
        return "" if _alone(line) else None
    job, killed, command = line.partition(" Killed ")
    if killed and not (job.endswith(("]+", "]-", "]")) and job.rpartition("[")[2].rstrip("]+-").isdigit()):
        return None
    return command


def _alone(line: str) -> bool:
    """Whether `Killed` is all that a line says, but for what a collector of logs puts before it."""
    prefix = line[: -len("Killed")].rstrip()
    if "*** [" in prefix or prefix.endswith("unable to execute command:"):  # a compiler
        return False
    return not prefix or prefix[-1] in ":|])>" or _stamp(prefix.rpartition(" ")[2])


def _stamp(word: str) -> bool:
    """Whether this is a time: 345.6 of docker build, 2026-11-21T10:15:02.123Z of a CI."""
    return (word[:1].isdigit() and word.rstrip("Zs").replace("T", ":").replace("-", ":").replace("+", ":").count(":") >= 2) or (
        "." in word and word.replace(".", "", 1).isdigit()
    )
