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
        "-fPIC", r"-DPYBIND11_COMPILER_TYPE=\"_gcc\" '-DX=(a;b)' -fPIC"
    )
    found = parse(text)
    assert found is not None
    assert found.sources == ("/a dir/op:1.cpp",)


RUNNING = (
    "-fplugin=/tmp/x.so",
    "-fplugin-arg-x-a=b",
    "-fpass-plugin=/tmp/x.so",
    "-fmodule-mapper=/tmp/x",
    "-B/tmp",
    "-B /tmp",
    "-wrapper /tmp/x",
    "-specs=/tmp/x",
    "-fuse-ld=/tmp/ld",
    "@/tmp/flags",
    "-o /home/me/thesis",
    "-MF /home/me/thesis",
    "-T /tmp/x.ld",
    "-x c",
    "-include /tmp/x.h",
    "-Xclang -load",
    "-Wl,-plugin,/tmp/x.so",
    "-Wl,-rpath,/x,-plugin,/tmp/x.so",
    "-Wl,@/tmp/flags",
    "-Wa,-o,/home/me/thesis",
    "-Wp,-MD,/home/me/thesis",
    "-mllvm -load=/tmp/x.so",
    "--options-file=/tmp/x",
    "-optf /tmp/x",
    "-ccbin /tmp/anything",
    "-ccbin=/tmp/anything",
    "--compiler-bindir /tmp/anything",
    "-Xcompiler -fplugin=/tmp/x.so",
    "-Xcompiler=-fPIC,-B/tmp",
    "--compiler-options '-fPIC -wrapper /tmp/x'",
    "-Xptxas --output-file=/home/me/thesis",
    "-Xlinker -plugin=/tmp/x.so",
    "-isystem @/tmp/flags",
    "/tmp/other.cpp",
    "--keep-dir=/tmp",
    "-save-temps",
)
"""Flags that run something else, read more flags, or write elsewhere."""


@pytest.mark.parametrize(
    "flags",
    [
        # DeepSpeed 0.15.4 to 0.19.8: cpu_adam, async_io, fused_adam
        "-O3 -std=c++17 -g -Wno-reorder -fopenmp -march=native -D__AVX512__ -D__ENABLE_CUDA__ -DBF16_AVAILABLE -lcublas",
        "-g -Wall -O0 -std=c++17 -shared -fPIC -Wno-reorder -laio",
        "-O3 --use_fast_math -std=c++17 -U__CUDA_NO_HALF_OPERATORS__ --threads=8 -gencode=arch=compute_121,code=sm_121",
        "-gencode arch=compute_90a,code=[sm_90a,compute_90a] --threads 8 -lineinfo -Xptxas -v --ptxas-options=-O3",
        "-allow-unsupported-compiler -Xcompiler -fopenmp,-Wall --compiler-options '-fPIC' -Xcudafe --diag_suppress=611",
        # PyTorch's own
        r"-DPYBIND11_BUILD_ABI=\"_cxxabi1018\" -D_GLIBCXX_USE_CXX11_ABI=1 -fabi-version=18 -Wl,-rpath,/torch/lib -ltorch",
        "-ccbin gcc-13 --expt-relaxed-constexpr -D__CUDA_NO_BFLOAT16_CONVERSIONS__ -L/usr/local/cuda/lib64 -I'/a dir'",
    ],
)
def test_flags_that_builders_give(flags: str) -> None:
    assert parse(PLAIN.replace("-fPIC", flags)) is not None


def test_a_host_compiler_that_nvcc_is_to_call_is_one_of_the_compilers() -> None:
    found = parse(PLAIN.replace("-fPIC", "-ccbin gcc-13"))
    assert found is not None
    assert found.compilers == ("c++", "gcc-13")


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
        ("-fPIC", "-DA=';id;' -DB='$post_cflags'"),  # ninja fills in within quotes
        ("cxx = c++", "cxx = "),
        ("cxx = c++", "cxx = /tmp/anything"),
        ("cxx = c++", "cxx = sh -c id"),
        *(("-fPIC", flag) for flag in RUNNING),
        *(("ldflags = -shared", f"ldflags = -shared {flag}") for flag in RUNNING),
        *(("cxx = c++", f"cxx = c++ {flag}") for flag in RUNNING),
        ("cxx = c++", "cxx = ccache /tmp/anything"),
        ("cxx = c++", "cxx = c++\nnvcc = /tmp/anything"),
        ("-MMD -MF $out.d", "-MMD -MF $out.d -wrapper id"),
        ("-MF $out.d", "-MF /home/me/thesis"),
        ("compile /src/op.cpp", "compile -fplugin=/tmp/x.so /src/op.cpp"),
        ("compile /src/op.cpp", "compile @/tmp/flags"),
        ("link op.o", "link op.o @/tmp/flags"),
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
