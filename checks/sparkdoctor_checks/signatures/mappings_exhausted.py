"""Mappings of shared memory."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "unable to mmap {size:int} bytes from file <{file}>: Cannot allocate memory",
    checks=("memory-low",),
)
def mappings_exhausted(found: Found) -> Verdict:
    """A process has as many memory mappings as it may have.

    Each tensor that PyTorch shares between processes is a mapping of its own, and vm.max_map_count bounds them: 65530 where
    nothing else is set. mmap says `Cannot allocate memory` then, though there is plenty, also in /dev/shm.

    Sources:
    - pytorch/pytorch #60626, #87861, #92134; vllm-project/compressed-tensors #798
    """
    return fail(
        f"{found['size']} bytes could not be mapped: most likely the process has too many mappings (vm.max_map_count)",
        remedy="Allow four times as many; on the host, if this is a container.",
        command="sudo sysctl -w vm.max_map_count=$(($(sysctl -n vm.max_map_count) * 4))",
        needs_root=True,
    )
