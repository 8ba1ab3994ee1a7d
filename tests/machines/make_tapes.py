"""Makes the tapes and the report expected of each: `python tests/machines/make_tapes.py [NAME…]`.

Tests only replay what lies here. SOURCES.md says where every value comes from.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import openfolded  # noqa: E402
from machines import parts, words  # noqa: E402
from machines.parts import SITE, gb10, healthy_gb10, install_torch, install_triton, ngc_container, nvml, toolkit  # noqa: E402
from sparkdoctor.redact import Redactor  # noqa: E402
from sparkdoctor.tape import Player, Recorder, parse  # noqa: E402
from world import World, examine, nvml_said  # noqa: E402

MACHINES: dict[str, Callable[[], World]] = {}
PROFILES = {"gb200": "gb200"} | dict.fromkeys(
    (
        "gb10-openfold3",
        "gb10-openfold3-no-weights",
        "gb10-openfold3-old-weights",
        "gb10-openfold3-runner-yml",
        "gb10-openfold3-ccd",
    ),
    "openfold3-spark",
)


def machine(make: Callable[[], World]) -> Callable[[], World]:
    """A machine whose name is the function's."""
    MACHINES[make.__name__.replace("_", "-").replace("-dot-", ".")] = make
    return make


# --- healthy


@machine
def gb10_healthy() -> World:
    """DGX Spark, bare metal: DGX OS 7.5.0, driver 580.159.03, CUDA 13.0, PyTorch 2.11, Triton 3.6."""
    return healthy_gb10()


@machine
def gb10_healthy_memory_reported() -> World:
    """The healthy Spark with an NVML that gives the system's memory as the GPU's. Claimed, never measured by an owner."""
    world = healthy_gb10()
    memory = {"total": 125441420 << 10, "free": 107991084 << 10, "used": (125441420 - 107991084) << 10}
    world.nvml = nvml("580.159.03", 13000, gb10("580.159.03", memory))
    return world


@machine
def gb10_ngc_container() -> World:
    """NGC PyTorch 25.11: docker run --gpus all --ipc=host --ulimit memlock=-1 --ulimit stack=67108864."""
    return ngc_container()


@machine
def gb10_torch_cu128() -> World:
    """PyTorch 2.9.1+cu128 beside CUDA 12.9, whose ptxas Triton 3.5.1 is given: sm_120 code runs on 12.1."""
    world = on_cuda_12_9()
    install_torch(world, SITE, "2.9.1+cu128", "12.8", "sm_80 sm_90 sm_100 sm_120", "triton==3.5.1")
    install_triton(world, SITE, "3.5.1", ptxas="12.8.93")
    world.env["TRITON_PTXAS_PATH"] = "/usr/local/cuda-12.9/bin/ptxas"
    return world


@machine
def gb10_triton_3_dot_5_ptxas_path() -> World:
    """Triton 3.5.1 with TRITON_PTXAS_PATH at the toolkit's ptxas, as it should be."""
    world = with_triton_3_5()
    world.env["TRITON_PTXAS_PATH"] = "/usr/local/cuda/bin/ptxas"
    return world


@machine
def gb200() -> World:
    """A GB200 compute tray, for the profile gb200."""
    return parts.gb200()


# --- driver and GPU


@machine
def gb10_container_without_gpu() -> World:
    """NGC PyTorch 25.11 started without --gpus all."""
    return ngc_container(gpu=False)


@machine
def gb10_driver_575() -> World:
    """A driver from before the GB10: it is loaded and finds no GPU."""
    world = healthy_gb10()
    parts.driver(world, "575.57.08", 12090, (("nvmlDeviceGetCount", None, 0),))
    world.without("/dev/nvidia0")
    return world


@machine
def gb10_driver_590() -> World:
    """A branch that NVIDIA does not support on a Spark, under a kernel with 64 KiB pages."""
    world = healthy_gb10()
    parts.driver(world, "590.48.01", 13010)
    world.itself |= {"release": "6.14.0-1015-nvidia-64k", "page_size": 65536}
    world.edit("/proc/meminfo", Hugepagesize="524288")
    return world


@machine
def gb10_driver_library_mismatch() -> World:
    """580.173.02 was installed, 580.159.03 is still loaded."""
    world = healthy_gb10()
    world.files["/var/lib/dpkg/status"] = words.DPKG.format(branch="580", version="580.173.02")
    world.nvml = nvml_said("/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.580.173.02", ("nvmlInit", None, parts.MISMATCH))
    return world


@machine
def gb10_torn_update() -> World:
    """`apt upgrade` to 580.173.02 without its firmware: the module is loaded and the GPU does not start."""
    world = healthy_gb10()
    parts.driver(
        world,
        "580.173.02",
        13000,
        (("nvmlDeviceGetCount", None, 0),),
        built=("dvs-builder@U22-A24-5-4", "Tue Jun 23 08:34:19 UTC 2026"),
    )
    world.itself["release"] = "6.17.0-1026-nvidia"
    world.files["/etc/dgx-release"] = words.DGX_RELEASE
    return world


# --- PyTorch


@machine
def gb10_torch_cpu_wheel() -> World:
    """`pip install torch==2.9.1` on aarch64: a CPU build, and no Triton."""
    world = healthy_gb10()
    install_torch(
        world, SITE, "2.9.1+cpu", None, "", 'triton==3.5.1; platform_system == "Linux" and platform_machine == "x86_64"'
    )
    parts.remove_triton(world)
    return world


@machine
def gb10_torch_2_dot_5() -> World:
    """PyTorch 2.5.1 for CUDA 12.4: no code past sm_90."""
    world = healthy_gb10()
    install_torch(world, SITE, "2.5.1+cu124", "12.4", "sm_50 sm_80 sm_86 sm_89 sm_90 sm_90a", None)
    parts.remove_triton(world)
    return world


# --- Triton


@machine
def gb10_triton_3_dot_4() -> World:
    """PyTorch 2.8.0+cu129 with Triton 3.4.0, which bundles ptxas 12.8 alone."""
    return with_triton_3_4()


@machine
def gb10_triton_3_dot_4_ptxas_13() -> World:
    """Triton 3.4.0 given a ptxas of CUDA 13, which it refuses."""
    world = with_triton_3_4()
    toolkit(world, "13.0.88")
    world.env["TRITON_PTXAS_PATH"] = "/usr/local/cuda-13.0/bin/ptxas"
    return world


@machine
def gb10_triton_3_dot_5() -> World:
    """PyTorch 2.9.1+cu130 with Triton 3.5.1, which bundles ptxas 12.8 alone."""
    return with_triton_3_5()


@machine
def gb10_triton_3_dot_5_ptxas_path_missing_file() -> World:
    """Triton 3.5.1 with TRITON_PTXAS_PATH at a toolkit that is gone."""
    world = with_triton_3_5()
    world.env["TRITON_PTXAS_PATH"] = "/usr/local/cuda-12.9/bin/ptxas"
    return world


@machine
def gb10_triton_3_dot_6_ptxas_path_ignored() -> World:
    """Triton 3.6.0 with the variable of its predecessors."""
    world = healthy_gb10()
    world.env["TRITON_PTXAS_PATH"] = "/usr/local/cuda/bin/ptxas"
    return world


@machine
def gb10_no_python_headers() -> World:
    """DGX OS as it comes: no python3-dev."""
    world = healthy_gb10()
    world.without("/usr/include/python3.12")
    return world


# --- CUDA


@machine
def gb10_nvcc_12_dot_8() -> World:
    """CUDA 12.8 first on PATH."""
    world = healthy_gb10()
    world.env["PATH"] = f"{toolkit(world, '12.8.93')}/bin:{world.env['PATH']}"
    return world


@machine
def gb10_cuda_home_elsewhere() -> World:
    """CUDA_HOME names CUDA 12.9, PATH has 13.0."""
    world = healthy_gb10()
    world.env["CUDA_HOME"] = toolkit(world, "12.9.86")
    world.env["PATH"] = f"/usr/local/cuda-13.0/bin:{world.env['PATH']}"
    return world


# --- memory


@machine
def gb10_docker_defaults() -> World:
    """NGC PyTorch 25.11 with --gpus all and nothing else: 64 MB of /dev/shm, 8 MiB of locked memory."""
    return ngc_container(ipc_host=False)


@machine
def gb10_memory_full() -> World:
    """A model is loaded: 7.2 GiB can be allocated, little of it page cache, no swap."""
    world = healthy_gb10()
    world.files["/proc/meminfo"] = parts.meminfo(125511740, 1018864, 7578848, swap=(0, 0), cached=5900000)
    return world


@machine
def gb10_page_cache() -> World:
    """Nearly all of the memory holds files that were read."""
    world = healthy_gb10()
    world.files["/proc/meminfo"] = parts.meminfo(125501816, 8123456, 114204672, swap=(16777212, 16777212), cached=98765432)
    return world


# --- OpenFold3

CACHE = "/home/user/.openfold3"


def with_openfold3() -> World:
    """The healthy Spark with OpenFold3 0.5.0, its weights and its dictionary."""
    world = healthy_gb10()
    openfolded.install(world, SITE, CACHE)
    return world


@machine
def gb10_openfold3() -> World:
    """OpenFold3 0.5.0 beside PyTorch 2.11 and Triton 3.6, after `setup_openfold`."""
    return with_openfold3()


@machine
def gb10_openfold3_no_weights() -> World:
    """OpenFold3 0.5.0 whose weights were moved away; `ckpt_root` stayed, and leads to a disk that is gone."""
    world = with_openfold3()
    world.without(f"{CACHE}/{openfolded.FILE}")
    world.files[f"{CACHE}/ckpt_root"] = "/mnt/weights"
    return world


@machine
def gb10_openfold3_old_weights() -> World:
    """OpenFold3 0.5.0 given the weights of 0.3 under its own name."""
    world = with_openfold3()
    world.files[f"{CACHE}/{openfolded.FILE}"] = openfolded.checkpoint(*openfolded.NAMES["0.3"])
    world.files[f"{CACHE}/of3_ft3_v1.pt"] = world.files[f"{CACHE}/{openfolded.FILE}"]
    return world


@machine
def gb10_openfold3_runner_yml() -> World:
    """A runner.yml in $OPENFOLD_CACHE that 0.5.0 merges: DeepSpeed's kernels, which are not there, and skip_existing."""
    world = with_openfold3()
    world.env["OPENFOLD_CACHE"] = CACHE
    world.files[f"{CACHE}/runner.yml"] = (
        "experiment_settings:\n  skip_existing: true\nmodel_update:\n  presets: [predict]\n  custom:\n    settings:\n"
        "      memory:\n        eval:\n          use_deepspeed_evo_attention: true\n"
    )
    return world


@machine
def gb10_openfold3_ccd() -> World:
    """A download of setup_openfold that broke off has left the beginning of a dictionary in biotite."""
    world = with_openfold3()
    path = f"{SITE}/biotite/structure/info/components.bcif"
    world.files[path] = openfolded.dictionary()[:4000]
    world.sizes[path] = 23_068_672
    return world


# --- no Spark at all


@machine
def x86_laptop() -> World:
    """A ThinkPad with nothing of NVIDIA's in it."""
    return parts.x86_laptop()


def on_cuda_12_9() -> World:
    """The healthy Spark with CUDA 12.9 in place of 13.0."""
    world = healthy_gb10()
    world.without("/usr/local/cuda-13.0")
    world.links["/etc/alternatives/cuda"] = toolkit(world, "12.9.86")
    return world


def with_triton_3_4() -> World:
    """The last PyTorch with Triton 3.4, on CUDA 12.9."""
    world = on_cuda_12_9()
    install_torch(world, SITE, "2.8.0+cu129", "12.9", "sm_80 sm_90 sm_100 sm_120", "triton==3.4.0")
    install_triton(world, SITE, "3.4.0", ptxas="12.8.93")
    return world


def with_triton_3_5() -> World:
    """The last PyTorch with Triton 3.5, on CUDA 13.0."""
    world = healthy_gb10()
    install_torch(world, SITE, "2.9.1+cu130", "13.0", f"{parts.SPARK_ARCHES} compute_120", "triton==3.5.1")
    install_triton(world, SITE, "3.5.1", ptxas="12.8.93")
    return world


def record(name: str) -> dict[str, Any]:
    """The tape of a machine."""
    make = MACHINES[name]
    recorder = Recorder(make())
    profile = PROFILES.get(name, "dgx-spark")
    examine(recorder, profile)
    notes = f"{(make.__doc__ or '').strip()} Put together from published values, not recorded from a machine: see SOURCES.md."
    return recorder.tape(Redactor(), profile=profile, deep=False, notes=notes)


def text(document: dict[str, Any]) -> str:
    """JSON as it lies here."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main(names: list[str]) -> None:
    """Write the tapes and reports of these machines, or of all; of a tape that was recorded for real, the report."""
    for name in names or [path.name.removesuffix(".tape.json") for path in sorted(HERE.glob("*.tape.json"))]:
        path = HERE / f"{name}.tape.json"
        if name in MACHINES:
            path.write_text(text(record(name)), encoding="utf-8")
        tape = parse(path.read_bytes(), name)
        report = examine(Player(tape), tape["profile"], deep=tape["deep"])
        (HERE / f"{name}.report.json").write_text(text(report), encoding="utf-8")
        wrong = {result["id"]: result["status"] for result in report["results"] if result["status"] not in ("ok", "skipped")}
        print(f"{name}: {report['verdict']} {wrong or ''}")


if __name__ == "__main__":
    main(sys.argv[1:])
