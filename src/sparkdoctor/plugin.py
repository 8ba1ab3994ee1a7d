"""The public API for plugins. A plugin is a distribution with an entry point in the group `sparkdoctor.plugins`.

Its value names a package (every module in it is searched for checks and fixes) or a module. See CONTRIBUTING.md.
"""

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

__all__ = [
    "Answer",
    "Broken",
    "Check",
    "Fact",
    "FileStatus",
    "Fix",
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
    "skip",
    "warn",
]
