"""Checks on facts made by hand: gpu."""

import pytest

from by_hand import DEFAULTS, FAILED, GIB, GONE, HOPPER, OK, SKIPPED, WARNING, but, judge
from sparkdoctor.architecture import Capability
from sparkdoctor.facts import (
    Container,
    Devices,
    Driver,
    Gpu,
)
from sparkdoctor.facts.gpu import Device
from sparkdoctor.model import Broken, Missing, Status


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
