"""torch.distributed in a process that nobody launched."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "using env:// rendezvous: environment variable {variable:name} expected, but not set",
    "ModuleNotFoundError: No module named '{module:name}'",
    "DeepSpeed backend not set, please initialize it using",
    "Default process group has not been initialized, please make sure to call",
)
def distributed_not_launched(found: Found) -> Verdict | None:
    """A program for several processes was started as one, without a launcher.

    RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT come from the launcher. Without them DeepSpeed looks for MPI, and stops where
    mpi4py is not installed: that package is not what is missing.

    Sources:
    - deepspeedai/DeepSpeed #8444; axolotl-ai-cloud/axolotl #1211; InternLM/xtuner #592
    - DeepSpeed 0.15.4 and 0.19.8 and torch.distributed, run
    """
    what = "torch.distributed"
    if module := found["module"]:
        if module != "mpi4py" or "mpi_discovery" not in " ".join(found.before):
            return None
        what = "DeepSpeed"
    because = f" ({found['variable']} is not set)" if found["variable"] else ""
    return fail(
        f"{what} was started without a launcher{because}",
        remedy="Start the program by a launcher, also for one GPU (put your own program and its options at the end).",
        command="torchrun --standalone --nproc-per-node=1 train.py",
    )
