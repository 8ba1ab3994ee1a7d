"""The public API for plugins. A plugin is a distribution with an entry point in the group `sparkdoctor.plugins`.

Its value names a package (every module in it is searched for checks) or a module. See CONTRIBUTING.md.
"""

from sparkdoctor.check import Check, check
from sparkdoctor.machine import Fact, FileStatus, Holder, Holders, Machine, Space, Unavailable
from sparkdoctor.model import Broken, Missing, Remedy, Status, Verdict, fail, ok, skip, warn
from sparkdoctor.process import Ran

__all__ = [
    "Broken",
    "Check",
    "Fact",
    "FileStatus",
    "Holder",
    "Holders",
    "Machine",
    "Missing",
    "Ran",
    "Remedy",
    "Space",
    "Status",
    "Unavailable",
    "Verdict",
    "check",
    "fail",
    "ok",
    "skip",
    "warn",
]
