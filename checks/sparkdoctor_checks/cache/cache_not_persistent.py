"""Caches that go with the container."""

from sparkdoctor.facts import Container, Extensions, Python, TritonCache
from sparkdoctor.plugin import Missing, Verdict, check, ok, skip, warn

NAMES = {"torch_extensions": "PyTorch's extensions", "triton_cache": "Triton's cache"}
"""The volumes to mount, and what they hold."""


@check
def cache_not_persistent(
    container: Container, extensions: Extensions | Missing, triton: TritonCache | Missing, python: Python | Missing
) -> Verdict:
    """Compiled kernels outlive the container.

    What lies on a container's own file system is lost with it (`docker run --rm`), and the next container compiles again:
    minutes for DeepSpeed's kernels. A cache is kept where its directory is a volume or a directory of the host.

    Sources:
    - proc_pid_mountinfo(5): what is not under a mount of its own is the container's
    """
    if not container:
        return ok("this is no container: what is written stays")
    places = {}
    deepspeed = None if isinstance(python, Missing) else python.distribution("deepspeed")
    if not isinstance(extensions, Missing) and (deepspeed or extensions.found):
        places["torch_extensions"] = extensions.root
    if not isinstance(triton, Missing) and not isinstance(triton.place, Missing):
        places["triton_cache"] = triton.place
    if not places:
        return skip("nothing here compiles at run time")
    if not all(place.mount for place in places.values()):
        return skip("the mounts of this container could not be read")
    lost = {name: place for name, place in places.items() if place.fleeting}
    shown = tuple(
        f"{NAMES[name]}: {place.path}, on {place.mount.point} ({place.mount.kind})"
        for name, place in places.items()
        if place.mount
    )
    if not lost:
        return ok("; ".join(shown))
    from shlex import quote  # noqa: PLC0415

    options = " ".join(f"-v {quote(f'{name}:{place.path}')}" for name, place in lost.items())
    return warn(
        f"{' and '.join(NAMES[name] for name in lost)} will be lost with this {container.engine} container",
        expected="a mount of their own",
        observed="the container's own file system",
        evidence=shown,
        remedy=f"Start the container with volumes there: `{options}`.",
    )
