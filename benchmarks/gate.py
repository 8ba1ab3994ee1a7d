"""What the policy of `sparkdoctor build` costs beside the best fixed job count, in simulated builds.

    python benchmarks/gate.py [--builds 40] [--family NAME]… [--seed WORD] [--worst]

For each family of builds: how long they take under the gate, as a multiple of the best job count found by trying all of them in
the same simulation, of those that the machine survives and of those that leave the reserve alone; how many builds were ended
though their units fit one at a time, how many were killed for want of memory, the least part of the reserve that was left, how
often one job was stopped at most, and the looks a second; then what one decision about 200 jobs costs.
"""

import argparse
import os
import statistics
import sys
import timeit
from random import Random

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests", "building"))

from simulation import FAMILIES

from sparkdoctor.building.gate import Gate
from sparkdoctor.building.job import Job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=40)
    parser.add_argument("--family", choices=FAMILIES, action="append")
    parser.add_argument("--seed", default="", help="other builds of the same sorts: what is tuned is measured on others")
    parser.add_argument("--worst", action="store_true", help="name the worst builds by their number")
    options = parser.parse_args()
    print(f"{'':32}{'best that survives':>22}{'best that keeps':>22}")
    print(f"{'':32}{'mean':>8}{'90%':>7}{'worst':>7}{'mean':>8}{'90%':>7}{'worst':>7}  ended killed reserve stops looks/s")
    for name, make in FAMILIES.items():
        if options.family and name not in options.family:
            continue
        survives, keeps, ended, killed, left, stops, looks, worst = [], [], 0, 0, 1.0, 0, [], []
        for number in range(options.builds):
            build = make(Random(f"{options.seed}{name} {number}"))
            one = build.gated()
            left, stops = min(left, one.free / build.reserve), max(stops, one.most_stops)
            if one.end:
                ended += one.end != "killed"
                killed += one.end == "killed"
                worst.append((9.0, number, one.end))
                continue
            survived, kept = build.best()
            survives.append(one.seconds / survived)
            keeps.append(one.seconds / kept)
            looks.append(one.looks / one.seconds)
            worst.append((survives[-1], number, f"{keeps[-1]:.2f} {build.cores} cores, room {build.room / 1e9:.1f} GB"))
        print(
            f"{name:32}{told(survives)}{told(keeps)}{ended:7}{killed:7}{left:8.2f}{stops:6}{statistics.mean(looks or [0]):8.1f}"
        )
        if options.worst:
            for ratio, number, said in sorted(worst, reverse=True)[:5]:
                print(f"    {number:4} {ratio:5.2f} {said}")
    print(f"a decision about 200 jobs: {1000 * decision(200):.2f} ms")


def decision(count: int) -> float:
    """Seconds of one decision about so many jobs: a tenth of them run, all kinds have been learnt."""
    gate = Gate(10**9)
    for number in range(100):
        gate.decide(number / 2, [made(number, 10**8)], 10**11)
        gate.decide(number / 2 + 0.1, [made(number, 10**8)], 10**11)
    jobs = [made(1000 + number, (10**8 if number < count / 10 else 10**7)) for number in range(count)]
    gate.decide(100.0, jobs, 3 * 10**9)
    return min(timeit.repeat(lambda: gate.decide(101.0, jobs, 3 * 10**9), number=20, repeat=5)) / 20


def made(number: int, memory: int) -> Job:
    return Job((number, 1), f"{number}.cc", "c++", "cc1plus", 0.5, memory, memory, 0.5, False, ((number, 1),))  # noqa: FBT003


def told(ratios: list[float]) -> str:
    if not ratios:
        return f"{'-':>8}{'-':>7}{'-':>7}"
    ranked = sorted(ratios)
    return f"{statistics.mean(ranked):8.2f}{ranked[int(0.9 * (len(ranked) - 1))]:7.2f}{ranked[-1]:7.2f}"


if __name__ == "__main__":
    main()
