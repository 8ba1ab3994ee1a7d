"""Error 800."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "CUDA error: operation not permitted",
    "results in CUDA_ERROR_NOT_PERMITTED ",
    "Triton Error [CUDA]: operation not permitted",
    checks=("dgx-os-outdated", "gpu-not-visible", "driver-branch-unsupported", "reboot-pending"),
    because=("nvml-refuses",),
)
def operation_not_permitted(found: Found) -> Verdict | None:
    """CUDA has refused an ordinary operation (error 800).

    Seen on GB10 with driver 580.159.03: engines die of it after hours or days of work. It was not seen after an update to
    580.178.04. A container that has lost its device nodes says the same. While a stream is captured the words go on (`when
    stream is capturing`): that is another matter.

    Sources:
    - vllm-project/vllm #52877; sgl-project/sglang #40948; hasso5703/dgx-spark-qwen38 #26; ollama/ollama #11373
    - CUDA runtime, cudaErrorNotPermitted (800)
    """
    _, _, more = found.line.partition("operation not permitted")
    if more.strip(" .,:;\"')]").startswith(("when stream", "on an event")):
        return None
    return fail(
        "CUDA refused an ordinary operation (800): a container has lost the GPU, or, on GB10, the driver is 580.159.03",
        remedy="Update DGX OS, driver and firmware together, and restart, which gives containers their GPU back too.",
        command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
