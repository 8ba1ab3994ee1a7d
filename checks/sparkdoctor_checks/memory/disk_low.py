"""Room on disks."""

from sparkdoctor.facts import Disks, gib
from sparkdoctor.facts.memory import GIB
from sparkdoctor.plugin import Verdict, check, fail, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def disk_low(disks: Disks, profile: Profile) -> Verdict:
    """There is room for weights, images and builds.

    An NGC image takes 20 to 25 GB, the OpenFold3 weights 2 GB, a build of kernels a few. Looked at are the file systems of
    the home directory, of temporary files and of the system.

    Sources:
    - OpenFold3's documentation; the sizes of NGC's PyTorch images
    """
    bounds = profile.disk_gib
    if bounds.failed is None and bounds.warning is None:
        return skip(f"the profile {profile.name} asks for no room")
    least = min(disks.volumes, key=lambda volume: volume.free)
    shown = tuple(f"{volume.path} ({volume.purpose}): {gib(volume.free)} free" for volume in disks.volumes)
    for level, bound in ((fail, bounds.failed), (warn, bounds.warning)):
        if bound is not None and least.free < bound * GIB:
            return level(
                f"only {gib(least.free)} free on the file system of {least.path}",
                expected=f">={bound:g} GiB",
                observed=gib(least.free),
                evidence=shown,
                remedy="Make room, or point caches elsewhere (TORCH_EXTENSIONS_DIR, TRITON_CACHE_DIR, OPENFOLD_CACHE, TMPDIR).",
                command="docker system df; du -xhd1 ~/.cache | sort -h | tail",
            )
    return ok(", ".join(shown), observed=gib(least.free))
