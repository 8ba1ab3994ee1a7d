"""Plans of fixes, from facts made by hand or from a machine; and what every answer of theirs must satisfy."""

import re
import shlex
from typing import Any

from by_hand import DEFAULTS, PLACEHOLDER, SPARK
from sparkdoctor.facts import Packages, PageCache, Rebuilds, ShmMount
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing
from sparkdoctor.plan import (
    Answer,
    Plan,
    Refused,
    shown,
)
from sparkdoctor.profiles import Profile
from sparkdoctor.registry import Registry

FIXES = Registry.load().fixes
HEALTHY: dict[type, Any] = DEFAULTS | {
    type(fact): fact
    for fact in (
        Rebuilds(frozenset({"evoformer_attn"}), {}),
        PageCache(writable=True, uid=0, sync="/usr/bin/sync", sysctl="/usr/sbin/sysctl"),
        ShmMount("tmpfs", "shm", ("rw", "nosuid", "nodev", "noexec", "relatime"), admin=True, uid=0),
        Packages("/usr/bin/apt-get", listed=True, uid=0, environment="/venv"),
    )
}


def answer(name: str, *facts: Fact | Profile, **gone: Missing) -> Answer:
    """What a fix answers on a healthy machine but for these facts; `gpu=Missing(…)` takes one away."""
    fix = FIXES[name]
    given = HEALTHY | {type(fact): fact for fact in facts}
    unused = {type(fact) for fact in facts} - {need.fact or Profile for need in fix.needs}
    assert not unused, f"{name} does not look at {unused}"
    assert set(gone) <= {need.name for need in fix.needs if need.judges_absence}, "the fix does not judge that"
    profile = next((fact for fact in facts if isinstance(fact, Profile)), SPARK)
    found: Answer = fix.function(
        **{need.name: gone.get(need.name) or (profile if need.fact is None else given[need.fact]) for need in fix.needs}
    )
    useful(found)
    return found


def asked(name: str, machine: Machine) -> Answer:
    """What a fix answers of a machine."""
    values = {need.name: machine.profile if need.fact is None else machine.get(need.fact) for need in FIXES[name].needs}
    absent = [need.name for need in FIXES[name].needs if isinstance(values[need.name], Missing) and not need.judges_absence]
    assert not absent, values
    found: Answer = FIXES[name].function(**values)
    useful(found)
    return found


def planned(found: Answer) -> Plan:
    assert isinstance(found, Plan), found
    return found


def refused(found: Answer) -> Refused:
    assert isinstance(found, Refused), found
    return found


def useful(found: Answer) -> None:
    """Words that say something, commands that can be pasted, steps on absolute paths that can be shown."""
    if isinstance(found, Plan):
        assert found.steps
        texts = [found.summary, *found.notes]
        for step in found.steps:
            assert shown(step)
            for path in (getattr(step, name) for name in ("path", "to") if hasattr(step, name)):
                assert path.startswith("/")
                assert ".." not in path.split("/")
    else:
        texts = [found.reason]
        if found.command is not None:
            assert found.command.strip() == found.command != ""
            assert "\n" not in found.command
            assert shlex.split(found.command)
            assert not PLACEHOLDER.search(re.sub(r"unset [\w ]+", "", found.command)), found.command
    assert [
        text for text in texts if not text or not text.isprintable() or re.search(r"\bNone\b|<\w+ object|, $|: $|; $", text)
    ] == []
