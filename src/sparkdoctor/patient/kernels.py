"""The attention kernels that OpenFold3 can use, at ubiquitin's size, each against float64 on the CPU.

The arguments are a seed; DeepSpeed's evoformer_attn: its file, `installed` where it was built with DeepSpeed, or nothing where
it is not to be tried; and the device, where that is not the GPU that there is, or else the CPU. Each kernel is a branch, one
after the other: what one does to a GPU, or to its process, is not the next one's. None needs weights, and of OpenFold3 only
the file of its Triton kernels is loaded.

Inputs are those of the triangle attention in the pair stack: source: c_hidden_pair_att and no_heads_pair of `pairformer` and
`msa_module` in OpenFold3 0.5.0's model_config.py; the calls are those of core/model/primitives/attention.py.
"""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from evoformer import attention, distance
from steps import attempt, branch, learnt, main

TOKENS, HEADS, DIM = 76, 4, 32
KINDS = ("bfloat16", "float32")
MASKED = -1e9
"""The bias of a token that is not to be seen: `inf` of model_config.py."""
SECONDS = 120
"""For one kernel, with the imports that it needs and what it compiles."""
BACKENDS = {
    "FLASH_ATTENTION": "flash attention",
    "EFFICIENT_ATTENTION": "memory efficient",
    "CUDNN_ATTENTION": "cudnn attention",
    "MATH": "math",
}
"""How PyTorch's warning begins after which it says why it does not take a backend. Source: its cuda/sdp_utils.cpp."""
CALLS = 20
"""How many calls the median is of."""
PATIENCE = {True: 0.5, False: 0.1}
"""The seconds that they may take, on a GPU or not: there, what a call takes is of little interest."""


def work(seed, evoformer="", device=None):
    with attempt("import torch"):
        import torch

        learnt(version=str(torch.__version__))
    kernels = {
        "deepspeed": lambda: deepspeed(evoformer),
        "triton": triton,
        "cuequivariance": cuequivariance,
        "sdpa_flash": lambda: sdpa(torch, "FLASH_ATTENTION"),
        "sdpa_efficient": lambda: sdpa(torch, "EFFICIENT_ATTENTION"),
        "sdpa_cudnn": lambda: sdpa(torch, "CUDNN_ATTENTION"),
        "sdpa_math": lambda: sdpa(torch, "MATH"),
        "plain": lambda: plain,
    }
    for name, kernel in kernels.items():
        branch(name, lambda name=name, kernel=kernel: examine(torch, name, kernel, int(seed), device), seconds=SECONDS)


class Absent(Exception):
    """A kernel is not there, for this reason."""


class Declined(Exception):
    """A kernel does not take such inputs, for this reason."""


def examine(torch, name, find, seed, device):
    """Find a kernel, then call it in each kind of numbers."""
    with attempt("find the kernel"):
        try:
            call = find()
        except Absent as absent:
            learnt(absent=str(absent))
            return
    with attempt("reach the device"):
        on_gpu = device is None and bool(torch.cuda.is_available())
        learnt(device=torch.cuda.get_device_name(0) if on_gpu else "the CPU")
        if device is None and not on_gpu and name in ("deepspeed", "triton", "cuequivariance"):
            learnt(absent="PyTorch reaches no GPU")
            return
    device = "cuda" if on_gpu else "cpu"
    for kind in KINDS:
        dtype = getattr(torch, kind)
        if on_gpu:  # what CUDA and cuBLAS load is not the kernel's time
            ones = torch.ones(64, 64, device=device, dtype=dtype)
            (ones @ ones).sum().item()
        given = inputs(torch, seed, dtype)
        right = reference(given)
        values = [value.to(device) for value in given]
        done = []
        with attempt("forward in " + kind, vital=False):
            forward(torch, call, values, right)
            done.append(kind)
        if done:
            with attempt("backward in " + kind, vital=False):
                backward(torch, call, values, right)


# --- the kernels: each takes q, k, v [1, tokens, tokens, heads, dim], a mask bias and a pair bias, and gives what q is like


def deepspeed(library):
    """DS4Sci_EvoformerAttention with the operator as it is built: nothing is built, no lock is taken."""
    import importlib.util

    if not library:
        raise Absent("it was not asked for")
    import torch
    from deepspeed.ops.deepspeed4science import DS4Sci_EvoformerAttention
    from deepspeed.ops.op_builder import EvoformerAttnBuilder

    if library != "installed":
        spec = importlib.util.spec_from_file_location("evoformer_attn", library)
        operator = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(operator)
        EvoformerAttnBuilder._loaded_ops[EvoformerAttnBuilder.NAME] = operator

    def call(q, k, v, mask, pair):
        """OpenFold3 casts what the operator does not take to bfloat16."""
        kind = q.dtype
        cast = torch.bfloat16 if kind == torch.float32 else kind
        q, k, v, mask, pair = (value.to(cast) for value in (q, k, v, mask, pair))
        return DS4Sci_EvoformerAttention(q, k, v, [mask, pair]).to(kind)

    return call


def triton():
    """OpenFold3's own, from its file alone: the rest of it, which takes ten seconds to import, is not of interest."""
    import importlib.util

    found = importlib.util.find_spec("openfold3")
    if found is None or not found.origin:
        raise Absent("OpenFold3 is not installed")
    place = os.path.join(os.path.dirname(found.origin), "core", "kernels", "triton", "evoformer.py")
    if not os.path.exists(place):
        raise Absent("this OpenFold3 has no Triton kernels: they came with 0.4.4")
    if importlib.util.find_spec("triton") is None:
        raise Absent("Triton is not installed")
    spec = importlib.util.spec_from_file_location("openfold3_triton_evoformer", place)
    kernels = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = kernels
    spec.loader.exec_module(kernels)
    asked = os.environ.get("OF3_TRITON_DYNAMIC_SHAPES") == "1"
    name = "TritonEvoformerDynamic" if asked and hasattr(kernels, "TritonEvoformerDynamic") else "TritonEvoformer"
    learnt(variant=name)
    return getattr(kernels, name)


def cuequivariance():
    """NVIDIA's, which falls back to PyTorch where there are few tokens unless it is told not to."""
    import importlib.util

    os.environ["CUEQ_TRIATTN_FALLBACK_THRESHOLD"] = "0"  # read when it is imported
    if importlib.util.find_spec("cuequivariance_torch") is None:
        raise Absent("cuEquivariance is not installed")
    if importlib.util.find_spec("cuequivariance_ops_torch") is None:
        raise Absent("cuEquivariance has no kernels here: cuequivariance_ops_torch is not installed")
    from cuequivariance_torch.primitives.triangle import triangle_attention

    def call(q, k, v, mask, pair):
        q, k, v = (value.transpose(-2, -3) for value in (q, k, v))
        return triangle_attention(q, k, v, bias=pair, mask=mask == 0, scale=DIM**-0.5).transpose(-2, -3)

    return call


def sdpa(torch, name):
    """PyTorch's scaled_dot_product_attention by one of its backends, with the sum of the biases as its mask."""
    import warnings

    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
    except ImportError:
        raise Absent("PyTorch %s cannot be told which one to take" % torch.__version__) from None
    backend = getattr(SDPBackend, name, None)
    if backend is None:
        raise Absent("PyTorch %s has none" % torch.__version__)

    def call(q, k, v, mask, pair):
        q, k, v = (value[0].transpose(-2, -3) for value in (q, k, v))
        with warnings.catch_warnings(record=True) as caught, sdpa_kernel(backend):
            warnings.simplefilter("always")
            try:
                found = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=(mask + pair)[0])
            except RuntimeError as error:
                if not str(error).startswith(("No available kernel", "No viable backend")):
                    raise
                raise Declined(reason([str(warning.message) for warning in caught], name)) from None
        return found.transpose(-2, -3)[None]

    return call


def reason(said, name):
    """Why PyTorch does not take a backend. It warns of all of them, each under a line of its own: `… not used because:`."""
    mine, found = False, []
    for words in said:
        words = words.partition(" (Triggered")[0].partition(" Got ")[0].strip()
        if words.endswith("because:"):
            mine = words.casefold().startswith(BACKENDS[name])
        elif mine and words not in found:
            found.append(words)
    return "; ".join(found) or "PyTorch has no such kernel for these inputs here"


def plain(q, k, v, mask, pair):
    """What OpenFold3 does without any of them."""
    import torch

    q, k, v = (value.transpose(-2, -3) for value in (q * DIM**-0.5, k, v))
    scores = torch.einsum("...qc,...kc->...qk", q, k)
    scores += mask
    scores += pair
    return torch.einsum("...qk,...kc->...qc", scores.softmax(-1), v).transpose(-2, -3)


# --- numbers


def inputs(torch, seed, dtype):
    """q, k, v, a mask bias that hides a token in sixteen, a pair bias, and the gradient that comes back."""
    random = torch.Generator().manual_seed(seed)
    shape = (1, TOKENS, TOKENS, HEADS, DIM)
    q, k, v, gradient = (torch.randn(shape, generator=random) for _ in range(4))
    pair = torch.randn((1, 1, HEADS, TOKENS, TOKENS), generator=random)
    hidden = torch.rand((1, TOKENS, 1, 1, TOKENS), generator=random) < 1 / 16
    hidden[..., 0] = False  # what a row without any token gives is nobody's to say
    mask = torch.zeros(hidden.shape).masked_fill(hidden, MASKED)
    return [value.to(dtype) for value in (q, k, v, mask, pair, gradient)]


def reference(given):
    """All of it in float64 on the CPU: the result, and the gradients of q, k, v and the pair bias."""
    q, k, v, mask, pair, gradient = (value.double() for value in given)
    wanted = [value.requires_grad_() for value in (q, k, v, pair)]
    result = attention(q, k, v, mask, pair)
    result.backward(gradient)
    return dict(zip(("forward", "dq", "dk", "dv", "dpair"), [result.detach()] + [value.grad for value in wanted]))


def forward(torch, call, values, right):
    """As a prediction calls it: without gradients."""

    def once():
        with torch.no_grad():
            return call(*values[:5])

    try:
        found, first = timed(torch, once, values[0])
    except Declined as declined:
        learnt(declined=str(declined))
        return
    learnt(errors=errors({"forward": found}, right), first=first, ms=median(torch, once, values[0]))


def backward(torch, call, values, right):
    """As a training step calls it: forward, then backward."""

    def once():
        q, k, v, mask, pair, gradient = (value.detach() for value in values)
        wanted = [value.requires_grad_() for value in (q, k, v, pair)]
        result = call(q, k, v, mask, pair)
        result.backward(gradient)
        return dict(zip(("forward", "dq", "dk", "dv", "dpair"), [result] + [value.grad for value in wanted]))

    try:
        found, first = timed(torch, once, values[0])
    except Declined as declined:
        learnt(declined=str(declined))
        return
    missing = [name for name, value in found.items() if value is None]
    if missing:
        learnt(missing=missing)
    learnt(errors=errors(found, right), first=first, ms=median(torch, once, values[0]))


def errors(found, right):
    """Relative errors of what is there."""
    there = {name: value.detach().cpu().double() for name, value in found.items() if value is not None}
    return {name: distance(value, right[name]) for name, value in there.items()}


def synchronize(torch, like):
    if like.is_cuda:
        torch.cuda.synchronize()


def timed(torch, call, like):
    """What a call gives, and its seconds with all that it compiles and loads."""
    synchronize(torch, like)
    began = time.perf_counter()
    found = call()
    synchronize(torch, like)
    return found, time.perf_counter() - began


def median(torch, call, like):
    """Milliseconds of a call that has been made before: by the GPU's own clock where there is one."""
    samples, began = [], time.perf_counter()
    while len(samples) < CALLS and time.perf_counter() < began + PATIENCE[like.is_cuda]:
        if like.is_cuda:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            end.synchronize()
            samples.append(start.elapsed_time(end))
        else:
            samples.append(1e3 * timed(torch, call, like)[1])
    samples.sort()
    return samples[len(samples) // 2]


if __name__ == "__main__":
    main(work)
