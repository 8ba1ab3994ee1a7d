"""The installed command among faults: an end in the middle."""

import signal
import time
from pathlib import Path

import pytest

from sick import SLACK, Env, end, left_in_shm, start
from standins.hosts import Witness, script


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("hanging", ["python", "nvcc", "nvml"])
def test_a_signal_leaves_nothing_behind(
    env: Env, tmp_path: Path, nvml_library: Path, witness: Witness, number: signal.Signals, hanging: str
) -> None:
    slow = script(tmp_path / "slow", f"#!/bin/sh\necho $$ >> {tmp_path}/began\nexec sleep 3600\n")
    match hanging:
        case "python":
            env["SPARKDOCTOR_PYTHON"] = str(slow)
        case "nvcc":
            env["PYTORCH_NVCC"] = str(slow)
        case "nvml":  # and nvidia-smi, which is asked when NVML is gone
            env |= {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": "hang-init"}
            (tmp_path / "bin" / "nvidia-smi").symlink_to(slow)
    started = time.monotonic()
    process = start(env, "check", "--timeout", "30")
    while time.monotonic() < started + 5 and not (tmp_path / "began").exists():
        time.sleep(0.02)
        if hanging == "nvml" and time.monotonic() > started + 1:
            break
    time.sleep(0.1)
    process.send_signal(number)
    ended = end(process, time.monotonic())
    assert ended.seconds < SLACK
    assert ended.code in {128 + number, -number}
    assert b"Traceback" not in ended.err
    assert witness.alive() == []
    assert left_in_shm(process.pid) == []


@pytest.mark.waits
@pytest.mark.parametrize("where", ["nvcc", "everything"])
def test_a_deadline_leaves_nothing_behind(env: Env, tmp_path: Path, witness: Witness, where: str) -> None:
    slow = script(tmp_path / "slow", "#!/bin/sh\necho x > $TMPDIR/scratch\nsleep 3600\n")
    env |= {"PYTORCH_NVCC": str(slow), "TMPDIR": str(tmp_path)} | ({"CC": str(slow)} if where == "everything" else {})
    for seconds in ("0.3", "1"):
        process = start(env, "check", "--timeout", seconds)
        ended = end(process, time.monotonic())
        assert ended.seconds < float(seconds) + SLACK
        assert witness.alive() == []
        assert left_in_shm(process.pid) == []
