"""Writes scores.json: RMSD and TM-score of structures made of 1UBQ's Cα, by Zhang's own program.

apt install tm-align    # TMscore 2019/08/22
python tests/predictions/scores.py
"""

import json
import math
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

Points = Sequence[tuple[float, float, float]]
SCORES = Path(__file__).with_name("scores.json")


def structures(target: Points) -> Iterator[tuple[str, Points, Points]]:  # noqa: C901 (a list)
    """A name, points and what they are laid upon, to 0.001 Å."""

    def normal(seed: str) -> Iterator[float]:
        draw = random.Random(seed).random  # the same in every Python
        while True:
            yield math.sqrt(-2 * math.log(1 - draw())) * math.cos(2 * math.pi * draw())

    def noise(error: float, seed: str) -> Points:
        draw = normal(seed)
        return [(x + error * next(draw), y + error * next(draw), z + error * next(draw)) for x, y, z in target]

    def walk(seed: str) -> Points:
        draw, at, found = normal(seed), [0.0, 0.0, 0.0], []
        for _ in target:
            step = [next(draw) for _ in at]
            at = [a + 3.8 * b / math.hypot(*step) for a, b in zip(at, step, strict=True)]
            found.append((at[0], at[1], at[2]))
        return found

    def hinge(angle: float, after: int) -> Points:
        c, s, (px, py, _) = math.cos(angle), math.sin(angle), target[after]
        turned = [(px + c * (x - px) - s * (y - py), py + s * (x - px) + c * (y - py), z) for x, y, z in target]
        return [*target[:after], *turned[after:]]

    made: dict[str, tuple[Points, Points]] = {"itself": (target, target)}
    for error in (0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 20.0):
        for k in range(3):
            made[f"noise {error} {k}"] = (noise(error, f"noise {error} {k}"), target)
    for k in range(5):
        made[f"walk {k}"] = (walk(f"walk {k}"), target)
    for angle in (0.3, 0.8, 1.5, 2.5):
        for after in (20, 38, 50, 70):
            made[f"hinge {angle} {after}"] = (hinge(angle, after), target)
    made["mirror"] = ([(-x, y, z) for x, y, z in target], target)
    made["reversed"] = (target[::-1], target)
    for shift in (1, 3, 10):
        made[f"shifted {shift}"] = ([*target[shift:], *target[:shift]], target)
    for length in (17, 20, 30, 45):
        made[f"the first {length}"] = (noise(1.0, f"first {length}")[:length], target[:length])
    made["one half on the other"] = (target[:38], target[38:])
    for name, (a, b) in made.items():
        yield (
            name,
            [(round(x, 3), round(y, 3), round(z, 3)) for x, y, z in a],
            [(round(x, 3), round(y, 3), round(z, 3)) for x, y, z in b],
        )


def tmscore(program: str, a: Points, b: Points) -> tuple[float, float]:
    """RMSD and TM-score as TMscore prints them."""
    with tempfile.TemporaryDirectory() as place:
        for name, points in (("a", a), ("b", b)):
            rows = [f"ATOM  {k:5d}  CA  ALA A{k:4d}    {x:8.3f}{y:8.3f}{z:8.3f}\n" for k, (x, y, z) in enumerate(points, 1)]
            Path(place, name).write_text("".join(rows) + "TER\n")
        said = subprocess.run([program, f"{place}/a", f"{place}/b"], check=True, capture_output=True, text=True).stdout
    rmsd, tm = re.search(r"RMSD of .*= *([\d.]+)", said), re.search(r"TM-score *= *([\d.]+)", said)
    assert rmsd
    assert tm
    return float(rmsd[1]), float(tm[1])


if __name__ == "__main__":
    from sparkdoctor.smoke.judge import ubiquitin_1ubq

    program = sys.argv[1] if len(sys.argv) > 1 else "TMscore"
    scores = {name: tmscore(program, a, b) for name, a, b in structures(ubiquitin_1ubq())}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(both)}" for name, both in scores.items())
    SCORES.write_text(f"{{\n{lines}\n}}\n")
