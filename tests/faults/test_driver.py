"""The installed command among faults: the driver."""

from pathlib import Path

import pytest

from sick import Env, check, statuses, unusable
from standins.hosts import Witness, script

MODES: tuple[str, ...] = (
    "mismatch",
    "not-loaded",
    "unknown",
    "no-permission",
    "lost",
    "nonsense",
    "garbage",
    "no-devices",
    "segfault-load",
)
MODES += ("segfault-init", "abort", "hang-init", "hang-name", "healthy")


@pytest.mark.parametrize("mode", MODES)
def test_an_nvml_that_is_sick(env: Env, nvml_library: Path, witness: Witness, mode: str) -> None:
    document = check(env | {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": mode}, seconds=0.8 if "hang" in mode else 5)
    found = statuses(document)
    assert found["disk-low"] != "crashed"
    assert (document["machine"]["gpu"] == "NVIDIA GB10") == (mode == "healthy")
    if mode == "mismatch":
        assert found["driver-library-mismatch"] == "failed"
    if mode == "healthy":
        assert found["compute-capability-mismatch"] == "ok"
    elif mode != "nonsense" and "hang" not in mode:
        assert "failed" in {found["driver-missing"], found["gpu-not-visible"], found["driver-library-mismatch"]}
    assert witness.alive() == []


@pytest.mark.parametrize("kind", ["text", "empty", "directory", "dangling", "fifo", "torn", "zero", "another library"])
def test_an_nvml_that_is_no_library(env: Env, tmp_path: Path, nvml_library: Path, witness: Witness, kind: str) -> None:
    path = tmp_path / "lib" / "libnvidia-ml.so.1"
    path.parent.mkdir()
    match kind:
        case "text":
            path.write_text("not a library\n")
        case "empty":
            path.touch()
        case "torn":
            path.write_bytes((nvml_library / "libnvidia-ml.so.1").read_bytes()[:600])
        case "zero":
            path.write_bytes(bytes(10_000))
        case "another library":
            path.symlink_to(next(Path("/usr/lib").glob("*-linux-gnu/libc.so.6"), Path("/lib/libc.so.6")))
        case _:
            unusable(path, kind)
    document = check(env | {"LD_LIBRARY_PATH": str(path.parent)}, seconds=0.8 if kind == "fifo" else 5)
    assert document["machine"]["gpu"] is None
    assert statuses(document)["gpu-not-visible"] != "ok"
    assert witness.alive() == []


SMI = {
    "hangs": ("exec sleep 3600", 0.8),
    "fails": ("echo 'NVIDIA-SMI has failed' >&2; exit 9", 5),
    "talks nonsense": ("head -c 3000 /dev/urandom", 5),
    "never ends to talk": ("exec yes 'NVIDIA GB10, 99'", 5),
    "sees none and is content": ("echo 'No devices were found'", 5),
    "sees none": ("echo 'No devices were found'; exit 6", 5),
    "segfaults": ("ulimit -c 0; kill -SEGV $$", 5),
    "answers": ("echo 'NVIDIA GB10, 12.1'", 5),
}


@pytest.mark.parametrize("kind", SMI)
def test_an_nvidia_smi_that_is_sick(env: Env, tmp_path: Path, nvml_library: Path, witness: Witness, kind: str) -> None:
    code, seconds = SMI[kind]
    script(tmp_path / "bin" / "nvidia-smi", f"#!/bin/sh\n{code}\n")
    document = check(env | {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": "segfault-init"}, seconds=seconds)
    assert (document["machine"]["gpu"] == "NVIDIA GB10") == (kind == "answers")
    assert witness.alive() == []


@pytest.mark.parametrize("kind", ["not executable", "directory", "fifo", "garbage", "dangling", "lost interpreter"])
def test_an_nvidia_smi_that_cannot_be_started(env: Env, tmp_path: Path, nvml_library: Path, kind: str) -> None:
    unusable(tmp_path / "bin" / "nvidia-smi", kind)
    document = check(env | {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": "segfault-init"})
    assert document["machine"]["gpu"] is None
