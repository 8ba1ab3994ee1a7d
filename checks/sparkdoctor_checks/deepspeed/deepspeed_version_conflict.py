"""DeepSpeed's version against what is around it."""

from collections.abc import Iterator
from typing import NamedTuple

from sparkdoctor.facts import Attention, Deepspeed, Nvcc, Python, Torch
from sparkdoctor.facts.attention import evoformer_unused
from sparkdoctor.facts.cutlass import IGNORE, VARIABLE
from sparkdoctor.facts.python import release_of
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, warn
from sparkdoctor.profiles import Profile


@check
def deepspeed_version_conflict(
    deepspeed: Deepspeed,
    torch: Torch | Missing,
    nvcc: Nvcc | Missing,
    python: Python,
    attention: Attention | Missing,
    profile: Profile,
) -> Verdict:
    """DeepSpeed's version suits PyTorch, CUDA and OpenFold3.

    PyTorch 2.14's headers demand C++20 (`#error C++20 or later compatible compiler is required`): DeepSpeed passes that from
    0.19.5 on, and to an nvcc of CUDA 13 from 0.19.7 on. 0.18.5 and 0.18.6 cannot build evoformer_attn at all (`object of type
    'PosixPath' has no len()`). What OpenFold3 asks for stands in its metadata.

    The "Muon conflict" that 0.15.4 is often pinned for is a Triton that is not PyTorch's own: see triton-torch-mismatch.

    Sources:
    - evoformer_attn of DeepSpeed 0.15.4 and 0.19.8 compiled with PyTorch 2.10, 2.13 and 2.14 headers
    - deepspeedai/DeepSpeed #7760, #8238
    - Requires-Dist of the installed OpenFold3
    """
    in_use = evoformer_unused(attention) is None
    conflicts = (
        *_with_profile(deepspeed, profile),
        *_with_openfold3(deepspeed, python),
        *_with_the_build(deepspeed, torch, nvcc, in_use=in_use),
    )
    if not conflicts:
        return ok(f"DeepSpeed {deepspeed.version}", observed=deepspeed.version)
    conflict = conflicts[0]
    return (fail if conflict.failed else warn)(
        f"DeepSpeed {deepspeed.version} {conflict.text}",
        expected=conflict.wanted,
        observed=deepspeed.version,
        remedy="Install a DeepSpeed that suits.",
        command=python.pip_install(f"--upgrade 'deepspeed{conflict.wanted}'"),
    )


class _Conflict(NamedTuple):
    """What does not go together, and the versions that would."""

    text: str
    wanted: str
    failed: bool


def _with_profile(deepspeed: Deepspeed, profile: Profile) -> Iterator[_Conflict]:
    required = profile.deepspeed.version
    if required is not None and deepspeed.version not in required:
        yield _Conflict(f"is not what the profile {profile.name} asks for", str(required), failed=True)


def _with_the_build(deepspeed: Deepspeed, torch: Torch | Missing, nvcc: Nvcc | Missing, *, in_use: bool) -> Iterator[_Conflict]:
    """Where evoformer_attn cannot be built; no matter where that is not `in_use`."""
    release = deepspeed.release
    if release in ((0, 18, 5), (0, 18, 6)) and deepspeed.settings.get(VARIABLE) != IGNORE:
        text = "cannot build evoformer_attn: it takes the length of a PosixPath (TypeError)"
        yield _Conflict(text, ">=0.18.7", failed=in_use)
    if not release or isinstance(torch, Missing) or release_of(torch.version)[:2] < (2, 14):
        return
    first = (0, 19, 5) if isinstance(nvcc, Missing) or nvcc.release < (13, 0) else (0, 19, 7)
    if release < first:
        text = f"compiles its operators as C++17, PyTorch {torch.version} demands C++20"
        yield _Conflict(text, f">={'.'.join(map(str, first))}", failed=in_use)


def _with_openfold3(deepspeed: Deepspeed, python: Python) -> Iterator[_Conflict]:
    openfold3 = python.distribution("openfold3")
    if deepspeed.asked is None or openfold3 is None or not deepspeed.release:
        return
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 (only where OpenFold3 asks)

    try:
        wanted = Requirement(deepspeed.asked)
    except InvalidRequirement:
        return
    if not wanted.specifier.contains(deepspeed.version, prereleases=True):
        text = f"is not what OpenFold3 {openfold3.version} asks for ({deepspeed.asked})"
        # An extra is not in use until a runner file turns it on.
        yield _Conflict(text, str(wanted.specifier), failed=wanted.marker is None)
