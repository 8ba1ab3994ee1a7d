"""What `sparkdoctor smoke` costs beside OpenFold3's own command, on the same query, weights and settings.

    python benchmarks/smoke.py --weights of3.pt --runs 3 [--python PATH] [--runner-yaml FILE] [--profile hopper]

By turns, wall time of the whole; medians. The caches of both are the user's. The bound is 1 s or 3 % more, whichever is more.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

QUERY = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"


def seconds(*command: str) -> float:
    began = time.perf_counter()
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ran.returncode not in {0, 1}:
        sys.exit(ran.stderr)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--runner-yaml")
    parser.add_argument("--profile", default="dgx-spark")
    options = parser.parse_args()
    doctor = shutil.which("sparkdoctor") or sys.exit("sparkdoctor is not on PATH")
    ours = [doctor, "smoke", "--weights", options.weights, "--python", options.python, "--profile", options.profile]
    times: dict[str, list[float]] = {"bare": [], "smoke": []}
    with tempfile.TemporaryDirectory() as place:
        query, runner = os.path.join(place, "query.json"), os.path.join(place, "runner.yml")
        chain = {"molecule_type": "protein", "chain_ids": ["A"], "sequence": QUERY}
        with open(query, "w", encoding="utf-8") as file:
            json.dump({"queries": {"ubiquitin": {"chains": [chain]}}}, file)
        with open(runner, "w", encoding="utf-8") as file:
            json.dump({"data_module_args": {"num_workers": 0}}, file)
        runner = options.runner_yaml or runner
        ours += ["--runner-yaml", options.runner_yaml] if options.runner_yaml else []
        bare = [options.python, "-m", "openfold3.run_openfold", "predict", "--query_json", query, "--runner_yaml", runner]
        bare += ["--inference_ckpt_path", options.weights, "--use_msa_server", "False", "--use_templates", "False"]
        bare += ["--num_diffusion_samples", "1", "--output_dir"]
        for run in range(options.runs + 1):
            measured = {"bare": seconds(*bare, os.path.join(place, f"bare-{run}")), "smoke": seconds(*ours)}
            if run:  # the first fills caches
                for name, value in measured.items():
                    times[name].append(value)
    middle = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name:6} {middle[name]:6.2f} s  ({min(values):.2f} to {max(values):.2f})")
    more = middle["smoke"] - middle["bare"]
    print(f"{more:+.2f} s; the bound is {max(1.0, 0.03 * middle['bare']):.2f} s")


if __name__ == "__main__":
    main()
