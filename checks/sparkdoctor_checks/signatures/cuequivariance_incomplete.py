"""cuEquivariance's operators."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Error while loading libcue_ops.so: {reason}",
    "No module named 'cuequivariance_ops_torch'",
    "No module named 'cuequivariance_ops'",
    "Failed to import Triton-based component: {component:name}",
    "Error importing {component:name} from cuequivariance_ops_torch",
    checks=("cuequivariance-too-old",),
)
def cuequivariance_incomplete(found: Found) -> Verdict | None:
    """The operators of cuEquivariance cannot be loaded here.

    They are packages of their own, one for CUDA 12 and one for 13, and must be for PyTorch's CUDA; with both, one overwrites the
    other's files. OpenFold3's extra brings those for CUDA 12, also beside a PyTorch for 13.

    Sources:
    - NVIDIA/cuEquivariance #165, #193; ACEsuit/mace #1221; bytedance/Protenix #185
    - aqlaboratory/openfold-3 #181 (NVML on a GB10); Requires-Dist of openfold3 0.3.0 to 0.5.0
    """
    if "libcuda.so" in found["reason"]:
        return None  # the driver is missing, and that is told for itself
    if found["component"]:
        asks = any(line.strip() == "Not Supported" for line in found.after[:2])
        why = ": its old operators ask NVML for what this GPU does not tell" if asks else ""
        what = f"cuEquivariance cannot load {found['component']}{why}"
    elif found["reason"]:
        what = f"cuEquivariance's operators are for another CUDA than what is installed ({found['reason']})"
    else:
        what = "cuEquivariance is installed without its operators"
    return fail(
        what,
        remedy="Install the operators for PyTorch's CUDA, of one version with the rest, and no others.",
        command="python3 -m pip uninstall -y cuequivariance-ops-cu12 cuequivariance-ops-torch-cu12; "
        "python3 -m pip install --upgrade 'cuequivariance-torch>=0.9' 'cuequivariance-ops-torch-cu13>=0.9'",
    )
