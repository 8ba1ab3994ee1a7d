"""A Triton kernel: out = x * y + x. In a file of its own, since Triton reads a kernel's source."""

import triton
import triton.language as tl


@triton.jit
def muladd(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    places = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = places < n
    x = tl.load(x_ptr + places, mask=inside)
    y = tl.load(y_ptr + places, mask=inside)
    tl.store(out_ptr + places, x * y + x, mask=inside)
