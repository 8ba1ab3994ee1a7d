"""The installed DeepSpeed, read from its files."""

import re
from collections.abc import Mapping
from posixpath import dirname
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from sparkdoctor.facts.gpu import targets
from sparkdoctor.facts.python import Python, release_of
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

if TYPE_CHECKING:
    from sparkdoctor.facts.builder_source import Reading

FILTERING = (
    "fp_quantizer",
    "inference_cutlass_builder",
    "ragged_ops",
    "inference_core_ops",
    "ragged_utils",
    "transformer_inference",
)
"""Operators with a `filter_ccs` of their own, by their files in op_builder."""
AHEAD = tuple(
    f"DS_BUILD_{name}"
    for name in (
        "OPS AIO CUTLASS_OPS DEEP_COMPILE EVOFORMER_ATTN FP_QUANTIZER FUSED_ADAM FUSED_LAMB FUSED_LION GDS INFERENCE_CORE_OPS "
        "PIN_MEMORY QUANTIZER RAGGED_DEVICE_OPS RAGGED_OPS RANDOM_LTD SPATIAL_INFERENCE STOCHASTIC_TRANSFORMER TRANSFORMER "
        "TRANSFORMER_INFERENCE"
    ).split()
)
"""Variables that ask pip for CUDA operators ahead of time."""
TWO_DIGITS = (0, 16, 4)
"""The first release that reads majors of two digits. Source: deepspeedai/DeepSpeed #6991."""
MARK = "# sparkdoctor: two-digit major"
"""What our own patch leaves beside the lines that it changes."""


class Deepspeed(Fact):
    """A DeepSpeed that would be imported, though nobody did.

    `readings` tell by architecture number (121) what its builder makes of that; `pristine` whether builder.py is as it was
    installed (None where that is not known, or there was no reason to ask) and `ours` whether our patch is in it. `accepted`
    is its table of CUDA versions that may be mixed, by major; `comparing` names its functions that compare nvcc's version
    with PyTorch's. `settings` are the variables for it that are set, `asked` what OpenFold3's metadata requires of it,
    `prebuilt` its operators that were compiled when it was installed, `threads` what it gives each nvcc.
    """

    version: str
    root: str
    readings: Mapping[int, "Reading"]
    pristine: bool | None = None
    ours: bool = False
    accepted: Mapping[int, tuple[str, ...]] | None = None
    comparing: tuple[str, ...] = ()
    settings: Mapping[str, str] = MappingProxyType({})
    asked: str | None = None
    prebuilt: tuple[str, ...] = ()
    threads: int = 8

    @property
    def release(self) -> tuple[int, ...]:
        """(0, 19, 1); empty where the version is unknown."""
        return release_of(self.version)

    @property
    def builds_ahead(self) -> str | None:
        """The setting that asks for a build of CUDA operators ahead of time."""
        return next(
            (f"{name}={value}" for name, value in self.settings.items() if name in AHEAD and value not in ("", "0")), None
        )

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read the version and the few functions of op_builder that turn an architecture into flags."""
        python = machine.need(Python)
        origin = python.modules["deepspeed"]
        if isinstance(origin, Missing):
            return origin
        from sparkdoctor.facts import builder_source  # noqa: PLC0415 (only where there is a DeepSpeed to read)

        root = dirname(origin)
        installed = python.distribution("deepspeed")
        source = _Source(machine, f"{root}/ops/op_builder")
        arguments, base_filter = source.method("builder", "compute_capability_args"), source.method("builder", "filter_ccs")
        filters = {name: text for name in FILTERING if (text := source.method(name, "filter_ccs"))}
        readings = {
            capability.number: builder_source.read(arguments, base_filter, filters, capability) for capability in targets(machine)
        }
        openfold3 = python.distribution("openfold3")
        asked = source.parts(f"{openfold3.path}/METADATA", "Requires-Dist: deepspeed", "\n") if openfold3 else ()
        written = machine.read(f"{root}/git_version_info_installed.py")
        said = "" if isinstance(written, Missing) else written
        version = parse_version(said) or (installed.version if installed else "unknown")
        settings = {
            name: value for name in ("CUTLASS_PATH", "DS_SKIP_CUDA_CHECK", *AHEAD) if (value := machine.env(name)) is not None
        }
        return cls(
            # The files count: an upgrade that broke off may leave the metadata of another version.
            version=version,
            root=root,
            readings=readings,
            pristine=_pristine(machine, root, installed.path)
            if installed and _patchable(release_of(version), readings)
            else None,
            ours=MARK in arguments,
            accepted=builder_source.parse_accepted("".join(source.parts(source.builder, "cuda_minor_mismatch_ok = {", "\n\n"))),
            comparing=tuple(
                text.partition("(")[0]
                for text in source.parts(source.builder, "assert_no_cuda_mismatch(self.name)", "\n    def ")
            ),
            settings=settings,
            asked=asked[0].removeprefix("Requires-Dist:").strip() if asked else None,
            prebuilt=parse_prebuilt(said),
            threads=nvcc_threads(machine.env("DS_NVCC_THREADS"), machine.itself()["cpus"]),
        )


class _Source:
    """The texts of op_builder's files: only the functions that count, they go onto tapes."""

    def __init__(self, machine: Machine, place: str) -> None:
        self._machine, self._place = machine, place
        self.builder = f"{place}/builder.py"

    def parts(self, path: str, needle: str, delimiter: str) -> tuple[str, ...]:
        found = self._machine.records(path, needle, delimiter)
        return () if isinstance(found, Missing) else found

    def method(self, file: str, name: str) -> str:
        """A method from its name up to the next one; empty where there is none."""
        found = self.parts(f"{self._place}/{file}.py", f"{name}(self, ", "\n    def ")
        return next((text for text in found if text.startswith(name)), "")


def nvcc_threads(asked: str | None, cpus: int) -> int:
    """`--threads` of each nvcc. Source: nvcc_args in op_builder/builder.py, 0.15.4 to 0.19.8."""
    found = re.fullmatch(r"\s*\+?0*([1-9]\d{0,3})\s*", asked or "")
    return int(found[1]) if found else min(cpus, 8)


def parse_version(written: str) -> str:
    """The version in git_version_info_installed.py, which is DeepSpeed's `__version__`; empty where there is none."""
    found = re.search(r"^version='([^']+)'", written, re.MULTILINE)
    return found[1] if found else ""


def parse_prebuilt(written: str) -> tuple[str, ...]:
    """The operators with True in its line `installed_ops={'async_io': False, …}`."""
    table = re.search(r"^installed_ops\s*=\s*\{([^}\n]*)\}", written, re.MULTILINE)
    return tuple(re.findall(r"['\"](\w+)['\"]\s*:\s*True", table[1])) if table else ()


def _patchable(release: tuple[int, ...], readings: Mapping[int, "Reading"]) -> bool:
    """Whether somebody may have had a reason to change builder.py."""
    return release < TWO_DIGITS or any(reading != (str(number), True, ()) for number, reading in readings.items())


def _pristine(machine: Machine, root: str, metadata: str) -> bool | None:
    """Whether builder.py is the one that pip has installed, by the hash in RECORD."""
    path = "op_builder/builder.py,sha256="
    lines = machine.records(f"{metadata}/RECORD", path, "\n")
    recorded = None if isinstance(lines, Missing) else re.search(rf"{re.escape(path)}([\w-]+)", "\n".join(lines))
    digest = machine.digest(f"{root}/ops/op_builder/builder.py") if recorded else Missing("")
    if recorded is None or isinstance(digest, Missing):
        return None
    from base64 import urlsafe_b64encode  # noqa: PLC0415 (only for a builder.py that may have been changed)

    return urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=") == recorded[1]
