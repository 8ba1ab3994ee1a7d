"""What tools and files say of extensions, understood: no directory, no process."""

import os
import shlex
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import CUDA, PLAIN, Lab, fatbin
from sparkdoctor import elf
from sparkdoctor.architecture import Architecture, Capability
from sparkdoctor.facts import extensions
from sparkdoctor.facts.deepspeed import parse_prebuilt as parse_ops
from sparkdoctor.facts.elf import size_stated
from sparkdoctor.facts.extensions import (
    Build,
    State,
    Today,
    builders,
    mismatches,
    move_aside,
    parse_build,
    parse_cuobjdump,
    runtime,
    work_left,
)
from sparkdoctor.facts.places import mount_of
from sparkdoctor.machine import Holder
from sparkdoctor.process import Ran


def test_build_ninja_of_pytorch() -> None:
    plain, cuda = parse_build(PLAIN), parse_build(CUDA.replace("NVCC", "/usr/local/cuda/bin/nvcc").replace("TORCH", "/v/torch"))
    assert plain == Build(
        "op.so", ("op.o",), None, ("TORCH/include", "TORCH/include/torch/csrc/api/include", "/usr/include/python3.12")
    )
    assert cuda is not None
    assert (cuda.objects, cuda.nvcc) == (("op.o", "gpu.cuda.o"), "/usr/local/cuda/bin/nvcc")
    assert (cuda.torch, cuda.python, cuda.includes[0]) == ("/v/torch", "3.12", "/home/me/a dir/cutlass")


@pytest.mark.parametrize("text", [PLAIN, CUDA])
def test_a_build_ninja_that_breaks_off_anywhere_is_no_build(text: str) -> None:
    assert [size for size in range(len(text) - 1) if parse_build(text[:size])] == []


def test_names_are_escaped_as_ninja_wants_it() -> None:
    text = "build a$ b$:c$$.so: $\n link x$ y.o z.o | waited || for\nbuild other: phony\ndefault a$ b$:c$$.so\n"
    found = parse_build(text)
    assert found is not None
    assert (found.library, found.objects) == ("a b:c$.so", ("x y.o", "z.o"))


@given(st.text() | st.text("build link:$ |\n=default.so'\"-I").map(lambda text: f"build a.so: link b\ndefault a.so\n{text}"))
def test_no_build_ninja_makes_us_stumble(text: str) -> None:
    found = parse_build(text)
    if found is not None:
        assert found.library
        assert isinstance(found.torch, str | None)
        assert isinstance(found.python, str | None)


@given(st.binary(max_size=200))
def test_no_library_s_head_makes_us_stumble(head: bytes) -> None:
    for data in (head, b"\x7fELF\x02\x01" + head):
        size = size_stated(data)
        assert size is None or size >= 0


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3]), st.integers(10, 200), st.sampled_from([0, 0x11, 0x100011, 0x200011])), min_size=1
    ),
    st.binary(max_size=20),
)
def test_a_fat_binary_is_walked(entries: list[tuple[int, int, int]], rest: bytes) -> None:
    found = code_in(fatbin(*entries) + b"\0" * 16 * bool(rest))
    suffix = {0: "", 0x11: "", 0x100011: "a", 0x200011: "f"}
    names = [f"{'compute' if kind == 1 else 'sm'}_{number}{suffix[flags]}" for kind, number, flags in entries if kind < 3]
    if rest or not names:
        assert found is None  # what follows is no container
    else:
        assert found == list(dict.fromkeys(names))
        assert all(Architecture.parse(name) for name in names)


@given(st.binary(max_size=300), st.integers(0, 40), st.integers(0, 1 << 64 - 1))
def test_no_fat_binary_makes_us_stumble(noise: bytes, at: int, size: int) -> None:
    data = bytearray(fatbin((2, 121, 0x11), (1, 121, 0x11)))
    data[at : at + len(noise)] = noise
    code_in(bytes(data))
    code_in(fatbin((2, 90, 0), size=size))
    code_in(noise)


def code_in(data: bytes) -> list[str] | None:
    """`gpu_code` of an ELF file that is nothing but this section; None where it cannot be understood."""
    texts = b"\0.nv_fatbin\0"
    head = b"\x7fELF\x02\x01".ljust(40, b"\0") + struct.pack("<Q", 64) + b"\0" * 10 + struct.pack("<HHH", 64, 2, 1)
    start = 64 + 2 * 64 + len(texts)
    sections = struct.pack("<I20xQQ24x", 1, start, len(data)) + struct.pack("<I20xQQ24x", 0, 64 + 128, len(texts))
    descriptor = os.memfd_create("elf")
    try:
        os.write(descriptor, head + sections + texts + data)
        return elf.gpu_code(descriptor)
    except ValueError:
        return None
    finally:
        os.close(descriptor)


@given(st.text())
def test_no_words_make_us_stumble(text: str) -> None:
    parse_cuobjdump(text)
    runtime([text])
    parse_ops(f"installed_ops={text}")
    mount_of("/a", text)
    for code in (0, 1, None):
        work_left(Ran(code, text, text))


def test_words_of_tools() -> None:
    text = "ELF file    1: attention.1.sm_121.cubin\nELF file    2: a.2.sm_90a.cubin\nPTX file    1: a.1.sm_121.ptx\n"
    assert parse_cuobjdump(text) == ("sm_121", "sm_90a", "compute_121")
    assert runtime(["x", "libcudart.so.13"]) == 13
    assert runtime(["libcudart.so.11.0"]) == 11
    assert runtime(["libcudart.so.", "libcudart.so.x"]) is None
    ops = "version='0.18.7'\ninstalled_ops={'async_io': False, 'evoformer_attn': True}\ncompatible_ops={'x': True}\n"
    assert parse_ops(ops) == ("evoformer_attn",)
    assert parse_ops("nothing") == ()


TODAY = Today("3.12", "/torch", "2.13.0", None, 13, "aarch64", Capability(12, 1))


def test_mismatches() -> None:
    code = (Architecture.parse("sm_120"),)
    assert mismatches(TODAY, "3.12", "aarch64", 13, code) == mismatches(TODAY, None, None, None, ()) == ()
    assert len(mismatches(TODAY, "3.11", "x86_64", 12, (Architecture.parse("sm_90"),))) == 4
    assert mismatches(TODAY._replace(target=None), None, None, None, (Architecture.parse("sm_90"),)) == ()
    assert mismatches(TODAY._replace(cuda=None), None, None, 12, ())[0].endswith("PyTorch 2.13.0 has no CUDA")


def test_builders() -> None:
    held = [
        Holder(1, "python", "/r/op/lock"),
        Holder(2, "bash", "/r/op"),
        Holder(3, "x86_64-linux-gn", "/r/op"),
        Holder(4, "cc1plus", "/r/op"),
        Holder(5, "ninja", "/r/other"),
        Holder(6, "less", "/r/op/build.ninja"),
        Holder(7, "asciinema", "/r/op"),
    ]
    assert [holder.pid for holder in builders("/r/op", held)] == [1, 3, 4]


def test_what_is_moved_aside_is_quoted() -> None:
    extension = extensions.Extension("a b", "/r/a b", State.DAMAGED)
    assert move_aside([extension]) == "mv -T --backup=numbered '/r/a b' '/r/a b.aside'"


def test_what_is_moved_aside_twice_stays_and_is_seen_no_more(lab: Lab) -> None:
    for _ in range(3):
        lab.add()
        subprocess.run(shlex.split(move_aside(lab.look().found)), check=True)
        assert lab.look().found == ()
    assert len(list(lab.root.iterdir())) == 3
