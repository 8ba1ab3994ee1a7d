"""Extensions that are not whole."""

from sparkdoctor.facts import Extensions
from sparkdoctor.facts.extensions import State, move_aside
from sparkdoctor.plugin import Verdict, check, fail, ok, skip


@check
def extension_cache_incomplete(extensions: Extensions) -> Verdict:
    """Every extension in the cache is whole.

    A build that was killed, a full disk, or an image slimmed of object files leaves an extension that is built anew at its
    next use: minutes, or for ever where no compiler is at hand. A library that was cut off kills the process with SIGBUS and
    no traceback, and ninja does not notice it. An empty build.ninja makes ninja say `no work to do`, so its text is read too.

    Sources:
    - measured: each of these done to an extension of PyTorch 2.13, docs/sources.md
    - System V ABI: the section table of a library ends within it
    """
    if not extensions.found:
        return skip(extensions.none)
    broken = extensions.having(State.DAMAGED, State.OUTDATED)
    left = extensions.others(State.DAMAGED, State.OUTDATED)
    if broken:
        names = " and ".join(one.name for one in broken)
        reasons = [reason for one in broken for reason in one.reasons]
        # PyTorch writes build.ninja at each use, and ninja remembers what was built.
        mild = all("/build.ninja" in reason for reason in reasons)
        end = "may be built anew at its next use" if mild else "is built anew at its next use"
        cut = any("cut off" in reason for reason in reasons)
        return fail(
            f"{names} in {extensions.root.path} is not whole and {'kills whoever loads it' if cut else end}{left}",
            expected="complete builds",
            observed=f"{len(broken)} of {len(extensions.found)} are not",
            evidence=tuple(f"{one.name}: {reason}" for one in broken for reason in one.reasons[:4]),
            remedy="Move it aside; the next use builds it from the beginning.",
            command=move_aside(broken),
        )
    whole = extensions.having(State.WHOLE)
    if not whole:
        return skip(f"no extension is left to judge{left}")
    asked = "" if extensions.asked else ", by their files alone: there is no ninja to ask"
    return ok(f"{', '.join(one.name for one in whole)}: whole{asked}{left}{extensions.but}")
