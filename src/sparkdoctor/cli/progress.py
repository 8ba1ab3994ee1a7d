"""What is being done while it takes long: on a terminal only, on stderr, and gone afterwards."""

import sys
import threading
import time
from collections.abc import Iterable

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
    "warm": "DeepSpeed",
    "openfold3_kernels": "OpenFold3",
    "warm_triton": "OpenFold3",
    "kernels": "PyTorch",
    "kernels.deepspeed": "DeepSpeed's evoformer_attn",
    "kernels.triton": "OpenFold3's Triton kernel",
    "kernels.cuequivariance": "cuEquivariance",
    "kernels.sdpa_flash": "PyTorch's flash attention",
    "kernels.sdpa_efficient": "PyTorch's memory-efficient attention",
    "kernels.sdpa_cudnn": "PyTorch's attention by cuDNN",
    "kernels.sdpa_math": "PyTorch's attention",
    "kernels.plain": "OpenFold3's plain attention",
    "query": "OpenFold3",
}
"""What the scripts of deep work and their branches are called to a user."""


class Progress:
    """The steps that run now, each with its seconds; shown from the first of them on until none is left."""

    def __init__(self, title: str) -> None:
        """`title` says what all of it is for."""
        self._console = Console(stderr=True)
        self._title = title
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, float]] = {}
        self._notes: tuple[str, ...] = ()
        self._began = time.monotonic()
        self._spinner = Spinner("dots")
        self._live: Live | None = None
        self._over = False

    def __enter__(self) -> Watch | None:
        """Who wants to hear of steps; nobody where nobody sees it."""
        return self._hear if sys.stderr and sys.stderr.isatty() and not self._console.is_dumb_terminal else None

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over, live = True, self._live
        if live:
            live.stop()

    def _hear(self, worker: str, step: str | None) -> None:
        """A worker begins a step, or is over."""
        with self._lock:
            if self._over:  # it was given up on, and goes on
                return
            if step is None:
                self._running.pop(worker, None)
            else:
                self._running.pop(worker.partition(".")[0], None)  # it has branched
                self._running[worker] = step, time.monotonic()
            ended = self._live if not self._running else None
            if ended:
                self._live, self._notes = None, ()
            elif self._live is None and self._running:
                self._live = Live(
                    self,
                    console=self._console,
                    transient=True,
                    refresh_per_second=8,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
                self._live.start()
        if ended:
            ended.stop()

    def note(self, lines: Iterable[str]) -> None:
        """What else to show below the steps."""
        with self._lock:
            self._notes = tuple(lines)

    def __rich__(self) -> Spinner:
        now = time.monotonic()
        with self._lock:
            running = [(WORKERS.get(worker, worker), step, now - since) for worker, (step, since) in self._running.items()]
            notes = self._notes
        lines = [f"{self._title}, {now - self._began:.0f} s", *(f"  {who}: {step}, {age:.0f} s" for who, step, age in running)]
        lines += [f"    {note}" for note in notes]
        self._spinner.update(text=Text("\n".join(lines), overflow="ellipsis", no_wrap=True))
        return self._spinner
