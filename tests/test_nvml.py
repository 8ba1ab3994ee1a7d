"""NVML in sickness and in health: pynvml, a real child process, and a small library in place of libnvidia-ml.so.1."""

import ctypes.util
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sparkdoctor.architecture import Capability
from sparkdoctor.facts import Driver, Gpu, Nvml
from sparkdoctor.facts.gpu import Device
from sparkdoctor.host import LocalHost, Question
from sparkdoctor.machine import Machine
from sparkdoctor.model import Broken, Missing
from standins.hosts import Elsewhere, Witness, machine_of, script

GB10 = Device("NVIDIA GB10", Capability(12, 1), None)
# A machine whose kernel has no NVIDIA module, whatever the one under the test has.
BARE: Mapping[str, object] = {
    "read /proc/driver/nvidia/version": Missing("/proc/driver/nvidia/version does not exist"),
    "read /sys/module/nvidia/version": Missing("/sys/module/nvidia/version does not exist"),
    "records /var/lib/dpkg/status": Missing("/var/lib/dpkg/status does not exist"),
}
# 580.142 on a GB10 (Gigabyte AI TOP ATOM), public capture.
BANNER = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.142  Release Build  (dvs-builder@U22-I3-H10-02-1)"
    "  Tue Mar  3 19:08:06 UTC 2026\nGCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04.1) \n"
)
LOADED: Mapping[str, object] = {**BARE, "read /proc/driver/nvidia/version": BANNER}

Ask = Callable[..., Machine]


@pytest.fixture
def spark(nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, witness: Witness) -> Ask:
    """Makes a machine whose NVML behaves in the given way, with no nvidia-smi on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("FAKE_NVML_DRIVER", raising=False)

    def ask(mode: str, *, library: Path = nvml_library, kernel: Mapping[str, object] = BARE, most: float = 10.0) -> Machine:
        monkeypatch.setenv("FAKE_NVML", mode)
        monkeypatch.setenv("LD_LIBRARY_PATH", str(library))
        return machine_of(Elsewhere(kernel, most=most))

    return ask


def nvml_of(machine: Machine) -> Nvml:
    found = machine.get(Nvml)
    assert isinstance(found, Nvml), found
    return found


def test_a_healthy_gb10_has_no_memory_of_its_own(spark: Ask) -> None:
    machine = spark("healthy")
    nvml = nvml_of(machine)
    assert nvml.stopped is None
    assert nvml.refusal is None
    assert nvml.text("nvmlSystemGetDriverVersion") == "580.95.05"
    assert nvml.number("nvmlSystemGetCudaDriverVersion") == 13000
    assert nvml.errors["nvmlDeviceGetMemoryInfo[0]"].code == 3
    assert nvml.errors["nvmlDeviceGetMemoryInfo[0]"].name == "NVMLError_NotSupported"
    gpu = machine.get(Gpu)
    assert isinstance(gpu, Gpu)
    assert gpu.devices == (GB10,)
    assert gpu.source == "NVML"
    driver = machine.get(Driver)
    assert isinstance(driver, Driver)
    assert (driver.loaded, driver.library, driver.version, driver.cuda) == ("580.95.05", "580.95.05", "580.95.05", (13, 0))
    assert driver.firmware == "580.95.05"
    assert driver.mismatch is False


def test_a_library_that_reports_memory_is_believed(spark: Ask) -> None:
    gpu = spark("memory-reported").get(Gpu)
    assert isinstance(gpu, Gpu)
    assert gpu.devices[0].memory == 128452014080


def test_two_gpus_are_both_listed(spark: Ask) -> None:
    gpu = spark("two-gpus").get(Gpu)
    assert isinstance(gpu, Gpu)
    assert gpu.devices == (GB10, GB10)
    assert gpu.capabilities == (Capability(12, 1),)


def test_an_h100_has_memory_and_capability_9_0(spark: Ask) -> None:
    gpu = spark("h100").get(Gpu)
    assert isinstance(gpu, Gpu)
    assert gpu.devices == (Device("NVIDIA H100 80GB HBM3", Capability(9, 0), 85520809984),)


def test_an_old_library_lacks_functions_and_still_names_its_gpu(spark: Ask, old_nvml_library: Path) -> None:
    machine = spark("h100", library=old_nvml_library)
    nvml = nvml_of(machine)
    assert nvml.errors["nvmlDeviceGetGspFirmwareVersion[0]"].name == "NVMLError_FunctionNotFound"
    gpu, driver = machine.get(Gpu), machine.get(Driver)
    assert isinstance(gpu, Gpu)
    assert gpu.name == "NVIDIA H100 80GB HBM3"
    assert isinstance(driver, Driver)
    assert driver.cuda is None
    assert driver.firmware is None


def test_the_library_has_its_version_from_its_file_name(spark: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NVML_DRIVER", "590.48.01")
    driver = spark("healthy").get(Driver)
    assert isinstance(driver, Driver)
    assert (driver.library, driver.loaded) == ("580.95.05", "590.48.01")


def test_a_library_without_a_version_in_its_name_says_it(
    spark: Ask, nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NVML_DRIVER", "590.48.01")
    shutil.copyfile(nvml_library / "libnvidia-ml.so.1", tmp_path / "libnvidia-ml.so.1")
    driver = spark("healthy", library=tmp_path).get(Driver)
    assert isinstance(driver, Driver)
    assert driver.library == "590.48.01"


@pytest.mark.parametrize(
    ("mode", "code", "words"),
    [
        ("mismatch", 18, "version mismatch"),
        ("not-loaded", 9, "Driver Not Loaded"),
        ("unknown", 999, "Unknown Error"),
    ],
)
def test_a_library_that_refuses_to_start_is_quoted(spark: Ask, mode: str, code: int, words: str) -> None:
    machine = spark(mode, kernel=LOADED)
    nvml = nvml_of(machine)
    assert nvml.refusal is not None
    assert nvml.refusal.code == code
    gpu = machine.get(Gpu)
    assert isinstance(gpu, Missing)
    assert not isinstance(gpu, Broken)
    assert gpu.reason.startswith("no GPU is visible: NVML says ")
    assert words in gpu.reason
    driver = machine.get(Driver)
    assert isinstance(driver, Driver)
    assert (driver.loaded, driver.library) == ("580.142", "580.95.05")
    assert driver.mismatch is (mode == "mismatch")


def test_a_driver_that_sees_no_gpu_is_no_fault_of_nvml(spark: Ask) -> None:
    gpu = spark("no-devices").get(Gpu)
    assert gpu == Missing("no GPU is visible: NVML sees none")


def test_a_gpu_that_may_not_be_opened_says_so(spark: Ask) -> None:
    gpu = spark("no-permission").get(Gpu)
    assert isinstance(gpu, Missing)
    assert not isinstance(gpu, Broken)
    assert "Insufficient Permissions" in gpu.reason
    assert "may not open" in gpu.reason


def test_a_gpu_that_fell_off_the_bus_is_broken(spark: Ask) -> None:
    gpu = spark("lost").get(Gpu)
    assert isinstance(gpu, Broken)
    assert "GPU is lost" in gpu.reason


def test_a_gpu_that_is_described_by_nonsense_is_broken(spark: Ask) -> None:
    gpu = spark("nonsense").get(Gpu)
    assert isinstance(gpu, Broken)
    assert "NVML sees 1 GPU but describes none" in gpu.reason


def test_garbage_from_nvml_is_not_believed(spark: Ask) -> None:
    machine = spark("garbage")
    gpu, driver = machine.get(Gpu), machine.get(Driver)
    assert gpu == Broken("NVML cannot count the GPUs: it says 1000000000")
    assert isinstance(driver, Driver)
    assert driver.loaded is None
    assert driver.library == "580.95.05"
    assert driver.cuda is None


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("segfault-load", "NVML was killed by SIGSEGV (in load)"),
        ("segfault-init", "NVML was killed by SIGSEGV (in nvmlInit)"),
        ("abort", "NVML was killed by SIGABRT (in nvmlInit)"),
        ("hang-init", "NVML did not answer in time (in nvmlInit)"),
        ("hang-name", "NVML did not answer in time (in nvmlDeviceGetName[0])"),
    ],
)
def test_a_crash_or_a_hang_of_the_library_says_where(spark: Ask, mode: str, words: str) -> None:
    machine = spark(mode, kernel=LOADED, most=0.7)
    started = time.monotonic()
    nvml, gpu, driver = nvml_of(machine), machine.get(Gpu), machine.get(Driver)
    assert time.monotonic() - started < 0.7 + 1
    assert nvml.stopped == words
    assert gpu == Broken(words)  # there is no nvidia-smi to ask instead
    assert isinstance(driver, Driver)
    assert driver.loaded == "580.142"


@pytest.mark.waits
@pytest.mark.parametrize("mode", ["hang-init", "hang-name"])
@pytest.mark.parametrize("timeout", [0.2, 0.8])
def test_a_hang_ends_with_its_timeout(spark: Ask, witness: Witness, mode: str, timeout: float) -> None:
    spark(mode)
    started = time.monotonic()
    answer = LocalHost().answer(Question("nvml", ()), timeout)
    assert time.monotonic() - started < timeout + 1
    assert answer["code"] is None
    assert witness.alive() == []


@pytest.mark.parametrize("mode", ["segfault-load", "segfault-init", "abort", "hang-init"])
def test_nvidia_smi_lists_the_gpus_where_nvml_dies_under_us(spark: Ask, tmp_path: Path, mode: str) -> None:
    script(tmp_path / "bin" / "nvidia-smi", "#!/bin/sh\necho 'NVIDIA GB10, 12.1'\n")
    gpu = spark(mode, most=0.7).get(Gpu)
    assert isinstance(gpu, Gpu)
    assert gpu.devices == (GB10,)
    assert gpu.source == "nvidia-smi"


@pytest.mark.parametrize(
    ("says", "words"),
    [
        # Torn update on a GB10; the exit status is 6 or 0 (facts.md, section 1).
        ("echo 'No devices were found'", "nvidia-smi exited with status 0: No devices were found"),
        ("echo 'No devices were found'; exit 6", "nvidia-smi exited with status 6: No devices were found"),
        ("printf '\\377\\376\\000, 12.1\\n'; kill -SEGV $$", "nvidia-smi was killed by SIGSEGV"),
        ("/bin/sleep 60", "nvidia-smi did not answer in time"),
    ],
)
def test_an_nvidia_smi_that_is_no_help_is_quoted_too(spark: Ask, tmp_path: Path, says: str, words: str) -> None:
    script(tmp_path / "bin" / "nvidia-smi", f"#!/bin/sh\nulimit -c 0\n{says}\n")
    gpu = spark("segfault-init", most=0.7).get(Gpu)
    assert isinstance(gpu, Broken)
    assert gpu.reason.startswith(f"NVML was killed by SIGSEGV (in nvmlInit); {words}")


def test_no_time_left_for_nvidia_smi_does_not_hide_that_nvml_hung(spark: Ask, tmp_path: Path) -> None:
    spark("hang-init")
    gpu = machine_of(Elsewhere(BARE), timeout=0.7).get(Gpu)
    assert isinstance(gpu, Broken)
    assert "NVML did not answer in time" in gpu.reason


@pytest.mark.parametrize(("content", "words"), [(b"", "file too short"), (b"INPUT(-lnothing)\n" * 20, "invalid ELF header")])
def test_a_library_that_is_none_is_broken(spark: Ask, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(content)
    machine = spark("healthy", library=tmp_path)
    nvml, gpu = machine.get(Nvml), machine.get(Gpu)
    assert isinstance(nvml, Broken)
    assert words in nvml.reason
    assert "libnvidia-ml.so.1" in nvml.reason
    assert isinstance(gpu, Broken)
    assert words in gpu.reason


@pytest.mark.parametrize("mode", ["segfault-load", "text file"])
def test_a_library_that_cannot_be_loaded_is_not_called_absent(spark: Ask, tmp_path: Path, mode: str) -> None:
    if mode == "text file":
        (tmp_path / "libnvidia-ml.so.1").write_text("no library\n" * 20)
        driver = spark("healthy", library=tmp_path).get(Driver)
    else:
        driver = spark(mode).get(Driver)
    assert isinstance(driver, Broken)
    assert "not installed" not in driver.reason
    assert ("SIGSEGV" if mode == "segfault-load" else "invalid ELF header") in driver.reason


@pytest.mark.skipif(ctypes.util.find_library("nvidia-ml") is not None, reason="this machine has a real libnvidia-ml.so.1")
def test_a_machine_without_the_library_has_no_driver(spark: Ask, tmp_path: Path) -> None:
    machine = spark("healthy", library=tmp_path)
    nvml, gpu, driver = machine.get(Nvml), machine.get(Gpu), machine.get(Driver)
    assert isinstance(nvml, Missing)
    assert not isinstance(nvml, Broken)
    assert nvml.reason.startswith("NVML cannot be loaded: libnvidia-ml.so.1: ")
    assert "No such file or directory" in nvml.reason
    assert isinstance(driver, Missing)
    assert not isinstance(driver, Broken)
    assert driver.reason.startswith("there is no NVIDIA driver here")
    assert "libnvidia-ml.so.1 is not installed" in driver.reason
    assert gpu == driver


@pytest.mark.skipif(ctypes.util.find_library("nvidia-ml") is not None, reason="this machine has a real libnvidia-ml.so.1")
def test_a_container_without_the_gpu_has_a_driver_and_no_library(spark: Ask, tmp_path: Path) -> None:
    # The kernel's files are the host's: they are there in a container that was started without --gpus.
    machine = spark("healthy", library=tmp_path, kernel=LOADED)
    gpu, driver = machine.get(Gpu), machine.get(Driver)
    assert isinstance(driver, Driver)
    assert (driver.loaded, driver.library) == ("580.142", None)
    assert isinstance(gpu, Missing)
    assert not isinstance(gpu, Broken)
    assert gpu.reason.startswith("no GPU is visible: NVML cannot be loaded")
