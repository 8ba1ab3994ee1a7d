"""What the patient's DeepSpeed would pass to nvcc for a GPU of a given capability: no GPU is needed, none is used.

The arguments are the capability (12.1), the CUDA toolkit and its version (13.0), the last two empty where there is none.
DeepSpeed is imported as it is found, then PyTorch's questions to the device are answered in the GPU's place and DeepSpeed's
own builders are asked. Nothing is built.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from steps import attempt, learnt, main

LIST = "TORCH_CUDA_ARCH_LIST"
EVOFORMER = ("evoformer_attn", "EvoformerAttnBuilder")
FILTERING = (
    ("fp_quantizer", "FPQuantizerBuilder"),
    ("inference_cutlass_builder", "InferenceCutlassBuilder"),
    ("ragged_ops", "RaggedOpsBuilder"),
    ("inference_core_ops", "InferenceCoreBuilder"),
    ("ragged_utils", "RaggedUtilsBuilder"),
    ("transformer_inference", "InferenceBuilder"),
)
"""The other operators that choose among architectures: the modules of their builders, and the classes there."""


def work(capability, cuda_home, cuda):
    with attempt("import torch"):
        import torch
        import torch.utils.cpp_extension

        built = torch.version.cuda
        learnt(version=str(torch.__version__), built=built)
    with attempt("import deepspeed"):
        import deepspeed

        learnt(version=str(deepspeed.__version__))
    with attempt("AsyncIOBuilder.is_compatible", vital=False):
        learnt(compatible=bool(builder("async_io", "AsyncIOBuilder").is_compatible(verbose=False)))
    with attempt("EvoformerAttnBuilder.is_compatible", vital=False):
        cutlass(torch)
    substitute(torch, tuple(int(part) for part in capability.split(".")), cuda_home, cuda)
    if built is not None:
        with attempt("assert_no_cuda_mismatch", vital=False):
            from deepspeed.ops.op_builder.builder import assert_no_cuda_mismatch

            assert_no_cuda_mismatch("evoformer_attn")
    for mode in ("at first use", "ahead of time"):
        for place in (EVOFORMER, *FILTERING):
            with attempt("%s %s" % (place[0], mode), vital=False):
                flags(torch, builder(*place), mode == "at first use")


def builder(module, name):
    """The builder for CUDA: DeepSpeed's own choice is the one for the CPU where no GPU is to be seen."""
    import importlib

    return getattr(importlib.import_module("deepspeed.ops.op_builder." + module), name)()


def cutlass(torch):
    """DeepSpeed's own judgement of CUTLASS, without the one on the GPU that is part of it."""
    asked, torch.cuda.is_available = torch.cuda.is_available, lambda: False
    try:
        evoformer, said = builder(*EVOFORMER), []
        evoformer.warning = said.append
        compatible = bool(evoformer.is_compatible(verbose=True))
        learnt(compatible=compatible, said=[str(words) for words in said])
        if compatible:
            # As jit_load does: 0.18.5 and 0.18.6 stop here.
            learnt(paths=[os.path.abspath(path) for path in evoformer.strip_empty_entries(evoformer.include_paths())])
    finally:
        torch.cuda.is_available = asked


def substitute(torch, capability, cuda_home, cuda):
    """Answer in the place of a GPU of this capability."""
    real = torch.cuda.get_arch_list()

    class Properties:
        name = "sparkdoctor's"
        total_memory = 1 << 37
        multi_processor_count = 48

    Properties.major, Properties.minor = capability

    def same(value):
        return lambda *_, **__: value

    torch.cuda.is_available = same(value=True)
    torch.cuda.device_count = same(1)
    torch.cuda.current_device = same(0)
    torch.cuda.get_device_capability = same(capability)
    torch.cuda.get_device_properties = same(Properties())
    torch.cuda.get_arch_list = same(real or ["sm_%d%d" % capability])
    torch.version.cuda = torch.version.cuda or cuda or None
    extension = torch.utils.cpp_extension
    extension.CUDA_HOME = extension.CUDA_HOME or cuda_home or None


def flags(torch, one, first_use):
    """The flags of one operator; what the builder does to the environment is undone."""
    before = dict(os.environ)
    try:
        one.jit_mode = first_use
        own = list(one.compute_capability_args())
        after = os.environ.get(LIST)
        learnt(flags=own, bf16=bool(one.enable_bf16))
        if first_use and not own:
            # From 0.19.0 on the list is DeepSpeed's answer and the flags are PyTorch's.
            learnt(list=after, flags=list(torch.utils.cpp_extension._get_cuda_arch_flags([])))
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    main(work)
