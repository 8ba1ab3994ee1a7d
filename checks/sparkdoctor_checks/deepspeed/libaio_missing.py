"""libaio."""

from sparkdoctor.facts import BuildFiles, Deepspeed, DeepspeedBuilder
from sparkdoctor.facts.build_files import AIO
from sparkdoctor.plugin import Missing, Verdict, check, ok, warn


@check
def libaio_missing(deepspeed: Deepspeed, files: BuildFiles, builder: DeepspeedBuilder | Missing) -> Verdict:
    """DeepSpeed can build async_io.

    That operator (ZeRO-Infinity: offloading to NVMe) needs libaio.h and libaio.so. OpenFold3 does not; without them DeepSpeed
    says at each import that `async_io requires the dev libaio .so object and headers but these were not found`.

    Sources:
    - op_builder/async_io.py of DeepSpeed 0.15.4 to 0.19.8
    """
    lacking = files.lacking(AIO)
    linked = None if isinstance(builder, Missing) else builder.aio
    evidence = () if linked is None else (f"AsyncIOBuilder.is_compatible: {linked}",)
    if linked or (linked is None and not lacking):
        return ok(
            "DeepSpeed's own test program links against libaio" if linked else f"{files.found['libaio.so']}", evidence=evidence
        )
    return warn(
        f"{' and '.join(lacking)} cannot be found: DeepSpeed {deepspeed.version} cannot build async_io"
        if lacking
        else f"DeepSpeed {deepspeed.version} cannot link against {files.found['libaio.so']}",
        expected=" and ".join(AIO),
        observed="none" if lacking else "a library that does not link",
        evidence=evidence,
        remedy="Install libaio's development files.",
        command="sudo apt install libaio-dev",
        needs_root=True,
    )
