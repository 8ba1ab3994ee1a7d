"""Every check, on facts made by hand: no host, no process, no file."""

import inspect
import re
import shlex
import types
from typing import Any

import pytest

from sparkdoctor import profiles
from sparkdoctor.architecture import Architecture, Capability
from sparkdoctor.facts import (
    ArchList,
    BuildSettings,
    Cgroup,
    Compilers,
    Container,
    CudaHome,
    Devices,
    Disks,
    Driver,
    Gpu,
    Identity,
    Limits,
    Memory,
    Nvcc,
    Nvml,
    Pressure,
    Python,
    SharedMemory,
    System,
    Torch,
    Triton,
)
from sparkdoctor.facts.build import COMPILER_BYTES, compiler_threads, ninja_jobs
from sparkdoctor.facts.gpu import Device
from sparkdoctor.facts.limits import Limit, Volume
from sparkdoctor.facts.ptxas import Ptxas
from sparkdoctor.facts.python import Distribution
from sparkdoctor.facts.triton import BLACKWELL, PLAIN, UNSETTABLE, Tool
from sparkdoctor.machine import Fact
from sparkdoctor.model import Broken, Missing, Status, Verdict
from sparkdoctor.profiles import Profile, Requirement, Severity
from sparkdoctor.registry import Registry

CHECKS = Registry.load().checks
SPARK, HOPPER = profiles.load("dgx-spark"), profiles.load("hopper")
UNDEMANDING = Profile()
OK, WARNING, FAILED, SKIPPED = Status.OK, Status.WARNING, Status.FAILED, Status.SKIPPED
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
GONE = Missing("it is not there")
DEAD = Broken("it crashed")

NUMBER = 121
HEALTHY: tuple[Fact, ...] = (
    System("aarch64", "6.17.0-1008-nvidia", 4096, 20, 20, "Ubuntu 24.04.4 LTS"),
    Identity("DGX Spark", "NVIDIA_DGX_Spark", "NVIDIA", "7.5.0"),
    Container(None),
    Nvml({}, {}, None),
    Gpu((Device("NVIDIA GB10", Capability(12, 1), None),)),
    Driver(
        loaded="580.159.03", library="580.159.03", installed="580.159.03", firmware="580.159.03", cuda=(13, 0), mismatch=False
    ),
    Devices(("nvidia-uvm", "nvidia-uvm-tools", "nvidia0", "nvidiactl"), (), (), None),
    Python("/venv/bin/python", "the active virtual environment", "3.12.3", "/usr/include/python3.12", True, {}, {}),
    Torch(
        "2.11.0+cu130",
        "/venv/torch",
        "13.0",
        tuple(map(Architecture.parse, "sm_80 sm_90 sm_100 sm_110 sm_120".split())),
        "triton==3.6.0; platform_system == 'Linux'",
        "aarch64",
    ),
    Triton(
        "3.6.0",
        "/venv/triton",
        {},
        {NUMBER: Tool("ptxas-blackwell", BLACKWELL)},
        {NUMBER: Ptxas("/venv/triton/ptxas-blackwell", "12.9.86", {"sm_121a": ""})},
        {NUMBER: False},
        "aarch64",
    ),
    CudaHome(None, "/usr/local/cuda", None, None),
    Nvcc("/usr/local/cuda/bin/nvcc", "13.0.88", {NUMBER: ""}, None),
    Compilers("gcc (Ubuntu) 13.3.0", "c++ (Ubuntu) 13.3.0"),
    Memory(120 * GIB, 100 * GIB, 116 * GIB, 13 * GIB, 32 * GIB, 32 * GIB, 0, 0),
    Pressure(0.0, 0.0, 0.0, 0.0),
    Cgroup("v2"),
    Limits(Limit(8 * MIB, None), Limit(None, None), Limit(1024, 1 << 20)),
    SharedMemory(60 * GIB, 60 * GIB),
    Disks((Volume("/home/user", "caches and weights", 2000 * GIB),)),
    BuildSettings("8", 8, 1, "nvcc's default", 1),
)
ABSENT: dict[type[Fact], Missing] = {ArchList: Missing("TORCH_CUDA_ARCH_LIST is not set")}
DEFAULTS: dict[type, Any] = {type(fact): fact for fact in HEALTHY} | ABSENT


def but(kind: type[Fact], **changes: Any) -> Any:
    """The healthy machine's fact with some of its values changed."""
    return kind(**{**vars(DEFAULTS[kind]), **changes})


def judge(name: str, *facts: Fact | Profile, **gone: Missing) -> Verdict:
    """A check's verdict on a healthy machine but for these facts; `gpu=Missing(…)` takes one away.

    Whatever it finds, what it says about it must be of use.
    """
    check = CHECKS[name]
    given = DEFAULTS | {type(fact): fact for fact in facts}
    by_name = {need.name: need for need in check.needs}
    assert set(gone) <= {need.name for need in check.needs if need.judges_absence}, "the check does not judge that"
    unused = {type(fact) for fact in facts} - {need.fact or Profile for need in check.needs}
    assert not unused, f"{name} does not look at {unused}"
    profile = next((fact for fact in facts if isinstance(fact, Profile)), SPARK)
    values = {key: gone.get(key) or (profile if need.fact is None else given[need.fact]) for key, need in by_name.items()}
    for key, value in values.items():
        assert not isinstance(value, Missing) or by_name[key].judges_absence, f"{name} would be skipped without {key}"
    verdict: Verdict = check.function(**values)
    useful(verdict)
    return verdict


PLACEHOLDER = re.compile(r"<\w+>|\{|\}|\bNone\b|(?<![\w$/={-])[A-Z][A-Z_]{3,}(?![\w=])")


def useful(verdict: Verdict) -> None:
    """Problems have a remedy that is a sentence, with a command that can be pasted; nothing else has one."""
    assert isinstance(verdict, Verdict)
    assert verdict.summary
    texts = [verdict.summary, verdict.expected or "x", verdict.observed or "x", *verdict.evidence]
    assert [text for text in texts if re.search(r"<\w+ object|\(\)|, $|: $", text)] == []
    assert [text for text in texts if re.search(r"\bNone\b", text) and not text.endswith("cuda = None")] == []
    if verdict.status in (OK, SKIPPED):
        assert verdict.remedy is None
        return
    assert verdict.status in (FAILED, WARNING)
    remedy = verdict.remedy
    assert remedy is not None
    assert remedy.text.endswith(".")
    assert remedy.text[0].isupper() or remedy.text[0] in "`$"
    assert " None" not in remedy.text
    if remedy.command is not None:
        assert remedy.command == remedy.command.strip() != ""
        assert "\n" not in remedy.command
        assert not PLACEHOLDER.search(re.sub(r"unset \w+", "", remedy.command)), f"not to be pasted: {remedy.command}"
        shlex.split(remedy.command)
        assert ("sudo" not in remedy.command) or remedy.needs_root, f"needs_root is not set for {remedy.command}"
        assert ("reboot" not in remedy.command) or remedy.needs_reboot


# --- all checks


@pytest.mark.parametrize("name", CHECKS)
def test_this_file_names_every_check(name: str) -> None:
    source = inspect.getsource(inspect.getmodule(judge) or types.ModuleType(""))
    assert len(re.findall(rf'judge\(\s*"{name}"', source)) >= 2, "give it at least one that is well and one that is not"


@pytest.mark.parametrize("name", CHECKS)
def test_a_healthy_machine_is_healthy(name: str) -> None:
    assert judge(name).status is OK


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("missing", [GONE, DEAD])
def test_whatever_may_be_absent_can_be(name: str, missing: Missing) -> None:
    for need in CHECKS[name].needs:
        if need.judges_absence:
            judge(name, **{need.name: missing})
    judge(name, **{need.name: missing for need in CHECKS[name].needs if need.judges_absence})


@pytest.mark.parametrize("name", CHECKS)
def test_a_profile_that_demands_nothing_is_satisfied(name: str) -> None:
    needs = CHECKS[name].needs
    if any(need.fact is None for need in needs):
        assert judge(name, UNDEMANDING).status in (OK, SKIPPED)


@pytest.mark.parametrize("name", CHECKS)
def test_a_docstring_is_of_use(name: str) -> None:
    check = CHECKS[name]
    doc = check.function.__doc__ or ""
    assert doc.splitlines()[0].endswith(".")
    assert not re.search(r"\b(not|cannot|can't|missing|wrong|fails?|too|broken|lacks?|without)\b", check.title, re.IGNORECASE)
    assert len(check.title) <= 72
    assert len(check.why) > 60
    assert check.sources
    assert name == check.function.__name__.replace("_", "-")
    assert check.layer in ("machine", "gpu", "cuda", "torch", "triton", "memory")
    assert all(not line.endswith("TODO") for line in doc.splitlines())


# --- machine


def test_machine_not_spark() -> None:
    assert judge("machine-not-spark").status is OK
    assert judge("machine-not-spark", gpu=GONE).status is OK
    assert judge("machine-not-spark", but(Identity, family=None, product=None, vendor=None)).status is OK
    oem = judge("machine-not-spark", but(Identity, product="GX10", vendor="ASUSTeK COMPUTER INC."))
    assert oem.status is OK
    assert "ASUSTeK" in oem.summary
    other = judge("machine-not-spark", but(System, architecture="x86_64"), but(Identity, family="ThinkPad"))
    assert other.status is WARNING
    assert "x86_64" in other.summary
    assert "ThinkPad" in other.summary
    h100 = Gpu((Device("NVIDIA H100 80GB HBM3", Capability(9, 0), 80 * GIB),))
    assert judge("machine-not-spark", h100).status is WARNING
    assert judge("machine-not-spark", h100, HOPPER).status is OK
    mixed = Gpu((DEFAULTS[Gpu].devices[0], h100.devices[0]))
    assert judge("machine-not-spark", mixed).status is WARNING


@pytest.mark.parametrize(
    ("version", "status"), [("7.5.0", OK), ("7.10.1", OK), ("7.6", OK), ("7.4.0", WARNING), ("7.2.3", WARNING), (None, SKIPPED)]
)
def test_dgx_os_outdated(version: str | None, status: Status) -> None:
    verdict = judge("dgx-os-outdated", but(Identity, dgx_os=version))
    assert verdict.status is status
    if status is WARNING:
        assert verdict.observed == version
    if status is SKIPPED:
        assert "container" in judge("dgx-os-outdated", but(Identity, dgx_os=None), Container("docker")).summary
    assert judge("dgx-os-outdated", HOPPER).status is SKIPPED


def test_reboot_pending() -> None:
    assert judge("reboot-pending").status is OK
    assert judge("reboot-pending", but(Driver, installed=None, library=None, firmware=None)).status is OK
    updated = judge("reboot-pending", but(Driver, library="580.173.02", installed="580.173.02"))
    assert updated.status is FAILED
    assert (updated.expected, updated.observed) == ("580.173.02", "580.159.03")
    assert updated.remedy is not None
    assert updated.remedy.needs_reboot
    assert "einstall" not in updated.remedy.text
    assert judge("reboot-pending", but(Driver, library=None, installed="580.173.02", firmware=None)).status is FAILED
    assert judge("reboot-pending", but(Driver, loaded=None)).status is OK


# --- gpu


def test_compute_capability_mismatch() -> None:
    assert judge("compute-capability-mismatch").status is OK
    h100 = Gpu((Device("NVIDIA H100", Capability(9, 0), 80 * GIB),))
    verdict = judge("compute-capability-mismatch", h100)
    assert verdict.status is FAILED
    assert (verdict.expected, verdict.observed) == ("12.1", "9.0")
    assert judge("compute-capability-mismatch", h100, HOPPER).status is OK
    assert judge("compute-capability-mismatch", Gpu((DEFAULTS[Gpu].devices[0], h100.devices[0]))).status is FAILED
    assert judge("compute-capability-mismatch", Gpu((Device("RTX 5090", Capability(12, 0), None),))).status is FAILED


@pytest.mark.parametrize(
    ("version", "too_old", "branch"),
    [
        ("525.60.13", FAILED, SKIPPED),
        ("575.51.03", FAILED, SKIPPED),
        ("580.95.05", OK, OK),
        ("580.126.09", OK, OK),
        ("580.142", OK, OK),
        ("580.159.03", OK, OK),
        ("590.48.01", OK, WARNING),
        ("595.10", OK, WARNING),
        ("610.43.02", OK, WARNING),
    ],
)
def test_the_drivers_version(version: str, too_old: Status, branch: Status) -> None:
    driver = but(Driver, loaded=version, library=version, installed=version)
    assert judge("driver-too-old", driver).status is too_old
    assert judge("driver-branch-unsupported", driver).status is branch
    if version.startswith("590"):
        assert judge("driver-branch-unsupported", driver).observed == "590"


def test_driver_too_old_and_branch_where_little_is_known() -> None:
    unknown = but(Driver, loaded=None, library=None)
    assert judge("driver-too-old", unknown).status is SKIPPED
    assert judge("driver-branch-unsupported", unknown).status is SKIPPED
    assert judge("driver-too-old", but(Driver, loaded=None, library="575.51.03")).status is FAILED
    assert judge("driver-branch-unsupported", HOPPER).status is SKIPPED


def test_driver_library_mismatch() -> None:
    assert judge("driver-library-mismatch").status is OK
    assert judge("driver-library-mismatch", but(Driver, library=None)).status is OK
    assert judge("driver-library-mismatch", but(Driver, loaded=None)).status is OK
    on_host = judge("driver-library-mismatch", but(Driver, library="580.173.02", mismatch=True))
    assert on_host.status is FAILED
    assert on_host.remedy is not None
    assert on_host.remedy.text.startswith("Restart")
    assert "the machine" in on_host.remedy.text
    assert on_host.remedy.needs_reboot
    inside = judge("driver-library-mismatch", but(Driver, library="580.95.05"), Container("docker"))
    assert inside.status is FAILED
    assert inside.remedy is not None
    assert inside.remedy.text.startswith("Restart")
    assert "container" in inside.remedy.text
    assert inside.remedy.command is None
    told = judge("driver-library-mismatch", but(Driver, loaded=None, library=None, mismatch=True))
    assert told.status is FAILED
    assert "Driver/library version mismatch" in told.evidence[0]


def test_driver_missing() -> None:
    assert judge("driver-missing").status is OK
    silent = judge("driver-missing", but(Devices, nodes=()), driver=Missing("there is no NVIDIA driver here"))
    assert silent.status is FAILED
    with_gpu = judge("driver-missing", but(Devices, nodes=(), pci=("10de:2e12",)), driver=GONE)
    assert with_gpu.remedy is not None
    assert "nvidia-driver-580-open" in (with_gpu.remedy.command or "")
    assert with_gpu.evidence == ("PCI 10de:2e12",)
    inside = judge("driver-missing", Container("docker"), but(Devices, nodes=()), driver=GONE)
    assert inside.status is FAILED
    assert "host" in inside.summary
    unloaded = judge("driver-missing", but(Driver, loaded=None))
    assert unloaded.status is FAILED
    assert "no kernel module" in unloaded.summary


NO_GPU = Missing("no GPU is visible: NVML sees none")
NO_NODES = {"nodes": (), "pci": ("10de:2e12",)}


def test_gpu_not_visible_where_one_is() -> None:
    assert judge("gpu-not-visible").status is OK
    assert "2 × NVIDIA GB10" in judge("gpu-not-visible", Gpu(DEFAULTS[Gpu].devices * 2)).summary
    assert "nvidia-smi" in judge("gpu-not-visible", Gpu(DEFAULTS[Gpu].devices, "nvidia-smi")).summary
    hidden = judge("gpu-not-visible", but(Devices, hidden_by="CUDA_VISIBLE_DEVICES=''"))
    assert hidden.status is FAILED
    assert hidden.remedy is not None
    assert hidden.remedy.command == "unset CUDA_VISIBLE_DEVICES"
    no_uvm = judge("gpu-not-visible", but(Devices, nodes=("nvidia0", "nvidiactl")))
    assert no_uvm.status is FAILED
    assert "nvidia-uvm" in no_uvm.summary
    assert judge("gpu-not-visible", but(Devices, nodes=())).status is OK  # WSL has no such nodes


@pytest.mark.parametrize(
    ("engine", "remedy"),
    [("docker", "--gpus all"), ("podman", "nvidia.com/gpu=all"), ("kubernetes", "nvidia.com/gpu: 1"), ("lxc", "")],
)
def test_gpu_not_visible_in_a_container_without_it(engine: str, remedy: str) -> None:
    verdict = judge("gpu-not-visible", Container(engine), but(Devices, nodes=()), gpu=NO_GPU, nvml=GONE)
    assert verdict.status is FAILED
    assert "was started without the GPU" in verdict.summary
    assert verdict.remedy is not None
    assert remedy in verdict.remedy.text
    void = but(Devices, nodes=(), hidden_by="NVIDIA_VISIBLE_DEVICES='void'")
    assert "void" in judge("gpu-not-visible", Container(engine), void, gpu=NO_GPU, nvml=GONE).summary


def test_gpu_not_visible_for_other_reasons() -> None:
    closed = judge("gpu-not-visible", but(Devices, unopenable=("nvidia0", "nvidiactl")), gpu=NO_GPU)
    assert closed.status is FAILED
    assert "/dev/nvidia0 /dev/nvidiactl" in closed.summary
    hung = judge("gpu-not-visible", gpu=Broken("NVML did not answer in time"))
    assert hung.status is FAILED
    assert hung.remedy is not None
    assert hung.remedy.needs_reboot
    torn = judge("gpu-not-visible", but(Devices, pci=("10de:2e12",)), gpu=NO_GPU)
    assert torn.status is FAILED
    assert "No devices were found" in torn.summary
    assert torn.remedy is not None
    assert "dist-upgrade" in (torn.remedy.command or "")
    no_library = judge("gpu-not-visible", gpu=NO_GPU, nvml=Missing("libnvidia-ml.so.1 is not installed"))
    assert no_library.status is FAILED
    assert "libnvidia-ml.so.1" in no_library.summary
    assert judge("gpu-not-visible", but(Driver, mismatch=True), gpu=NO_GPU).status is SKIPPED
    assert judge("gpu-not-visible", gpu=NO_GPU, driver=Missing("there is no NVIDIA driver here")).status is SKIPPED


# --- cuda


def arches(text: str) -> ArchList:
    return ArchList.parse(text)


def with_deepspeed(version: str) -> Any:
    return but(Python, distributions={"deepspeed": Distribution(version, "/x")})


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("12.1", OK),
        ("12.0", OK),
        ("12.0+PTX", OK),
        ("12.0;12.1", OK),
        ("12.0 12.1", OK),
        ("12.1a", OK),
        ("9.0;12.1", WARNING),
        ("8.0;9.0;12.0+PTX", WARNING),
        ("Blackwell", WARNING),
        ("9.0+PTX", WARNING),
        ("8.0+PTX", WARNING),
        ("9.0", FAILED),
        ("9.0a", FAILED),
        ("9.0a+PTX", FAILED),
        ("10.0", FAILED),
        ("12.0a", FAILED),
        ("Hopper", WARNING),
        ("12.0f", FAILED),
        ("12.1f", FAILED),
        ("sm_121", FAILED),
        ("12.2", FAILED),
        ("121", FAILED),
        ("12.1,12.0", FAILED),
        ("12.1;", FAILED),
        (";", FAILED),
        ("garbage\x1b", FAILED),
        ("12.1'; rm -rf ~", FAILED),
    ],
)
def test_arch_list_wrong(text: str, status: Status) -> None:
    verdict = judge("arch-list-wrong", arches(text))
    assert verdict.status is status
    assert verdict.observed == text
    if status is not OK:
        assert verdict.remedy is not None
        assert verdict.remedy.command == "export TORCH_CUDA_ARCH_LIST=12.1"


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("0.15.4", OK),
        ("0.18.9", OK),
        ("0.19.0", FAILED),
        ("0.19.6", FAILED),
        ("0.20.0+abc", FAILED),
        ("1.0", FAILED),
        ("odd", OK),
    ],
)
def test_arch_list_wrong_for_deepspeed(version: str, status: Status) -> None:
    verdict = judge("arch-list-wrong", arches("12.1a"), with_deepspeed(version))
    assert verdict.status is status
    assert judge("arch-list-wrong", arches("12.1"), with_deepspeed(version)).status is OK
    if status is FAILED:
        assert "DeepSpeed" in verdict.summary


def test_arch_list_wrong_without_a_target() -> None:
    assert judge("arch-list-wrong", arches=Missing("TORCH_CUDA_ARCH_LIST is not set")).status is OK
    assert judge("arch-list-wrong", arches=DEAD).status is SKIPPED
    assert judge("arch-list-wrong", arches("12.1"), UNDEMANDING, gpu=GONE).status is SKIPPED
    assert judge("arch-list-wrong", arches("x"), UNDEMANDING, gpu=GONE).status is FAILED
    assert judge("arch-list-wrong", arches("9.0"), HOPPER).status is OK
    assert judge("arch-list-wrong", arches("12.1"), HOPPER).status is FAILED


@pytest.mark.parametrize(
    ("cuda", "driver", "codes", "status"),
    [
        ("13.0", (13, 0), "sm_120", OK),
        ("12.8", (13, 0), "sm_120", OK),
        ("13.2", (13, 0), "sm_90 sm_120", OK),
        ("13.2", (13, 0), "sm_90 compute_120", WARNING),
        ("13.2", (13, 0), None, OK),
        ("13.0", (12, 9), "sm_120", FAILED),
        ("13.0", (12, 4), "sm_120", FAILED),
        ("12.8", (11, 8), "sm_120", FAILED),
        ("12.9", (12, 8), "sm_120", OK),
        ("13.0.3", (13, 0), "sm_120", OK),
        (None, (13, 0), "sm_120", SKIPPED),
        ("", (13, 0), "sm_120", SKIPPED),
        ("13", (13, 0), "sm_120", SKIPPED),
        ("13.0", None, "sm_120", SKIPPED),
    ],
)
def test_cuda_newer_than_driver(cuda: str | None, driver: tuple[int, int] | None, codes: str | None, status: Status) -> None:
    carried = None if codes is None else tuple(map(Architecture.parse, codes.split()))
    verdict = judge("cuda-newer-than-driver", but(Torch, cuda=cuda, architectures=carried), but(Driver, cuda=driver))
    assert verdict.status is status
    if status is FAILED:
        assert cuda is not None
        assert cuda in verdict.summary


def test_cuda_newer_than_driver_says_ptx_only_where_there_is_ptx() -> None:
    neither = but(Torch, cuda="13.2", architectures=(Architecture.parse("sm_90"),))
    assert "only PTX" not in judge("cuda-newer-than-driver", neither).summary
    assert judge("cuda-newer-than-driver", but(Torch, cuda="13.2"), UNDEMANDING, gpu=GONE).status is OK


def refusing(version: str, words: str = "nvcc fatal   : Unsupported gpu architecture 'compute_121'") -> Any:
    return but(Nvcc, version=version, refusals={NUMBER: words})


def test_nvcc_lacks_architecture() -> None:
    assert judge("nvcc-lacks-architecture").status is OK
    old = judge("nvcc-lacks-architecture", refusing("12.8.93"))
    assert old.status is FAILED
    assert "12.9" in (old.expected or "")
    assert "Unsupported gpu architecture" in old.evidence[0]
    elsewhere = but(CudaHome, installed={(13, 0): "/usr/local/cuda-13.0", (12, 8): "/usr/local/cuda-12.8"})
    there = judge("nvcc-lacks-architecture", refusing("12.8.93"), elsewhere)
    assert there.remedy is not None
    assert "/usr/local/cuda-13.0" in (there.remedy.command or "")
    assert not there.remedy.needs_root
    assert judge("nvcc-lacks-architecture", refusing("13.0.88", "it did not answer in time")).status is SKIPPED
    assert judge("nvcc-lacks-architecture", refusing("12.4.99", "it did not answer in time")).status is FAILED
    assert judge("nvcc-lacks-architecture", but(Nvcc, refusals={})).status is SKIPPED
    assert judge("nvcc-lacks-architecture", UNDEMANDING, gpu=GONE).status is SKIPPED
    assert judge("nvcc-lacks-architecture", gpu=GONE).status is OK


def test_nvcc_missing() -> None:
    assert judge("nvcc-missing").status is OK
    assert judge("nvcc-missing", nvcc=Missing("there is no nvcc")).status is WARNING
    broken = judge("nvcc-missing", but(CudaHome, variable="CUDA_HOME", home="/opt/cuda"), nvcc=DEAD)
    assert broken.status is FAILED
    assert "$CUDA_HOME" in broken.summary
    assert judge("nvcc-missing", but(Nvcc, lacks="/usr/local/cuda/nvvm/bin/cicc")).status is FAILED


@pytest.mark.parametrize(
    ("nvcc", "cuda", "status"),
    [
        ("13.0.88", "13.0", OK),
        ("13.2.86", "13.0", OK),
        ("12.8.93", "12.9", OK),
        ("12.8.93", "13.0", FAILED),
        ("13.0.88", "12.8", FAILED),
        ("12.8.93", "13.0.3", FAILED),
        ("13.0.88", None, SKIPPED),
        ("13.0.88", "x", SKIPPED),
    ],
)
def test_nvcc_torch_mismatch(nvcc: str, cuda: str | None, status: Status) -> None:
    verdict = judge("nvcc-torch-mismatch", but(Nvcc, version=nvcc), but(Torch, cuda=cuda))
    assert verdict.status is status
    if status is FAILED and cuda == "13.0.3":
        assert verdict.remedy is not None
        assert verdict.remedy.command == "export CUDA_HOME=/usr/local/cuda-13.0"
    assert judge("nvcc-torch-mismatch").status is OK
    assert judge("nvcc-torch-mismatch", but(Nvcc, version="12.8.93")).status is FAILED


def test_cuda_home_wrong() -> None:
    assert judge("cuda-home-wrong").status is OK
    assert judge("cuda-home-wrong", but(CudaHome, home=None), nvcc=GONE).status is OK
    set_ = {"variable": "CUDA_HOME", "home": "/opt/cuda"}
    assert judge("cuda-home-wrong", but(CudaHome, **set_)).status is OK
    empty = judge("cuda-home-wrong", but(CudaHome, **set_), nvcc=Missing("/opt/cuda/bin/nvcc does not exist"))
    assert empty.status is FAILED
    assert empty.remedy is not None
    assert empty.remedy.command == "export CUDA_HOME=/usr/local/cuda"
    on_path = {"on_path": "/usr/local/cuda-12.8/bin/nvcc", "on_path_version": "12.8.93"}
    assert judge("cuda-home-wrong", but(CudaHome, **set_, **on_path)).status is FAILED
    assert judge("cuda-home-wrong", but(CudaHome, **set_, **{**on_path, "on_path_version": "13.2.86"})).status is WARNING
    assert judge("cuda-home-wrong", but(CudaHome, **set_, **{**on_path, "on_path_version": "13.0.48"})).status is OK
    assert judge("cuda-home-wrong", but(CudaHome, variable="CUDA_PATH", home="/opt/cuda")).status is OK


# --- torch


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        ("sm_80 sm_90 sm_100 sm_110 sm_120", OK),
        ("sm_121", OK),
        ("sm_120a sm_121a", OK),
        ("sm_120f", OK),
        ("sm_90 sm_120 compute_120", OK),
        ("compute_120", WARNING),
        ("sm_80 sm_90 compute_90", WARNING),
        ("compute_90", WARNING),
        ("sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90", FAILED),
        ("sm_100", FAILED),
        ("sm_120a", FAILED),
        ("compute_90a", FAILED),
        ("sm_122", FAILED),
    ],
)
def test_torch_lacks_kernels(codes: str, status: Status) -> None:
    torch = but(Torch, architectures=tuple(map(Architecture.parse, codes.split())))
    for gpu in ({}, {"gpu": GONE}):
        verdict = judge("torch-lacks-kernels", torch, **gpu)
        assert verdict.status is status
        assert verdict.observed == codes


def test_torch_lacks_kernels_where_nobody_can_say() -> None:
    assert judge("torch-lacks-kernels", but(Torch, cuda=None)).status is SKIPPED
    assert judge("torch-lacks-kernels", but(Torch, architectures=None)).status is SKIPPED
    assert judge("torch-lacks-kernels", UNDEMANDING, gpu=GONE).status is SKIPPED
    assert judge("torch-lacks-kernels", HOPPER).status is OK
    ngc = but(Torch, version="2.6.0a0+ecf3bae40a.nv25.01", architectures=(Architecture.parse("sm_90"),))
    remedy = judge("torch-lacks-kernels", ngc).remedy
    assert remedy is not None
    assert "NGC" in remedy.text
    assert remedy.command is None


def test_torch_missing() -> None:
    assert judge("torch-missing").status is OK
    gone = judge("torch-missing", torch=Missing("torch is not installed in /venv/bin/python"))
    assert gone.status is FAILED
    assert gone.remedy is not None
    assert gone.remedy.command == "/venv/bin/python -m pip install 'torch>=2.11'"
    damaged = judge("torch-missing", torch=Broken("PyTorch is damaged"))
    assert damaged.observed == "damaged"
    assert damaged.remedy is not None
    assert "--force-reinstall" in (damaged.remedy.command or "")
    assert judge("torch-missing", torch=GONE, python=Missing("there is no Python")).status is FAILED
    assert judge("torch-missing", UNDEMANDING, torch=GONE).status is SKIPPED
    assert judge("torch-missing", UNDEMANDING, torch=DEAD).status is FAILED


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("2.11.0+cu130", OK),
        ("2.7.0", OK),
        ("2.7.0a0+ecf3bae40a.nv25.02", OK),
        ("2.10.0a0+b558c986e8.nv25.11", OK),
        ("2.6.0a0+ecf3bae40a.nv25.01", FAILED),
        ("2.5.1", FAILED),
        ("1.13.1", FAILED),
    ],
)
def test_torch_too_old(version: str, status: Status) -> None:
    assert judge("torch-too-old", but(Torch, version=version)).status is status
    assert judge("torch-too-old").status is OK
    assert judge("torch-too-old", UNDEMANDING).status is SKIPPED


def test_torch_without_cuda() -> None:
    assert judge("torch-without-cuda").status is OK
    cpu = judge("torch-without-cuda", but(Torch, version="2.9.1", cuda=None))
    assert cpu.status is FAILED
    assert "before 2.11" in cpu.summary
    assert cpu.remedy is not None
    assert "'torch>=2.11'" in (cpu.remedy.command or "")
    x86 = judge("torch-without-cuda", but(Torch, cuda=None), but(System, architecture="x86_64"))
    assert "aarch64" not in x86.summary


def test_torch_without_cuda_blames_the_old_wheels_only_where_they_are() -> None:
    assert "before 2.11" not in judge("torch-without-cuda", but(Torch, version="2.12.1+cpu", cuda=None)).summary


def test_wheel_for_other_machine() -> None:
    assert judge("wheel-for-other-machine").status is OK
    assert judge("wheel-for-other-machine", but(Torch, machine=None), triton=GONE).status is OK


def test_wheel_for_other_machine_that_is_one() -> None:
    both = judge("wheel-for-other-machine", but(Torch, machine="x86_64"), but(Triton, machine="x86_64"))
    assert both.status is FAILED
    assert (both.expected, both.observed) == ("aarch64", "x86_64")
    one = judge("wheel-for-other-machine", but(Triton, machine="x86_64"))
    assert one.status is FAILED
    assert "PyTorch" not in one.summary


# --- triton


def test_compiler_missing() -> None:
    assert judge("compiler-missing").status is OK
    assert judge("compiler-missing", but(Compilers, c=Missing("PATH has no gcc"))).status is FAILED
    neither = judge("compiler-missing", Compilers(Missing("PATH has no gcc"), Broken("c++ exited with status 1")))
    assert neither.status is FAILED
    assert len(neither.evidence) == 2


def test_python_headers_missing() -> None:
    assert judge("python-headers-missing").status is OK
    verdict = judge("python-headers-missing", but(Python, headers=False))
    assert verdict.status is FAILED
    assert verdict.remedy is not None
    assert verdict.remedy.command == "sudo apt install python3.12-dev"


def test_triton_missing() -> None:
    assert judge("triton-missing").status is OK
    assert judge("triton-missing", triton=GONE).status is SKIPPED
    assert judge("triton-missing", triton=DEAD).status is FAILED
    required = Profile(triton=SPARK.triton._replace(required=True))
    assert judge("triton-missing", required, triton=GONE).status is FAILED


def triton(version: str, knob: str, ptxas: Any, *, overridden: bool = False, knobs: dict[str, str] | None = None) -> Any:
    name = "ptxas" if knob == PLAIN else "ptxas-blackwell"
    return but(
        Triton,
        version=version,
        knobs=knobs or {},
        tools={NUMBER: Tool(name, knob)},
        assemblers={NUMBER: ptxas},
        overridden={NUMBER: overridden},
    )


def assembler(version: str, words: str = "", path: str = "/venv/ptxas") -> Ptxas:
    return Ptxas(path, version, {"sm_121a": words})


OLD = assembler("12.8.93", "ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'")
SYSTEM = "/usr/local/cuda/bin/ptxas"


@pytest.mark.parametrize(
    ("found", "too_old", "ignored"),
    [
        # What pip installs, with no variable set.
        (triton("3.3.1", UNSETTABLE, OLD), FAILED, OK),
        (triton("3.4.0", PLAIN, OLD), FAILED, OK),
        (triton("3.5.1", PLAIN, OLD), FAILED, OK),
        (triton("3.6.0", BLACKWELL, assembler("12.9.86")), OK, OK),
        (triton("3.7.1", BLACKWELL, assembler("13.1.80")), OK, OK),
        (triton("3.9.0", BLACKWELL, assembler("13.4.59")), OK, OK),
        # The variable that the version heeds.
        (triton("3.5.1", PLAIN, assembler("13.0.88"), overridden=True, knobs={PLAIN: SYSTEM}), OK, OK),
        (triton("3.5.1", PLAIN, assembler("12.9.86"), overridden=True, knobs={PLAIN: SYSTEM}), OK, OK),
        (triton("3.4.0", PLAIN, assembler("12.9.86"), overridden=True, knobs={PLAIN: SYSTEM}), OK, OK),
        (triton("3.4.0", PLAIN, assembler("13.0.88"), overridden=True, knobs={PLAIN: SYSTEM}), FAILED, OK),
        (triton("3.5.1", PLAIN, OLD, overridden=True, knobs={PLAIN: SYSTEM}), FAILED, OK),
        (triton("3.6.0", BLACKWELL, assembler("13.0.88"), overridden=True, knobs={BLACKWELL: SYSTEM}), OK, OK),
        (triton("3.6.0", BLACKWELL, OLD, overridden=True, knobs={BLACKWELL: SYSTEM}), FAILED, OK),
        # A path that does not run: passed over for the bundled one.
        (triton("3.5.1", PLAIN, OLD, knobs={PLAIN: "/nowhere"}), FAILED, FAILED),
        (triton("3.6.0", BLACKWELL, assembler("12.9.86"), knobs={BLACKWELL: "/nowhere"}), OK, WARNING),
        # The variable that the version ignores.
        (triton("3.6.0", BLACKWELL, assembler("12.9.86"), knobs={PLAIN: SYSTEM}), OK, WARNING),
        (triton("3.5.1", PLAIN, OLD, knobs={BLACKWELL: SYSTEM}), FAILED, FAILED),
        (triton("3.3.1", UNSETTABLE, OLD, knobs={PLAIN: SYSTEM}), FAILED, FAILED),
        # Both.
        (triton("3.6.0", BLACKWELL, assembler("13.0.88"), overridden=True, knobs={PLAIN: "x", BLACKWELL: SYSTEM}), OK, OK),
        # None that runs.
        (triton("3.6.0", BLACKWELL, Missing("ptxas-blackwell does not exist")), FAILED, OK),
        (triton("3.6.0", BLACKWELL, DEAD, knobs={PLAIN: SYSTEM}), FAILED, FAILED),
        (triton("3.5.1", PLAIN, Broken("PermissionError"), overridden=True, knobs={PLAIN: ""}), FAILED, FAILED),
        # A version that nobody knows.
        (triton("unknown", BLACKWELL, assembler("12.9.86")), OK, OK),
        (triton("unknown", PLAIN, OLD), FAILED, OK),
    ],
)
def test_tritons_ptxas(found: Triton, too_old: Status, ignored: Status) -> None:
    for gone in ({}, {"gpu": GONE}):
        assert judge("triton-ptxas-too-old", found, **gone).status is too_old
        assert judge("triton-ptxas-path-ignored", found, **gone).status is ignored


def command_of(verdict: Verdict) -> str:
    assert verdict.remedy is not None
    return verdict.remedy.command or ""


def test_triton_ptxas_too_old_tells_what_helps() -> None:
    assert judge("triton-ptxas-too-old").status is OK
    assert command_of(judge("triton-ptxas-too-old", triton("3.5.1", PLAIN, OLD))) == f"export {PLAIN}={SYSTEM}"
    for version in ("3.3.1", "3.4.0"):  # these refuse a ptxas of CUDA 13
        knob = PLAIN if version == "3.4.0" else UNSETTABLE
        assert "pip install" in command_of(judge("triton-ptxas-too-old", triton(version, knob, OLD)))
    without_toolkit = judge("triton-ptxas-too-old", triton("3.5.1", PLAIN, OLD), nvcc=GONE)
    assert "pip install" in command_of(without_toolkit)
    own = triton("3.6.0", BLACKWELL, OLD, overridden=True, knobs={BLACKWELL: SYSTEM})
    assert command_of(judge("triton-ptxas-too-old", own)) == f"unset {BLACKWELL}"
    assert judge("triton-ptxas-too-old", UNDEMANDING, gpu=GONE).status is SKIPPED
    assert judge("triton-ptxas-too-old", but(Triton, assemblers={})).status is SKIPPED


def test_triton_ptxas_path_ignored_tells_what_helps() -> None:
    assert judge("triton-ptxas-path-ignored").status is OK
    harmless = triton("3.6.0", BLACKWELL, assembler("12.9.86"), knobs={PLAIN: SYSTEM})
    assert command_of(judge("triton-ptxas-path-ignored", harmless)) == f"unset {PLAIN}"
    ignored = triton("3.5.1", PLAIN, OLD, knobs={BLACKWELL: SYSTEM})
    assert command_of(judge("triton-ptxas-path-ignored", ignored)) == f"export {PLAIN}={SYSTEM}"
    unsettable = judge("triton-ptxas-path-ignored", triton("3.3.1", UNSETTABLE, OLD, knobs={PLAIN: SYSTEM}))
    assert command_of(unsettable) == ""
    assert UNSETTABLE not in unsettable.summary
    assert judge("triton-ptxas-path-ignored", UNDEMANDING, gpu=GONE).status is SKIPPED


@pytest.mark.parametrize(
    ("wants", "has", "status"),
    [
        ("triton==3.6.0; platform_system == 'Linux'", "3.6.0", OK),
        ("triton==3.6.0", "3.6.0+git1234", OK),
        ("triton==3.6.0", "3.7.1", FAILED),
        ("triton==3.5.1", "3.6.0.dev20260101", FAILED),
        ("triton>=3.5", "3.6.0", OK),
        ("pytorch-triton==3.5.0+gitbfeb0668", "3.5.0+gitbfeb0668", OK),
        ("triton==3.2.0; platform_machine == 'x86_64'", "3.6.0", SKIPPED),
        ("triton (==3.6.0)", "3.6.0", OK),
        ("triton ==", "3.6.0", SKIPPED),
        (None, "3.6.0", SKIPPED),
    ],
)
def test_triton_torch_mismatch(wants: str | None, has: str, status: Status) -> None:
    assert judge("triton-torch-mismatch", but(Torch, triton=wants), but(Triton, version=has)).status is status
    assert judge("triton-torch-mismatch").status is OK
    assert judge("triton-torch-mismatch", but(Triton, version="3.5.1")).status is FAILED


def test_triton_torch_mismatch_of_a_version_that_is_none() -> None:
    assert judge("triton-torch-mismatch", but(Triton, version="unknown")).status in (SKIPPED, FAILED)


# --- memory


def test_memory_low() -> None:
    assert judge("memory-low").status is OK
    few = {"available": 4 * GIB, "swap_free": 2 * GIB, "free": 1 * GIB}
    assert judge("memory-low", but(Memory, **few)).status is FAILED
    assert judge("memory-low", but(Memory, **{**few, "available": 10 * GIB})).status is WARNING
    # Swap counts, free memory alone does not.
    assert judge("memory-low", but(Memory, **{**few, "swap_free": 30 * GIB})).status is OK
    # Huge pages: what is free of them counts, and swap does not.
    assert judge("memory-low", but(Memory, huge_pages=100 * GIB, huge_free=2 * GIB)).status is FAILED
    huge = judge("memory-low", but(Memory, huge_pages=100 * GIB, huge_free=90 * GIB, available=1 * GIB))
    assert huge.status is OK
    assert "huge pages" in huge.summary


def test_memory_low_in_a_container() -> None:
    roomy = judge("memory-low", Cgroup("v2", limit=64 * GIB, usage=4 * GIB))
    assert roomy.status is OK
    assert "60.0 GiB" in roomy.summary
    tight = judge("memory-low", Cgroup("v2", limit=8 * GIB, usage=7 * GIB))
    assert tight.status is FAILED
    assert tight.remedy is not None
    assert "--memory" in tight.remedy.text
    assert judge("memory-low", Cgroup("v2", limit=8 * GIB, usage=9 * GIB)).observed == "0 MiB"
    assert judge("memory-low", cgroup=GONE).status is OK


@pytest.mark.parametrize("bounds", [Severity(None, 0), Severity(0, 0), Severity(0, None), Severity(None, 8), Severity(16, None)])
def test_memory_low_with_odd_bounds(bounds: Severity) -> None:
    assert judge("memory-low", Profile(memory_gib=bounds)).status is OK


@pytest.mark.parametrize(
    ("some10", "full10", "full60", "status"),
    [
        (0.0, 0.0, 0.0, OK),
        (9.9, 3.0, 1.0, OK),
        (10.0, 3.0, 1.0, WARNING),
        (60.0, 19.9, 9.9, WARNING),
        (60.0, 20.0, 0.0, FAILED),
        (0.0, 0.0, 10.0, FAILED),
        (100.0, 100.0, 100.0, FAILED),
    ],
)
def test_memory_pressure(some10: float, full10: float, full60: float, status: Status) -> None:
    assert judge("memory-pressure", Pressure(some10, some10, full10, full60)).status is status
    assert judge("memory-pressure", Pressure(50.0, 50.0, 50.0, 50.0)).status is FAILED
    assert judge("memory-pressure").status is OK


def test_oom_killed_recently() -> None:
    assert judge("oom-killed-recently").status is OK
    one = judge("oom-killed-recently", Cgroup("v2", oom_kills=1), Container("docker"))
    assert one.status is WARNING
    assert "a process in this container" in one.summary
    assert "3 processes in this session" in judge("oom-killed-recently", Cgroup("v1", oom_kills=3)).summary


def test_page_cache_holds_memory() -> None:
    assert judge("page-cache-holds-memory").status is OK
    full = but(Memory, free=3 * GIB, available=110 * GIB, page_cache=107 * GIB)
    verdict = judge("page-cache-holds-memory", full)
    assert verdict.status is WARNING
    assert "drop_caches" in command_of(verdict)
    assert judge("page-cache-holds-memory", full, gpu=GONE).status is WARNING
    # Used up is another matter, and so is a GPU with memory of its own.
    assert judge("page-cache-holds-memory", but(Memory, free=3 * GIB, available=5 * GIB, page_cache=2 * GIB)).status is OK
    h100 = Gpu((Device("NVIDIA H100", Capability(9, 0), 80 * GIB),))
    assert judge("page-cache-holds-memory", full, h100, HOPPER).status is SKIPPED
    assert judge("page-cache-holds-memory", full, HOPPER, gpu=GONE).status is SKIPPED
    # A GB10 whose NVML tells the system's memory as its own.
    assert judge("page-cache-holds-memory", full, Gpu((Device("NVIDIA GB10", Capability(12, 1), 120 * GIB),))).status is WARNING


def settings(max_jobs: str | None, *, cpus: int = 20, archs: int = 1, deepspeed: bool = False, **threads: str) -> BuildSettings:
    """As the fact's own rules make them of the variables."""
    count, said = compiler_threads({"DS_NVCC_THREADS": None, "NVCC_THREADS": None, **threads}, cpus, deepspeed=deepspeed)
    return BuildSettings(max_jobs, ninja_jobs(max_jobs, cpus), count, said, archs)


def free(gib: float) -> Any:
    return but(Memory, available=int(gib * GIB), swap_free=0)


@pytest.mark.parametrize(
    ("build", "gib", "status", "jobs"),
    [
        (settings("8"), 100, OK, 8),
        (settings("8"), 20, FAILED, 8),
        (settings(None), 116, OK, 22),
        (settings(None), 60, FAILED, 22),
        (settings("rubbish"), 60, FAILED, 22),
        (settings(""), 60, FAILED, 22),
        (settings("-1"), 60, FAILED, 22),
        (settings("4.5"), 60, FAILED, 22),
        (settings("0"), 116, FAILED, None),
        (settings("1"), 4, OK, 1),
        (settings("9" * 5000), 116, FAILED, None),
        # Threads multiply by architectures, and only by those.
        (settings("8", archs=2), 60, OK, 8),
        (settings("8", archs=2, DS_NVCC_THREADS="2"), 40, FAILED, 8),
        (settings("8", archs=1, DS_NVCC_THREADS="8"), 40, OK, 8),
        (settings("8", archs=3, deepspeed=True), 60, FAILED, 8),
        (settings("8", archs=3, deepspeed=True, DS_NVCC_THREADS="1"), 60, OK, 8),
        (settings("8", archs=3, NVCC_THREADS="3"), 60, FAILED, 8),
        (settings("8", archs=3, deepspeed=True, DS_NVCC_THREADS="0"), 60, FAILED, 8),
    ],
)
def test_build_jobs_unbounded(build: BuildSettings, gib: float, status: Status, jobs: int | None) -> None:
    assert build.jobs == jobs or (jobs is None and (build.jobs is None or build.jobs > 1000))
    verdict = judge("build-jobs-unbounded", build, free(gib))
    assert verdict.status is status
    if status is FAILED:
        number = int(command_of(verdict).removeprefix("export MAX_JOBS="))
        assert number * build.bytes_per_job <= gib * GIB, "the number that it tells does not fit either"
        assert (number + 1) * build.bytes_per_job > gib * GIB, "more would fit"
        bounded = BuildSettings(str(number), number, build.threads, build.threads_from, build.architectures)
        assert judge("build-jobs-unbounded", bounded, free(gib)).status is OK


def test_build_jobs_unbounded_heeds_the_containers_limit() -> None:
    assert judge("build-jobs-unbounded", settings("8")).status is OK
    tight = judge("build-jobs-unbounded", settings("8"), Cgroup("v2", limit=16 * GIB, usage=0))
    assert tight.status is FAILED
    assert command_of(tight) == f"export MAX_JOBS={16 * GIB // COMPILER_BYTES}"
    assert judge("build-jobs-unbounded", settings("8"), cgroup=GONE).status is OK


@pytest.mark.parametrize("jobs", ["1", "8", None])
def test_build_jobs_unbounded_where_not_even_one_fits(jobs: str | None) -> None:
    verdict = judge("build-jobs-unbounded", settings(jobs), free(2))
    assert verdict.status is FAILED
    assert verdict.remedy is not None
    if jobs == "1":
        assert "MAX_JOBS=1" not in command_of(verdict), "it is set to that already"
    assert "1 jobs" not in verdict.summary


@pytest.mark.parametrize(
    ("total", "unused", "engine", "status"),
    [
        (60 * GIB, 60 * GIB, None, OK),
        (16 * GIB, 16 * GIB, "docker", OK),
        (64 * MIB, 64 * MIB, "docker", FAILED),
        (64 * MIB, 64 * MIB, None, FAILED),
        (1 * GIB, 1 * GIB, "docker", OK),
        (16 * GIB, 100 * MIB, "docker", FAILED),
        (0, 0, None, FAILED),
    ],
)
def test_shm_too_small(total: int, unused: int, engine: str | None, status: Status) -> None:
    verdict = judge("shm-too-small", SharedMemory(total, unused), Container(engine))
    assert verdict.status is status
    if total == 64 * MIB and engine:
        assert "default" in verdict.summary
        assert "--shm-size" in command_of(verdict)


def test_shm_too_small_where_there_is_none() -> None:
    assert judge("shm-too-small").status is OK
    assert judge("shm-too-small", UNDEMANDING).status is SKIPPED
    assert judge("shm-too-small", shm=Missing("/dev/shm does not exist")).status is FAILED


@pytest.mark.parametrize(
    ("soft", "hard", "engine", "status", "command"),
    [
        (8 * MIB, None, None, OK, ""),
        (None, None, None, OK, ""),
        (64 * MIB, 64 * MIB, "docker", OK, ""),
        (1 * MIB, None, None, FAILED, "ulimit -s 8192"),
        (1 * MIB, 8 * MIB, "docker", FAILED, "ulimit -s 8192"),
        (1 * MIB, 1 * MIB, "docker", FAILED, "docker run --ulimit stack=67108864 …"),
        (1 * MIB, 1 * MIB, None, FAILED, ""),
        (8 * MIB - 1, 8 * MIB - 1, None, FAILED, ""),
    ],
)
def test_stack_limit_low(soft: int | None, hard: int | None, engine: str | None, status: Status, command: str) -> None:
    verdict = judge("stack-limit-low", but(Limits, stack=Limit(soft, hard)), Container(engine))
    assert verdict.status is status
    if status is FAILED:
        assert command_of(verdict) == command
        assert len(verdict.evidence) == 3
        assert verdict.observed != verdict.expected
    assert judge("stack-limit-low", UNDEMANDING).status is SKIPPED
    assert judge("stack-limit-low").status is OK


@pytest.mark.parametrize(
    ("soft", "engine", "status"),
    [
        (None, None, OK),
        (64 * MIB, None, OK),
        (8 * MIB, None, WARNING),
        (8 * MIB, "docker", WARNING),
        (64 * KIB, "docker", WARNING),
    ],
)
def test_memlock_limit_low(soft: int | None, engine: str | None, status: Status) -> None:
    verdict = judge("memlock-limit-low", but(Limits, memlock=Limit(soft, soft)), Container(engine))
    assert verdict.status is status
    if status is WARNING:
        assert ("--ulimit memlock=-1" in command_of(verdict)) is bool(engine)
    if soft == 64 * KIB:
        assert verdict.observed == "64 KiB"
    assert judge("memlock-limit-low", UNDEMANDING).status is SKIPPED
    assert judge("memlock-limit-low").status is OK


@pytest.mark.parametrize(("gib", "status"), [(2000, OK), (40, OK), (39, WARNING), (5, WARNING), (4.9, FAILED), (0, FAILED)])
def test_disk_low(gib: float, status: Status) -> None:
    volumes = (Volume("/", "the system", 500 * GIB), Volume("/home/a, b", "caches and weights", int(gib * GIB)))
    verdict = judge("disk-low", Disks(volumes))
    assert verdict.status is status
    if status is not OK:
        assert "/home/a, b" in verdict.summary
        assert len(verdict.evidence) == 2
    assert judge("disk-low", UNDEMANDING).status is SKIPPED
    assert judge("disk-low").status is OK


# --- commands that a stranger's tape has a hand in


EVIL = "/x y/$(touch pwned)';`id`"


@pytest.mark.parametrize(
    ("name", "facts", "gone"),
    [
        ("torch-missing", [but(Python, path=EVIL)], {"torch": GONE}),
        ("torch-missing", [but(Python, path=EVIL, managed=True)], {"torch": GONE}),
        ("torch-without-cuda", [but(Python, path=EVIL), but(Torch, cuda=None)], {}),
        ("triton-torch-mismatch", [but(Python, path=EVIL), but(Triton, version="3.5.1")], {}),
        ("cuda-home-wrong", [but(CudaHome, variable="CUDA_HOME", home="/opt", on_path=f"{EVIL}/bin/nvcc")], {"nvcc": GONE}),
        ("triton-ptxas-path-ignored", [triton("3.5.1", PLAIN, OLD, knobs={BLACKWELL: EVIL})], {}),
        ("triton-ptxas-too-old", [triton("3.5.1", PLAIN, OLD), but(CudaHome, variable="CUDA_HOME", home=EVIL)], {}),
    ],
)
def test_a_path_in_a_command_is_quoted(name: str, facts: list[Any], gone: dict[str, Missing]) -> None:
    verdict = CHECKS[name].function(
        **{
            need.name: gone.get(need.name)
            or (SPARK if need.fact is None else (DEFAULTS | {type(fact): fact for fact in facts})[need.fact])
            for need in CHECKS[name].needs
        }
    )
    command = command_of(verdict)
    assert any(EVIL in word for word in shlex.split(command)), f"not quoted: {command}"


@pytest.mark.parametrize("text", [">=3.6", "newest"])
def test_requirements_made_for_tests_are_like_those_of_profiles(text: str) -> None:
    if text == "newest":
        with pytest.raises(ValueError, match="specifier"):
            Requirement(text).check()
    else:
        assert "3.6.0" in Requirement(text).check()
