"""Worker processes."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "DataLoader worker (pid(s) {pid}) exited unexpectedly",
    "DataLoader worker (pid {pid:int}) exited unexpectedly",
    "DataLoader worker (pid {pid:int}) is killed by signal: {signal}",
    "BrokenProcessPool: A process in the process pool was terminated abruptly",
    "BrokenProcessPool: A child process terminated abruptly",
    "TerminatedWorkerError: A worker process managed by the executor was unexpectedly terminated",
    checks=("shm-too-small", "memory-low", "oom-killed-recently"),
    because=(
        "process-killed",
        "killed-by-kernel",
        "memory-limit-reached",
        "killed-by-daemon",
        "shm-exhausted",
        "host-memory-exhausted",
        "open-files-exhausted",
        "threads-exhausted",
        ANYTHING,
    ),
)
def worker_died(found: Found) -> Verdict | None:
    """A worker process ended without a word to the one that started it.

    The message is that of the main process, which knows no reason: a bus error, SIGKILL or an exception in the worker is told
    above it, or not at all. In the main process (no workers) the same trouble says what it is.

    Sources:
    - torch/utils/data/dataloader.py (_try_get_data); pytorch/pytorch #5040; ultralytics/yolov5 #1675
    """
    if found["pid"] and not found["pid"].replace(",", "").replace(" ", "").isdigit():  # the line of the source in a traceback
        return None
    if found["signal"].startswith(("Killed", "Bus error", "Terminated", "Interrupt", "Hangup")):
        return None
    how = f"by signal: {found['signal'].partition('.')[0]}" if found["signal"] else "without a word"
    return fail(
        f"a worker process ended {how}",
        remedy="Run it once without workers (num_workers 0): then the trouble itself is printed.",
    )
