"""PyTorch against the GPU."""

from sparkdoctor.architecture import jitted, names, native
from sparkdoctor.facts import Gpu, Python, Torch, target
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def torch_lacks_kernels(torch: Torch, python: Python, gpu: Gpu | Missing, profile: Profile) -> Verdict:
    """PyTorch has kernels for this GPU.

    A wheel built for other architectures imports without complaint and then stops at the first operation with
    `no kernel image is available for execution on the device`. Code built for sm_120 runs on 12.1; sm_90 never does.
    Official wheels have sm_120 and no sm_121: that is healthy, and the warning about capability 12.1 that PyTorch 2.10 and
    earlier print is harmless.

    Sources:
    - CUDA C++ Programming Guide, "Binary Compatibility" and "PTX Compatibility"
    - pytorch/pytorch #178891, #172629
    - the list in libtorch_python.so, which is what torch.cuda.get_arch_list() returns
    """
    wanted = target(profile, gpu)
    if torch.cuda is None:
        return skip("this PyTorch was built without CUDA; see torch-without-cuda")
    if wanted is None:
        return skip("neither the profile nor a GPU says which architecture is wanted")
    if torch.architectures is None:
        return skip(f"the list of architectures was not found in {torch.root}/lib/libtorch_python.so")
    has = names(torch.architectures)
    remedy, command = torch.renewal(python, profile.torch.fresh)
    if codes := native(torch.architectures, wanted):
        return ok(f"{names(codes)} runs on {wanted}", expected=f"code for {wanted}", observed=has)
    if codes := jitted(torch.architectures, wanted):
        return warn(
            f"PyTorch {torch.version} has only PTX ({names(codes)}) for {wanted}: the driver compiles it at first use",
            expected=f"code for {wanted}",
            observed=has,
            remedy=remedy,
            command=command,
        )
    return fail(
        f"PyTorch {torch.version} has no code that runs on compute capability {wanted}: it has {has}",
        expected=f"code for {wanted}",
        observed=has,
        evidence=(f"{torch.root}/lib/libtorch_python.so: {has}",),
        remedy=remedy,
        command=command,
    )
