"""libaio, and what DeepSpeed says without it."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature


@signature(
    "async_io requires the dev libaio .so object and headers but these were not found",
    "async_io requires the libraries: ['libaio-dev'] but are missing",
    "async_io: please install the {package:name} package with {tool:name}",
    checks=("libaio-missing",),
)
def deepspeed_without_libaio(found: Found) -> Verdict:
    """DeepSpeed cannot build async_io, which needs libaio.

    Nothing but the offload of weights to NVMe uses it. It is in the way only where it is asked for: with DS_BUILD_OPS=1 or
    DS_BUILD_AIO=1 on installation, or where a configuration offloads to NVMe.

    Sources:
    - op_builder/async_io.py of DeepSpeed 0.15.4 and 0.19.8, run; deepspeedai/DeepSpeed #3211, #4968
    """
    around = " ".join((*found.before, *found.after))
    if "Unable to pre-compile async_io" in around or "Unable to JIT load the async_io" in around:
        return fail(
            "libaio is missing, and async_io was asked for",
            remedy="Install libaio's development files.",
            command="sparkdoctor fix install-build-tools",
        )
    return ok("DeepSpeed says that it cannot build async_io: nothing uses it but the offload to NVMe")
