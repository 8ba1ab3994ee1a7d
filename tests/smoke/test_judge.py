"""Directories that can be believed, and the many that cannot."""

import json
import math
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predicted import CASES, cif, crystal, mirrored, moved, noisy, recorded, summary, walked, written
from sparkdoctor.model import Status
from sparkdoctor.query import UBIQUITIN, Chain, Query
from sparkdoctor.smoke.criterion import Criterion, verdict
from sparkdoctor.smoke.judge import COMPARISON, TITLES, Judgement, judge
from sparkdoctor.smoke.structure import Atom

CRYSTAL = crystal()
CHAIN = "ca-distances clashes handedness radius-of-gyration"
STEM = "ubiquitin/seed_42/ubiquitin_seed_42_sample_1"


def judged(directory: str | Path, *, fresh: bool = False, samples: int | None = None) -> Judgement:
    found = judge(os.fspath(directory), (UBIQUITIN,), reference=True, fresh=fresh, samples=samples)
    assert [criterion.id for criterion in found.criteria] == list(TITLES)
    assert all(criterion.title == TITLES[criterion.id] and criterion.observed for criterion in found.criteria)
    return found


def ids(found: Judgement, status: Status) -> set[str]:
    return {criterion.id for criterion in found.criteria if criterion.status is status}


def failed(found: Judgement) -> set[str]:
    return ids(found, Status.FAILED)


def line(found: Judgement, name: str) -> Criterion:
    return next(criterion for criterion in found.criteria if criterion.id == name)


@pytest.mark.parametrize("ending", [".cif", ".cif.gz", ".pdb"])
def test_the_crystal_structure_is_believed(tmp_path: Path, ending: str) -> None:
    found = judged(written(tmp_path, CRYSTAL, ending=ending))
    assert ids(found, Status.OK) == set(TITLES)
    assert found.seconds == 8.5
    (sample,) = found.samples
    assert sample.path == f"{STEM}_model{ending}"
    assert sample.rmsd == pytest.approx(0, abs=1e-3)
    assert sample.tm_score == pytest.approx(1, abs=1e-6)
    assert sample.plddt == pytest.approx(sum(atom.b for atom in CRYSTAL) / 601, abs=0.01)
    assert line(found, "handedness").observed == "70 of 70"


@settings(max_examples=6)
@given(st.integers(0, 2**31))
def test_half_an_angstrom_of_error_is_believed_however_it_is_turned(seed: int) -> None:
    with Tree() as tree:
        found = judged(written(tree, moved(noisy(CRYSTAL, 0.5, seed), seed)))
    assert not failed(found)
    assert verdict(found.criteria) == "believed"


@pytest.mark.real
def test_many_errors_of_half_an_angstrom(tmp_path: Path) -> None:
    for seed in range(60):
        found = judged(written(tmp_path / str(seed), noisy(CRYSTAL, 0.5, seed)))
        assert not failed(found), seed


@settings(max_examples=3)
@given(st.integers(0, 2**31))
def test_two_angstroms_of_error_are_refused(seed: int) -> None:
    with Tree() as tree:
        found = judged(written(tree, moved(noisy(CRYSTAL, 2, seed), seed)))
    assert failed(found) >= {"ca-distances", "clashes", "rmsd", "tm-score"}


def at_one_point(atoms: Sequence[Atom]) -> list[Atom]:
    return [atom._replace(x=1.0, y=2.0, z=3.0) for atom in atoms]


def cloud(atoms: Sequence[Atom]) -> list[Atom]:
    draw = random.Random(1).gauss
    return [atom._replace(x=draw(0, 7), y=draw(0, 7), z=draw(0, 7)) for atom in atoms]


def renamed(atoms: Sequence[Atom]) -> list[Atom]:
    """Each residue under the name of the next."""
    names = {atom.number: atom.residue for atom in atoms}
    return [atom._replace(residue=names[atom.number % 76 + 1]) for atom in atoms]


def shifted(atoms: Sequence[Atom]) -> list[Atom]:
    """The right names, and each residue moved to where the next has its Cα; the last goes with the one before."""
    places = {atom.number: atom for atom in atoms if atom.name == "CA"}
    found = []
    for atom in atoms:
        ca, after = places[min(atom.number, 75)], places[min(atom.number, 75) + 1]
        x, y, z = (a + b - c for a, b, c in zip(atom.at, after.at, ca.at, strict=True))
        found.append(atom._replace(x=x, y=y, z=z))
    return found


def swapped(atoms: Sequence[Atom]) -> list[Atom]:
    """Residues 20 and 21 in the other order."""
    return sorted(atoms, key=lambda atom: {20: 21, 21: 20}.get(atom.number, atom.number))


def exchanged(atoms: Sequence[Atom]) -> list[Atom]:
    """Residues 4 and 5 under each other's number."""
    other = [atom._replace(number={4: 5, 5: 4}.get(atom.number, atom.number)) for atom in atoms]
    return sorted(other, key=lambda atom: atom.number)


REFUSED: dict[str, tuple[Callable[[Sequence[Atom]], Sequence[Atom]], str]] = {
    "mirror": (mirrored, "handedness rmsd tm-score"),
    "mirror with errors": (lambda atoms: mirrored(noisy(atoms, 0.5)), "handedness rmsd tm-score"),
    "random walk": (walked, "clashes rmsd tm-score"),
    "cloud": (cloud, "ca-distances clashes handedness rmsd tm-score"),
    "one point": (at_one_point, "ca-distances clashes handedness radius-of-gyration rmsd tm-score"),
    "stretched": (
        lambda atoms: [a._replace(x=2 * a.x, y=2 * a.y, z=2 * a.z) for a in atoms],
        "ca-distances radius-of-gyration rmsd tm-score",
    ),
    "torn": (
        lambda atoms: [a._replace(z=a.z - 30 * (a.number > 40)) for a in atoms],
        "ca-distances radius-of-gyration rmsd tm-score",
    ),
    "names shifted": (renamed, "sequence"),
    "places shifted": (shifted, "rmsd tm-score"),
    "order swapped": (swapped, "residues"),
    "numbers exchanged": (exchanged, "sequence"),
    "counted from 0": (lambda atoms: [a._replace(number=a.number - 1) for a in atoms], "residues"),
    "residue missing": (lambda atoms: [a for a in atoms if a.number != 30], "residues"),
    "last residue missing": (lambda atoms: [a for a in atoms if a.number != 76], "residues"),
    "residue twice": (lambda atoms: [*atoms, *(a for a in atoms if a.number == 76)], "atoms"),
    "atom missing": (lambda atoms: [*atoms[:100], *atoms[101:]], "atoms"),
    "atom twice": (lambda atoms: [atoms[0], *atoms], "atoms"),
    "all twice": (lambda atoms: [a for a in atoms for _ in range(2)], "atoms"),
    "Cα missing": (lambda atoms: [a for a in atoms if (a.number, a.name) != (5, "CA")], "atoms"),
    "strange atom": (lambda atoms: [*atoms[:1], atoms[0]._replace(name="XX", x=99.0), *atoms[1:]], "atoms"),
    "another chain's name": (lambda atoms: [a._replace(chain="B") for a in atoms], "residues"),
    "two chains": (lambda atoms: [*atoms, *(a._replace(chain="B", x=a.x + 60) for a in atoms)], "residues"),
    "two models": (lambda atoms: [*atoms, *(a._replace(model=2) for a in atoms)], "structures"),
    "NaN": (lambda atoms: [atoms[0]._replace(x=math.nan), *atoms[1:]], "finite"),
    "infinity": (lambda atoms: [atoms[0]._replace(y=-math.inf), *atoms[1:]], "finite"),
    "pLDDT NaN": (lambda atoms: [atoms[0]._replace(b=math.nan), *atoms[1:]], "finite"),
    "huge": (lambda atoms: [a._replace(x=a.x * 1e300) for a in atoms], "ca-distances radius-of-gyration"),
    "pLDDT huge": (lambda atoms: [a._replace(b=1e300) for a in atoms], "plddt-varies plddt-mean"),
    "pLDDT constant": (lambda atoms: [a._replace(b=88.0) for a in atoms], "plddt-varies"),
    "pLDDT all 0": (lambda atoms: [a._replace(b=0.0) for a in atoms], "plddt-varies plddt-mean"),
    "pLDDT low": (lambda atoms: [a._replace(b=a.b - 40) for a in atoms], "plddt-mean"),
    "pLDDT of 0 to 1": (lambda atoms: [a._replace(b=a.b / 100) for a in atoms], "plddt-mean"),
    "pLDDT below 0": (lambda atoms: [a._replace(b=-a.b) for a in atoms], "plddt-mean"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_and_by_which_line(tmp_path: Path, case: str) -> None:
    change, due = REFUSED[case]
    found = judged(written(tmp_path, change(CRYSTAL)))
    assert failed(found) == set(due.split())
    assert verdict(found.criteria) == "refused"


def test_hydrogens_and_a_last_oxygen_do_no_harm(tmp_path: Path) -> None:
    last = CRYSTAL[-1]
    more = [last._replace(name="OXT", x=last.x + 1.2), last._replace(name="H", element="H", x=last.x - 1)]
    assert not failed(judged(written(tmp_path, [*CRYSTAL, *more])))


def test_a_line_says_what_is_wrong(tmp_path: Path) -> None:
    low = [atom._replace(b=atom.b / 100) for atom in CRYSTAL]
    found = judged(written(tmp_path / "a", low))
    assert "on 0 to 1" in line(found, "plddt-mean").evidence[0]
    found = judged(written(tmp_path / "b", mirrored(CRYSTAL)))
    assert line(found, "handedness").observed == "0 of 70"
    assert "mirror image" in line(found, "handedness").evidence[0]
    found = judged(written(tmp_path / "c", [atom for atom in CRYSTAL if (atom.number, atom.name) != (1, "CE")]))
    assert line(found, "atoms")[3:6] == ("601 without hydrogen and OXT", "600", ("chain A, MET 1: CE is missing",))
    found = judged(written(tmp_path / "d", [atom for atom in CRYSTAL if atom.number != 30]))
    assert line(found, "residues").evidence == ("chain A has 75 residues, not 76 from 1 on: residue 31 stands where 30 is due",)
    assert line(found, "sequence").status is Status.SKIPPED
    found = judged(written(tmp_path / "e", CRYSTAL, confidences={"chain_ptm": {"A": [1, math.nan]}, "gpde": -math.inf}))
    assert failed(found) == {"finite"}
    assert line(found, "finite").observed == "not finite in the confidences: chain_ptm.A, gpde"


def test_all_samples_are_judged_and_the_worst_is_named(tmp_path: Path) -> None:
    found = judged(written(tmp_path / "a", CRYSTAL, mirrored(CRYSTAL), noisy(CRYSTAL, 0.5)))
    assert failed(found) == {"handedness", "rmsd", "tm-score"}
    assert line(found, "handedness").evidence[0] == "1 of 3 fail; the worst is ubiquitin, seed 42, sample 2"
    assert line(found, "rmsd").evidence == ("the mean of 3; the worst is ubiquitin, seed 42, sample 2: 10.69 Å",)
    assert [round(sample.tm_score or 0, 2) for sample in found.samples] == [1, 0.31, 0.94]


def test_one_outlier_among_good_samples_is_a_warning(tmp_path: Path) -> None:
    found = judged(written(tmp_path, CRYSTAL, CRYSTAL, CRYSTAL, shifted(CRYSTAL)))
    assert ids(found, Status.WARNING) == {"rmsd", "tm-score"}
    assert verdict(found.criteria) == "believed"


def test_samples_that_are_due_and_not_there(tmp_path: Path) -> None:
    directory = written(tmp_path, CRYSTAL, CRYSTAL)
    assert failed(judged(directory, samples=3)) == {"structures"}
    (tmp_path / "ubiquitin/seed_42/ubiquitin_seed_42_sample_2_model.cif").unlink()
    assert failed(judged(directory)) == {"structures"}
    (tmp_path / "model_config.json").unlink()
    assert failed(judged(directory)) == {"structures"}  # its confidences are there


def test_a_query_of_another_name_is_named(tmp_path: Path) -> None:
    found = judged(written(tmp_path, CRYSTAL, query="ubq"))
    assert failed(found) == {"structures"}
    assert line(found, "structures").evidence[-1] == "of another query: ubq"


def test_however_far_away_it_is_compared_or_refused(tmp_path: Path) -> None:
    for k, far in enumerate((1e9, 1e15, 1e17, 1e99, 1e101)):
        found = judged(written(tmp_path / str(k), [atom._replace(x=atom.x + far) for atom in CRYSTAL]))
        assert failed(found) or line(found, "rmsd").status is Status.OK


# Summaries and logs.

SUMMARIES = {
    "one failed": (summary(successful=0, failed=1, unlucky="ubiquitin"), "COMPLETE, 0 of 1, 1 failed"),
    "incomplete": (summary("INCOMPLETE (Rank 0)"), "INCOMPLETE (Rank 0), 1 of 1"),
    "none processed": (summary(successful=0), "COMPLETE, 0 of 0"),
    "more than was asked": (summary(successful=2), "COMPLETE, 2 of 2"),
    "counts that do not add up": (summary().replace("Processed: 1", "Processed: 2"), "COMPLETE, 1 of 2"),
    "cut off": (summary()[:150], "summary.txt is no summary of OpenFold3's"),
    "another file": ("Successful Queries: 1\n", "summary.txt is no summary of OpenFold3's"),
    "empty": ("", "summary.txt is no summary of OpenFold3's"),
}


@pytest.mark.parametrize("case", SUMMARIES)
def test_summaries_that_do_not_do(tmp_path: Path, case: str) -> None:
    directory = written(tmp_path, CRYSTAL)
    text, observed = SUMMARIES[case]
    (tmp_path / "summary.txt").write_text(text)
    found = judged(directory)
    assert failed(found) == {"summary"}
    assert line(found, "summary").observed == observed


def test_no_summary_and_one_of_a_rank_that_lost_the_others(tmp_path: Path) -> None:
    directory = written(tmp_path, CRYSTAL)
    (tmp_path / "summary.txt").unlink()
    assert line(judged(directory), "summary").observed == "summary.txt: No such file or directory"
    (tmp_path / "fallback_summary_rank_1.txt").write_text(summary("INCOMPLETE (Rank 1)"))
    assert line(judged(directory), "summary").observed.startswith("INCOMPLETE (Rank 1)")


def test_what_is_older_than_the_run_is_not_of_it(tmp_path: Path) -> None:
    directory = written(tmp_path, CRYSTAL)
    os.utime(tmp_path / "summary.txt", (1, 1))
    found = judged(directory)
    assert failed(found) == {"summary"}
    assert "older than experiment_config.json" in line(found, "summary").evidence[0]
    assert not failed(judged(directory, fresh=True)), "where nothing else was, the clock has jumped"


def copied(directory: str, seconds: float, skip_existing: bool) -> Judgement:
    """Judged after a copy without times that took so long, and came to the settings last; inference took 8.5 s."""
    config = Path(directory) / "experiment_config.json"
    config.write_text(json.dumps({"experiment_settings": {"skip_existing": skip_existing}}))
    for number, path in enumerate(sorted(Path(directory).rglob("*"))):
        os.utime(path, (1e9 + number / 1000,) * 2)
    os.utime(config, (1e9 + seconds,) * 2)
    return judged(directory)


def test_a_copy_without_times_is_no_earlier_run(tmp_path: Path) -> None:
    directory = written(tmp_path, CRYSTAL)
    (timing,) = tmp_path.rglob("timing.json")
    timing.write_text('{"runtime_s": 85.0}')
    assert ids(copied(directory, 5.0, skip_existing=False), Status.OK) == set(TITLES)
    assert failed(copied(directory, 15.0, skip_existing=False)) == {"summary"}
    found = copied(directory, 5.0, skip_existing=True)
    assert ids(found, Status.WARNING) == {"summary"}
    assert "skip_existing" in line(found, "summary").evidence[0]


def test_an_error_log_is_quoted_and_one_of_an_earlier_run_is_a_warning(tmp_path: Path) -> None:
    directory = written(tmp_path, CRYSTAL)
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs/predict_err_rank0.log"
    log.write_text("====\nQuery ID(s): ubiquitin\nError Type: RuntimeError\nError Message: \x1b[31mno kernel\nTraceback: …\n")
    found = judged(directory)
    assert failed(found) == {"error-log"}
    assert [text.partition(": ")[2] for text in line(found, "error-log").evidence] == [
        "Query ID(s): ubiquitin",
        "Error Type: RuntimeError",
        "Error Message:  [31mno kernel",
    ]
    os.utime(log, (1, 1))
    assert ids(judged(directory), Status.WARNING) == {"error-log"}


# Where there is nothing to judge.


def test_nothing_is_never_believed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("")
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name in ("not there", "empty", "other", "file", "odd\0name"):
        found = judged(tmp_path / name)
        assert ids(found, Status.SKIPPED) == set(TITLES)
        assert verdict(found.criteria) == "unknown"
    assert failed(judged(tmp_path / "empty", fresh=True)) == {"summary", "structures"}
    found = judge(written(tmp_path / "out", CRYSTAL), (), reference=True)
    assert verdict(found.criteria) == "unknown"


def test_only_ubiquitin_is_compared(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only ubiquitin"):
        judge(written(tmp_path, CRYSTAL), (COMPLEX,), reference=True)


# Trees that were recorded: tests/predictions/make.py.

GEOMETRY = "ca-distances handedness radius-of-gyration plddt-mean rmsd tm-score"
RECORDED = {
    "random-weights": GEOMETRY,
    "nan-weights": "finite",
    "deepspeed-missing": "summary error-log structures",
    "deepspeed-missing-0.3.1": "summary error-log structures",
    "cuequivariance-missing": "summary error-log structures",
    "triton-missing": "summary error-log structures",
    "unknown-ligand": "summary structures",
    "good-and-bad": "summary structures",
    "skip-existing": f"summary {GEOMETRY}",
    "pdb": GEOMETRY,
    "pdb-too-far": "summary structures",
    "cif-gz": GEOMETRY,
    "two-samples": GEOMETRY,
    "openfold3-0.4.5": GEOMETRY,
    "openfold3-0.3.1": GEOMETRY,
    "complex": "ca-distances handedness",
}
COMPLEX = Query(
    "a complex",
    (
        Chain("protein", ("A", "B"), "MQSFVKTLTG", {3: "SEP"}),
        Chain("rna", ("R",), "GAUC"),
        Chain("dna", ("D",), "GATC"),
        Chain("ligand", ("L",)),
        Chain("ligand", ("M",)),
    ),
)
QUERIES = {"complex": (COMPLEX,), "good-and-bad": (UBIQUITIN, UBIQUITIN._replace(name="unknown"))}


def test_each_recorded_tree_has_its_verdict() -> None:
    assert set(CASES) == set(RECORDED)


@pytest.mark.parametrize("case", CASES)
def test_recorded_trees(tmp_path: Path, case: str) -> None:
    directory = recorded(case, tmp_path) / "out"
    due = set(RECORDED[case].split())
    if case == "good-and-bad":
        due |= set(GEOMETRY.split())
    found = judge(os.fspath(directory), QUERIES.get(case, (UBIQUITIN,)), reference=case != "complex")
    # Of random coordinates, half of the amino acids are left-handed.
    assert failed(found) | {"handedness"} == due | {"handedness"}
    assert verdict(found.criteria) == "refused"
    assert all(sample.seed in ("42", "7", "8") for sample in found.samples)
    if found.samples[0].plddt is not None:
        assert found.seconds is not None


def test_a_complex_of_all_kinds(tmp_path: Path) -> None:
    directory = os.fspath(recorded("complex", tmp_path) / "out")
    found = judge(directory, (COMPLEX,), reference=False)
    assert not {criterion.id for criterion in found.criteria} & set(COMPARISON)
    assert line(found, "residues").observed == "A: 10, B: 10, R: 4, D: 4, L: 1, M: 1"
    assert line(found, "sequence").observed == "28 of 28"
    assert line(found, "atoms").observed == "140"
    wrong = COMPLEX._replace(chains=(COMPLEX.chains[0]._replace(modified={}), *COMPLEX.chains[1:]))
    found = judge(directory, (wrong,), reference=False)
    assert line(found, "sequence").evidence == ("chain A, residue 3: SEP, not SER", "chain B, residue 3: SEP, not SER")
    less = COMPLEX._replace(chains=COMPLEX.chains[:-1])
    found = judge(directory, (less,), reference=False)
    assert line(found, "residues").evidence == ("chain M is not in the query",)


def test_a_ligand_alone_has_no_protein_to_judge(tmp_path: Path) -> None:
    atoms = [Atom("L", 1, "LIG", f"C{k}", "C", 1.5 * k, 0, 0, 50 + k) for k in range(12)]
    found = judge(written(tmp_path, atoms), (Query("ubiquitin", (Chain("ligand", ("L",)),)),), reference=False)
    assert ids(found, Status.SKIPPED) == {"sequence", "atoms", "ca-distances", "handedness"}
    assert verdict(found.criteria) == "believed"


# Hostile trees.


class Tree:
    """A directory that ends with the example."""

    def __enter__(self) -> Path:
        import tempfile

        self.held = tempfile.TemporaryDirectory(prefix="tree-")
        return Path(self.held.name) / "out"

    def __exit__(self, *_: object) -> None:
        self.held.cleanup()


JUNK = st.one_of(
    st.just("fifo"),
    st.just("directory"),
    st.just("/dev/zero"),
    st.just("/nowhere"),
    st.binary(max_size=200),
    st.just(b"[" * 100 + b"]" * 100),
    st.just(b"[" * 200_000),
    st.just(b'{"experiment_settings": {"seeds": ["x", null, {}]}, "architecture": []}'),
    st.just(b'{"experiment_settings": {"seeds": [-1, 7000000000000000000000]}}'),
    st.just(b'{"avg_plddt": true}'),
    st.just(b'{"avg_plddt": 1e999, "runtime_s": "now"}'),
    st.just(b'{"avg_plddt": ' + b"9" * 400 + b', "runtime_s": ' + b"9" * 400 + b"}"),
)
FILES = [f"{STEM}_model.cif", f"{STEM}_confidences_aggregated.json", "summary.txt", "experiment_config.json", "model_config.json"]
FILES += [
    "ubiquitin/seed_42/timing.json",
    "logs/predict_err_rank0.log",
    "fallback_summary_rank_0.txt",
    "logs",
    "ubiquitin",
    "ubiquitin/seed_42",
]


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(FILES), JUNK, min_size=1, max_size=3), st.booleans())
def test_a_hostile_tree_hangs_and_breaks_nothing(junk: dict[str, str | bytes], reference: bool) -> None:
    with Tree() as tree:
        written(tree, CRYSTAL[:40])
        for name, what in junk.items():
            path = tree / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_dir():
                    path.rename(tree.with_name(f"gone-{name.replace('/', '-')}"))
                path.unlink(missing_ok=True)
                if what == "fifo":
                    os.mkfifo(path)
                elif what == "directory":
                    path.mkdir()
                elif isinstance(what, str):
                    path.symlink_to(what)
                else:
                    path.write_bytes(what)
            except (FileExistsError, NotADirectoryError):
                continue
        began = time.monotonic()
        found = judge(os.fspath(tree), (UBIQUITIN,), reference=reference)
        assert time.monotonic() - began < 5
        assert verdict(found.criteria) != "believed"
        assert all(text.isprintable() for criterion in found.criteria for text in (criterion.observed, *criterion.evidence))


@pytest.mark.parametrize("name", ["a b", "µ \x1b[31m", "..", "a/b", "x" * 300, "odd\0name", "\udcff", "*", "seed_1"])
def test_odd_names_of_queries(tmp_path: Path, name: str) -> None:
    query = UBIQUITIN._replace(name=name)
    try:
        written(tmp_path / "out", CRYSTAL, query="q" if "/" in name or name == ".." else name)
    except (OSError, ValueError):
        written(tmp_path / "other", CRYSTAL)
        found = judge(os.fspath(tmp_path / "other"), (query,), reference=True)
        assert failed(found) == {"structures"}
        return
    found = judge(os.fspath(tmp_path / "out"), (query,), reference=True)
    assert failed(found) == ({"structures"} if "/" in name or name == ".." else set())


def test_many_atoms_in_one_place_take_no_time(tmp_path: Path) -> None:
    atoms = [Atom("A", 1, "MET", f"X{k}", "C", 1.0, 1.0, 1.0, 50.0) for k in range(8_000)]
    began = time.process_time()
    found = judged(written(tmp_path, atoms))
    assert {"residues", "clashes"} <= failed(found)
    assert time.process_time() - began < 5


def test_config_that_asks_for_more_than_anyone_would(tmp_path: Path) -> None:
    directory = written(tmp_path, CRYSTAL)
    (tmp_path / "experiment_config.json").write_text(json.dumps({"experiment_settings": {"seeds": list(range(30_000))}}))
    (tmp_path / "model_config.json").write_text('{"architecture": {"shared": {"diffusion": {"no_full_rollout_samples": 20000}}}}')
    found = judged(directory)
    assert {"summary", "structures"} <= failed(found)
    assert line(found, "structures").evidence[-1] == "no more than 2000 are judged"


def test_a_table_of_atoms_that_breaks_off_is_told_with_its_line(tmp_path: Path) -> None:
    directory = written(tmp_path, CRYSTAL)
    text = cif(CRYSTAL)
    (tmp_path / f"{STEM}_model.cif").write_text(text[: len(text) // 2])
    found = judged(directory)
    assert failed(found) == {"structures"}
    said = "the loop of line 3 ends within a row (16 values too many)"
    assert line(found, "structures").evidence == (f"{STEM}_model.cif: line 323: {said}",)
