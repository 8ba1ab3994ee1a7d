"""OpenFold3's version, and the program of that name."""

from collections.abc import Iterator
from shlex import quote

from sparkdoctor.facts import Openfold3, Python
from sparkdoctor.facts.python import release_of
from sparkdoctor.plugin import Verdict, check, fail, ok, warn
from sparkdoctor.profiles import Profile

JUDGED = ("biotite", "rdkit")
"""What it requires in versions that others have broken it with."""


@check
def openfold3_version(openfold3: Openfold3, python: Python, profile: Profile) -> Verdict:
    """OpenFold3's version suits its surroundings.

    `run_openfold` on PATH may belong to another environment than the one examined: then another version predicts, with other
    weights and kernels. Its code is written for pydantic 2, which its metadata does not say, and 0.3 for a biotite before 1.3.
    On aarch64 some install it with `--no-deps`, since not all it requires can be built; what it imports must be there.

    What changed: 0.4.0 has new weights and takes no older ones, 0.4.2 makes DeepSpeed an extra, 0.4.4 uses Triton's kernels
    by default, 0.5.0 has new weights again and merges $OPENFOLD_CACHE/runner.yml into every prediction.

    Sources:
    - metadata, model_config.py and entry_points of all wheels from 0.3.0 to 0.5.0
    """
    required = profile.openfold3.version
    fresh = python.pip_install(f"--upgrade 'openfold3{profile.openfold3.fresh or required or ''}'")
    if required is not None and openfold3.version not in required:
        return fail(
            f"OpenFold3 {openfold3.version} is not what the profile {profile.name} asks for",
            expected=str(required),
            observed=openfold3.version,
            remedy="Install one that is.",
            command=fresh,
        )
    for name, wanted, found in _conflicts(openfold3, python):
        return fail(
            f"OpenFold3 {openfold3.version} needs {name}{wanted}, and {found} is installed",
            expected=wanted,
            observed=found,
            remedy="Install the one that it needs.",
            command=python.pip_install(f"'{name}{wanted}'"),
        )
    if openfold3.lacking:
        names = " ".join(f"'{name}'" for name in openfold3.lacking)
        return fail(
            f"OpenFold3 {openfold3.version} requires {', '.join(openfold3.lacking)}, and there is none",
            expected=", ".join(openfold3.lacking),
            observed="none",
            remedy="Install what it imports; without it no prediction begins.",
            command=python.pip_install(names),
        )
    program = openfold3.program
    if program is not None and not program.starts:
        return fail(
            f"{program.path} cannot start: its first line names {program.interpreter}, which is not there",
            expected=python.path,
            observed=program.interpreter,
            remedy="Call it as a module of this Python instead; an environment that was moved must be made anew.",
            command=f"{quote(python.path)} -m openfold3.run_openfold --help",
        )
    if (leftover := openfold3.leftover) is not None:
        return warn(
            f"the metadata of OpenFold3 {leftover.version} lies beside that of {openfold3.version}, whose code this is",
            expected=openfold3.version,
            observed=leftover.version,
            evidence=(leftover.path,),
            remedy="Remove it: it is left of an installation that broke off, and which of the two Python reads is chance.",
            command=f"rm -r {quote(leftover.path)}",
        )
    if program is not None and not program.ours:
        return warn(
            f"{program.path} belongs to {program.interpreter}, not to {python.path}, which is examined here",
            expected=python.path,
            observed=program.interpreter,
            remedy="Examine the one that predicts.",
            command=f"sparkdoctor check --python {quote(program.interpreter)}",
        )
    return ok(f"OpenFold3 {openfold3.version}", observed=openfold3.version, evidence=_since(openfold3))


def _conflicts(openfold3: Openfold3, python: Python) -> Iterator[tuple[str, str, str]]:
    pydantic = python.distribution("pydantic")
    if pydantic is None:
        yield "pydantic", ">=2", "none"
    elif pydantic.release < (2,):
        yield "pydantic", ">=2", pydantic.version
    for line in openfold3.requires:
        name = next((name for name in JUDGED if line.startswith(name)), None)
        installed = python.distribution(name) if name else None
        if name is None or installed is None or len(line) == len(name):
            continue
        from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 (only where there is an OpenFold3)

        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        bound = wanted.specifier
        judged = wanted.name == name and wanted.marker is None and str(bound) and release_of(installed.version)
        if judged and not bound.contains(installed.version, prereleases=True):
            yield name, str(bound), installed.version


def _since(openfold3: Openfold3) -> tuple[str, ...]:
    """What later releases do otherwise."""
    release = openfold3.release
    news = (
        ((0, 4), "since 0.4.0: new weights (of3-p2-155k.pt)"),
        ((0, 4, 4), "since 0.4.4: Triton's attention kernels by default, no DeepSpeed needed"),
        ((0, 5), "since 0.5.0: new weights (of3-ob-2025-06-30-174k.pt)"),
    )
    return tuple(words for first, words in news if (0,) < release < first)
