"""The public API for plugins. A plugin is a distribution with an entry point in the group `sparkdoctor.plugins`.

Its value names a package (every module in it is searched for checks, fixes and signatures) or a module. See CONTRIBUTING.md.
"""

from typing import TYPE_CHECKING, Any

from sparkdoctor.check import Check, check
from sparkdoctor.fix import Fix, fix
from sparkdoctor.machine import Fact, FileStatus, Holder, Holders, Machine, Space, Unavailable
from sparkdoctor.model import Broken, Missing, Remedy, Status, Verdict, fail, ok, skip, warn
from sparkdoctor.plan import (
    Answer,
    MakeDirectory,
    Move,
    NotNeeded,
    Plan,
    Refused,
    RemoveFile,
    Run,
    SetMode,
    Step,
    Work,
    WriteFile,
)
from sparkdoctor.process import Ran

if TYPE_CHECKING:
    from sparkdoctor.signature import ANYTHING, Found, Signature, signature

__all__ = [
    "ANYTHING",
    "Answer",
    "Broken",
    "Check",
    "Fact",
    "FileStatus",
    "Fix",
    "Found",
    "Holder",
    "Holders",
    "Machine",
    "MakeDirectory",
    "Missing",
    "Move",
    "NotNeeded",
    "Plan",
    "Ran",
    "Refused",
    "Remedy",
    "RemoveFile",
    "Run",
    "SetMode",
    "Signature",
    "Space",
    "Status",
    "Step",
    "Unavailable",
    "Verdict",
    "Work",
    "WriteFile",
    "check",
    "fail",
    "fix",
    "ok",
    "signature",
    "skip",
    "warn",
]


def __getattr__(name: str) -> Any:
    """What signatures are made of, which a check of a machine does without."""
    if name in ("ANYTHING", "Found", "Signature", "signature"):
        import sparkdoctor.signature as module  # noqa: PLC0415

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
