"""What is being done while deep work goes on: on a terminal only, on stderr, and gone afterwards."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from sparkdoctor.host import Watch

WORKERS = {
    "pytorch": "PyTorch",
    "pytorch.compute": "PyTorch",
    "pytorch.launch": "Triton on the GPU",
    "pytorch.extension": "extension",
    "compile": "Triton",
    "toolkit": "nvcc",
    "deepspeed_builder": "DeepSpeed",
}
"""What the scripts of deep work and their branches are called to a user."""


class Progress:
    """The steps that run now, each with its seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, float]] = {}
        self._began = time.monotonic()
        self._spinner = Spinner("dots")

    def hear(self, worker: str, step: str | None) -> None:
        """A worker begins a step, or is over."""
        with self._lock:
            if step is None:
                self._running.pop(worker, None)
            else:
                self._running.pop(worker.partition(".")[0], None)  # it has branched
                self._running[worker] = step, time.monotonic()

    def __rich__(self) -> Spinner:
        now = time.monotonic()
        with self._lock:
            running = [(WORKERS.get(worker, worker), step, now - since) for worker, (step, since) in self._running.items()]
        lines = [f"deep checks, {now - self._began:.0f} s", *(f"  {who}: {step}, {age:.0f} s" for who, step, age in running)]
        self._spinner.update(text=Text("\n".join(lines), overflow="ellipsis", no_wrap=True))
        return self._spinner


@contextlib.contextmanager
def shown() -> Iterator[Watch | None]:
    """Shows deep work while it goes on; yields who wants to hear of it, nobody where there is no terminal."""
    console = Console(stderr=True)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield None
        return
    progress = Progress()
    with Live(progress, console=console, transient=True, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False):
        yield progress.hear
