"""Recipes of extensions, and the names that they are moved aside to."""

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from by_hand import EVOFORMER
from lab import CUDA, PLAIN
from sparkdoctor.architecture import Architecture
from sparkdoctor.facts.rebuilds import Rebuilds, Recipe, parse

NVCC = "/usr/local/cuda/bin/nvcc"


def test_what_pytorch_writes() -> None:
    assert parse(PLAIN) == Recipe(PLAIN, ("/src/op.cpp",), ("c++",))
    text = CUDA.replace("NVCC", NVCC)
    assert parse(text) == Recipe(text, ("/src/op.cpp", "/src/gpu.cu"), ("c++", NVCC), 1, (Architecture.parse("sm_121"),))


def test_copies_of_a_file_are_threads_that_have_an_architecture_each() -> None:
    flags = "-gencode=arch=compute_90,code=sm_90 -gencode=arch=compute_121,code=[sm_121,compute_121] --threads=8"
    found = parse(CUDA.replace("NVCC", NVCC).replace("-O3 -gencode=arch=compute_121,code=sm_121", flags))
    assert found is not None
    assert (found.copies, [str(code) for code in found.codes]) == (2, ["sm_90", "sm_121"])
    one = parse(CUDA.replace("NVCC", NVCC).replace("-O3 -g", "-O3 --threads 8 -g"))
    assert one is not None
    assert one.copies == 1


def test_escaped_names_and_quotes_of_older_versions() -> None:
    text = PLAIN.replace("/src/op.cpp", "/a$ dir/op$:1.cpp").replace(
        "-fPIC", r"-DPYBIND11_COMPILER_TYPE=\"_gcc\" '-DX=$(a;b)' -fPIC"
    )
    found = parse(text)
    assert found is not None
    assert found.sources == ("/a dir/op:1.cpp",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-fPIC", "-fPIC; rm -rf /"),
        ("-fPIC", "-fPIC `id`"),
        ("-fPIC", "-fPIC $$(id)"),
        ("-fPIC", "-fPIC > /etc/passwd"),
        ("-fPIC", '-fPIC "$$(id)"'),
        ("-fPIC", "-fPIC # the rest"),
        ("-fPIC", "-fPIC '"),
        ("cxx = c++", "cxx = c++ && id"),
        ("cxx = c++", "cxx = "),
        ("cxx = c++", "cxx = /tmp/anything"),
        ("cxx = c++", "cxx = sh -c id"),
        ("rule link\n", "rule link\n  cflags = ; id\n"),
        ("build op.o: compile /src/op.cpp", "build op.o: compile /src/op.cpp\n  cflags = ; id"),
        ("build op.o: compile /src/op.cpp", "build op.o: compile /src/op.cpp $\n  more"),
        ("depfile = $out.d", "depfile = /home/me/thesis"),
        ("$cxx $in $ldflags -o $out", "id"),
        ("$cxx $in $ldflags -o $out", "$cxx $in; id"),
        ("$cxx $in $ldflags -o $out", "$other $in"),
        ("build op.o:", "build /etc/op.o:"),
        ("build op.o:", "build ../other/op.o:"),
        ("build op.o: compile", "build op.o: phony"),
        ("build op.o: compile /src/op.cpp", ""),
        ("rule link", "rule link\n  pool = console"),
        ("default op.so", "default op.so\ninclude /tmp/more.ninja"),
        ("default op.so", "subninja x\ndefault op.so"),
        ("cflags =", "more = 1\ncflags ="),
    ],
)
def test_anything_else_is_no_recipe(old: str, new: str) -> None:
    assert old in PLAIN
    assert parse(PLAIN.replace(old, new, 1)) is None


@given(st.text() | st.text("build link:$ |\n=default.so'\"-I;`").map(lambda text: PLAIN + text))
def test_no_text_makes_us_stumble(text: str) -> None:
    found = parse(text)
    assert found is None or found.sources


@given(st.text(";&|<>`$(){}*?~#\"'\\ \t\nab", max_size=12))
def test_a_shell_finds_words_and_nothing_else(flags: str) -> None:
    """What is accepted means the same to a shell as to `shlex`, which knows no commands."""
    found = parse(PLAIN.replace("-fPIC", flags.replace("\n", " "), 1))
    if found is not None:
        said = flags.replace("\n", " ").replace("$ ", " ").replace("$:", ":") + " end"
        ran = subprocess.run(["/bin/sh", "-c", f"printf '%s\\0' {said}"], check=True, capture_output=True, text=True)
        assert (ran.stderr, ran.stdout.split("\0")[:-1]) == ("", shlex.split(said))


@given(st.sets(st.sampled_from([f"evoformer_attn.aside{end}" for end in ("", *(f".~{n}~" for n in range(1, 6)))])))
def test_a_free_name_is_found(names: set[str]) -> None:
    aside = Rebuilds(frozenset(names), {}).aside(EVOFORMER)
    assert aside.startswith(f"{EVOFORMER.path}.aside")
    assert aside.rpartition("/")[2] not in names
