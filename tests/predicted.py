"""Predictions for tests: recorded ones, and what OpenFold3 would have written for any coordinates."""

import gzip
import json
import math
import os
import random
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sparkdoctor.smoke import judge
from sparkdoctor.smoke.structure import Atom, read

PREDICTIONS = Path(__file__).with_name("predictions")
CASES = tuple(sorted(path.name.removesuffix(".tar.gz") for path in PREDICTIONS.glob("*.tar.gz")))


def recorded(case: str, place: Path) -> Path:
    """Unpack a recorded run: `out` is its tree, with its times, and `log` what was printed. See predictions/make.py."""
    with tarfile.open(PREDICTIONS / f"{case}.tar.gz") as tar:
        tar.extractall(place, filter="data")
    return place


def crystal() -> list[Atom]:
    """1UBQ as it would have been predicted: without OXT, and with a pLDDT that follows the B factors."""
    atoms = read(str(Path(judge.__file__).with_name("1ubq.pdb")))
    return [atom._replace(b=round(97 - atom.b / 2, 2)) for atom in atoms if atom.name != "OXT"]


def noisy(atoms: Iterable[Atom], error: float, seed: int = 0) -> list[Atom]:
    """With a Gaussian error of so many Å in each coordinate."""
    draw = random.Random(seed).gauss
    return [atom._replace(x=atom.x + draw(0, error), y=atom.y + draw(0, error), z=atom.z + draw(0, error)) for atom in atoms]


def mirrored(atoms: Iterable[Atom]) -> list[Atom]:
    return [atom._replace(x=-atom.x) for atom in atoms]


def moved(atoms: Iterable[Atom], seed: int) -> list[Atom]:
    """Turned and shifted, as a rigid body."""
    draw = random.Random(seed)
    w, x, y, z = (draw.gauss(0, 1) for _ in range(4))
    n = w * w + x * x + y * y + z * z
    rows = (
        (1 - 2 * (y * y + z * z) / n, 2 * (x * y - w * z) / n, 2 * (x * z + w * y) / n, draw.uniform(-90, 90)),
        (2 * (x * y + w * z) / n, 1 - 2 * (x * x + z * z) / n, 2 * (y * z - w * x) / n, draw.uniform(-90, 90)),
        (2 * (x * z - w * y) / n, 2 * (y * z + w * x) / n, 1 - 2 * (x * x + y * y) / n, draw.uniform(-90, 90)),
    )
    found = []
    for atom in atoms:
        new = [a * atom.x + b * atom.y + c * atom.z + d for a, b, c, d in rows]
        found.append(atom._replace(x=new[0], y=new[1], z=new[2]))
    return found


def walked(atoms: Sequence[Atom], seed: int = 0) -> list[Atom]:
    """Each residue as it was, but its Cα on a random walk of steps of 3.8 Å."""
    draw = random.Random(seed)
    at, shifts = [0.0, 0.0, 0.0], {}
    for atom in atoms:
        if atom.name == "CA":
            step = [draw.gauss(0, 1) for _ in at]
            at = [a + 3.8 * b / math.hypot(*step) for a, b in zip(at, step, strict=True)]
            shifts[atom.number] = [a - b for a, b in zip(at, atom.at, strict=True)]
    return [a._replace(x=a.x + (s := shifts[a.number])[0], y=a.y + s[1], z=a.z + s[2]) for a in atoms]


def cif(atoms: Sequence[Atom]) -> str:
    """As biotite lays it out for OpenFold3."""
    names = "group_PDB type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_entity_id label_seq_id"
    names += " pdbx_PDB_ins_code auth_seq_id auth_comp_id auth_asym_id auth_atom_id B_iso_or_equiv pdbx_formal_charge"
    names += " Cartn_x Cartn_y Cartn_z pdbx_PDB_model_num id"
    head = "data_structure\n#\nloop_\n" + "".join(f"_atom_site.{name} \n" for name in names.split())
    rows = [
        f'ATOM {a.element} "{a.name}" . {a.residue} {a.chain} 1 {a.number} . {a.number} {a.residue} {a.chain} "{a.name}" {a.b!r} ? '
        f"{a.x!r} {a.y!r} {a.z!r} {a.model} {k}\n"
        for k, a in enumerate(atoms, 1)
    ]
    return head + "".join(rows) + "#\n"


def pdb(atoms: Sequence[Atom]) -> str:
    """The same in PDB's columns."""
    rows = [
        f"ATOM  {k:5d}  {a.name:<3} {a.residue:>3} {a.chain}{a.number:4d}    {a.x:8.3f}{a.y:8.3f}{a.z:8.3f}  1.00{a.b:6.2f}          {a.element:>2}  \n"
        for k, a in enumerate(atoms, 1)
    ]
    return "".join(rows)


SUMMARY = """
==================================================
    PREDICTION SUMMARY ({state}){blanks}
==================================================
Total Queries Processed: {total}
  - Successful Queries:  {successful}
  - Failed Queries:      {failed}{unlucky}
==================================================
"""


def summary(state: str = "COMPLETE", successful: int = 1, failed: int = 0, unlucky: str = "") -> str:
    names = f"\n\nFailed Queries: {unlucky}" if unlucky else ""
    return SUMMARY.format(
        state=state, blanks=4 * " ", total=successful + failed, successful=successful, failed=failed, unlucky=names
    )


def written(
    directory: Path,
    *samples: Sequence[Atom],
    query: str = "ubiquitin",
    ending: str = ".cif",
    confidences: dict[str, Any] | None = None,
) -> str:
    """What OpenFold3 writes for a query of one seed with these samples; the directory."""
    place = directory / query / "seed_42"
    place.mkdir(parents=True)
    settings = {"seeds": [42], "skip_existing": False}
    (directory / "experiment_config.json").write_text(json.dumps({"experiment_settings": settings}))
    diffusion = {"no_full_rollout_samples": len(samples)}
    (directory / "model_config.json").write_text(json.dumps({"architecture": {"shared": {"diffusion": diffusion}}}))
    for number, atoms in enumerate(samples, 1):
        stem = f"{query}_seed_42_sample_{number}"
        text = pdb(atoms) if ending == ".pdb" else cif(atoms)
        (place / f"{stem}_model{ending}").write_bytes(gzip.compress(text.encode()) if ending.endswith(".gz") else text.encode())
        said = {"avg_plddt": sum(atom.b for atom in atoms) / len(atoms), "gpde": 0.5, "ptm": 0.7, **(confidences or {})}
        (place / f"{stem}_confidences_aggregated.json").write_text(json.dumps(said))
    (place / "timing.json").write_text('{"runtime_s": 8.5}')
    (directory / "summary.txt").write_text(summary())
    return os.fspath(directory)
