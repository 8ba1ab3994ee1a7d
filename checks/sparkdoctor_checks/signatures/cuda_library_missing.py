"""CUDA's libraries that a wheel was built with."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn
from sparkdoctor_checks.signatures.renewal import RELEASED_WITH_TORCH, package_near, renewed

_CUDA = (
    *("libcudart", "libcublas", "libcublasLt", "libcufft", "libcurand", "libcusolver", "libcusparse", "libnvrtc"),
    *("libnvJitLink", "libcupti", "libcufile", "libnvToolsExt", "libnppc", "libnvjpeg", "libnvrtc-builtins"),
)
_OTHERS = ("libcudnn", "libnccl", "libcusparseLt", "libnvshmem_host", "libcudss")
_OF_MAJOR = {"12": {"libcufft": "11", "libcusolver": "11"}, "13": {"libcufft": "12", "libcusolver": "12"}}
"""Libraries whose number is not that of CUDA."""
_OF_SEVERAL = ("libcurand.so.10", "libcusparse.so.12", "libcufile.so.0", "libnvToolsExt.so.1")
"""Those that bear the same number in CUDA 12 and 13."""


@signature(
    "{library:path}: cannot open shared object file",
    "{library:path} => not found",
    "Library {library:path} is not found or cannot be loaded",
    "Unable to load any of {{{library:path},",
    checks=("torch-import-dies", "cuda-home-wrong", "nvcc-torch-mismatch"),
    because=("cuequivariance-incomplete",),
)
def cuda_library_missing(found: Found) -> Verdict | None:
    """A library of CUDA is not there in the version that a program needs.

    Libraries of CUDA 12 and 13 do not stand in for each other: a wheel for CUDA 12 asks for libcudart.so.12, and on a DGX
    Spark there is CUDA 13. A link from one name to the other only moves the crash.

    Sources:
    - vllm-project/vllm #36099, #31018, #52300; kaito-project/kaito #2086
    - dlopen's words in glibc; wheels of PyTorch for CUDA 12.x and 13.0
    """
    name = found["library"].rpartition("/")[2]
    stem, _, version = name.partition(".so")
    major = version.strip(".").partition(".")[0]
    base = next((one for one in (*_CUDA, *_OTHERS) if stem == one or stem.startswith(f"{one}_")), None)
    listed = "=> not found" in found.line
    if listed and not (
        found.line.endswith("=> not found") and base in _CUDA and major in ("11", "12") and name not in _OF_SEVERAL
    ):
        return None  # what PyTorch has loaded before is found by no search
    if base is None or "Ignore above cudart dlerror" in " ".join((found.line, *found.after[:2])):
        return None
    if base in _OTHERS:
        package = {"libcudnn": "nvidia-cudnn-cu13", "libnvshmem_host": "nvidia-nvshmem-cu13"}.get(
            base, f"nvidia-{base[3:].lower()}-cu13"
        )
        return fail(
            f"{name} is missing",
            remedy="Install it beside the program, for the CUDA that it was built with, and name its folder in LD_LIBRARY_PATH.",
            command=f"python3 -m pip install {package}",
        )
    cuda = next((cuda for cuda, names in _OF_MAJOR.items() if names.get(base) == major), major)
    if cuda == "13" or name in _OF_SEVERAL:
        return fail(
            f"{name} is missing, a library of CUDA's" + (": the program was built with CUDA 13, and finds none" * (cuda == "13")),
            remedy="Name the folder of CUDA 13's libraries.",
            command="export LD_LIBRARY_PATH=/usr/local/cuda-13.0/lib64:$LD_LIBRARY_PATH",
        )
    of = f"CUDA {cuda}" if cuda.isdecimal() and int(cuda) > 9 else "another CUDA"
    what = f"{name} is missing: the program was built with {of}, and a DGX Spark has CUDA 13"
    if listed or "error while loading shared libraries" in found.line:
        return (warn if listed else fail)(
            what,
            remedy="Build the program anew with CUDA 13, or take its build for that. Do not link one name to the other.",
            command="export CUDA_HOME=/usr/local/cuda-13.0 PATH=/usr/local/cuda-13.0/bin:$PATH",
        )
    package = package_near(found)
    if package and package not in RELEASED_WITH_TORCH:
        options = f"--force-reinstall --no-deps --no-cache-dir --no-build-isolation {package}"
    else:
        options = f"--upgrade {package}" if package in ("vllm", "xformers") else "--upgrade 'torch>=2.11'"
    remedy, command = renewed(
        found, "Install a build for CUDA 13 of what fails to load, and of PyTorch. Do not link one name to the other.", options
    )
    return fail(what, remedy=remedy, command=None if "onnxruntime" in found.line else command)
