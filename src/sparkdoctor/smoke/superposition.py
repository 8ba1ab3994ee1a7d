"""How alike two sets of corresponding points are after the best rigid motion: RMSD and TM-score. Lengths in Å.

Motions are proper: a mirror image does not fit.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Point = tuple[float, float, float]

SWEEPS = 30
"""Jacobi's rotations over a 4×4 matrix at most; six are usual."""
SHORTEST = 4
"""Pairs of the shortest fragment that a TM-score's search starts from."""


class Motion(NamedTuple):
    """A rotation, as its matrix by rows, about the origin, then a shift."""

    rotation: tuple[float, float, float, float, float, float, float, float, float]
    shift: Point

    def __call__(self, point: Point) -> Point:
        """Where a point is moved to."""
        x, y, z = point
        a, b, c, d, e, f, g, h, i = self.rotation
        u, v, w = self.shift
        return a * x + b * y + c * z + u, d * x + e * y + f * z + v, g * x + h * y + i * z + w

    def distances(self, mobile: Sequence[Point], target: Sequence[Point]) -> list[float]:
        """How far moved points are from their counterparts, in Å."""
        a, b, c, d, e, f, g, h, i = self.rotation
        u, v, w = self.shift
        distance = math.dist
        return [
            distance((a * x + b * y + c * z + u, d * x + e * y + f * z + v, g * x + h * y + i * z + w), goal)
            for (x, y, z), goal in zip(mobile, target, strict=True)
        ]


def superpose(mobile: Sequence[Point], target: Sequence[Point]) -> Motion:
    """The motion that brings points nearest to their counterparts, by least squares.

    Horn, J. Opt. Soc. Am. A 4 (1987) 629: the rotation is the quaternion of the largest eigenvalue of a symmetric 4×4 matrix.
    Where several motions are as good (points on a line, or all in one place), one of them.

    Raises:
        ValueError: the lengths differ or are zero, or a coordinate is not finite.
    """
    count = len(mobile)
    if not count or count != len(target):
        raise ValueError(f"{count} points cannot be laid on {len(target)}")
    cx, cy, cz = centroid(mobile)
    tx, ty, tz = centroid(target)
    xx = xy = xz = yx = yy = yz = zx = zy = zz = 0.0
    for (px, py, pz), (qx, qy, qz) in zip(mobile, target, strict=True):
        ax, ay, az = px - cx, py - cy, pz - cz
        bx, by, bz = qx - tx, qy - ty, qz - tz
        xx += ax * bx
        xy += ax * by
        xz += ax * bz
        yx += ay * bx
        yy += ay * by
        yz += ay * bz
        zx += az * bx
        zy += az * by
        zz += az * bz
    if not math.isfinite(xx + xy + xz + yx + yy + yz + zx + zy + zz):
        raise ValueError("a coordinate is not finite, or too large")
    w, x, y, z = _leading(
        [
            [xx + yy + zz, yz - zy, zx - xz, xy - yx],
            [yz - zy, xx - yy - zz, xy + yx, zx + xz],
            [zx - xz, xy + yx, yy - xx - zz, yz + zy],
            [xy - yx, zx + xz, yz + zy, zz - xx - yy],
        ]
    )
    rotation = (
        w * w + x * x - y * y - z * z,
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        w * w - x * x + y * y - z * z,
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        w * w - x * x - y * y + z * z,
    )
    ux, uy, uz = Motion(rotation, (0.0, 0.0, 0.0))((cx, cy, cz))
    return Motion(rotation, (tx - ux, ty - uy, tz - uz))


def _leading(matrix: list[list[float]]) -> Sequence[float]:
    """The eigenvector of length 1 of a symmetric matrix's largest eigenvalue, by Jacobi's rotations."""
    size = len(matrix)
    vectors = [[float(row == column) for column in range(size)] for row in range(size)]  # by columns, as rows of this list
    scale = sum(abs(value) for row in matrix for value in row)
    for _ in range(SWEEPS):
        if sum(abs(matrix[p][q]) for p in range(size) for q in range(p + 1, size)) <= 1e-15 * scale:
            break
        for p in range(size - 1):
            for q in range(p + 1, size):
                off = matrix[p][q]
                if off == 0.0:
                    continue
                theta = (matrix[q][q] - matrix[p][p]) / (2 * off)
                t = math.copysign(1.0, theta) / (abs(theta) + math.hypot(theta, 1.0))
                c = 1.0 / math.hypot(t, 1.0)
                s = t * c
                matrix[p][p] -= t * off
                matrix[q][q] += t * off
                matrix[p][q] = matrix[q][p] = 0.0
                for k in range(size):
                    if k not in (p, q):
                        kp, kq = matrix[k][p], matrix[k][q]
                        matrix[k][p] = matrix[p][k] = c * kp - s * kq
                        matrix[k][q] = matrix[q][k] = s * kp + c * kq
                first, second = vectors[p], vectors[q]
                vectors[p] = [c * a - s * b for a, b in zip(first, second, strict=True)]
                vectors[q] = [s * a + c * b for a, b in zip(first, second, strict=True)]
    found = vectors[max(range(size), key=lambda k: matrix[k][k])]
    length = math.hypot(*found)
    return [value / length for value in found]


def rmsd(mobile: Sequence[Point], target: Sequence[Point]) -> float:
    """The root of the mean squared distance after `superpose`, in Å. Raises what that raises."""
    distances = superpose(mobile, target).distances(mobile, target)
    return math.sqrt(sum([d * d for d in distances]) / len(distances))


def tm_score(mobile: Sequence[Point], target: Sequence[Point]) -> float:
    """The TM-score of points that correspond one to one, 0 to 1, over the length of `target`.

    Zhang & Skolnick, Proteins 57 (2004) 702: the mean of 1 / (1 + (d / d0)²), d0 = 1.24 ∛(L - 15) - 1.8 and not below 0.5, at
    the best motion found: each starts from the motion of a fragment, of all lengths L, L/2, L/4 … down to 4, and goes on with
    the pairs that it brought near each other, until they are the same.

    Raises:
        ValueError: as `superpose`.
    """
    length = len(target)
    wide = max(0.5, 1.24 * math.cbrt(length - 15) - 1.8) if length > 15 else 0.5  # noqa: PLR2004
    return _Search(mobile, target, wide).run()


class _Search:
    """Motions tried for a TM-score. Most fragments lead to pairs that were seen before: nothing is followed twice."""

    ROUNDS = 20

    def __init__(self, mobile: Sequence[Point], target: Sequence[Point], wide: float) -> None:
        self.mobile, self.target = mobile, target
        self.wide = wide
        self.near = min(8.0, max(4.5, wide))  # as TMscore has it
        self.seen: set[tuple[int, ...]] = set()
        self.best = 0.0

    def run(self) -> float:
        """The best score that was found."""
        size = length = len(self.target)
        while True:
            for start in range(length - size + 1):
                self.follow(tuple(range(start, start + size)))
            if size <= SHORTEST:
                return self.best
            size = max(SHORTEST, size // 2)

    def follow(self, pairs: tuple[int, ...]) -> None:
        """From a fragment to pairs that stay."""
        pairs = self.step(pairs, self.near - 1.0)
        for _ in range(self.ROUNDS):
            if pairs in self.seen:
                return
            self.seen.add(pairs)
            pairs = self.step(pairs, self.near + 1.0)

    def step(self, pairs: tuple[int, ...], cutoff: float) -> tuple[int, ...]:
        """Score the motion of these pairs; the pairs that it brings within `cutoff` Å, or a little more, of each other."""
        motion = superpose([self.mobile[k] for k in pairs], [self.target[k] for k in pairs])
        distances = motion.distances(self.mobile, self.target)
        square = self.wide * self.wide
        self.best = max(self.best, sum([square / (square + d * d) for d in distances]) / len(distances))
        least = min(3, len(distances))
        if sum([d < cutoff for d in distances]) < least:
            cutoff += 0.5 * max(0, math.ceil((sorted(distances)[least - 1] - cutoff) / 0.5))
        return tuple([k for k, d in enumerate(distances) if d <= cutoff])


def centroid(points: Sequence[Point]) -> Point:
    """The mean of points."""
    count = len(points)
    return sum(p[0] for p in points) / count, sum(p[1] for p in points) / count, sum(p[2] for p in points) / count


def radius_of_gyration(points: Iterable[Point]) -> float:
    """The root of the mean squared distance from the centroid, all points of one weight, in Å."""
    points = list(points)
    middle = centroid(points)
    distances = [math.dist(point, middle) for point in points]
    return math.sqrt(sum([d * d for d in distances]) / len(distances))
