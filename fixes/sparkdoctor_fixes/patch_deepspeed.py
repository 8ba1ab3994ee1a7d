"""DeepSpeed up to 0.16.3 against majors of two digits."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from sparkdoctor.architecture import Capability
from sparkdoctor.facts import Deepspeed, DeepspeedSource, Gpu, Nvcc, Python, target
from sparkdoctor.facts.deepspeed import FILTERING, MARK
from sparkdoctor.facts.deepspeed_source import BUILDER, SourceFile, method, reading
from sparkdoctor.facts.nvcc import REFUSAL
from sparkdoctor.plugin import Answer, Missing, NotNeeded, Plan, Refused, WriteFile, fix
from sparkdoctor.profiles import Profile

if TYPE_CHECKING:
    from sparkdoctor.facts.builder_source import Reading

_SPARK, _NEAREST = Capability(12, 1), "120"
"""What an nvcc before CUDA 12.9 does not know, and what it knows that runs there."""
_ANCIENT = Capability(5, 0)
"""What every filter leaves out, where its text can be understood."""
_NO_BF16 = 7
"""The last major version without bf16."""


class _Spot(NamedTuple):
    """A statement that can be mended: as DeepSpeed has it, and our own forms of it."""

    old: str
    ours: tuple[str, ...]

    def found(self, text: str) -> str:
        """The form that stands in a text; empty where there is none, or more than one."""
        there = [form for form in (self.old, *self.ours) if form in text]
        return there[0] if len(there) == 1 and text.count(there[0]) == 1 else ""


_PLAIN = f"            num = cc.split('+')[0].replace('.', '')  {MARK}\n"
_FALLING_BACK = f"""\
            num = cc.split('+')[0].replace('.', '')  {MARK}, 12.0 for 12.1
            if num == '{_SPARK.number}':  # known to nvcc from CUDA 12.9 on
                num = '{_NEAREST}'
"""
_NUMBER = _Spot("            num = cc[0] + cc[2]\n", (_PLAIN, _FALLING_BACK))
_BF16 = _Spot("            if int(cc[0]) <= 7:\n", (f"            if int(cc.split('.')[0]) <= 7:  {MARK}\n",))
_FILTERS = {
    name: _Spot(f"            if int(cc[0]) >= {least}:\n", (f"            if int(cc.split('.')[0]) >= {least}:  {MARK}\n",))
    for name, least in zip(FILTERING, (8, 8, 8, 6, 6, 6), strict=True)
}


@fix(cures=("deepspeed-misparses-architecture",))
def patch_deepspeed(
    source: DeepspeedSource, deepspeed: Deepspeed, nvcc: Nvcc | Missing, gpu: Gpu | Missing, python: Python, profile: Profile
) -> Answer:
    """DeepSpeed's builder reads majors of two digits.

    Up to 0.16.3 it takes the first character of 12.1 for the major version. Eight lines in seven files of op_builder are
    replaced: the architecture's number and the bf16 gate in builder.py, and the filters of six operators. It then asks for
    12.1 where the nvcc that would be called knows that, and for 12.0, which runs on 12.1, where it does not (before CUDA
    12.9). What it makes of other architectures stays as it is.

    Each line must be exactly the one that is known, DeepSpeed's or our own; whatever else is found is refused, and all lines
    are replaced or none. The patch for 0.15.4 that is passed around (121 replaced by 120) is left where it is, and what it
    forgets, bf16 and the six operators, is mended.

    The other way, and the better one where nothing pins DeepSpeed, is to upgrade it: 0.16.4 is the first release without
    these faults, and wants CUDA 12.9 or later; with an older nvcc, 0.19.0 and TORCH_CUDA_ARCH_LIST=12.0. The patch does not
    reach operators that were compiled when DeepSpeed was installed, nor a build from its sdist (DS_BUILD_OPS=1 pip install),
    which brings its own op_builder.

    Sources:
    - op_builder of DeepSpeed 0.15.4 to 0.19.8, run for a 12.1 device
    - deepspeedai/DeepSpeed #6991 (0.16.4)
    - PEP 552 (compiled files that hide their source)
    """
    wanted = target(profile, gpu)
    if wanted is None:
        return Refused("neither the profile nor a GPU says which architecture is wanted")
    name = f"DeepSpeed {deepspeed.version}" if deepspeed.release else "this DeepSpeed"
    upgrade = python.pip_install(f"--upgrade 'deepspeed{profile.deepspeed.fresh or '>=0.16.4'}'")
    if source.archive:
        return Refused(f"{name} is imported from the archive {source.archive}, in which nothing is replaced", upgrade)
    if source.trouble:
        return Refused(f"{name} cannot be patched: {source.trouble}", upgrade)
    seen = _seen(source, wanted, nvcc)
    changes = _changes(source, seen)
    if isinstance(changes, str):
        return Refused(f"{name} cannot be patched: {changes}", upgrade)
    if not changes:
        obeying = python.pip_install("--upgrade 'deepspeed>=0.19.0'") + f" && export TORCH_CUDA_ARCH_LIST={wanted.major}.0"
        return NotNeeded(f"{name} {_state(source, seen)}{seen.refusal}", obeying if seen.refusal else None)
    if seen.refusal:
        return Refused(f"{name} can be patched, but that alone helps nothing{seen.refusal}", upgrade)
    files = {one: source.files[one] for one in changes}
    if refused := _obstacle(files.values(), source, deepspeed, python):
        return refused
    made = reading({**source.texts(), **changes}, wanted).number
    return Plan(
        f"{name} makes compute_{made} of {wanted}, with bf16 and for all its operators",
        tuple(WriteFile(file.path, changes[one], file.text) for one, file in files.items()),
        notes=(
            *_history(source, seen, changes),
            *_target(seen, nvcc),
            *_around(source, deepspeed),
            _other_way(deepspeed, python, upgrade),
        ),
    )


class _Seen(NamedTuple):
    """What the texts make of the wanted architecture, and what nvcc says of that.

    `number` is the statement of the number that stands there, where it is a known one; `answered` whether nvcc has said if
    it knows the architecture, `older` whether it knows 12.0 only; `refusal` is what makes any patch useless, in words.
    """

    wanted: Capability
    now: "Reading"
    number: str
    answered: bool
    older: bool
    refusal: str

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.number_sound and self.bf16_sound and not self.now.pruned

    @property
    def number_sound(self) -> bool:
        """Whether it asks for an architecture that runs here."""
        return self.now.number == str(self.wanted.number) or (self.wanted == _SPARK and self.now.number == _NEAREST)

    @property
    def bf16_sound(self) -> bool:
        """Whether bf16 is on where the architecture has it."""
        return self.now.bf16 is (self.wanted.major > _NO_BF16)


def _seen(source: DeepspeedSource, wanted: Capability, nvcc: Nvcc | Missing) -> _Seen:
    words = None if isinstance(nvcc, Missing) else nvcc.refusals.get(wanted.number)
    refused, version = words is not None and REFUSAL in words, "" if isinstance(nvcc, Missing) else nvcc.version
    older = refused and wanted == _SPARK and source.older == ""
    now, number = reading(source.texts(), wanted), _NUMBER.found(source.files[BUILDER].text)
    # What is not ours to change asks for what nvcc does not know.
    stuck = refused and now.number == str(wanted.number) and number not in _NUMBER.ours
    refusal = f"; nvcc {version} knows no compute_{wanted.number}" if stuck or (refused and not older) else ""
    return _Seen(wanted, now, number, refused or words == "", older, refusal)


def _changes(source: DeepspeedSource, seen: _Seen) -> dict[str, str] | str:
    """The new texts of the files that change, by name; or why there are none."""
    texts, path = source.texts(), source.files[BUILDER].path
    if seen.number in _NUMBER.ours:
        if seen.wanted == _SPARK and seen.answered:
            texts[BUILDER] = texts[BUILDER].replace(seen.number, _FALLING_BACK if seen.older else _PLAIN)
    elif seen.sound:
        return {}
    elif seen.now.number is None:
        return f"{path} does not let us see what it makes of {seen.wanted}"
    elif seen.number:
        texts[BUILDER] = texts[BUILDER].replace(_NUMBER.old, _FALLING_BACK if seen.older else _PLAIN)
    elif not seen.number_sound or any(form in texts[BUILDER] for form in (_NUMBER.old, *_NUMBER.ours)):
        return f"the statement of the architecture's number in {path} is not one that is known here"
    ill = ({} if seen.bf16_sound else {BUILDER: _BF16}) | {name: _FILTERS[name] for name in seen.now.pruned}
    for name, spot in ill.items():
        if spot.found(texts[name]) != spot.old:
            what = "bf16 gate" if name == BUILDER else "filter"
            return f"the {what} in {source.files[name].path} is not one that is known here"
        texts[name] = texts[name].replace(spot.old, spot.ours[0])
    changes = {name: text for name, text in texts.items() if text != source.files[name].text}
    after = seen._replace(now=reading(texts, seen.wanted))
    if changes and not (after.sound and _understood(texts)):
        return f"{path} and the filters beside it would not be understood afterwards"
    return changes


def _understood(texts: Mapping[str, str]) -> bool:
    """Whether every filter can be read: one that cannot be might leave anything out."""
    having = {name for name, text in texts.items() if name != BUILDER and method(text, "filter_ccs")}
    return set(reading(texts, _ANCIENT).pruned) == having


def _state(source: DeepspeedSource, seen: _Seen) -> str:
    """Why there is nothing to change."""
    made = f"makes compute_{seen.now.number} of {seen.wanted}"
    if any(MARK in text for text in source.texts().values()):
        return f"{made}: sparkdoctor's patch is in it"
    if source.files[BUILDER].pristine is False:
        return f"{made}: somebody else has changed its builder.py, and well"
    return f"{made} by itself"


def _obstacle(files: Iterable[SourceFile], source: DeepspeedSource, deepspeed: Deepspeed, python: Python) -> Refused | None:
    """What keeps these files from being replaced."""
    from shlex import join, quote  # noqa: PLC0415 (only where there is something to mend)

    same = f"'deepspeed=={deepspeed.version}'" if deepspeed.release else "deepspeed"
    for file in files:
        if file.linked:
            uv = f"uv pip install --python {quote(python.path)} --link-mode copy --no-deps --reinstall {same}"
            pip = python.pip_install(f"--no-deps --force-reinstall {same}")
            return Refused(
                f"each file of this DeepSpeed is a link, and {file.path} serves whatever else links there: install it as copies",
                uv if source.installer == "uv" else pip,
            )
        if file.obstacle and source.uid == 0:
            copy = f"{quote(python.path)} -m venv --system-site-packages ~/spark && DS_BUILD_OPS=0 ~/spark/bin/pip install"
            return Refused(
                f"{file.obstacle}, though it is root: patch a copy in an environment of your own",
                f"{copy} --no-deps --no-build-isolation --ignore-installed {same}",
            )
        if file.obstacle:
            reason = f"{file.obstacle}; a copy in an environment of your own can be patched without root"
            return Refused(reason, join((*source.elevated, "patch-deepspeed")))
        if file.unchecked:
            return Refused(
                f"{file.unchecked[0]} hides {file.path}: Python loads it without comparing the two (PEP 552)",
                join(("rm", *file.unchecked)),
            )
    return None


def _history(source: DeepspeedSource, seen: _Seen, changes: Mapping[str, str]) -> Iterator[str]:
    """Who has changed these files before."""
    builder = source.files[BUILDER]
    if seen.number_sound and not seen.number:
        known = ", by the look of it the replacement of 121 by 120 that is passed around for 0.15.4"
        yield f"the number in builder.py is somebody else's patch{known * (seen.now.number == _NEAREST)}; that stays as it is"
    elif any(MARK in text for text in source.texts().values()):
        yield "sparkdoctor has patched this before, in part or for another nvcc"
    elif builder.pristine is False:
        yield f"{builder.path} was changed after its installation, in other lines; that stays as it is"
    if any(source.files[name].pristine is None for name in changes):
        yield "no RECORD tells how these files were installed; the lines that are replaced are exactly DeepSpeed's"
    yield "kernels that were built with other flags are built anew at their next use"


def _target(seen: _Seen, nvcc: Nvcc | Missing) -> Iterator[str]:
    """Why 12.0 is asked for, or what if 12.1 is too much."""
    if seen.older and not isinstance(nvcc, Missing):
        yield (
            f"nvcc {nvcc.version} knows no compute_{_SPARK.number}: it is asked for {_NEAREST}, which runs on {_SPARK} too;"
            " with CUDA 12.9 or later, fix this again"
        )
    elif seen.wanted == _SPARK and not seen.answered:
        why = nvcc.reason if isinstance(nvcc, Missing) else f"{nvcc.path} fails"
        yield f"nvcc could not be asked ({why}): with one before CUDA 12.9, fix this again; it knows no compute_{_SPARK.number}"


def _around(source: DeepspeedSource, deepspeed: Deepspeed) -> Iterator[str]:
    """Who else is concerned, and what is not."""
    if source.checkout:
        yield f"{source.checkout} is a git checkout: git will show these files as changed"
    if source.shared:
        yield source.shared
    owner = source.files[BUILDER].owner
    if source.uid == 0 and owner:
        yield f"the files belong to user id {owner}, and stay theirs"
    if deepspeed.prebuilt:
        yield f"compiled when DeepSpeed was installed, and not affected: {', '.join(deepspeed.prebuilt)}"
    if deepspeed.builds_ahead:
        yield f"{deepspeed.builds_ahead} makes pip build from DeepSpeed's own sources, which this does not reach"


def _other_way(deepspeed: Deepspeed, python: Python, upgrade: str) -> str:
    """The upgrade, and who cannot."""
    openfold3 = python.distribution("openfold3")
    asked = f" ({deepspeed.asked})" if deepspeed.asked else ""
    unless = (
        f", unless OpenFold3 {openfold3.version}{asked} must keep this one" if openfold3 and openfold3.release < (0, 4, 3) else ""
    )
    return f"the other way, with CUDA 12.9 or later, is to upgrade DeepSpeed to 0.16.4 or later{unless}: {upgrade}"
