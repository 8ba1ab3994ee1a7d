"""DeepSpeed against the architecture of the GPU."""

import re
from typing import NamedTuple

from sparkdoctor.architecture import Capability
from sparkdoctor.facts import ArchList, Deepspeed, DeepspeedBuilder, Gpu, Nvcc, Python, target
from sparkdoctor.facts.deepspeed_builder import Flags
from sparkdoctor.facts.nvcc import REFUSAL
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def deepspeed_misparses_architecture(  # noqa: PLR0913, PLR0917 (it stands between all of these)
    deepspeed: Deepspeed,
    builder: DeepspeedBuilder | Missing,
    nvcc: Nvcc | Missing,
    arches: ArchList | Missing,
    gpu: Gpu | Missing,
    python: Python,
    profile: Profile,
) -> Verdict:
    """DeepSpeed's builder understands the GPU's architecture.

    Up to 0.16.3 it takes the first and third character of `12.1`, and three things go wrong: nvcc ends with `Unsupported gpu
    architecture 'compute_1.'`; bf16 is silently off, since it reads a major version of 1; and six other operators are
    filtered away (`no compute capabilities remaining after filtering`). The patch that is passed around, which replaces 121
    by 120, mends the first only; `sparkdoctor fix patch-deepspeed` mends all three. From 0.16.4 on all is well with CUDA
    12.9 or later; up to 0.18.9 a build at first use ignores TORCH_CUDA_ARCH_LIST, from 0.19.0 on it must be of the form
    12.1, not 12.1a. A build ahead of time without that list asks for compute_60, which CUDA 13 refuses, in every version.

    Sources:
    - op_builder of DeepSpeed 0.15.4 to 0.19.8, run for a 12.1 device with nvcc 13.0.88
    - deepspeedai/DeepSpeed #6991 (0.16.4), #7974 (0.19.0), #8021 and #8619 (12.1a)
    """
    wanted = target(profile, gpu)
    if wanted is None:
        return skip("neither the profile nor a GPU says which architecture is wanted")
    asked = None if isinstance(builder, Missing) or builder.capability != wanted else _asked(builder)
    seen = asked or _read(deepspeed, nvcc, arches, wanted)
    if seen is None:
        return skip(f"the builder.py of DeepSpeed {deepspeed.version} has a shape that is not known here; {_unproven(builder)}")
    if asked is None:
        seen = seen._replace(evidence=(*seen.evidence, _unproven(builder)))
    read = "" if asked else " (as its text reads; --deep proves it)"
    name = f"DeepSpeed {deepspeed.version}"
    upgrade = python.pip_install(f"--upgrade 'deepspeed{profile.deepspeed.fresh or '>=0.16.4'}'")
    setting = f"export TORCH_CUDA_ARCH_LIST={wanted}"
    given = None if isinstance(arches, Missing) or not _obeys(deepspeed) else arches.text
    by_list = f"TORCH_CUDA_ARCH_LIST={given!r}" if given else ""
    misled = by_list and seen.refused and f"compute_{wanted.number}" not in seen.refused
    if seen.trouble or misled:
        trouble = seen.trouble or f"nvcc refuses {', '.join(seen.refused)}"
        return fail(
            f"{name} makes no flags"
            + (f" {'that nvcc takes ' * bool(misled)}of {by_list} (see arch-list-wrong)" if given else "")
            + f": {trouble}",
            expected=f"compute_{wanted.number}",
            observed=given,
            evidence=seen.evidence,
            remedy=f"Set it to {wanted}, which DeepSpeed and PyTorch both understand." if given else "Upgrade DeepSpeed.",
            command=setting if given else upgrade,
        )
    if seen.nonsense or seen.bf16_off or seen.filtered:
        return (fail if seen.nonsense or seen.bf16_off else warn)(
            f"{name}{'' if seen.nonsense else ' is mended by half'}: {'; '.join(seen.defects)}{read}",
            expected=f"compute_{wanted.number} with bf16",
            observed=", ".join(seen.nonsense) or "part of it",
            evidence=(*seen.evidence, *_history(deepspeed)),
            remedy=f"Upgrade DeepSpeed: 0.16.4 is the first release without these faults.{_pinned(deepspeed, python)}",
            command=upgrade,
        )
    known = f"TORCH_CUDA_ARCH_LIST={wanted.major}.0"
    if seen.refused and not _obeys(deepspeed):
        return fail(
            f"nvcc refuses {', '.join(seen.refused)}, and {name} ignores TORCH_CUDA_ARCH_LIST at first use",
            expected="an nvcc of CUDA 12.9 or later, or DeepSpeed 0.19.0 or later",
            observed=None if isinstance(nvcc, Missing) else f"CUDA {nvcc.version}",
            evidence=seen.evidence,
            remedy="Upgrade DeepSpeed, which obeys the list from 0.19.0 on, and ask for what this nvcc knows.",
            command=python.pip_install("--upgrade 'deepspeed>=0.19.0'") + f" && export {known}",
        )
    if seen.refused:
        return skip(f"nvcc refuses {', '.join(seen.refused)}: see nvcc-lacks-architecture; {name} obeys {known}")
    if seen.ahead and deepspeed.builds_ahead:
        return fail(
            f"{deepspeed.builds_ahead} asks for a build ahead of time, and there {seen.ahead}",
            expected=f"TORCH_CUDA_ARCH_LIST={wanted}",
            observed="not set" if isinstance(arches, Missing) else arches.text,
            evidence=seen.evidence,
            remedy="Say for which GPU it is.",
            command=setting,
        )
    advice = (f"in a build ahead of time (DS_BUILD_OPS=1) {seen.ahead}: {setting} before one",) if seen.ahead else ()
    return ok(
        f"{name} makes {seen.made} of {by_list or wanted}{read}",
        expected=str(wanted),
        observed=seen.made,
        evidence=(*seen.evidence, *advice),
    )


class _Seen(NamedTuple):
    """What came to light, by reading or by asking. `made` is what nvcc gets; `ahead` what is wrong ahead of time."""

    made: str
    nonsense: tuple[str, ...]
    bf16_off: bool
    filtered: tuple[str, ...]
    refused: tuple[str, ...]
    ahead: str
    evidence: tuple[str, ...]
    trouble: str = ""

    @property
    def defects(self) -> tuple[str, ...]:
        """Each by its name."""
        names, count = ", ".join(self.filtered), len(self.filtered)
        return (
            *([f"it asks nvcc for {', '.join(self.nonsense)}"] if self.nonsense else []),
            *(["bf16 is silently off"] if self.bf16_off else []),
            *([f"{count} operator{'s are' if count > 1 else ' is'} filtered away ({names})"] if count else []),
        )


def _read(deepspeed: Deepspeed, nvcc: Nvcc | Missing, arches: ArchList | Missing, wanted: Capability) -> _Seen | None:
    """By the text of its builder, its version, and what nvcc says of the architecture; None where that tells nothing."""
    reading = deepspeed.readings.get(wanted.number)
    if reading is None or reading.number is None:
        return None
    made = f"compute_{reading.number}"
    by_list = None if isinstance(arches, Missing) or not _obeys(deepspeed) else arches
    words = "" if isinstance(nvcc, Missing) or reading.number != str(wanted.number) else nvcc.refusals.get(wanted.number, "")
    steered = by_list is not None and all(code.capability != wanted for code in by_list.codes)
    entries = re.split(r"[;\s]+", by_list.text) if by_list else []
    unread = next((entry for entry in entries if entry and not re.fullmatch(r"\d+\.\d+(\+PTX)?", entry)), None)
    if by_list and by_list.codes and not unread:
        made = " ".join(dict.fromkeys(f"compute_{code.capability.number}" for code in by_list.codes))
    by_default = isinstance(arches, Missing) and not isinstance(nvcc, Missing) and nvcc.release >= (13, 0)
    return _Seen(
        made=made,
        nonsense=Flags((f"compute_{reading.number}",), None).nonsense,
        bf16_off=reading.bf16 is False,
        filtered=reading.pruned,
        refused=(f"compute_{wanted.number}",) if REFUSAL in words and not steered else (),
        ahead="nvcc of CUDA 13 refuses DeepSpeed's default of compute_60 or 70" if by_default else "",
        evidence=(f"{deepspeed.root}/ops/op_builder/builder.py, read: compute_{reading.number} for {wanted}",),
        trouble=f"it cannot read {unread!r} as a number" if unread else "",
    )


def _obeys(deepspeed: Deepspeed) -> bool:
    """Whether this DeepSpeed heeds TORCH_CUDA_ARCH_LIST at first use; one of unknown version is taken for a new one."""
    return not (0,) < deepspeed.release < (0, 19)


def _unproven(builder: DeepspeedBuilder | Missing) -> str:
    """Why the builder itself has not spoken."""
    if isinstance(builder, Missing):
        return f"the builder itself was not asked: {builder.reason}"
    step = builder.course.trouble
    return f"the builder itself was not reached: {step.words if step else builder.course.ended}"


def _asked(builder: DeepspeedBuilder) -> _Seen | None:
    """By the flags that the builder itself made; None where it was not reached."""
    if builder.first_use is None:
        return None
    first, ahead = builder.first_use, builder.ahead or Flags((), None)
    refused = builder.refused(ahead)
    words = (f"{flag}: {builder.refusals[flag] or 'accepted by nvcc'}" if builder.refusals else flag for flag in first.flags)
    return _Seen(
        made=" ".join(first.codes),
        nonsense=first.nonsense,
        bf16_off=first.bf16 is False and not first.old,
        filtered=() if first.old else tuple(builder.filtered),
        refused=builder.refused(first),
        ahead=f"nvcc refuses {', '.join(refused)}" if refused else ahead.trouble or "",
        # DeepSpeed says the same of each.
        evidence=(*words, *[f"{name} {words}" for name, words in builder.filtered.items()][:1]),
        trouble=first.trouble or "",
    )


def _history(deepspeed: Deepspeed) -> tuple[str, ...]:
    """Whether somebody has changed builder.py."""
    if deepspeed.ours:
        return ("op_builder carries only a part of sparkdoctor's patch",)
    if deepspeed.pristine is None:
        return ()
    return ("builder.py is as it was installed" if deepspeed.pristine else "builder.py was changed after its installation",)


def _pinned(deepspeed: Deepspeed, python: Python) -> str:
    """A word for who cannot upgrade."""
    openfold3 = python.distribution("openfold3")
    if openfold3 is None or openfold3.release >= (0, 4, 3):
        return ""
    asked = f" ({deepspeed.asked})" if deepspeed.asked else ""
    return f" Where OpenFold3 {openfold3.version}{asked} must keep this one, `sparkdoctor fix patch-deepspeed` is the other way."
