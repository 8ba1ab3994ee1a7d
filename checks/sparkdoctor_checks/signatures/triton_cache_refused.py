"""The caches of Triton and of torch.compile."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "[Errno {number:int}] Permission denied: '{path:path}'",
    "[Errno {number:int}] Read-only file system: '{path:path}'",
    "[Errno {number:int}] Operation not permitted: '{path:path}'",
    "[Errno {number:int}] Not a directory: '{path:path}'",
    "[Errno {number:int}] File exists: '{path:path}'",
    "Could not create or locate cache dir",
    checks=("triton-cache-unwritable",),
)
def triton_cache_refused(found: Found) -> Verdict | None:
    """Triton or torch.compile cannot write its cache.

    Triton's is in ~/.triton/cache: a home directory that is read-only, that root made first, or that is `/` in a container that
    runs as a user without one. That of torch.compile is /tmp/torchinductor_USER, which somebody else of that name may own.

    Sources:
    - FileCacheManager in triton/runtime/cache.py of Triton 3.1 to 3.9, run
    - foundation-model-stack/fms-hf-tuning #367; dphnAI/sonar #458; triton-lang/triton #518
    """
    path = found["path"]
    if "torchinductor" in path:
        return fail(
            f"torch.compile cannot write its cache {path}",
            remedy="Let $TORCHINDUCTOR_CACHE_DIR lead to a directory that this user can write.",
            command="export TORCHINDUCTOR_CACHE_DIR=$(mktemp -d)",
        )
    in_cache = "triton/runtime/cache.py" in " ".join(found.before)
    named = any(mark in path for mark in ("/.triton", "/triton/cache", "/triton_cache", "/triton-cache"))
    if not (named or in_cache):
        return None
    place = f" {path}" if path else ""
    return fail(
        f"Triton cannot write its cache{place}",
        remedy="Let $TRITON_CACHE_DIR lead to a directory that this user can write.",
        command="mkdir -m 700 /var/tmp/triton-$(id -u) && export TRITON_CACHE_DIR=/var/tmp/triton-$(id -u)",
    )
