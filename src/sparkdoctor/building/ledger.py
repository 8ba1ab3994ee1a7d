"""What a build took: each job's peak and time, and what follows from them."""

from collections.abc import Sequence

from sparkdoctor.building.job import Job


class Ledger:
    """Keeps what each look has shown."""

    def see(self, now: float, jobs: Sequence[Job], free: int) -> None:
        """Note a look at `now` (seconds), with `free` bytes that could still be had."""
        raise NotImplementedError
