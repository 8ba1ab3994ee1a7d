"""Triton and a ptxas that is newer than it, or missing."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.renewal import renewed

TOOLS = ("ptxas", "ptxas-blackwell", "cuobjdump", "nvdisasm")
UPGRADE = "--upgrade 'torch>=2.11' 'triton>=3.6'"
XLA = ("xla", "jax", "jit_", "tensorflow", "cuda_dnn.cc")

_AGAIN = (
    "python3 -m pip install --force-reinstall --no-deps"
    ' "triton==$(python3 -c \'import importlib.metadata as m; print(m.version("triton"))\')"'
)


@signature(
    " Triton only support CUDA 10.0 or higher",
    "RuntimeError: Cannot find {tool:name}",
    "No such file or directory: '{directory:path}/triton/{rest:path}/bin/{tool:name}'",
    "PTX version {version:number} does not support target '{target:name}'",
    checks=("triton-ptxas-too-old", "triton-ptxas-path-ignored"),
)
def triton_refuses_ptxas(found: Found) -> Verdict | None:
    """Triton has no ptxas that it can use.

    It brings its own, which TRITON_PTXAS_PATH overrides (from 3.6 on TRITON_PTXAS_BLACKWELL_PATH for this GPU). Up to 3.4 it
    knows the CUDA versions up to 12 only, and says of 13 that it must be `10.0 or higher`. From 3.6 on it writes PTX of the
    version that its ptxas knows: one of CUDA 12.8 knows 8.7, and sm_121a needs 8.8. XLA, of JAX and TensorFlow, says the same.

    Sources:
    - ptx_get_version, get_ptxas and knobs.py of Triton 3.1, 3.3.1, 3.5.1 and 3.9.0, run with ptxas 12.8 and 13.0
    - triton-lang/triton #8925; woct0rdho/triton-windows #49; openxla/xla #47982, tensorflow/tensorflow #111958
    """
    if found["version"] and any(mark in line.lower() for line in found.before for mark in XLA):
        return fail(
            f"JAX or TensorFlow (XLA) uses a CUDA toolkit that is too old for {found['target']}: it knows PTX {found['version']}",
            remedy="Put a toolkit of CUDA 13 first on PATH, and upgrade JAX or TensorFlow to a release for CUDA 13.",
            command="export PATH=/usr/local/cuda/bin:$PATH",
        )
    if found["version"]:
        return fail(
            f"Triton's ptxas is too old for {found['target']}: it knows PTX {found['version']}",
            remedy="Unset TRITON_PTXAS_BLACKWELL_PATH and TRITON_PTXAS_PATH: the bundled ptxas of Triton 3.6 or later is newer.",
            command="unset TRITON_PTXAS_BLACKWELL_PATH TRITON_PTXAS_PATH",
        )
    if tool := found["tool"].rstrip("'"):
        if tool not in TOOLS:
            return None
        return fail(
            f"Triton finds no {tool} of its own",
            remedy="Install Triton anew; its wheels bring it.",
            command=_AGAIN,
        )
    remedy, command = renewed(found, "Upgrade PyTorch and Triton.", UPGRADE)
    version = found.line.partition("got CUDA version: ")[2].partition(" ")[0].rstrip(".,:;")
    of = f" of CUDA {version}" if version else ""
    return fail(
        f"this Triton is older than the ptxas{of} that it was given, and refuses it",
        remedy=remedy,
        command=command,
    )
