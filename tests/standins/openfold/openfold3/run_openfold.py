"""Behaves as `run_openfold predict` was seen to behave, and worse: $STANDIN names how."""

import json
import os
import signal
import subprocess
import sys
import time

from torch.utils import cpp_extension

from openfold3.entry_points.experiment_runner import InferenceExperimentRunner

FOREVER = 600


def flood() -> None:
    while True:
        os.write(1, b"x" * (1 << 20))


def leave() -> None:
    """A daemon in a session of its own, without our mark."""
    subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({FOREVER})"], start_new_session=True, env={})


BEFORE = {
    "asks": lambda: input("Download of3_ft3_v1.pt (2.3 GB)? (yes/no) "),
    "hangs": lambda: time.sleep(FOREVER),
    "crashes": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "floods": flood,
    "leaves": leave,
    "fails to load": lambda: sys.exit(1),
    "builds": lambda: cpp_extension.load("evoformer_attn"),
}
AFTER = {"lingers": lambda: time.sleep(FOREVER), "fails": lambda: sys.exit(1)}


def main() -> None:
    options = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    output, behaviour = options["--output_dir"], os.environ.get("STANDIN", "")
    with open(os.path.join(output, "seen.json"), "w", encoding="utf-8") as file:
        json.dump({"argv": sys.argv, "stdin": os.readlink("/proc/self/fd/0"), "pid": os.getpid()}, file)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    runner = InferenceExperimentRunner(output)
    print(os.environ.get("STANDIN_SAYS", "GPU available: True"), file=sys.stderr)
    runner.setup()
    BEFORE.get(behaviour, lambda: None)()
    runner.run()
    AFTER.get(behaviour, lambda: None)()
    sys.exit(0)


main()
