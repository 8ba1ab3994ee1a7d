"""More GPUs than there are."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    ": invalid device ordinal",
    "Duplicate GPU detected : rank {rank:int} and rank {other:int} both on CUDA device",
    checks=("gpu-not-visible",),
)
def gpu_index_out_of_range(found: Found) -> Verdict:
    """A program asks for more GPUs than there are.

    A DGX Spark has one GPU: device 0. What was written for several, with cuda:1 or two ranks on one machine, ends here.

    Sources:
    - CUDA runtime, error 101; NCCL's init.cc (`Duplicate GPU detected`)
    """
    if found["rank"]:
        said = f"ranks {found['other']} and {found['rank']} both use the same GPU: more processes than GPUs were started"
    else:
        said = "a GPU was asked for by a number that there is not; a DGX Spark has one, number 0"
    return fail(
        said,
        remedy="Use cuda:0, and start one process on each machine (--nproc_per_node=1, --devices 1, tensor parallel size 1).",
        command="export CUDA_VISIBLE_DEVICES=0",
    )
