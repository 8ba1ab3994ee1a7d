"""Whether a prediction that OpenFold3 has written can be believed: what its directory says, criterion by criterion.

OpenFold3 ends with status 0 and says "Successful Queries: 1" over NaN, a cloud of atoms and failed queries alike, so nothing that
it says of itself is enough. Thresholds are such that an experimental structure with errors of 0.5 Å in each coordinate passes,
and one with errors of 2 Å does not.
"""

import itertools
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from sparkdoctor.model import Missing, Status
from sparkdoctor.query import UBIQUITIN, Query
from sparkdoctor.smoke.criterion import Criterion
from sparkdoctor.smoke.structure import FORMATS, Atom, StructureError, parse_pdb, read
from sparkdoctor.smoke.superposition import Point, radius_of_gyration, rmsd, tm_score
from sparkdoctor.smoke.tree import Tree, why

TITLES = {
    "summary": "OpenFold3 counts every query as successful",
    "error-log": "OpenFold3 logged no error",
    "structures": "Every sample has a structure and its confidences",
    "residues": "Every chain has its residues",
    "sequence": "The residues are those of the query",
    "atoms": "Every residue has its atoms",
    "finite": "Coordinates and confidences are finite numbers",
    "ca-distances": "Neighbouring Cα are 3.8 Å apart",
    "clashes": "Atoms do not overlap",
    "handedness": "Amino acids have L chirality",
    "radius-of-gyration": "The radius of gyration is ubiquitin's",
    "plddt-varies": "pLDDT differs between atoms",
    "plddt-mean": "The mean pLDDT is plausible",
    "rmsd": "The Cα-RMSD to 1UBQ is small",
    "tm-score": "The TM-score to 1UBQ is that of the same fold",
}
"""The criteria in their order, each with the norm that it stands for."""
COMPARISON = ("radius-of-gyration", "rmsd", "tm-score")
"""Those that hold of ubiquitin only."""

MOST_RMSD = 2.5
"""Å. What OpenFold3's own tests allow the mean over samples, without an alignment; they measured 1.20 ± 0.27."""
LEAST_TM = 0.75
LEAST_PLDDT = 60.0
"""Of ubiquitin without an alignment 78.6 was measured."""
GYRATION = (10.0, 14.0)
"""Å, of ubiquitin's Cα; 1UBQ has 11.5."""
NEIGHBOURS = (2.6, 5.2)
"""Å between the Cα of neighbours: 3.8, or 2.9 about a cis bond, and room for errors."""
LEAST_NEIGHBOURS = 0.75
MOST_APART = 8.0
"""Å. No error of a coordinate, but a chain that is torn."""
CLASH = 1.1
"""Å between atoms of residues that are no neighbours: AlphaFold 3's measure of a clash."""
MOST_CLASHES = 0.03
"""Of the atoms."""
CROWDED = 16
"""Atoms in a cube of CLASH: more is a clash, whoever they are."""
LEAST_LEFT = 0.5
"""Of the amino acids: errors of 0.5 Å turn every fourth over, a mirror all."""
MIRRORED = 2 / 3
"""Of the amino acids, the other way round: no accident."""
LEAST_SPREAD = 1.0
"""Between the lowest and the highest pLDDT; of random weights and of a constant it is 0."""
FAR = 1e100
"""Å from the origin, where neighbours cannot be told apart any more, and squares are still numbers."""
FEW = 10
"""Atoms that may well have one pLDDT."""
MODELS_LIMIT = 2000
"""Samples, of all queries and seeds, that are judged."""
SHOWN = 5
"""Things of a kind that are named."""
WIDTH = 300
"""Letters of a line that are shown."""

_AMINO_ACIDS = {
    "A": ("ALA", "CB"),
    "R": ("ARG", "CB CG CD NE CZ NH1 NH2"),
    "N": ("ASN", "CB CG OD1 ND2"),
    "D": ("ASP", "CB CG OD1 OD2"),
    "C": ("CYS", "CB SG"),
    "Q": ("GLN", "CB CG CD OE1 NE2"),
    "E": ("GLU", "CB CG CD OE1 OE2"),
    "G": ("GLY", ""),
    "H": ("HIS", "CB CG ND1 CD2 CE1 NE2"),
    "I": ("ILE", "CB CG1 CG2 CD1"),
    "L": ("LEU", "CB CG CD1 CD2"),
    "K": ("LYS", "CB CG CD CE NZ"),
    "M": ("MET", "CB CG SD CE"),
    "F": ("PHE", "CB CG CD1 CD2 CE1 CE2 CZ"),
    "P": ("PRO", "CB CG CD"),
    "S": ("SER", "CB OG"),
    "T": ("THR", "CB OG1 CG2"),
    "W": ("TRP", "CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2"),
    "Y": ("TYR", "CB CG CD1 CD2 CE1 CE2 CZ OH"),
    "V": ("VAL", "CB CG1 CG2"),
}
_ATOMS = {name: frozenset(f"N CA C O {side}".split()) for name, side in _AMINO_ACIDS.values()}
_NAMES: dict[str, dict[str, str]] = {
    "protein": {letter: name for letter, (name, _) in _AMINO_ACIDS.items()},
    "rna": {letter: letter for letter in "ACGU"},
    "dna": {letter: f"D{letter}" for letter in "ACGT"},
}


class Sample(NamedTuple):
    """What was measured of one structure; None where it could not be. `path` is relative to the directory, RMSD in Å."""

    query: str
    seed: str
    sample: int
    path: str
    plddt: float | None = None
    rmsd: float | None = None
    tm_score: float | None = None


class Judgement(NamedTuple):
    """What a directory was found to hold. `seconds` is what OpenFold3 says that inference took in all, without loading."""

    criteria: tuple[Criterion, ...]
    samples: tuple[Sample, ...]
    seconds: float | None


def judge(
    directory: str, queries: Sequence[Query], *, reference: bool, fresh: bool = False, samples: int | None = None
) -> Judgement:
    """Judge the output directory of a prediction, of OpenFold3 0.3.0 to 0.5.0.

    Args:
        directory: what was its --output_dir.
        queries: what was to be predicted.
        reference: whether the queries are ubiquitin, to be compared with 1UBQ.
        fresh: whether nothing was there before the run, so that all there is must be of it.
        samples: how many there must be for each query and seed; None takes OpenFold3's own word.

    Raises:
        ValueError: `reference` with a query that is not ubiquitin.
    """
    if reference and any(_sequences(query) != _sequences(UBIQUITIN) for query in queries):
        raise ValueError("only ubiquitin can be compared with 1UBQ")
    tree = Tree(directory, fresh=fresh)
    if reason := "there is no query to judge by" if not queries else tree.nothing:
        return Judgement(tuple(_skipped(name, reason) for name in TITLES if reference or name not in COMPARISON), (), None)
    seeds = tree.seeds(queries)
    numbers = _numbers(tree, queries, seeds, samples)
    due = itertools.product(queries, seeds, numbers)
    models = [_Model(tree, query, seed, number) for query, seed, number in itertools.islice(due, MODELS_LIMIT)]
    readable = [model for model in models if model.atoms]
    criteria = [
        _summary(tree, len(queries) * len(seeds)),
        _error_log(tree),
        _structures(tree, models, len(queries) * len(seeds) * len(numbers)),
    ]
    looks: list[tuple[str, str, _Look]] = [
        ("residues", _residues_due(queries), _residues),
        ("sequence", "all", _sequence),
        ("atoms", _atoms_due(queries), _atoms),
        ("finite", "all", _finite),
        (
            "ca-distances",
            f"at least {LEAST_NEIGHBOURS:.0%}, at most {MOST_APART:g} Å",
            _ca_distances,
        ),
        ("clashes", f"at most {MOST_CLASHES:.0%}", _clashes),
        ("handedness", f"at least {LEAST_LEFT:.0%}", _handedness),
    ]
    if reference:
        looks.append(("radius-of-gyration", f"{GYRATION[0]:g} to {GYRATION[1]:g} Å", _gyration))
    looks.append(("plddt-varies", f"a spread of at least {LEAST_SPREAD:g}", _plddt_varies))
    criteria += [_each(name, expected, readable, look) for name, expected, look in looks]
    criteria.append(_plddt_mean(readable, LEAST_PLDDT if reference else None))
    if reference:
        for model in readable:
            model.compare()
        criteria.append(_compared("rmsd", readable, f"at most {MOST_RMSD} Å", lambda value: value <= MOST_RMSD, "{:.2f} Å"))
        criteria.append(_compared("tm-score", readable, f"at least {LEAST_TM}", lambda value: value >= LEAST_TM, "{:.3f}"))
    return Judgement(tuple(criteria), tuple(model.measured for model in models), tree.seconds(queries, seeds))


def _criterion(name: str, status: Status, expected: str, observed: str, evidence: Iterable[str] = ()) -> Criterion:
    return Criterion(name, TITLES[name], status, _shown(expected), _shown(observed), tuple(_shown(line) for line in evidence))


def _skipped(name: str, reason: str) -> Criterion:
    return _criterion(name, Status.SKIPPED, "", reason)


def _shown(text: str) -> str:
    """A stranger's text as a line that does a terminal no harm."""
    short = "".join(letter if letter.isprintable() else " " for letter in text[:WIDTH]).strip()
    return short if len(text) <= WIDTH else f"{short}…"


# What the directory says.

_COUNTS = {
    "total": re.compile(r"^Total Queries Processed: +(\d{1,9}) *$", re.MULTILINE),
    "successful": re.compile(r"^ *- Successful Queries: +(\d{1,9}) *$", re.MULTILINE),
    "failed": re.compile(r"^ *- Failed Queries: +(\d{1,9}) *$", re.MULTILINE),
}
_STATE = re.compile(r"^ *PREDICTION SUMMARY \((.*)\) *$", re.MULTILINE)
_UNLUCKY = re.compile(r"^Failed Queries: .*$", re.MULTILINE)


def _summary(tree: Tree, due: int) -> Criterion:
    expected = f"COMPLETE, {due} of {due}"
    fallbacks = [name for name in tree.names("", "fallback_summary_rank_") if not tree.stale(name)]
    name = fallbacks[0] if fallbacks else "summary.txt"
    text = tree.text(name)
    if isinstance(text, Missing):
        return _criterion("summary", Status.FAILED, expected, f"{name}: {text.reason}")
    state = _STATE.search(text)
    counts = {key: int(found[1]) for key, pattern in _COUNTS.items() if (found := pattern.search(text))}
    evidence = [line.strip() for line in text.splitlines() if line.strip(" =")][:6]
    if state is None or len(counts) < len(_COUNTS):
        return _criterion("summary", Status.FAILED, expected, f"{name} is no summary of OpenFold3's", evidence[:2])
    observed = f"{state[1]}, {counts['successful']} of {counts['total']}" + f", {counts['failed']} failed" * bool(
        counts["failed"]
    )
    if old := tree.stale(name):
        again = ["skip_existing is set: what was there was not predicted again"] if tree.settings.get("skip_existing") else []
        return _criterion("summary", Status.FAILED, expected, f"{observed}, but of an earlier run", [old, *again])
    good = state[1] == "COMPLETE" and counts == {"total": due, "successful": due, "failed": 0} and not _UNLUCKY.search(text)
    if good and not tree.fresh and not tree.dated and tree.settings.get("skip_existing"):
        doubt = "skip_existing is set, and the files were copied without their times: they may be of an earlier run"
        return _criterion("summary", Status.WARNING, expected, observed, [doubt])
    return _criterion("summary", Status.OK if good else Status.FAILED, expected, observed, () if good else evidence)


_TELLING = ("Query ID(s):", "Error Type:", "Error Message:")


def _error_log(tree: Tree) -> Criterion:
    expected = "no logs/predict_err_rank*"
    names = [os.path.join("logs", name) for name in tree.names("logs", "predict_err_rank") if name.endswith(".log")]
    if not names:
        return _criterion("error-log", Status.OK, expected, "none")
    fresh = [name for name in names if not tree.stale(name)]
    evidence = []
    for name in (fresh or names)[:SHOWN]:
        text = tree.text(name)
        lines = [text.reason] if isinstance(text, Missing) else [line for line in text.splitlines() if line.startswith(_TELLING)]
        evidence += [f"{name}: {line}" for line in lines[: 2 * len(_TELLING)]]
    if not fresh:
        return _criterion("error-log", Status.WARNING, expected, f"{names[0]}, of an earlier run", evidence)
    return _criterion("error-log", Status.FAILED, expected, ", ".join(fresh[:SHOWN]), evidence)


# What the structures say.


class _Residue(NamedTuple):
    number: int
    name: str
    atoms: tuple[Atom, ...]

    def atom(self, name: str) -> Atom | None:
        return next((atom for atom in self.atoms if atom.name == name), None)


class _Model:
    """One sample: the file of its structure, what it holds, and which criteria it did not meet."""

    def __init__(self, tree: Tree, query: Query, seed: str, sample: int) -> None:
        self.query = query
        stem = os.path.join(query.name, f"seed_{seed}", f"{query.name}_seed_{seed}_sample_{sample}")
        there = [name for ending in FORMATS if tree.time(name := f"{stem}_model{ending}") is not None]
        self.path = max(there, key=lambda name: tree.time(name) or 0.0, default=f"{stem}_model.cif")
        self.label = f"{query.name}, seed {seed}, sample {sample}"
        self.unmet: set[str] = set()
        self.problems: list[str] = []
        self.atoms = self._read(tree) if there else []
        if not there:
            self.problems.append(f"{stem}_model.cif is not there")
        self.confidences = self._confidences(tree, f"{stem}_confidences_aggregated.json")
        self.chains = _chains(self.atoms)
        self.measured = Sample(query.name, seed, sample, self.path, self._plddt())

    def _read(self, tree: Tree) -> list[Atom]:
        try:
            atoms = read(tree.path(self.path))
        except (OSError, ValueError) as error:
            self.problems.append(f"{self.path}: {error if isinstance(error, StructureError) else why(error)}")
            return []
        numbers = list(dict.fromkeys(atom.model for atom in atoms))
        if len(numbers) > 1:
            self.problems.append(f"{self.path}: {len(numbers)} models in one file")
        return [atom for atom in atoms if atom.model == numbers[0]]

    def _confidences(self, tree: Tree, name: str) -> dict[str, Any]:
        found = tree.json(name)
        if isinstance(found, Missing):
            self.problems.append(f"{name}: {found.reason}")
        elif not isinstance(found, dict) or type(found.get("avg_plddt")) not in (int, float):
            self.problems.append(f"{name}: no avg_plddt in it")
        else:
            return found
        return {}

    @property
    def located(self) -> bool:
        """Whether all atoms are somewhere."""
        return all(atom.finite for atom in self.atoms)

    def _plddt(self) -> float | None:
        values = [atom.b for atom in self.atoms]
        return _mean(values) if values and all(map(math.isfinite, values)) else None

    def proteins(self) -> Iterator[tuple[str, list[_Residue]]]:
        """The chains that are proteins by the query, those that are there."""
        for chain in self.query.chains:
            if chain.kind == "protein":
                for name in chain.ids:
                    if name in self.chains:
                        yield name, self.chains[name]

    def compare(self) -> None:
        """Measure how far it is from 1UBQ."""
        chain, target = next(iter(self.chains.values()), []), ubiquitin_1ubq()
        if self.unmet & {"residues", "sequence"} or not self.located:
            return
        found = [atom.at for residue in chain if (atom := residue.atom("CA"))]
        if len(found) == len(target) and max(abs(value) for point in found for value in point) < FAR:
            self.measured = self.measured._replace(rmsd=rmsd(found, target), tm_score=tm_score(found, target))


@cache
def ubiquitin_1ubq() -> tuple[Point, ...]:
    """The 76 Cα of the crystal structure 1UBQ, in Å."""
    with open(os.path.join(os.path.dirname(__file__), "1ubq.pdb"), encoding="ascii") as file:
        return tuple(atom.at for atom in parse_pdb(file.read()) if atom.name == "CA")


def _chains(atoms: Iterable[Atom]) -> dict[str, list[_Residue]]:
    """Residues by chain, as they follow each other in the file."""
    chains: dict[str, list[_Residue]] = {}
    for (chain, number, name), group in itertools.groupby(atoms, key=lambda atom: (atom.chain, atom.number, atom.residue)):
        chains.setdefault(chain, []).append(_Residue(number, name, tuple(group)))
    return chains


def _sequences(query: Query) -> list[str]:
    return [chain.sequence for chain in query.chains for _ in chain.ids]


def _numbers(tree: Tree, queries: Sequence[Query], seeds: Sequence[str], samples: int | None) -> Sequence[int]:
    """The numbers of the samples that are due: as many as there should be, or else those that are there of any query and seed."""
    if count := samples or tree.samples():
        return range(1, count + 1)
    found = {1}
    for query, seed in itertools.product(queries, seeds):
        stem = os.path.join(query.name, f"seed_{seed}", f"{query.name}_seed_{seed}_sample_")
        for name in tree.names(os.path.dirname(stem), os.path.basename(stem)):
            number = name.removeprefix(os.path.basename(stem)).partition("_")[0]
            if re.fullmatch(r"[0-9]{1,6}", number):
                found.add(int(number))
    return sorted(found)


def _structures(tree: Tree, models: Sequence[_Model], due: int) -> Criterion:
    expected = f"{due}"
    good = sum(not model.problems for model in models)
    if good == due:
        return _criterion("structures", Status.OK, expected, f"{good}")
    evidence = [problem for model in models for problem in model.problems][:SHOWN]
    evidence += [f"no more than {MODELS_LIMIT} are judged"] * (due > len(models))
    others = [name for name in tree.predicted() if name not in {model.query.name for model in models}]
    evidence += [f"of another query: {name}" for name in others[:SHOWN]]
    return _criterion("structures", Status.FAILED, expected, f"{good} of {due}", evidence)


class _Seen(NamedTuple):
    """What one look at one model found. `badness` orders models: the greatest is the worst."""

    good: bool
    observed: str
    badness: float = 0.0
    evidence: tuple[str, ...] = ()


_Look = Callable[[_Model], _Seen | Missing]


def _each(name: str, expected: str, models: Sequence[_Model], look: _Look) -> Criterion:
    """One look at each model; the worst speaks for all."""
    seen: list[tuple[_Model, _Seen]] = []
    reason = "no structure could be read"
    for model in models:
        found = look(model)
        if isinstance(found, Missing):
            reason = found.reason
        else:
            seen.append((model, found))
        if isinstance(found, Missing) or not found.good:
            model.unmet.add(name)
    if not seen:
        return _skipped(name, reason)
    bad = [one for one in seen if not one[1].good]
    model, worst = max(bad or seen, key=lambda one: one[1].badness)
    notes = list(worst.evidence)
    if bad and len(models) > 1:
        notes.insert(0, f"{len(bad)} of {len(seen)} fail; the worst is {model.label}")
    elif len({one.badness for _, one in seen}) > 1:
        notes.insert(0, f"the worst of {len(seen)} is {model.label}")
    return _criterion(name, Status.FAILED if bad else Status.OK, expected, worst.observed, notes)


def _residues_due(queries: Sequence[Query]) -> str:
    return "; ".join(
        ", ".join(f"{'/'.join(chain.ids)}: {len(chain.sequence) or 'a ligand'}" for chain in query.chains) for query in queries
    )


def _residues(model: _Model) -> _Seen | Missing:
    due = {name: len(chain.sequence) for chain in model.query.chains for name in chain.ids}
    problems = [f"chain {name} is not there" for name in due if name not in model.chains]
    problems += [f"chain {name} is not in the query" for name in model.chains if name not in due]
    for name, length in due.items():
        found = [residue.number for residue in model.chains.get(name, ())]
        if found and length and found != list(range(1, length + 1)):
            odd = next((k for k, number in enumerate(found, 1) if k != number), len(found) + 1)
            where = f"residue {found[odd - 1]} stands where {odd} is due" if odd <= len(found) else f"it ends before {odd}"
            problems.append(f"chain {name} has {len(found)} residues, not {length} from 1 on: {where}")
    observed = ", ".join(f"{name}: {len(found)}" for name, found in model.chains.items())
    return _Seen(not problems, observed, len(problems), tuple(problems[:SHOWN]))


def _sequence(model: _Model) -> _Seen | Missing:
    if "residues" in model.unmet:
        return Missing("residues are missing, or in excess")
    wrong, total = [], 0
    for chain in model.query.chains:
        names = _NAMES.get(chain.kind, {})
        for name in chain.ids if chain.sequence else ():
            for residue, letter in zip(model.chains[name], chain.sequence, strict=True):
                total += 1
                due = chain.modified.get(residue.number) or names.get(letter)
                if due is not None and residue.name != (due[:3] if model.path.endswith(".pdb") else due):
                    wrong.append(f"chain {name}, residue {residue.number}: {residue.name}, not {due}")
    if not total:
        return Missing("the query has no polymer")
    return _Seen(not wrong, f"{total - len(wrong)} of {total}", len(wrong), tuple(wrong[:SHOWN]))


def _amino_acids(model: _Model) -> Iterator[tuple[str, _Residue, bool]]:
    """The plain amino acids of the proteins, with their chain, and whether it ends there."""
    for chain, residues in model.proteins():
        for residue in residues:
            if residue.name in _ATOMS:
                yield chain, residue, residue is residues[-1]


def _atoms_due(queries: Sequence[Query]) -> str:
    total = sum(
        len(_ATOMS[_AMINO_ACIDS[letter][0]]) * len(chain.ids)
        for query in queries
        for chain in query.chains
        if chain.kind == "protein"
        for position, letter in enumerate(chain.sequence, 1)
        if letter in _AMINO_ACIDS and position not in chain.modified
    )
    return f"{total} without hydrogen and OXT"


def _atoms(model: _Model) -> _Seen | Missing:
    if "sequence" in model.unmet:
        return Missing("the residues are not those of the query")
    total, problems = 0, []
    for chain, residue, last in _amino_acids(model):
        names = [atom.name for atom in residue.atoms if atom.element not in ("H", "D")]
        found, due = set(names), _ATOMS[residue.name]
        total += len(names) - ("OXT" in found)
        where = f"chain {chain}, {residue.name} {residue.number}"
        problems += [f"{where}: {name} is missing" for name in sorted(due - found)]
        problems += [f"{where}: {name} does not belong to it" for name in sorted(found - due - ({"OXT"} if last else set()))]
        problems += [f"{where}: {name} is there more than once" for name in sorted(found) if names.count(name) > 1]
    if not total:
        return Missing("the query has no plain amino acids")
    return _Seen(not problems, f"{total}", len(problems), tuple(problems[:SHOWN]))


def _finite(model: _Model) -> _Seen | Missing:
    nowhere = [atom for atom in model.atoms if not atom.finite]
    unsure = [atom for atom in model.atoms if not math.isfinite(atom.b)]
    keys = list(_infinite(model.confidences))
    parts = [f"{len(nowhere)} of {len(model.atoms)} atoms have no place"] if nowhere else []
    parts += [f"{len(unsure)} have no pLDDT"] if unsure else []
    parts += [f"not finite in the confidences: {', '.join(keys[:SHOWN])}"] if keys else []
    evidence = [
        f"chain {a.chain}, {a.residue} {a.number} {a.name}: {a.x} {a.y} {a.z}, pLDDT {a.b}" for a in (nowhere or unsure)[:2]
    ]
    return _Seen(not parts, "; ".join(parts) or "all", len(nowhere) + len(unsure) + len(keys), tuple(evidence))


def _infinite(content: Any) -> Iterator[str]:
    """The keys of numbers that are not finite, however deep."""
    stack: list[tuple[str, Any]] = [("", content)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict):
            stack += [(f"{key}.{inner}" if key else str(inner), below) for inner, below in value.items()]
        elif isinstance(value, list):
            stack += [(key, below) for below in value]
        elif isinstance(value, float) and not math.isfinite(value):
            yield key


_NOWHERE = Missing("coordinates are not finite")


def _ca_distances(model: _Model) -> _Seen | Missing:
    if not model.located:
        return _NOWHERE
    distances: list[tuple[float, str]] = []
    for chain, residues in model.proteins():
        found = {residue.number: atom for residue in residues if (atom := residue.atom("CA"))}
        for number, atom in found.items():
            if after := found.get(number + 1):
                distances.append((math.dist(atom.at, after.at), f"chain {chain}, {number} to {number + 1}"))
    if not distances:
        return Missing("no protein chain with neighbours")
    share = sum(NEIGHBOURS[0] <= d <= NEIGHBOURS[1] for d, _ in distances) / len(distances)
    most, where = max(distances)
    good = share >= LEAST_NEIGHBOURS and most <= MOST_APART
    return _Seen(
        good,
        f"{share:.0%} at {NEIGHBOURS[0]} to {NEIGHBOURS[1]} Å, widest {most:.2f} Å",
        most - share,
        (f"widest: {where}",) * (not good),
    )


def _clashes(model: _Model) -> _Seen | Missing:
    if not model.located:
        return _NOWHERE
    order = {(chain, residue.number): k for chain, residues in model.chains.items() for k, residue in enumerate(residues)}
    seen: set[tuple[str, int, str]] = set()
    cells: dict[tuple[int, int, int], list[tuple[Atom, int]]] = {}
    for atom in model.atoms:
        if atom[:2] + atom[3:4] in seen or atom.element in ("H", "D"):
            continue
        seen.add((atom.chain, atom.number, atom.name))
        cell = (math.floor(atom.x / CLASH), math.floor(atom.y / CLASH), math.floor(atom.z / CLASH))
        cells.setdefault(cell, []).append((atom, order[atom.chain, atom.number]))
    near = tuple(itertools.product((-1, 0, 1), repeat=3))
    clashing, example = 0, ""
    for (i, j, k), members in cells.items():
        if len(members) > CROWDED:
            clashing += len(members)
            example = example or f"{len(members)} atoms in {CLASH:.1f} Å cubed, {_named(members[0][0])} among them"
            continue
        around = [
            one for a, b, c in near if (found := cells.get((i + a, j + b, k + c))) and len(found) <= CROWDED for one in found
        ]
        if len(around) == 1:
            continue
        for atom, place in members:
            for other, its in around:
                if (other.chain != atom.chain or abs(its - place) > 1) and math.dist(atom.at, other.at) < CLASH:
                    clashing += 1
                    example = example or f"{_named(atom)} and {_named(other)}, {math.dist(atom.at, other.at):.2f} Å apart"
                    break
    share = clashing / len(seen) if seen else 0.0
    observed = f"{clashing} of {len(seen)} closer than {CLASH} Å"
    return _Seen(share <= MOST_CLASHES, observed, share, (example,) if example else ())


def _named(atom: Atom) -> str:
    return f"{atom.chain} {atom.residue} {atom.number} {atom.name}"


def _handedness(model: _Model) -> _Seen | Missing:
    if not model.located:
        return _NOWHERE
    left = total = 0
    for _, residue, _ in _amino_acids(model):
        n, ca, c, cb = (residue.atom(name) for name in ("N", "CA", "C", "CB"))
        if n and ca and c and cb:
            total += 1
            left += _volume(n.at, ca.at, c.at, cb.at) > 0
    if not total:
        return Missing("no amino acid with a Cβ")
    share = left / total
    mirrored = ("most have D chirality, as in a mirror image",) if share < 1 - MIRRORED else ()
    return _Seen(share >= LEAST_LEFT, f"{left} of {total}", -share, mirrored)


def _volume(n: Point, ca: Point, c: Point, cb: Point) -> float:
    """Six times the volume that N, C and Cβ span with Cα, in Å³: about 2.6 of an L-amino acid, and negative of a D-amino acid."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (tuple(p - q for p, q in zip(point, ca, strict=True)) for point in (n, c, cb))
    return ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)


def _gyration(model: _Model) -> _Seen | Missing:
    if not model.located:
        return _NOWHERE
    if "residues" in model.unmet:
        return Missing("residues are missing, or in excess")
    points = [atom.at for _, residues in model.proteins() for residue in residues if (atom := residue.atom("CA"))]
    if not points:
        return Missing("there is no Cα")
    radius = radius_of_gyration(points)
    return _Seen(GYRATION[0] <= radius <= GYRATION[1], f"{radius:.2f} Å", abs(radius - sum(GYRATION) / 2))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _scale(model: _Model) -> float:
    """What pLDDT is to be multiplied with to be on 0 to 100."""
    return 100.0 if 0 < max(atom.b for atom in model.atoms) <= 1 else 1.0


def _plddt_varies(model: _Model) -> _Seen | Missing:
    if model.measured.plddt is None:
        return Missing("pLDDT is not finite")
    if len(model.atoms) < FEW:
        return Missing(f"there are but {len(model.atoms)} atoms")
    values = [atom.b for atom in model.atoms]
    low, high = min(values), max(values)
    return _Seen((high - low) * _scale(model) >= LEAST_SPREAD, f"{low:.4g} to {high:.4g}", low - high)


def _plddt_mean(models: Sequence[_Model], least: float | None) -> Criterion:
    expected = f"at least {least:g}" if least is not None else "0 to 100"
    known = [model for model in models if model.measured.plddt is not None]
    means = [model.measured.plddt for model in known if model.measured.plddt is not None]
    if not means:
        return _skipped("plddt-mean", "pLDDT is not finite" if models else "no structure could be read")
    mean, lowest = _mean(means), min(known, key=lambda model: model.measured.plddt or 0.0)
    evidence = [f"the mean of {len(known)}; the worst is {lowest.label}: {min(means):.1f}"] if len(known) > 1 else []
    off = next((atom.b for model in known for atom in model.atoms if not 0 <= atom.b <= 100), None)  # noqa: PLR2004
    if off is not None:
        return _criterion("plddt-mean", Status.FAILED, expected, f"{off:.4g} is no pLDDT", evidence)
    if any(_scale(model) > 1 for model in known):
        evidence.append("these values are on 0 to 1; OpenFold3 writes pLDDT on 0 to 100")
        return _criterion("plddt-mean", Status.FAILED, expected, f"{mean:.3f}", evidence)
    return _criterion("plddt-mean", Status.OK if mean >= (least or 0.0) else Status.FAILED, expected, f"{mean:.1f}", evidence)


def _compared(name: str, models: Sequence[_Model], expected: str, good: Callable[[float], bool], form: str) -> Criterion:
    """The comparison with 1UBQ, by its mean; a warning where the mean is good and one sample is not."""
    field = name.replace("-", "_")
    found = [(value, model) for model in models if (value := getattr(model.measured, field)) is not None]
    if not found:
        reason = "residues, their names or coordinates are not what can be compared" if models else "no structure could be read"
        return _skipped(name, reason)
    mean = _mean([value for value, _ in found])
    worst, model = max(found, key=lambda one: one[0] if name == "rmsd" else -one[0])
    evidence = [f"the mean of {len(found)}; the worst is {model.label}: {form.format(worst)}"] if len(found) > 1 else []
    status = Status.FAILED if not good(mean) else Status.OK if good(worst) else Status.WARNING
    return _criterion(name, status, expected, form.format(mean), evidence)
