"""NVML's memory of a GPU that has none of its own."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature


@signature(
    "NVMLError_NotSupported: Not Supported",
    "error getting device memory: Not Supported",
    "error getting memory info for device {device:int}: Not Supported",
    "Failed to get free memory for device {device}: Not Supported",
    checks=("cuequivariance-too-old", "machine-not-spark"),
)
def nvml_memory_not_supported(found: Found) -> Verdict:
    """A program asked NVML for what GB10 does not tell, mostly its memory.

    CPU and GPU share one memory there, so NVML says Not Supported and nvidia-smi shows the same: that is healthy, as it is of
    power limits, fans and memory clocks. Programs that take it for an error are too old for GB10.

    Sources:
    - NVIDIA/k8s-device-plugin #1482, #1374; NVIDIA/gpu-operator #1794; kubernetes-sigs/dra-driver-nvidia-gpu #1073
    - NVIDIA/cosmos #180; NVIDIA/cuEquivariance #203; aqlaboratory/openfold-3 #181; NVIDIA-NeMo/RL #2203
    """
    said = " ".join((*found.before, found.line)).lower()
    if "ignoring error" in found.line.lower() or "warn" in found.line.lower():
        return ok("NVML does not tell the memory of GB10, which CPU and GPU share; the program goes on without")
    if "NVMLError" in found.line and "cuequivariance" not in said and "mem" not in said:
        return fail(
            "a program asks NVML for what GB10 does not tell, such as a power limit, a fan or the memory",
            remedy="Update that program to a version that knows GB10; the machine is healthy.",
            command="nvidia-smi -q",
        )
    if "cuequivariance" in said:
        return fail(
            "cuEquivariance before 0.8 asks NVML for the GPU's memory, which GB10 does not tell",
            remedy="Take cuEquivariance 0.8 or later, with the operators for PyTorch's CUDA.",
            command="python3 -m pip install --upgrade 'cuequivariance-torch>=0.8' 'cuequivariance-ops-torch-cu13>=0.8'",
        )
    if "device memory" in found.line or "plugin" in said:
        return fail(
            "the device plugin of Kubernetes asks NVML for the GPU's memory, which GB10 does not tell",
            remedy="Take NVIDIA's device plugin 0.17.4 or later (GPU operator 25.10 or later).",
            command="helm upgrade -i nvdp nvdp/nvidia-device-plugin -n nvidia-device-plugin --create-namespace --version 0.17.4",
        )
    return fail(
        "a program asks NVML for the GPU's memory, which GB10 does not tell: CPU and GPU share it",
        remedy="Update that program to a version that knows GB10; the machine is healthy, and MemAvailable is the figure to use.",
        command="grep -E 'MemTotal|MemAvailable' /proc/meminfo",
    )
