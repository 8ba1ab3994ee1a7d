"""Extensions that were built for another PyTorch or Python."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn
from sparkdoctor_checks.signatures.renewal import DISTRIBUTIONS, RELEASED_WITH_TORCH, owner, renewed

TORCH = ("3c10", "2at", "5torch", "4c10d", "aoti_torch_", "THP", "torch_")


@signature(
    "{file:path}: undefined symbol: {symbol:path}",
    "RuntimeError: operator {package:name}::{operator:name} does not exist",
    "RuntimeError: No such operator {package:name}::{operator:name}",
    checks=("extension-cache-foreign", "wheel-for-other-machine"),
)
def extension_of_other_environment(found: Found) -> Verdict | None:
    """A compiled extension was built for another PyTorch or Python.

    Names of PyTorch's C++ functions change from version to version; a library that was built before looks for those of then.
    So end wheels for another PyTorch, and the cache of extensions after an upgrade: its folder is named by Python and CUDA
    alone.

    Sources:
    - pytorch/pytorch #157648, pytorch/vision #8985, #7150; mudler/LocalAI #9798
    - Dao-AILab/flash-attention #966, #1832; sgl-project/sglang #851
    - _get_build_directory in torch/utils/cpp_extension.py
    """
    if found["package"]:
        return _together(found, found["package"], f"{found['package']} was built for another PyTorch than the one that loads it")
    file, symbol = found["file"], found["symbol"]
    directory, _, name = file.rpartition("/")
    module = name.partition(".")[0]
    mangled = symbol.startswith("_Z")
    of_torch = (mangled and any(mark in symbol for mark in TORCH[:4])) or symbol.startswith(TORCH[4:])
    of_python = symbol.startswith(("Py", "_Py"))
    if ".so" not in name or symbol.startswith(("curand", "cufft", "cusolver")):  # not linked to a library of CUDA's
        return None
    if not (of_torch or of_python or "torch_extensions/" in file):
        return None
    if "torch_extensions/" in file or (directory.endswith(f"/{module}") and "-packages/" not in file):
        return fail(
            f"{name} in the cache was built for another {'Python' if of_python else 'PyTorch'}: it looks for {symbol[:60]}",
            remedy="Move it aside; the next use builds it for today's environment.",
            command="sparkdoctor fix quarantine-foreign-extension",
        )
    inside = file.rpartition("-packages/")[2].split("/")[0] if "-packages/" in file else module
    package = DISTRIBUTIONS.get(module) or DISTRIBUTIONS.get(inside) or DISTRIBUTIONS.get(module.removeprefix("lib"))
    if "/torch/lib/" in file or (name.startswith("libtorch") and not package):
        return fail(
            f"parts of two PyTorches are mixed: {name} looks for {symbol[:60]}",
            remedy="Unset the variables that lead to the other one; reinstall PyTorch where that does not help.",
            command="unset LD_LIBRARY_PATH PYTHONPATH",
        )
    what = (
        f"{name} was built for another {'Python' if of_python else 'PyTorch'} than the one that loads it: no {symbol[:60]} here"
    )
    if package in RELEASED_WITH_TORCH:
        return _together(found, package, what)
    return fail(
        what,
        remedy=f"Build {package or 'the package that it belongs to'} anew against this PyTorch, or install the wheel for it.",
        command=f"python3 -m pip install --force-reinstall --no-deps --no-cache-dir --no-build-isolation {package}"
        if package
        else owner(module if inside == name else inside),
    )


def _together(found: Found, package: str, what: str) -> Verdict | None:
    """How a package whose releases are each for one PyTorch is brought together with it."""
    if package not in RELEASED_WITH_TORCH:
        return None
    remedy, command = renewed(
        found,
        f"Take {package} and PyTorch of one release: each {package} goes with one PyTorch.",
        f"--upgrade {'torch torchvision torchaudio' if package.startswith('torch') else package}",
    )
    return (warn if "Failed to load image Python extension" in found.line else fail)(what, remedy=remedy, command=command)
