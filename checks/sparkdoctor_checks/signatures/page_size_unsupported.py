"""The kernel's pages."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "ELF load command alignment not page-aligned",
    "ELF load command address/offset not properly aligned",
    "<jemalloc>: Unsupported system page size",
)
def page_size_unsupported(found: Found) -> Verdict:
    """A program is not made for the page size of this kernel.

    A kernel `-nvidia-64k` has pages of 64 KiB; many programs and libraries for aarch64 are built for 4 KiB alone. DGX OS starts
    one with 4 KiB unless another was chosen.

    Sources:
    - jemalloc, src/pages.c; glibc, elf/dl-load.c
    """
    del found
    return fail(
        "a program or library is not made for the page size of this kernel (`getconf PAGESIZE`)",
        remedy="Start the kernel with pages of 4 KiB: linux-nvidia instead of linux-nvidia-64k.",
    )
