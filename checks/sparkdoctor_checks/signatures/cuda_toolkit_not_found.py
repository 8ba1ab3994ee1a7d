"""The CUDA toolkit and where builds look for it."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn


@signature(
    "CUDA_HOME environment variable is not set",
    "CUDA was not found on the system, please set the CUDA_HOME or the CUDA_PATH",
    "nvcc not found at '{tool:path}'",
    "was requested, but nvcc was not found",
    "FileNotFoundError: [Errno 2] No such file or directory: '{tool:path}'",
    "error: command '{tool:path}' failed: No such file or directory",
    "unable to execute '{tool:path}': No such file or directory",
    " {tool:path}: not found ",
    " {tool:path}: command not found ",
    " {tool:path}: No such file or directory ",
    'exec: "{tool}": executable file not found in $PATH',
    "No CMAKE_CUDA_COMPILER could be found",
    "Could not find compiler set in environment variable CUDACXX:",
    "Could not find nvcc, please set CUDAToolkit_ROOT",
    "Failed to find nvcc.",
    "Could not find nvcc and default cuda_home='{home}' doesn't exist",
    "RuntimeError: Could not find nvcc",
    "Your installed Caffe2 version uses CUDA but I cannot find the CUDA",
    "CMAKE_CUDA_COMPILER not set, after EnableLanguage",
    "is not a full path to an existing compiler tool",
    "is not a full path and was not found in the PATH",
    "Failed to detect a default CUDA architecture",
    checks=("nvcc-missing", "cuda-home-wrong"),
    because=("no-compiler-found", "host-compiler-unsupported", "nvcc-refuses-architecture", "toolkit-incomplete"),
)
def cuda_toolkit_not_found(found: Found) -> Verdict | None:
    """A build found no CUDA compiler.

    PyTorch looks in CUDA_HOME or CUDA_PATH, else for nvcc on PATH, else in /usr/local/cuda; CMake looks at CUDACXX and PATH.
    DGX OS has CUDA 13 in /usr/local/cuda, often without nvcc on PATH. Images whose name has `runtime` or `base` have no
    compiler.

    Sources:
    - torch/utils/cpp_extension.py, _find_cuda_home and _join_cuda_home
    - limbo018/DREAMPlace #63, NVIDIA/cutlass #1269; CMake 3.25, run without nvcc
    - flashinfer-ai/flashinfer #1919; NVIDIA-NeMo/Gym #1405
    """
    tool = found["tool"].strip("'\"`")
    if tool and "deepspeed" in " ".join(found.before):
        return None  # it says more
    asked = any(mark in found.line.lower() for mark in ("raise ", "checking", "looking for"))
    if asked or (tool and tool.rpartition("/")[2] != "nvcc"):
        return None
    if "not a full path" in found.line and "CUDA" not in next((x for x in reversed(found.before) if "CMAKE_" in x), ""):
        return None
    where = f": {tool} does not exist" if "/" in tool else ""
    command = "export CUDA_HOME=/usr/local/cuda PATH=/usr/local/cuda/bin:$PATH"
    if "command not found" in found.line:
        return warn(
            "there is no nvcc on PATH",
            remedy="Put the toolkit's directory on PATH; DGX OS has one in /usr/local/cuda.",
            command=command,
        )
    return fail(
        f"a build found no CUDA compiler{where}",
        remedy="Point CUDA_HOME and PATH at a CUDA toolkit; where there is none, install it (apt: cuda-toolkit-13-0).",
        command=command,
    )
