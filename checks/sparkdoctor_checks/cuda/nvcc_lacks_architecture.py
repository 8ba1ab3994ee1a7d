"""nvcc against the target architecture."""

from sparkdoctor.architecture import FIRST_TOOLKIT
from sparkdoctor.facts import CudaHome, Gpu, Nvcc, target
from sparkdoctor.facts.nvcc import REFUSAL
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def nvcc_lacks_architecture(nvcc: Nvcc, home: CudaHome, gpu: Gpu | Missing, profile: Profile) -> Verdict:
    """Nvcc can compile for this GPU's architecture.

    The real nvcc is asked, with one line of CUDA. sm_121 came with CUDA 12.9: an older one ends with `nvcc fatal   :
    Unsupported gpu architecture 'compute_121'`. CUDA 12.8 still reaches a GB10 with TORCH_CUDA_ARCH_LIST=12.0 (not in
    DeepSpeed 0.16.4 to 0.18.9, which ignore it), but needs up to 46 GB for one file there.

    Sources:
    - measured: nvcc 13.0.88 and ptxas 12.8.93, 12.9.86, 13.0.88
    - CUDA C++ Programming Guide, "Binary Compatibility"
    - mfem/mfem #5363 (cicc of 12.8)
    """
    wanted = target(profile, gpu)
    if wanted is None or wanted.number not in nvcc.refusals:
        return skip("nvcc was not asked: neither the profile nor a GPU says for which architecture")
    name, words = f"compute_{wanted.number}", nvcc.refusals[wanted.number]
    first = FIRST_TOOLKIT.get(wanted.number)
    if words and REFUSAL not in words and (first is None or nvcc.release >= first):
        return skip(f"nvcc could not be asked ({words}); CUDA {nvcc.version} should know {name}")
    if not words:
        return ok(f"nvcc {nvcc.version} accepts {name}", expected=name, observed=nvcc.version)
    needed = f"CUDA {first[0]}.{first[1]} or later" if first else "a newer CUDA"
    found = home.newest(first or nvcc.release)
    if found:
        remedy, command = f"Point CUDA_HOME at {found}, which is installed.", f"export CUDA_HOME={found} PATH={found}/bin:$PATH"
    else:
        remedy = f"Install {needed} and point CUDA_HOME at it."
        command = "sudo apt install cuda-toolkit-13-0 && export CUDA_HOME=/usr/local/cuda-13.0"
    return fail(
        f"nvcc {nvcc.version} cannot compile for {name}",
        expected=needed,
        observed=f"CUDA {nvcc.version}",
        evidence=(f"{nvcc.path}: {words}",),
        remedy=remedy,
        command=command,
        needs_root=not found,
    )
