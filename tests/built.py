"""Builds made by hand."""

from collections.abc import Iterable

from sparkdoctor.building.job import Job
from sparkdoctor.building.ledger import Account, Unit, Waits
from sparkdoctor.building.outcome import Bounds, Build, Ending

GIB = 1 << 30
MACHINE = Bounds(96 * GIB, 16 * GIB, "machine", 20)
CONTAINER = Bounds(8 * GIB, 2 * GIB, "container", 4)


def job(number: int, memory: float = 1.0, **changes: object) -> Job:
    """A compiler that has `memory` GiB."""
    size = int(memory * GIB)
    made = Job((number, 7), f"{number}.cu", "cuda", "cicc", 1.0, size, size, 1.0, False, ((number, 7),))
    return made._replace(**changes)  # type: ignore[arg-type]


def unit(name: str = "a.cu", peak: float = 1.0, cpu: float = 10.0, **changes: object) -> Unit:
    """A job in account whose compiler had `peak` GiB."""
    size = int(peak * GIB)
    made = Unit(name, name, "cuda", "cicc", size, size, 0.0, cpu, cpu, 0.0, 0.0)
    return made._replace(**changes)  # type: ignore[arg-type]


def units(number: int, peak: float, cpu: float = 10.0) -> tuple[Unit, ...]:
    """So many that are alike."""
    return tuple(unit(f"{place}.cu", peak, cpu) for place in range(number))


def build(
    made: Iterable[Unit] = (), bounds: Bounds = MACHINE, ending: Ending | None = None, held: int = 0, **changes: object
) -> Build:
    """A build of these; of their number `held` were held back, and the others ran at once."""
    made = tuple(made)
    most = len(made) - held
    total = sum(unit.peak for unit in made[:most])
    account = Account(
        made, most=most, wanted=len(made), total_peak=total, lowest_free=max(0, bounds.budget - total), total_then=total
    )
    account = account._replace(waits=Waits(held, 10.0 * held), seconds=100.0, total_peak_at=40.0)
    account = account._replace(**{name: changes.pop(name) for name in [*changes] if name in Account._fields})  # type: ignore[arg-type]
    made_of = Build(("pip", "install", "flash-attn"), 1_795_000_000.0, 101.5, account, bounds, ending or Ending(0))
    return made_of._replace(**changes)  # type: ignore[arg-type]
