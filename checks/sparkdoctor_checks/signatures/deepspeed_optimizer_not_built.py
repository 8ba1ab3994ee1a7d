"""DeepSpeed's optimizers, taken down."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "'{optimizer:name}' object has no attribute 'ds_opt_adam'",
    "'{optimizer:name}' object has no attribute 'ds_opt_adagrad'",
    "'{optimizer:name}' object has no attribute 'ds_opt_lion'",
    checks=("deepspeed-cuda-mismatch", "nvcc-torch-mismatch", "compiler-missing"),
    because=("deepspeed-op-incompatible", "deepspeed-finds-no-toolkit", ANYTHING),
)
def deepspeed_optimizer_not_built(found: Found) -> Verdict:
    """An optimizer of DeepSpeed is taken down that was never built.

    Its operator (cpu_adam) is built when the optimizer is made. Where that fails, Python complains once more when it takes the
    unfinished object down; the first error is the cause.

    Sources:
    - deepspeedai/DeepSpeed #1846; axolotl-ai-cloud/axolotl #138
    """
    return fail(
        f"{found['optimizer']} could not be built: the first error above says why",
        remedy="Ask DeepSpeed what its operators lack.",
        command="python3 -m deepspeed.env_report",
    )
