"""What is worth exporting, on facts made by hand and on described machines."""

from typing import Any

import pytest

from by_hand import DEFAULTS, GIB, GONE, HOPPER, NUMBER, OLD, SPARK, assembler, but, triton
from machines.make_tapes import MACHINES
from machines.parts import SITE, healthy_gb10, install, toolkit
from machines.parts import assembler as assembler_program
from sparkdoctor.architecture import Capability
from sparkdoctor.facts import (
    Cgroup,
    CudaHome,
    Cutlass,
    Deepspeed,
    Exports,
    Gpu,
    Memory,
    Nvcc,
    Python,
    System,
    Torch,
    Triton,
)
from sparkdoctor.facts.builder_source import Reading
from sparkdoctor.facts.choices import Seen, chosen
from sparkdoctor.facts.environment import Export
from sparkdoctor.facts.gpu import Device
from sparkdoctor.facts.ptxas import Ptxas
from sparkdoctor.facts.triton import BLACKWELL, PLAIN
from sparkdoctor.machine import Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.profiles import Profile
from world import World, ran

KNOWN = frozenset("8.0 9.0 9.0a 10.0 12.0 12.0a 12.1 12.1a".split())
NEW = assembler("12.9.86")
NVCC_12_8 = but(Nvcc, version="12.8.93", refusals={NUMBER: "nvcc fatal   : Unsupported gpu architecture 'compute_121'"})
NOTHING: dict[str, Missing] = dict.fromkeys(("python", "torch", "triton", "deepspeed", "found_cutlass", "nvcc"), GONE)


def seen(**changes: Any) -> Seen:
    """A Spark with PyTorch 2.11, Triton 3.6 and DeepSpeed 0.19.8, and nvcc 13.0, with nothing set."""
    facts = {
        "profile": SPARK,
        "system": DEFAULTS[System],
        "memory": DEFAULTS[Memory],
        "cgroup": DEFAULTS[Cgroup],
        "python": DEFAULTS[Python],
        "torch": DEFAULTS[Torch],
        "triton": DEFAULTS[Triton],
        "deepspeed": DEFAULTS[Deepspeed],
        "found_cutlass": DEFAULTS[Cutlass],
        "nvcc": DEFAULTS[Nvcc],
        "home": DEFAULTS[CudaHome],
        "gpu": DEFAULTS[Gpu],
        "known": KNOWN,
        "split": True,
        "bundled": NEW,
        "path": "/home/user/.config/sparkdoctor/environment.sh",
    }
    return Seen(**{**facts, **changes})


def values(found: Exports) -> dict[str, str]:
    for value, reason in found.wanted.values():
        assert value
        assert reason
        assert "None" not in reason
        assert "\n" not in reason
    return {name: value for name, (value, _) in found.wanted.items()}


def ours(**lines: str) -> dict[str, Export]:
    return {name: Export(value, ours=True, reason="as before") for name, value in lines.items()}


USUAL = {
    "TORCH_CUDA_ARCH_LIST": "12.1",
    "DS_NVCC_THREADS": "8",
    "NVCC_THREADS": "1",
    "MAX_JOBS": "20",
    "NVCC_APPEND_FLAGS": "--split-compile=0",
}


def test_a_healthy_spark() -> None:
    found = chosen(seen())
    assert values(found) == USUAL
    assert (found.kept, found.wrong, found.obsolete) == ({}, {}, frozenset())


def test_nothing_is_said_of_what_is_not_there() -> None:
    assert values(chosen(seen(**NOTHING, split=False))) == {"MAX_JOBS": "20"}
    assert values(chosen(seen(**NOTHING, split=False, memory=GONE))) == {}
    assert values(chosen(seen(deepspeed=GONE, found_cutlass=GONE))).keys() == USUAL.keys() - {"DS_NVCC_THREADS"}
    without_nvcc = chosen(seen(nvcc=GONE, split=False))
    assert values(without_nvcc).keys() == {"DS_NVCC_THREADS", "MAX_JOBS"}
    assert values(chosen(seen(torch=but(Torch, cuda=None)))).keys() == {"DS_NVCC_THREADS", "MAX_JOBS"}


# --- the number of jobs


@pytest.mark.parametrize(
    ("cgroup", "available", "jobs"),
    [
        (Cgroup("v2"), 100 * GIB, "20"),
        (Cgroup("v2", limit=48 * GIB), 100 * GIB, "9"),
        (Cgroup("v2", limit=48 * GIB, usage=20 * GIB), 100 * GIB, "4"),
        (Cgroup("v2", limit=10 * GIB), 100 * GIB, "1"),
        (Cgroup("v2", limit=1 * GIB), 100 * GIB, "1"),
        (Cgroup("v2", cpus=3.5), 100 * GIB, "4"),
        (Cgroup("v2", cpus=0.5), 100 * GIB, "1"),
        (GONE, 8 * GIB, "7"),  # with 32 GiB of swap
    ],
)
def test_jobs_fit_into_memory_and_processors(cgroup: Any, available: int, jobs: str) -> None:
    found = chosen(seen(cgroup=cgroup, memory=but(Memory, available=available)))
    assert values(found)["MAX_JOBS"] == jobs


def test_that_not_even_one_compiler_fits_is_said() -> None:
    assert "not even one" in chosen(seen(cgroup=Cgroup("v2", limit=GIB))).wanted["MAX_JOBS"][1]


def test_several_architectures_that_the_user_asks_for_take_more_each() -> None:
    present = {"TORCH_CUDA_ARCH_LIST": "12.0;12.1", "DS_NVCC_THREADS": "2"}
    found = chosen(seen(present=present, memory=but(Memory, available=100 * GIB)))
    assert values(found)["MAX_JOBS"] == "17"
    assert found.kept == present


@pytest.mark.parametrize(("before", "now"), [("19", "19"), ("10", "10"), ("9", "20"), ("21", "20"), ("0", "20"), ("x", "20")])
def test_a_number_of_ours_that_still_does_stays(before: str, now: str) -> None:
    found = chosen(seen(file=ours(MAX_JOBS=before), present={"MAX_JOBS": before}))
    assert values(found)["MAX_JOBS"] == now
    assert (found.wanted["MAX_JOBS"][1] == "as before") == (before == now)


@pytest.mark.parametrize("value", ["0", "many", "", "100"])
def test_a_users_number_that_does_not_fit_is_named_and_kept(value: str) -> None:
    found = chosen(seen(present={"MAX_JOBS": value}, cgroup=Cgroup("v2", limit=40 * GIB)))
    assert "MAX_JOBS" not in found.wanted
    assert "do not fit into 40.0 GiB" in str(found.wrong["MAX_JOBS"])
    assert chosen(seen(present={"MAX_JOBS": "4"})).kept == {"MAX_JOBS": "4"}


# --- DeepSpeed's threads


def test_deepspeeds_threads_stay_on_another_number_of_processors() -> None:
    assert values(chosen(seen(system=but(System, cpus=4, usable_cpus=4))))["DS_NVCC_THREADS"] == "4"
    later = seen(system=but(System, cpus=4, usable_cpus=4), file=ours(DS_NVCC_THREADS="8"))
    assert values(chosen(later))["DS_NVCC_THREADS"] == "8"


# --- the list of architectures


def test_an_old_nvcc_gets_the_first_of_the_major() -> None:
    assert values(chosen(seen(nvcc=NVCC_12_8)))["TORCH_CUDA_ARCH_LIST"] == "12.0"
    assert "TORCH_CUDA_ARCH_LIST" not in values(chosen(seen(nvcc=NVCC_12_8, base_refused="Unsupported gpu architecture")))


def test_an_old_pytorch_gets_what_it_knows() -> None:
    assert values(chosen(seen(known=frozenset(("9.0", "12.0")))))["TORCH_CUDA_ARCH_LIST"] == "12.0"
    assert "TORCH_CUDA_ARCH_LIST" not in values(chosen(seen(known=frozenset(("8.0", "9.0", "9.0a")))))


@pytest.mark.parametrize("version", ["0.15.4", "0.19.8"])
def test_the_list_is_of_a_form_that_every_deepspeed_reads(version: str) -> None:
    number = "1." if version == "0.15.4" else "121"
    found = chosen(seen(deepspeed=but(Deepspeed, version=version, readings={NUMBER: Reading(number, bf16=True)})))
    assert values(found)["TORCH_CUDA_ARCH_LIST"] == "12.1"


def test_hopper() -> None:
    gpu = Gpu((Device("NVIDIA H100", Capability(9, 0), 80 * GIB),))
    nvcc, bundled = but(Nvcc, refusals={90: ""}), Ptxas("/x", "12.8.93", {"sm_90a": ""})
    found = chosen(seen(profile=HOPPER, gpu=gpu, nvcc=nvcc, bundled=bundled))
    assert values(found) == {**USUAL, "TORCH_CUDA_ARCH_LIST": "9.0"}


def test_without_a_known_gpu_no_architecture_is_named() -> None:
    found = chosen(seen(profile=Profile(), gpu=GONE))
    assert values(found).keys() == USUAL.keys() - {"TORCH_CUDA_ARCH_LIST"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("12.0f", "PyTorch does not know"),
        ("12.1a", "DeepSpeed 0.19.8 cannot read '12.1a'"),
        ("9.0", "no code that runs on 12.1"),
        ("9.0;12.1", "multiplies"),
        ("12.0+PTX", ""),
        ("native", ""),
        ("", ""),
    ],
)
def test_a_users_list(value: str, words: str) -> None:
    python = but(Python, distributions={"deepspeed": DEFAULTS[Python].distributions["deepspeed"]._replace(version="0.19.8")})
    for file in ({}, {"TORCH_CUDA_ARCH_LIST": Export(value)}):
        found = chosen(seen(python=python, present={} if file else {"TORCH_CUDA_ARCH_LIST": value}, file=file))
        assert "TORCH_CUDA_ARCH_LIST" not in found.wanted
        assert words in str(found.wrong.get("TORCH_CUDA_ARCH_LIST", ""))
        assert bool(found.wrong) == bool(words)
        assert not words or found.wrong["TORCH_CUDA_ARCH_LIST"].file == (seen().path if file else None)


# --- Triton's ptxas


@pytest.mark.parametrize(("version", "knob"), [("3.5.1", PLAIN), ("3.6.0", BLACKWELL)])
def test_triton_gets_another_ptxas_only_where_its_own_will_not_do(version: str, knob: str) -> None:
    it = triton(version, knob, OLD)
    assert values(chosen(seen(triton=it, bundled=OLD, assembler=NEW))) == {**USUAL, knob: NEW.path}
    assert values(chosen(seen(triton=it, bundled=OLD, assembler=None))) == USUAL
    assert values(chosen(seen(triton=it, bundled=NEW, assembler=NEW))) == USUAL


def test_our_ptxas_of_before_goes_when_triton_brings_its_own() -> None:
    file, present = ours(TRITON_PTXAS_PATH="/old"), {"TRITON_PTXAS_PATH": "/old"}
    found = chosen(seen(file=file, present=present, triton=triton("3.6.0", BLACKWELL, NEW, knobs=present)))
    assert found.obsolete == {"TRITON_PTXAS_PATH"}
    assert found.wrong == {}
    blind = chosen(seen(file=file, present=present, python=Broken("it hangs"), triton=GONE))
    assert blind.obsolete == frozenset()


def test_users_ptxas_variables() -> None:
    ignored = triton("3.6.0", BLACKWELL, NEW, knobs={PLAIN: "/p"})
    assert "ignores TRITON_PTXAS_PATH" in str(chosen(seen(triton=ignored, present={PLAIN: "/p"})).wrong[PLAIN])
    lacking = triton("3.6.0", BLACKWELL, OLD, knobs={PLAIN: "/p"})
    found = chosen(seen(triton=lacking, present={PLAIN: "/p"}, bundled=OLD, assembler=NEW))
    assert values(found)[BLACKWELL] == NEW.path
    old = triton("3.5.1", PLAIN, OLD, overridden=True, knobs={PLAIN: "/p"})
    assert "cannot assemble" in str(chosen(seen(triton=old, present={PLAIN: "/p"}, bundled=OLD)).wrong[PLAIN])
    refused = triton("3.4.0", PLAIN, assembler("13.0.88"), overridden=True, knobs={PLAIN: "/p"})
    assert "up to 12 only" in str(chosen(seen(triton=refused, present={PLAIN: "/p"}, bundled=OLD)).wrong[PLAIN])
    good = triton("3.5.1", PLAIN, NEW, overridden=True, knobs={PLAIN: "/p"})
    assert chosen(seen(triton=good, present={PLAIN: "/p"}, bundled=OLD)).kept == {PLAIN: "/p"}


# --- CUDA_HOME


def test_cuda_home_names_a_toolkit_where_builds_would_find_none_that_serves() -> None:
    compiler = DEFAULTS[Nvcc]
    for nvcc in (GONE, NVCC_12_8, but(Nvcc, version="12.9.86")):
        found = chosen(seen(nvcc=nvcc, toolkit="/usr/local/cuda-13.0", compiler=compiler))
        assert values(found) == {**USUAL, "CUDA_HOME": "/usr/local/cuda-13.0"}
    assert "CUDA_HOME" not in values(chosen(seen(nvcc=GONE)))


def test_our_cuda_home_stays_while_it_serves() -> None:
    file, present = ours(CUDA_HOME="/cuda"), {"CUDA_HOME": "/cuda"}
    home = but(CudaHome, variable="CUDA_HOME", home="/cuda")
    assert values(chosen(seen(home=home, file=file, present=present)))["CUDA_HOME"] == "/cuda"
    gone = chosen(seen(home=home, file=file, present=present, nvcc=GONE))
    assert gone.obsolete == {"CUDA_HOME"}
    other = but(CudaHome, variable="CUDA_HOME", home="/cuda", on_path="/usr/bin/nvcc", on_path_version="12.9.86")
    assert chosen(seen(home=other, file=file, present=present)).obsolete == {"CUDA_HOME"}


def test_a_users_cuda_home() -> None:
    home, present = but(CudaHome, variable="CUDA_HOME", home="/cuda"), {"CUDA_HOME": "/cuda"}
    assert chosen(seen(home=home, present=present)).kept == present
    assert "has no usable nvcc" in str(chosen(seen(home=home, present=present, nvcc=GONE)).wrong["CUDA_HOME"])
    assert "cannot compile for 12.1" in str(chosen(seen(home=home, present=present, nvcc=NVCC_12_8)).wrong["CUDA_HOME"])


# --- nvcc's flags


def test_the_users_flags_for_nvcc_are_added_to() -> None:
    found = chosen(seen(present={"NVCC_APPEND_FLAGS": "-lineinfo"}))
    assert values(found)["NVCC_APPEND_FLAGS"] == "-lineinfo --split-compile=0"
    both = "-lineinfo --split-compile=0"
    again = chosen(seen(present={"NVCC_APPEND_FLAGS": both}, file=ours(NVCC_APPEND_FLAGS=both)))
    assert values(again)["NVCC_APPEND_FLAGS"] == both
    assert chosen(seen(present={"NVCC_APPEND_FLAGS": "--split-compile=4"})).kept == {"NVCC_APPEND_FLAGS": "--split-compile=4"}
    by_hand = chosen(seen(file={"NVCC_APPEND_FLAGS": Export("-lineinfo")}))
    assert by_hand.kept == {"NVCC_APPEND_FLAGS": "-lineinfo"}
    assert "NVCC_APPEND_FLAGS" not in values(chosen(seen(split=False)))
    assert chosen(seen(split=False, present={"NVCC_APPEND_FLAGS": "-g"})).kept == {"NVCC_APPEND_FLAGS": "-g"}


# --- CUTLASS


def test_cutlass_is_named_where_deepspeed_does_not_find_it() -> None:
    refused = Cutlass(None, "Please specify the CUTLASS repo directory", None)
    assert values(chosen(seen(found_cutlass=refused, cutlass="/opt/cutlass")))["CUTLASS_PATH"] == "/opt/cutlass"
    assert "CUTLASS_PATH" not in values(chosen(seen(found_cutlass=refused)))
    file, present = ours(CUTLASS_PATH="/opt/cutlass"), {"CUTLASS_PATH": "/opt/cutlass"}
    assert values(chosen(seen(file=file, present=present)))["CUTLASS_PATH"] == "/opt/cutlass"
    wrong = chosen(seen(found_cutlass=Cutlass(None, "too old", "/x"), present={"CUTLASS_PATH": "/x"}))
    assert "CUTLASS_PATH=/x: too old" in str(wrong.wrong["CUTLASS_PATH"])


def test_what_only_a_shell_can_tell_is_left_alone() -> None:
    unknown = {name: Export(None, known=False) for name in USUAL}
    found = chosen(seen(file=unknown))
    assert (found.wanted, found.kept, found.wrong) == ({}, {}, {})


# --- asked of a machine


def exports(world: World, profile: Profile = SPARK) -> Exports:
    found = Machine(world, profile).get(Exports)
    assert isinstance(found, Exports), found
    return found


@pytest.mark.parametrize("name", MACHINES)
def test_described_machines(name: str) -> None:
    found = exports(MACHINES[name]())
    assert not found.wanted.keys() & found.wrong.keys()
    values(found)


def test_a_toolkit_that_is_installed_is_found_and_asked() -> None:
    world = healthy_gb10()
    del world.links["/usr/local/cuda"]
    toolkit(world, "12.8.93")
    assert values(exports(world))["CUDA_HOME"] == "/usr/local/cuda-13.0"
    world.without("/usr/local/cuda-13.0/nvvm")
    assert "CUDA_HOME" not in values(exports(world))


def test_the_ptxas_in_pytorch_serves_where_no_toolkit_does() -> None:
    world = MACHINES["gb10-triton-3.5"]()
    world.without("/usr/local/cuda-13.0")
    world.programs[f"{SITE}/torch/bin/ptxas"] = assembler_program("13.0.88")
    assert values(exports(world))[PLAIN] == f"{SITE}/torch/bin/ptxas"
    world.programs[f"{SITE}/torch/bin/ptxas"] = assembler_program("12.8.93")
    assert PLAIN not in values(exports(world))


def test_an_nvcc_that_does_not_know_the_flag_gets_none() -> None:
    world = healthy_gb10()
    real = world.programs["/usr/local/cuda-13.0/bin/nvcc"]

    def old(argv: list[str], options: dict[str, Any]) -> Any:
        return (
            ran(stderr="nvcc fatal   : Unknown option '--split-compile=0'", code=1)
            if argv[2:3] == ["--split-compile=0"]
            else real(argv, options)
        )

    world.programs["/usr/bin/nvcc"] = old
    assert "NVCC_APPEND_FLAGS" not in values(exports(world)), "another one is on PATH"
    assert "NVCC_APPEND_FLAGS" in values(exports(healthy_gb10()))


def test_the_file_tells_ours_from_the_users() -> None:
    world = healthy_gb10()
    path = "/home/user/.config/sparkdoctor/environment.sh"
    world.files[path] = "export MAX_JOBS=19  # sparkdoctor: then\nexport NVCC_THREADS=2\n"
    world.env |= {"MAX_JOBS": "19", "NVCC_THREADS": "2"}
    found = exports(world)
    assert found.wanted["MAX_JOBS"] == ("19", "then")
    assert found.kept == {"NVCC_THREADS": "2"}


def test_what_find_cutlass_has_written_stays_together() -> None:
    written = {"CUTLASS_PATH": "/home/user/.local/share/sparkdoctor/cutlass", "CPATH": "/site/cutlass/include"}
    refused = Cutlass(None, "CUTLASS_PATH is not set", None)
    unread = chosen(seen(file=ours(**written), found_cutlass=refused))
    read = chosen(seen(file=ours(**written), present=written))
    for found in (unread, read):
        assert {name: values(found)[name] for name in written} == written
        assert not found.obsolete
    # It was read and will not do: find-cutlass is to look again.
    assert chosen(seen(file=ours(**written), present=written, found_cutlass=refused)).obsolete == set(written)
    assert chosen(seen(file=ours(**written), deepspeed=GONE)).obsolete >= set(written)
    # Anybody may have a CPATH, for anything.
    other = chosen(seen(present={"CPATH": "/opt/include"}))
    assert "CPATH" not in (other.wanted.keys() | other.kept.keys() | other.wrong.keys())


def test_cutlass_is_looked_for_as_deepspeed_would() -> None:
    world = healthy_gb10()
    builder = f"{SITE}/deepspeed/ops/op_builder/builder.py"
    world.files |= {
        f"{SITE}/deepspeed/__init__.py": "",
        builder: "",
        f"{SITE}/deepspeed/git_version_info_installed.py": "version='0.15.4'\n",
    }
    install(world, SITE, "deepspeed", "0.15.4")
    assert "CUTLASS_PATH" not in values(exports(world))
    world.files |= {"/home/user/cutlass/include/cutlass/cutlass.h": "", "/home/user/cutlass/CHANGELOG.md": "## 2.9.0\n"}
    assert "CUTLASS_PATH" not in values(exports(world)), "it is too old"
    world.files["/home/user/cutlass/CHANGELOG.md"] = "## 3.1.0\n"
    assert values(exports(world))["CUTLASS_PATH"] == "/home/user/cutlass"
