"""Architectures that nvcc cannot have together."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Incompatible code generation requested: arch='{virtual}', code='{real}'",
    "Program with .target '{virtual}' cannot be compiled to future architecture",
    "PTX with .target '{virtual}' cannot be compiled for architecture '{real}'",
    "The same GPU code ({real}) generated for non family-specific and family-specific GPU arch",
    "SM version specified by .target is higher than default SM version assumed",
    checks=("arch-list-wrong", "nvcc-lacks-architecture"),
)
def nvcc_flags_contradict(found: Found) -> Verdict:
    """The architectures that nvcc was asked for do not go together.

    Code can be made only from the PTX of the same or an older architecture: not sm_120 from compute_121. PTX with an `a` serves
    that one architecture alone, with an `f` its family, and neither can be mixed with plain PTX for the same code.

    Sources:
    - nvcc and ptxas 13.0.88, asked
    - CUDA C++ Programming Guide, "Family-specific features"
    """
    virtual, real = found["virtual"], found["real"].strip("`'")
    pair = f"{virtual} and {real}" if virtual and real else real or virtual or "two architectures"
    words = {
        "Incompatible": f"nvcc was asked to make {real} from {virtual}, which is newer or of another kind",
        "Program": f"nvcc was asked to make newer code from PTX for {virtual}, which serves that architecture alone",
        "same": f"nvcc was asked twice for {real}: once plainly, once by the family",
    }
    summary = next((text for mark, text in words.items() if f"{mark} " in found.line), f"{pair}: PTX and code do not go together")
    return fail(
        summary,
        remedy="Ask for one pair only, -gencode=arch=compute_121,code=sm_121, and no other -gencode or -arch beside it.",
        command="unset NVCC_APPEND_FLAGS NVCC_PREPEND_FLAGS; export TORCH_CUDA_ARCH_LIST=12.1 CUDAARCHS=121",
    )
