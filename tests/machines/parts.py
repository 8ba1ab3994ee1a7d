"""Parts that machines are put together from, and the healthy DGX Spark that most of them vary."""

from typing import Any

from machines import words
from world import GIB, KIB, Program, Python, Ran, World, elf, nvml_absent, nvml_said, ran, says

VENV = "/home/user/venv"
SITE = f"{VENV}/lib/python3.12/site-packages"
DIST = "/usr/local/lib/python3.12/dist-packages"
TOOL = "/home/user/.local/share/uv/tools/sparkdoctor"
NOT_SUPPORTED = {"error": "NVMLError_NotSupported", "code": 3, "text": "Not Supported"}
MISMATCH = {"error": "NVMLError_LibRmVersionMismatch", "code": 18, "text": "RM has detected an NVML/RM version mismatch."}
NODES = ("nvidia0", "nvidiactl", "nvidia-modeset", "nvidia-uvm", "nvidia-uvm-tools")
SPARK_ARCHES = "sm_80 sm_90 sm_100 sm_110 sm_120"


def healthy_gb10() -> World:
    """A DGX Spark, Founders Edition, on DGX OS 7.5.0, with PyTorch 2.11 and Triton 3.6 in a virtual environment."""
    world = linux("aarch64", "6.17.0-1021-nvidia", "24.04.4", meminfo(125441420, 107991084, 121260512, swap=(16777212, 16443132)))
    spark_firmware(world)
    driver(world, "580.159.03")
    toolkit(world, "13.0.88")
    world.links |= {"/usr/local/cuda": "/etc/alternatives/cuda", "/etc/alternatives/cuda": "/usr/local/cuda-13.0"}
    install_torch(world, SITE, "2.11.0+cu130", "13.0", SPARK_ARCHES, "triton==3.6.0")
    install_triton(world, SITE, "3.6.0", ptxas="12.8.93", blackwell="12.9.86")
    return world


def linux(machine: str, kernel: str, ubuntu: str, memory: str, *, cpus: int = 20, page_size: int = 4096) -> World:
    """Ubuntu 24.04 with compilers, Python's headers, an active virtual environment and generous limits."""
    world = World()
    world.itself = {"release": kernel, "machine": machine, "page_size": page_size, "cpus": cpus, "cwd": "/home/user"}
    world.itself |= {"executable": f"{TOOL}/bin/python", "path": [f"{TOOL}/lib/python3.12/site-packages"]}
    world.env = {"HOME": "/home/user", "VIRTUAL_ENV": VENV, "LANG": "en_US.UTF-8"}
    world.env["PATH"] = f"{VENV}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    world.pythons = {
        f"{VENV}/bin/python": Python(prefix=VENV, path=(SITE,)),
        f"{TOOL}/bin/python": Python(prefix=TOOL, path=(f"{TOOL}/lib/python3.12/site-packages",)),
        "/usr/bin/python3.12": Python(),
    }
    world.links = {"/usr/bin/python3": "python3.12", f"{VENV}/bin/python3": "python", "/bin": "usr/bin", "/lib": "usr/lib"}
    world.links |= {"/usr/bin/gcc": "gcc-13", "/usr/bin/c++": "/etc/alternatives/c++", "/etc/alternatives/c++": "/usr/bin/g++-13"}
    world.programs = {"/usr/bin/gcc-13": says(words.GCC.format("gcc")), "/usr/bin/g++-13": says(words.GCC.format("c++"))}
    world.directories = {SITE, "/tmp", "/dev/shm"}
    world.devices = {"/dev/null", "/dev/zero"}
    group = "/sys/fs/cgroup/user.slice"
    world.files = {
        "/etc/os-release": words.OS_RELEASE.format(release=ubuntu),
        "/usr/lib/python3.12/EXTERNALLY-MANAGED": "[externally-managed]\n",
        "/usr/include/python3.12/Python.h": "#ifndef Py_PYTHON_H\n",
        "/proc/meminfo": memory,
        "/proc/pressure/memory": words.PSI,
        "/proc/1/cgroup": "0::/init.scope\n",
        "/proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
        "/proc/self/mountinfo": words.MOUNTS,
    }
    for level in (group, f"{group}/user-1000.slice", f"{group}/user-1000.slice/session-3.scope"):
        world.files |= {f"{level}/memory.max": "max\n", f"{level}/memory.events": words.MEMORY_EVENTS}
    total = int(memory.split()[1]) * KIB
    world.spaces = {"/": (3936818806784, 2448240345088), "/dev/shm": (total // 2, total // 2)}
    return world


def spark_firmware(world: World) -> None:
    """DMI, the PCI bus and DGX OS 7.5.0 of NVIDIA's own DGX Spark."""
    dmi = {"sys_vendor": "NVIDIA", "product_name": "NVIDIA_DGX_Spark", "product_family": "DGX Spark", "product_version": "A.7"}
    world.files |= {f"/sys/class/dmi/id/{name}": f"{value}\n" for name, value in dmi.items()}
    release = words.DGX_RELEASE + words.DGX_OTA.format(version="7.5.0", date="Tue Jun  2 13:30:32 CEST 2026")
    world.files |= {"/etc/dgx-release": release}
    for place, ids in {
        "0000:01:00.0": ("0x15b3", "0x1021", "0x020000"),
        "000f:00:00.0": ("0x10de", "0x22d0", "0x060400"),
        "000f:01:00.0": ("0x10de", "0x2e12", "0x030000"),
    }.items():
        world.files |= {
            f"/sys/bus/pci/devices/{place}/{name}": f"{value}\n"
            for name, value in zip(("vendor", "device", "class"), ids, strict=True)
        }


def meminfo(total: int, free: int, available: int, *, swap: tuple[int, int], cached: int = 13756220, huge: int = 2048) -> str:
    """The lines of a /proc/meminfo that anybody reads; KiB."""
    values = {"MemTotal": total, "MemFree": free, "MemAvailable": available, "Buffers": 331204, "Cached": cached}
    values |= {"SwapCached": 0, "SwapTotal": swap[0], "SwapFree": swap[1], "Shmem": 8656, "SReclaimable": 682616}
    lines = [f"{name + ':':<16}{value:>8} kB" for name, value in values.items()]
    lines += [f"{name + ':':<16}{0:>8}" for name in ("HugePages_Total", "HugePages_Free")]
    return "\n".join([*lines, f"{'Hugepagesize:':<16}{huge:>8} kB"]) + "\n"


def gb10(version: str, memory: dict[str, Any] = NOT_SUPPORTED) -> tuple[tuple[str, int | None, Any], ...]:
    """What NVML says of a GB10."""
    return (
        ("nvmlDeviceGetCount", None, 1),
        ("nvmlDeviceGetHandleByIndex", 0, None),
        ("nvmlDeviceGetName", 0, "NVIDIA GB10"),
        ("nvmlDeviceGetCudaComputeCapability", 0, [12, 1]),
        ("nvmlDeviceGetMemoryInfo", 0, memory),
        ("nvmlDeviceGetGspFirmwareVersion", 0, version),
    )


def nvml(version: str, cuda: int, devices: tuple[tuple[str, int | None, Any], ...]) -> Ran:
    """What the NVML of an aarch64 driver says."""
    return nvml_said(
        f"/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.{version}",
        ("nvmlInit", None, None),
        ("nvmlSystemGetDriverVersion", None, version),
        ("nvmlSystemGetNVMLVersion", None, f"{cuda // 1000}.{version}"),
        ("nvmlSystemGetCudaDriverVersion", None, cuda),
        *devices,
    )


def driver(
    world: World,
    version: str,
    cuda: int = 13000,
    devices: tuple[tuple[str, int | None, Any], ...] | None = None,
    built: tuple[str, str] = ("dvs-builder@U22-I3-H10-02-1", "Tue Mar  3 19:08:06 UTC 2026"),
) -> None:
    """A driver that is loaded and installed; it sees a GB10 unless told otherwise."""
    world.files |= {
        "/proc/driver/nvidia/version": words.NVRM.format(machine="aarch64", version=version, built=built[0], date=built[1]),
        "/sys/module/nvidia/version": f"{version}\n",
        "/var/lib/dpkg/status": words.DPKG.format(branch=version[:3], version=version),
    }
    world.devices |= {f"/dev/{node}" for node in NODES}
    world.nvml = nvml(version, cuda, gb10(version) if devices is None else devices)


# --- compilers


def assembler(version: str) -> Program:
    """A ptxas that knows the names which CUDA 12.8, 12.9 and 13.0 know."""

    def program(argv: list[str], options: dict[str, Any]) -> Ran:
        if argv[1:] == ["--version"]:
            return ran(words.PTXAS[version])
        name = argv[1].removeprefix("-arch=")
        refused = version.startswith("12.8") and (name.startswith(("sm_121", "sm_103")) or name.endswith("f"))
        return ran(stderr=words.PTXAS_REFUSES.format(name), code=255) if refused else ran()

    return program


def compiler(version: str) -> Program:
    """An nvcc that makes plans."""

    def program(argv: list[str], options: dict[str, Any]) -> Ran:
        if argv[1:] == ["--version"]:
            return ran(words.NVCC[version])
        name = argv[2].removeprefix("-gencode=arch=").partition(",")[0]
        if version.startswith("12.8") and name in ("compute_121", "compute_103"):
            return ran(stderr=words.NVCC_REFUSES.format(name), code=1)
        major, minor, build = version.split(".")
        return ran(
            stderr=words.NVCC_PLAN.format(here=argv[0].rpartition("/")[0], arch=name[8:], major=major, minor=minor, build=build)
        )

    return program


def toolkit(world: World, version: str) -> str:
    """A whole CUDA toolkit; its directory."""
    home = f"/usr/local/cuda-{version.rpartition('.')[0]}"
    world.programs |= {f"{home}/bin/nvcc": compiler(version), f"{home}/bin/ptxas": assembler(version)}
    world.programs |= {f"{home}/bin/cudafe++": says(""), f"{home}/nvvm/bin/cicc": says("")}
    return home


# --- packages


def install(world: World, site: str, name: str, version: str, metadata: str = "") -> None:
    """A distribution's metadata."""
    world.files[f"{site}/{name}-{version}.dist-info/METADATA"] = metadata or f"Name: {name}\nVersion: {version}\n"


def install_torch(world: World, site: str, version: str, cuda: str | None, arches: str, wants: str | None) -> None:
    """PyTorch's files as far as anybody reads them. `wants` is its requirement on Triton."""
    world.without(f"{site}/torch")
    world.files |= {
        f"{site}/torch/__init__.py": "",
        f"{site}/torch/version.py": words.TORCH_VERSION.format(version=version, cuda=cuda),
        f"{site}/torch/utils/cpp_extension.py": words.CPP_EXTENSION,
        f"{site}/torch/lib/libtorch_python.so": elf(str(world.itself["machine"]), "sm_", arches),
    }
    release = version.partition("+")[0]
    wanted = (
        f'Requires-Dist: {wants}; platform_system == "Linux"\n' if wants and ";" not in wants else f"Requires-Dist: {wants}\n"
    )
    for path in [path for path in world.files if path.startswith(f"{site}/torch-")]:
        del world.files[path]
    install(world, site, "torch", release, words.TORCH_METADATA.format(version=release, wants=wanted if wants else ""))


def install_triton(world: World, site: str, version: str, *, ptxas: str | None, blackwell: str | None = None) -> None:
    """Triton with one bundled ptxas, or two."""
    remove_triton(world, site)
    nvidia = f"{site}/triton/backends/nvidia"
    world.files |= {
        f"{site}/triton/__init__.py": f'"""isort:skip_file"""\n__version__ = \'{version}\'\n',
        f"{nvidia}/compiler.py": words.TWO_PTXAS if blackwell else words.ONE_PTXAS,
        f"{site}/triton/_C/libtriton.so": elf(str(world.itself["machine"])),
    }
    for name, release in (("ptxas", ptxas), ("ptxas-blackwell", blackwell)):
        if release:
            world.programs[f"{nvidia}/bin/{name}"] = assembler(release)
    install(world, site, "triton", version)


def remove_triton(world: World, site: str = SITE) -> None:
    """No Triton."""
    world.without(f"{site}/triton", *[path.rpartition("/")[0] for path in world.files if path.startswith(f"{site}/triton-")])


# --- containers


def ngc_container(*, gpu: bool = True, ipc_host: bool = True) -> World:
    """NGC's PyTorch 25.11 in docker on the healthy Spark; with `ipc_host` also with the ulimits that its banner asks for."""
    world = healthy_gb10()
    world.without("/home", "/etc/dgx-release", "/var/lib/dpkg", "/sys/fs/cgroup", "/usr/local/cuda-13.0")
    world.files |= {
        "/.dockerenv": "",
        "/proc/1/cgroup": "0::/\n",
        "/proc/self/cgroup": "0::/\n",
        "/proc/self/mountinfo": words.DOCKER_MOUNTS,
        "/sys/fs/cgroup/memory.max": "max\n",
        "/sys/fs/cgroup/memory.events": words.MEMORY_EVENTS,
        "/sys/fs/cgroup/cpu.max": "max 100000\n",
    }
    world.directories = {"/root", "/tmp", "/dev/shm", "/workspace"}
    world.itself |= {"uid": 0, "cwd": "/workspace", "executable": "/usr/bin/python3", "path": [DIST]}
    world.pythons = {"/usr/bin/python3.12": Python(path=(DIST, "/usr/lib/python3/dist-packages"))}
    world.env = {
        "HOME": "/root",
        "PATH": "/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "CUDA_HOME": "/usr/local/cuda",
        "NVIDIA_VISIBLE_DEVICES": "all",
        "TORCH_CUDA_ARCH_LIST": "8.0 8.6 9.0 10.0 11.0 12.0+PTX",
        "TRITON_PTXAS_PATH": "/usr/local/cuda/bin/ptxas",
    }
    toolkit(world, "13.0.88")
    arches = "sm_80 sm_86 sm_90 sm_100 sm_110 sm_120 compute_120"
    install_torch(world, DIST, "2.10.0a0+b558c986e8.nv25.11", "13.0", arches, None)
    install_triton(world, DIST, "3.5.0", ptxas=None)
    if not gpu:
        world.without(*(f"/dev/{node}" for node in NODES))
        world.nvml = nvml_absent()
    if not ipc_host:
        world.spaces["/dev/shm"] = (64 << 20, 64 << 20)
        world.limits = {"memlock": [8 << 20, 8 << 20]}
    else:
        world.limits = {"stack": [64 << 20, 64 << 20]}
    return world


# --- other machines


def gb200() -> World:
    """A compute tray with four GB200 that have memory of their own, under a kernel with 64 KiB pages."""
    memory = meminfo(980 * 10**6, 940 * 10**6, 960 * 10**6, swap=(0, 0), huge=524288)
    world = linux("aarch64", "6.14.0-1008-nvidia-64k", "24.04.3", memory, cpus=144, page_size=65536)
    dmi = {"sys_vendor": "Dell Inc.", "product_name": "Dell Server 9712a"}
    world.files |= {f"/sys/class/dmi/id/{name}": f"{value}\n" for name, value in dmi.items()}
    own = {"total": 198674743296, "free": 198672646144, "used": 2097152}
    tray: list[tuple[str, int | None, Any]] = [("nvmlDeviceGetCount", None, 4)]
    for index in range(4):
        tray += [(name, index, answer) for name, _, answer in gb10("580.126.20", own)[1:]]
    said = {
        "nvmlDeviceGetName": "NVIDIA GB200",
        "nvmlDeviceGetCudaComputeCapability": [10, 0],
    }
    driver(world, "580.126.20", devices=tuple((name, index, said.get(name, answer)) for name, index, answer in tray))
    world.devices |= {f"/dev/nvidia{index}" for index in range(4)}
    toolkit(world, "13.0.88")
    world.links |= {"/usr/local/cuda": "/usr/local/cuda-13.0"}
    install_torch(world, SITE, "2.11.0+cu130", "13.0", SPARK_ARCHES, "triton==3.6.0")
    install_triton(world, SITE, "3.6.0", ptxas="12.8.93", blackwell="12.9.86")
    return world


def x86_laptop() -> World:
    """A ThinkPad with nothing of NVIDIA's in it and no PyTorch."""
    memory = meminfo(32705000, 27262976, 30408704, swap=(8388604, 8388604), cached=3600000)
    world = linux("x86_64", "6.14.0-29-generic", "24.04.3", memory, cpus=8)
    dmi = {
        "sys_vendor": "LENOVO",
        "product_name": "20L9CTO1WW",
        "product_family": "ThinkPad T580",
        "product_version": "ThinkPad T580",
    }
    world.files |= {f"/sys/class/dmi/id/{name}": f"{value}\n" for name, value in dmi.items()}
    graphics = {"vendor": "0x8086", "device": "0x5917", "class": "0x030000"}
    world.files |= {f"/sys/bus/pci/devices/0000:00:02.0/{name}": f"{value}\n" for name, value in graphics.items()}
    world.without(VENV)
    del world.env["VIRTUAL_ENV"]
    world.env["PATH"] = world.env["PATH"].removeprefix(f"{VENV}/bin:")
    world.limits = {"memlock": [4186240000, 4186240000]}
    world.spaces["/"] = (int(467.35 * GIB), 200 * GIB)
    return world
