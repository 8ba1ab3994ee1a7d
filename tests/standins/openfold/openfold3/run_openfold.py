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


def main():
    options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
    output, behaviour = options["--output_dir"], os.environ.get("STANDIN", "")
    with open(os.path.join(output, "seen.json"), "w", encoding="utf-8") as file:
        json.dump({"argv": sys.argv, "stdin": os.readlink("/proc/self/fd/0"), "pid": os.getpid()}, file)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    runner = InferenceExperimentRunner(output)
    print(os.environ.get("STANDIN_SAYS", "GPU available: True"), file=sys.stderr)
    runner.setup()
    if behaviour == "asks":
        input("Download of3_ft3_v1.pt (2.3 GB)? (yes/no) ")
    if behaviour == "hangs":
        time.sleep(FOREVER)
    if behaviour == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "floods":
        while True:
            os.write(1, b"x" * (1 << 20))
    if behaviour == "leaves":  # a daemon in a session of its own, without our mark
        subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({FOREVER})"], start_new_session=True, env={})
    if behaviour == "builds":
        cpp_extension.load("evoformer_attn")
    runner.run()
    if behaviour == "lingers":
        time.sleep(FOREVER)
    sys.exit(1 if behaviour == "fails" else 0)


main()
