"""CUDA without a GPU."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature


@signature(
    ": no CUDA-capable device is detected",
    "-> no CUDA-capable device is detected",
    " code=100(cudaErrorNoDevice) ",
    "Error: No CUDA GPUs are available",
    "CUDA unknown error - this may be due to an incorrectly set up environment",
    "CUDA driver initialization failed, you might not have a CUDA gpu",
    ": CUDA-capable device(s) is/are busy or unavailable",
    ": all CUDA-capable devices are busy or unavailable",
    "Error 802: system not yet initialized",
    "CUDA error: system not yet initialized",
    "-> system not yet initialized",
    "CUDA error: unknown error",
    "cuInit: CUDA_ERROR_UNKNOWN: unknown error",
    "The NVIDIA Driver is present, but CUDA failed to initialize.",
    "RuntimeError: Unable to initialize backend '{backend:name}': FAILED_PRECONDITION: No visible GPU devices.",
    "RuntimeError: Unable to initialize backend '{backend:name}': INTERNAL: no supported devices found for platform CUDA",
    "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False",
    checks=("gpu-not-visible", "driver-missing", "driver-library-mismatch"),
    because=(
        "gpu-fault",
        "gpu-did-not-come-up",
        "nvidia-smi-finds-no-device",
        "driver-updated-without-restart",
        "forward-compatibility-refused",
        "container-without-gpu",
        "driver-not-found",
        "driver-library-missing",
        "nvml-refuses",
        "driver-older-than-cuda",
        "torch-is-cpu-build",
    ),
)
def no_cuda_device(found: Found) -> Verdict:
    """CUDA finds no GPU that it can use.

    CUDA_VISIBLE_DEVICES hides it, the container was started without it, /dev/nvidia-uvm is missing, or the driver is in
    disorder and wants a restart.

    Sources:
    - CUDA runtime, errors 46, 100, 802 and 999; c10/cuda/CUDAFunctions.cpp
    - google-deepmind/alphafold3 #141, jax-ml/jax #24866 (JAX)
    - gpustack/gpustack #1254 (802); CUDA C++ Programming Guide, "CUDA Environment Variables"
    """
    line = found.line
    if "failed call to cuInit" in line:
        return ok("TensorFlow or JAX finds no GPU, and goes on without; harmless where none is wanted")
    if found["backend"]:
        return fail(
            "JAX is to use the GPU, and CUDA finds none: it is hidden, or not handed to this container",
            remedy="Start the container with the GPU (docker: --gpus all, apptainer: --nv), and see that nvidia-smi works there.",
            command="echo $CUDA_VISIBLE_DEVICES; nvidia-smi -L",
        )
    if "deserialize" in line:
        return fail(
            "a checkpoint wants a GPU, and PyTorch has none: it is a CPU build, or the GPU is not handed to it",
            remedy="See whether PyTorch was built with CUDA and finds the GPU; to load it on the CPU, use map_location.",
            command="python3 -c 'import torch; print(torch.__version__, torch.version.cuda, torch.cuda.device_count())'",
        )
    if "busy or unavailable" in line:
        return fail(
            "the GPU is there and may not be used: another program has it alone, or an earlier one left it in disorder",
            remedy="See who uses it and whether its compute mode is Default; if nobody does, restart.",
            command="nvidia-smi --query-gpu=compute_mode --format=csv; sudo fuser -v /dev/nvidia*",
            needs_root=True,
        )
    number = "999"
    if "failed to initialize" in line:  # the banner of NVIDIA's images has the error in its next line
        _, _, said = " ".join(found.after[:2]).partition("(error ")
        number = said.partition(")")[0] if said.partition(")")[0].isdigit() else number
    if "not yet initialized" in line or number == "802":
        return fail(
            "CUDA says that the system is not ready yet (802)",
            remedy="With NVSwitch, start the fabric manager. A DGX Spark has none: wait until it has started, or restart it.",
            command="systemctl status nvidia-fabricmanager nvidia-persistenced",
        )
    if number != "100" and any(words in line for words in ("unknown error", "initialization failed", "failed to initialize")):
        return fail(
            f"CUDA cannot be started ({number}): the driver is in disorder, or /dev/nvidia-uvm cannot be opened",
            remedy="Create the device node; if it is there, restart. In a container, restart the container.",
            command="sudo nvidia-modprobe -u -c=0",
            needs_root=True,
        )
    return fail(
        "CUDA finds no GPU: CUDA_VISIBLE_DEVICES hides it, or it is not handed to this container",
        remedy="Unset CUDA_VISIBLE_DEVICES; start containers with --gpus all.",
        command="unset CUDA_VISIBLE_DEVICES; nvidia-smi -L",
    )
