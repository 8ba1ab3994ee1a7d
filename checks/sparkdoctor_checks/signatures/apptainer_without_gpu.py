"""Apptainer and Singularity."""

from sparkdoctor.plugin import Found, Verdict, signature, warn


@signature(
    "Could not find any nv files on this host!",
    "Could not find any nv libraries on this host!",
    checks=("driver-missing", "gpu-not-visible"),
)
def apptainer_without_gpu(found: Found) -> Verdict:
    """Apptainer found no NVIDIA driver to bind into the container.

    `--nv` takes the driver's libraries from the host; there they are missing, or ldconfig does not know them. The container
    starts, without a GPU, which is as it should be where none is wanted.

    Sources:
    - apptainer/singularity #6356; NixOS/nixpkgs #334853
    """
    del found
    return warn(
        "--nv found no NVIDIA driver on the host: the container has no GPU",
        remedy="Look for the driver's library on the host; without it, install the driver there.",
        command="ldconfig -p | grep -E 'libcuda|libnvidia-ml'",
    )
