"""cuEquivariance's version."""

from collections.abc import Iterator

from sparkdoctor.facts import Openfold3, Python, Torch
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip

OPERATORS = "cuequivariance-ops-torch-cu"
NAMES = ("cuequivariance", "cuequivariance-torch")


@check
def cuequivariance_too_old(openfold3: Openfold3, python: Python, torch: Torch | Missing) -> Verdict:
    """cuEquivariance, where it is installed, is one that OpenFold3 can use.

    OpenFold3 imports it wherever it finds cuequivariance_torch and a GPU, whether a runner YAML asks for its kernels or not:
    one without its operators, or with operators for another CUDA than PyTorch's, ends every prediction with an ImportError.
    The extra `openfold3[cuequivariance]` brings operators for CUDA 12, also beside a PyTorch for CUDA 13.

    Sources:
    - core/model/primitives/attention.py of OpenFold3 0.3.0 to 0.5.0
    - their metadata: >=0.6.1, also <0.8 in 0.4.2 and 0.4.3, >=0.8 from 0.4.4 on
    """
    found = {name: one.version for name in NAMES if (one := python.distribution(name))}
    operators = {name: one.version for name, one in python.distributions.items() if name.startswith(OPERATORS)}
    if "cuequivariance-torch" not in found:
        return skip("cuEquivariance is not installed; nothing uses it by default")
    cuda = None if isinstance(torch, Missing) or torch.cuda is None else torch.cuda.partition(".")[0]
    fitting = f"{OPERATORS}{cuda or '13'}"
    if not operators or (cuda is not None and fitting not in operators):
        have = ", ".join(sorted(operators)) or "none"
        return fail(
            f"cuequivariance-torch {found['cuequivariance-torch']} has no operators for PyTorch's CUDA {cuda or ''}".rstrip(),
            expected=fitting,
            observed=have,
            remedy="Install the operators for PyTorch's CUDA, or uninstall cuequivariance-torch.",
            command=python.pip_install(f"'{fitting}{_bound(openfold3)}'"),
        )
    for name, wanted, version in _conflicts(openfold3, {**found, **operators}):
        names = " ".join(f"'{one}{wanted}'" for one in sorted({*found, fitting}))
        return fail(
            f"{name} {version} is not what OpenFold3 {openfold3.version} asks for",
            expected=wanted,
            observed=version,
            remedy="Install what it asks for.",
            command=python.pip_install(f"--upgrade {names}"),
        )
    return ok(f"cuEquivariance {found['cuequivariance-torch']}", observed=found["cuequivariance-torch"])


def _bound(openfold3: Openfold3) -> str:
    """What the extra of its metadata asks for, or what that version was released with."""
    for line in openfold3.requires:
        if line.startswith("cuequivariance-torch"):
            return line.partition(";")[0].removeprefix("cuequivariance-torch").strip(" ()")
    return ">=0.8" if not openfold3.release or openfold3.release >= (0, 4, 4) else ">=0.6.1"


def _conflicts(openfold3: Openfold3, found: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 (only where it is installed)
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415

    bound = _bound(openfold3)
    for name, version in found.items():
        try:
            if not SpecifierSet(bound).contains(Version(version), prereleases=True):
                yield name, bound, version
        except (InvalidSpecifier, InvalidVersion):
            continue
