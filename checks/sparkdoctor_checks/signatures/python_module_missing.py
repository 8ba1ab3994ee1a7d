"""Modules that this Python does not have."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.build_isolated_from_torch import BUILDING

_OPTIONAL = (
    "warn",
    "optional",
    "skipp",
    "falling back",
    "fallback",
    "ignor",
    "disabled",
    "not available",
    "debug",
    "unavailable",
)
_OTHERS = ("deepspeed.", "triton.", "openfold3.")
_TOLD = (
    "openfold3",
    "venv",
    "ensurepip",
    "torch._six",
    "mpi4py",
    "kalign",
    "openfold",
    "attn_core_inplace_cuda",
    "simtk",
    "openmm",
    "pdbfixer",
    "dllogger",
)
"""Modules whose absence has a meaning of its own."""
_PACKAGES = {
    "torch": "'torch>=2.11'",
    "yaml": "pyyaml",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "Bio": "biopython",
    "sklearn": "scikit-learn",
    "dateutil": "python-dateutil",
    "pytorch_lightning": "pytorch-lightning",
    "ml_collections": "ml-collections",
    "pynvml": "nvidia-ml-py",
}
_SAME = frozenset(
    "accelerate biotite boltz click datasets deepspeed einops gemmi hydra ijson lightning lmdb matplotlib ninja numba numpy"
    " omegaconf packaging pandas peft psutil pydantic pybind11 pytest rdkit requests safetensors scipy sentencepiece"
    " setuptools tokenizers torchaudio torchmetrics torchvision tqdm transformers triton vllm wandb wheel".split()
) - {"hydra"}
"""Packages of the same name as their module. Others are not guessed: anybody may have taken the name."""


@signature(
    "ModuleNotFoundError: No module named '{module:name}'",
    "ImportError: No module named '{module:name}'",
    "ImportError: No module named {module:name}",
    "{python:path}: No module named {module:name}",
    checks=("torch-missing", "triton-missing", "deepspeed-missing", "openfold3-missing"),
)
def python_module_missing(found: Found) -> Verdict | None:
    """A program's Python lacks a module that it imports.

    Often the module is installed, for another Python: an environment that was not activated, `sudo`, or pip of one Python and
    program of another. `python -m pip` always means the Python that is named.

    Sources:
    - CPython, ModuleNotFoundError; Python 3.11, run with -m
    - PyPI, setuptools (distutils left Python with 3.12, pkg_resources setuptools with 82)
    """
    module, line = found["module"].rstrip("."), found.line
    if module in _TOLD or module.startswith((*_OTHERS, "cuequivariance_ops", "openmm.", "simtk.", "openfold.")):
        return None
    where, _, _ = line.partition("No module named")
    if found["python"]:
        if "python" not in found["python"].rpartition("/")[2]:
            return None
    elif any(words in line.lower() for words in _OPTIONAL) or not _raised(found, where):
        return None
    if any(words in one for one in found.before for words in BUILDING):
        return None
    if module == "distutils" or module.startswith("distutils.") or module == "pkg_resources":
        return fail(
            f"this Python has no {module}: new versions of Python and setuptools leave it out",
            remedy="Install a setuptools that brings it.",
            command="python3 -m pip install 'setuptools<81'",
        )
    if module == "pip":
        return fail(
            f"{found['python'] or 'this Python'} has no pip",
            remedy="Make an environment with one; in an environment of uv's, say `uv pip install` instead.",
            command="python3 -m venv ~/spark && . ~/spark/bin/activate",
        )
    top = module.partition(".")[0]
    if not top.isidentifier():
        return None
    if top != module:
        return fail(
            f"the {top} that is installed has no {module}: another version is asked for",
            remedy=f"Install the version of {top} that the program asks for, with the Python that runs it.",
            command=f"python3 -m pip show {top}",
        )
    package = top if top in _SAME else _PACKAGES.get(top)
    return fail(
        f"the Python that runs this has no {module}",
        remedy="Install it for that Python, or activate the environment that has it.",
        command=f"python3 -m pip install {package}" if package else "python3 -c 'import sys; print(sys.executable)'",
    )


def _raised(found: Found, where: str) -> bool:
    """Whether it ended a program, and is not told of in passing."""
    near = found.before[-6:]
    raised = any("Traceback (most recent call last)" in line or ", line " in line for line in near)
    told = next((at for at in range(len(found.before) - 1, -1, -1) if "Traceback (most recent" in found.before[at]), 0)
    beside = (*found.before[max(0, told - 1) : told], *found.before[-1:], *found.after[:1])
    return (raised or where.strip() in ("ModuleNotFoundError:", "ImportError:", "E ModuleNotFoundError:")) and not any(
        words in line.lower() for line in beside for words in _OPTIONAL
    )
