"""Triton's cache."""

from sparkdoctor.facts import TritonCache
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok

OWN = "mkdir -m 700 /var/tmp/triton-$(id -u) && export TRITON_CACHE_DIR=/var/tmp/triton-$(id -u)"
"""It stops where somebody else has made it first: what is in there is run."""


@check
def triton_cache_unwritable(cache: TritonCache) -> Verdict:
    """Triton can write its cache.

    Triton makes its cache when the first kernel is compiled, and stops with PermissionError, FileExistsError or OSError where
    it cannot: a home directory that is read-only, or one that root made in a container that now runs as somebody else.

    Sources:
    - cache_knobs in triton/knobs.py, FileCacheManager in triton/runtime/cache.py: TRITON_CACHE_DIR, else TRITON_HOME, else ~
    """
    place = cache.place
    name = cache.variable or "TRITON_CACHE_DIR"
    command = "unset TRITON_CACHE_DIR" if cache.variable == "TRITON_CACHE_DIR" else OWN
    remedy = f"Let ${name} lead to a directory that this user can write."
    if isinstance(place, Missing):
        return fail("Triton has no cache directory", observed=place.reason, remedy=remedy, command=command)
    if not place.obstacle:
        return ok(f"{place.path} can be {'written' if place.status else 'made'}")
    path, status = (place.path, place.status) if place.status else next(iter(place.above), (place.path, None))
    return fail(
        f"Triton's cache {place.path} cannot be {'written' if place.status else 'made'}: {place.obstacle}",
        expected="a directory that this user can write",
        observed=place.obstacle,
        evidence=(f"{path}: mode {status.mode:04o}, uid {status.uid}",) if status and status.uid is not None else (),
        remedy=remedy,
        command=command,
    )
