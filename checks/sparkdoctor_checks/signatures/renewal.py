"""How to come by another PyTorch, or by a package again."""

from shlex import quote

from sparkdoctor.plugin import Found

NEWER_IMAGE = "Use a newer NGC image; a wheel from PyPI breaks what else is in this one."
_NVIDIAS = ("nvcr.io/nvidia/", "a0+", "/etc/pip/constraint", "NVIDIA Release 2", ".nv24.", ".nv25.", ".nv26.")
"""What a log shows of NVIDIA's images, whose PyTorch is never replaced by a wheel: the rest is built against it."""
DISTRIBUTIONS = {
    "causal_conv1d_cuda": "causal-conv1d",
    "deepspeed": "deepspeed",
    "flash_attn": "flash-attn",
    "flash_attn_2_cuda": "flash-attn",
    "flash_attn_3_cuda": "flash-attn",
    "mamba_ssm": "mamba-ssm",
    "selective_scan_cuda": "mamba-ssm",
    "torch": "torch",
    "torch_cluster": "torch-cluster",
    "torch_scatter": "torch-scatter",
    "torch_sparse": "torch-sparse",
    "torchaudio": "torchaudio",
    "torchcodec": "torchcodec",
    "torchvision": "torchvision",
    "transformer_engine": "transformer-engine",
    "transformer_engine_torch": "transformer-engine-torch",
    "triton": "triton",
    "vllm": "vllm",
    "xformers": "xformers",
}
"""Modules, and the packages on PyPI that bring them. What is not among them is not guessed: the name may be a stranger's."""

RELEASED_WITH_TORCH = ("torchaudio", "torchcodec", "torchvision", "vllm", "xformers")
"""Packages whose wheels are each for one PyTorch."""


def renewed(found: Found, remedy: str, options: str) -> tuple[str, str | None]:
    """The remedy and its command where another PyTorch is wanted; in NVIDIA's images it is another image."""
    if in_nvidias_image(found):
        return NEWER_IMAGE, None
    return remedy, f"python3 -m pip install {options}"


def package_near(found: Found) -> str:
    """The package, of those above, whose file the lines around name, the nearest first; empty where none but PyTorch's own is."""
    for line in (found.line, *reversed(found.before[-6:]), *found.after[:2]):
        for module, package in DISTRIBUTIONS.items():
            if package not in ("torch", "triton") and (f"-packages/{module}/" in line or f"/{module}." in line):
                return package
    return ""


def in_nvidias_image(found: Found) -> bool:
    """Whether the lines around show one that has a PyTorch; those of CUDA alone have none."""
    near = (*found.before, found.line, *found.after)
    return any(mark in line and "nvcr.io/nvidia/cuda" not in line for line in near for mark in _NVIDIAS)


def owner(module: str) -> str:
    """The command that tells which package a module belongs to."""
    program = f"from importlib.metadata import packages_distributions as p; print(p().get({module!r}))"
    return f"python3 -c {quote(program)}"
