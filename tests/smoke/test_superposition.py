"""Superposition, RMSD, TM-score: against other programs, and by what must hold of them."""

import json
import math
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from predictions.scores import SCORES, structures, tmscore
from releases import NEWEST
from sparkdoctor.smoke import judge
from sparkdoctor.smoke.judge import ubiquitin_1ubq
from sparkdoctor.smoke.structure import read
from sparkdoctor.smoke.superposition import Motion, Point, centroid, radius_of_gyration, rmsd, superpose, tm_score

TARGET = ubiquitin_1ubq()
MADE = {name: (a, b) for name, a, b in structures(TARGET)}
KNOWN: dict[str, list[float]] = json.loads(SCORES.read_text())


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.real] if k % 4 else []) for k, name in enumerate(MADE)])
def test_the_numbers_of_zhangs_program(name: str) -> None:
    a, b = MADE[name]
    assert (rmsd(a, b), tm_score(a, b)) == pytest.approx(KNOWN[name], abs=1e-3)


@pytest.mark.real
@pytest.mark.skipif(shutil.which("TMscore") is None, reason="no TMscore (apt install tm-align)")
@pytest.mark.parametrize("name", MADE)
def test_zhangs_program_itself(name: str) -> None:
    a, b = MADE[name]
    assert (rmsd(a, b), tm_score(a, b)) == pytest.approx(tmscore("TMscore", a, b), abs=1e-3)


SVD = """
import json, sys
import numpy as np
for a, b in json.load(sys.stdin):
    a, b = np.array(a), np.array(b)
    a, b = a - a.mean(0), b - b.mean(0)
    u, s, v = np.linalg.svd(a.T @ b)
    s[-1] *= np.sign(np.linalg.det(u) * np.linalg.det(v))
    print(np.sqrt(max(0, ((a**2).sum() + (b**2).sum() - 2 * s.sum()) / len(a))))
"""


@pytest.mark.real
def test_rmsd_by_the_singular_values_of_numpy(patient: Path) -> None:
    said = subprocess.run(
        [patient / "python", "-c", SVD], input=json.dumps(list(MADE.values())), text=True, capture_output=True, check=True
    )
    assert [rmsd(a, b) for a, b in MADE.values()] == pytest.approx(list(map(float, said.stdout.split())), abs=1e-6)


@pytest.mark.openfold3
def test_the_reference_is_the_copy_in_the_wheel(openfold3: Callable[[str], Path]) -> None:
    (wheels,) = openfold3(NEWEST).parent.glob("lib/python*/site-packages/openfold3/tests/test_data/mmcifs/1ubq.cif")
    theirs = [atom for atom in read(str(wheels)) if atom.residue != "HOH"]
    assert read(str(Path(judge.__file__).with_name("1ubq.pdb"))) == theirs


def test_the_reference() -> None:
    path = Path(judge.__file__).with_name("1ubq.pdb")
    atoms = read(str(path))
    assert len(atoms) == 602
    assert list(dict.fromkeys(atom.number for atom in atoms)) == list(range(1, 77))
    assert len(TARGET) == 76
    assert radius_of_gyration(TARGET) == pytest.approx(11.49, abs=0.01)
    assert "10.1016/0022-2836(87)90679-6" in path.read_text()


PLACE = st.floats(-50, 50).map(lambda value: round(value, 3))
POINT = st.tuples(PLACE, PLACE, PLACE)
CLOUDS = st.integers(1, 12).flatmap(lambda n: st.tuples(*(st.lists(POINT, min_size=n, max_size=n),) * 2))
QUATERNION = st.tuples(*(st.floats(-1, 1),) * 4).filter(lambda q: math.hypot(*q) > 0.1)


def turned(points: list[Point], q: tuple[float, ...], shift: Point) -> list[Point]:
    n = math.hypot(*q)
    w, x, y, z = (value / n for value in q)
    rotation = (
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    motion = Motion(rotation, shift)
    return [motion(point) for point in points]


def determinant(m: Motion) -> float:
    a, b, c, d, e, f, g, h, i = m.rotation
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


@settings(max_examples=50)
@given(CLOUDS, QUATERNION, POINT)
def test_rmsd_does_not_see_where_things_are(clouds: tuple[list[Point], list[Point]], q: tuple[float, ...], shift: Point) -> None:
    a, b = clouds
    assert rmsd(turned(a, q, shift), b) == pytest.approx(rmsd(a, b), abs=1e-6)
    assert rmsd(b, a) == pytest.approx(rmsd(a, b), abs=1e-6)
    assert rmsd(turned(a, q, shift), a) == pytest.approx(0, abs=1e-5)


@settings(max_examples=50)
@given(CLOUDS, QUATERNION)
def test_a_motion_is_proper_and_no_other_is_better(clouds: tuple[list[Point], list[Point]], q: tuple[float, ...]) -> None:
    a, b = clouds
    motion = superpose(a, b)
    assert determinant(motion) == pytest.approx(1, abs=1e-9)
    assert motion(centroid(a)) == pytest.approx(centroid(b), abs=1e-6)
    best = rmsd(a, b)
    spun = turned(a, q, (0, 0, 0))
    there = centroid(spun)
    shift = [q - p for p, q in zip(there, centroid(b), strict=True)]
    other = [math.dist([p + s for p, s in zip(point, shift, strict=True)], goal) for point, goal in zip(spun, b, strict=True)]
    assert best <= math.sqrt(sum(d * d for d in other) / len(other)) + 1e-6


@given(st.lists(POINT, min_size=4, max_size=12))
def test_a_mirror_image_fits_only_what_is_flat(points: list[Point]) -> None:
    mirror = [(-x, y, z) for x, y, z in points]
    a, b, c, d = points[:4]
    (ux, uy, uz), (vx, vy, vz), (wx, wy, wz) = (tuple(p - q for p, q in zip(point, a, strict=True)) for point in (b, c, d))
    volume = ux * (vy * wz - vz * wy) + uy * (vz * wx - vx * wz) + uz * (vx * wy - vy * wx)
    assume(abs(volume) > 50)
    assert rmsd(mirror, points) > 1e-3
    assert rmsd([(x, -y, -z) for x, y, z in points], points) == pytest.approx(0, abs=1e-5)


@settings(max_examples=6)
@given(st.sampled_from(["the first 20", "the first 30", "the first 45", "noise 0.5 0", "hinge 0.8 38"]), QUATERNION, POINT)
def test_tm_score_does_not_see_where_things_are(name: str, q: tuple[float, ...], shift: Point) -> None:
    a, b = MADE[name]
    assert tm_score(turned(list(a), q, shift), b) == pytest.approx(tm_score(a, b), abs=1e-6)


def test_a_mirrored_fold_is_another_fold() -> None:
    mirror = MADE["mirror"][0]
    assert rmsd(mirror, TARGET) > 10
    assert tm_score(mirror, TARGET) < 0.35
    assert tm_score(mirror, [(-x, y, z) for x, y, z in TARGET]) == pytest.approx(1)


@pytest.mark.parametrize("count", range(1, 9))
def test_points_on_a_line_in_a_plane_and_in_one_place(count: int) -> None:
    for points in (
        [(1.0, 2.0, 3.0)] * count,
        [(float(k), 2.0 * k, -1.0 * k) for k in range(count)],
        [(float(k), float(k * k), 0.0) for k in range(count)],
    ):
        moved = turned(points, (0.1, 0.7, -0.3, 0.2), (5, 6, 7))
        assert rmsd(moved, points) == pytest.approx(0, abs=1e-6)
        assert tm_score(moved, points) == pytest.approx(1, abs=1e-6)
        assert determinant(superpose(moved, points)) == pytest.approx(1)


@pytest.mark.parametrize("odd", [math.nan, math.inf, 1e200])
def test_what_cannot_be_superposed(odd: float) -> None:
    for a, b in (([], []), ([(0, 0, 0)], []), ([(odd, 0, 0), (0, 0, 0)], [(odd, 0, 0), (0, 0, 1)])):
        for measure in (superpose, rmsd, tm_score):
            with pytest.raises(ValueError, match=r"points cannot be laid on|not finite, or too large"):
                measure(a, b)


def test_it_takes_no_time() -> None:
    began = time.process_time()
    for name in ("noise 2.0 0", "walk 0", "mirror"):
        tm_score(*MADE[name])
    assert time.process_time() - began < 1.5
