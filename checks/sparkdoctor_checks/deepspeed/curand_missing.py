"""The CUDA libraries that evoformer_attn is built with."""

from shlex import quote

from sparkdoctor.facts import Attention, BuildFiles, CudaHome, Deepspeed
from sparkdoctor.facts.attention import evoformer_unused
from sparkdoctor.facts.build_files import CUDA
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip


@check
def curand_missing(deepspeed: Deepspeed, files: BuildFiles, home: CudaHome, attention: Attention | Missing) -> Verdict:
    """The toolkit has what evoformer_attn includes and links.

    A toolkit with nvcc alone does not do: PyTorch's headers include cusparse.h, cublas_v2.h and cusolverDn.h (`fatal error:
    cusparse.h: No such file or directory`), the kernels curand_kernel.h, and the linker wants libcurand.so (`cannot find
    -lcurand`). Conda keeps that in targets/sbsa-linux/lib, where no linker looks by itself.

    Sources:
    - DeepSpeed 0.15.4's evoformer_attn, compiled with nvcc 13.0.88 and without these headers
    - OpenFold3's installation page (LIBRARY_PATH for aarch64)
    """
    if unused := evoformer_unused(attention):
        return skip(unused)
    if home.home is None:
        return skip("there is no CUDA toolkit to look into: see nvcc-missing")
    lacking = files.lacking(CUDA)
    if not lacking:
        return ok(f"{files.found['libcurand.so']}")
    only_aside = all(name in files.aside for name in lacking)
    place = next(iter(files.aside.values()), "")
    shown = f"{', '.join(lacking)} of CUDA cannot be found"
    return fail(
        f"{shown}: DeepSpeed {deepspeed.version} cannot build evoformer_attn",
        expected=", ".join(CUDA),
        observed=f"not found: {', '.join(lacking)}",
        evidence=tuple(f"{name} is in {place}, where the linker does not look" for name, place in files.aside.items()),
        remedy="Show the linker the way." if only_aside else "Install the whole CUDA toolkit and point CUDA_HOME at it.",
        command=f"export LIBRARY_PATH={quote(place)}:$LIBRARY_PATH"
        if only_aside
        else "sudo apt install cuda-toolkit-13-0 && export CUDA_HOME=/usr/local/cuda",
        needs_root=not only_aside,
    )
