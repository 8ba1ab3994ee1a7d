"""The port of torch.distributed."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "The server socket has failed to listen on any local network address",
)
def distributed_port_taken(found: Found) -> Verdict:
    """The port by which torch.distributed's processes meet is taken.

    It is 29500 unless MASTER_PORT says otherwise: another run is going on, or one that was stopped has left a process behind.

    Sources:
    - torch/csrc/distributed/c10d/socket.cpp of PyTorch 1.13 to 2.13
    """
    del found
    return fail(
        "the port by which the processes of torch.distributed meet is taken by another program",
        remedy="Let the launcher take a free one (put your own program and its options at the end).",
        command="torchrun --standalone --nproc-per-node=1 train.py",
    )
