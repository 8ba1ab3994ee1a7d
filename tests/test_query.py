"""Query files: our own reading of OpenFold3's schema, by version, and what real parsers make of the same files."""

import json
import os
import subprocess
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases import RELEASES, releases
from sparkdoctor import query
from sparkdoctor.query import Chain, Problem, Query, nouns, schema

HERE = Path(__file__).parent
FILES = {path.stem: path for path in sorted((HERE / "queries").glob("*.json"))}
NUMBERS = {"0.3.1": (0, 3, 1), "0.4.0": (0, 4, 0), "0.4.5": (0, 4, 5), "0.5.0": (0, 5, 0)}
# What becomes of a file in each of these: `rejected` by the parser, or accepted and then it `fails` (or something else is
# predicted than is written), or a part of it is `ignored`. One word where all are alike.
TABLE = {
    "alphafold3": "rejected",
    "alphafold_server": "rejected",
    "bare_ligand": "fails",
    "bom": "rejected",
    "bonds": "ignored",
    "bonds_by_name": "rejected",
    "chain_extra": "rejected",
    "chains_object": "rejected",
    "comment": "rejected",
    "component_small": "fails",
    "cut_short": "rejected",
    "cyclic": "rejected rejected ok ok",
    "description": "rejected ok ok ok",
    "dots": "fails",
    "empty": "rejected",
    "escaped_break": "fails",
    "homodimer": "ok",
    "id_alone": "ok",
    "id_number": "rejected",
    "latin1": "rejected",
    "ligands": "ok",
    "line_break": "rejected",
    "lone_surrogate": "rejected",
    "long_id": "fails",
    "lower_case": "fails",
    "modified": "ok",
    "msa_missing": "rejected",
    "msas_off": "ok",
    "nan": "ignored",
    "nested": "rejected",
    "no_chains": "fails",
    "no_ids": "fails",
    "no_queries": "fails",
    "no_sequence": "fails",
    "nucleic": "ok",
    "one_residue": "fails",
    "pocket": "ignored ignored ok ok",
    "pocket_elsewhere": "ignored ignored rejected rejected",
    "position_outside": "fails",
    "position_word": "rejected",
    "protein": "ok",
    "queries_list": "rejected",
    "query_extra": "ignored",
    "query_name": "ignored",
    "rare_letters": "ignored",
    "residues_list": "rejected",
    "same_id": "fails",
    "seeds": "ignored",
    "seeds_default": "ok",
    "seeds_text": "rejected",
    "single_quotes": "rejected",
    "smiles_and_component": "fails",
    "t_in_rna": "fails",
    "templates": "rejected rejected ok ok",
    "templates_twice": "rejected",
    "templates_uneven": "rejected",
    "top_extra": "ignored",
    "trailing_comma": "rejected",
    "twice": "fails",
    "two_components": "fails",
    "two_documents": "rejected",
    "two_queries": "ok",
    "type_missing": "rejected",
    "type_number": "ok",
    "type_unknown": "rejected",
}


def expected(name: str, version: str) -> str:
    words = TABLE[name].split()
    return words[list(NUMBERS).index(version)] if len(words) > 1 else words[0]


def kind_of(path: str) -> str | None:
    """As OpenFold3 finds it: from where the command is started, here from above the tests."""
    found = HERE.parent / path
    return "file" if found.is_file() else "directory" if found.is_dir() else None


def read(name: str, version: str = "0.5.0") -> query.QuerySet:
    return query.read(FILES[name].read_bytes(), NUMBERS[version], kind_of)


def fate(found: query.QuerySet) -> str:
    return "rejected" if found.rejected else "fails" if found.fatal else "ignored" if found.problems else "ok"


def test_every_file_has_its_line() -> None:
    assert sorted(TABLE) == sorted(FILES)


@pytest.mark.parametrize("version", NUMBERS)
def test_what_becomes_of_a_file(version: str) -> None:
    found = {name: read(name, version) for name in TABLE}
    assert {name: fate(one) for name, one in found.items()} == {name: expected(name, version) for name in TABLE}
    for name, one in found.items():
        told(name, one)


def told(name: str, found: query.QuerySet) -> None:
    """Each problem with its place, in a line."""
    lines = FILES[name].read_bytes().count(b"\n") + 1
    for problem in found.problems:
        assert problem.line is not None
        assert 1 <= problem.line <= lines
        assert problem.fatal or not problem.rejected
        assert len(problem.text) < 200
    if fate(found) != "rejected":
        assert found.queries or name == "no_queries"


@pytest.mark.parametrize(
    ("name", "version", "where", "line", "words"),
    [
        (
            "type_unknown",
            "0.5.0",
            "queries.one.chains[0].molecule_type",
            6,
            '"prot" stands where protein, rna, dna or ligand is due',
        ),
        ("chain_extra", "0.5.0", "queries.one.chains[0].use_msas", 11, "belongs to the query"),
        ("cyclic", "0.3.1", "queries.one.chains[0].cyclic", 11, "is refused by OpenFold3 0.3.1: it came with 0.4.5"),
        ("pocket", "0.4.0", "queries.one.pocket_constraint", 20, "is ignored by OpenFold3 0.4.0: it came with 0.4.5"),
        ("msa_missing", "0.5.0", "queries.one.chains[0].main_msa_file_paths[0]", 12, '"tests/queries/none.a3m" does not exist'),
        ("position_outside", "0.5.0", "queries.one.chains[0].non_canonical_residues[99]", 12, "not in the sequence of 20"),
        ("component_small", "0.5.0", "queries.one.chains[1].ccd_codes", 17, "ATP is meant?"),
        ("same_id", "0.5.0", "queries.one.chains[1].chain_ids", 14, '"A" is in chains[0] already'),
        ("seeds", "0.5.0", "seeds", 2, "experiment_settings: {seeds: [7]} in the runner YAML"),
        ("top_extra", "0.3.1", "modelSeeds", 3, "experiment_settings: {seeds: [1]} in the runner YAML"),
        ("query_extra", "0.5.0", "queries.one.use_msa", 13, "use_msas is meant?"),
        ("dots", "0.5.0", "queries.one.chains[0].sequence", 10, '"." at 21'),
        ("lower_case", "0.5.0", "queries.one.chains[0].sequence", 10, "lower-case letters"),
        ("twice", "0.5.0", "queries.one.chains[0].sequence", 2, "what line 1 says is lost"),
        ("trailing_comma", "0.5.0", "", 1, "column 118: a comma too many"),
        ("comment", "0.5.0", "", 1, "column 1: JSON has no comments"),
        ("single_quotes", "0.5.0", "", 1, "column 2: JSON has double quotes only"),
        ("bom", "0.5.0", "", 1, "byte order mark"),
        ("latin1", "0.5.0", "", 1, "column 15: byte 0xe9 is not UTF-8"),
        ("cut_short", "0.5.0", "", 1, "column 61: the text ends where"),
        ("empty", "0.5.0", "", 1, "the file is empty"),
        ("line_break", "0.5.0", "", 1, "column 100: a text has a line break"),
        ("nested", "0.5.0", "", 1, "nested too deeply"),
        ("two_documents", "0.5.0", "", 2, "nothing more is due"),
        ("alphafold3", "0.5.0", "", 1, "AlphaFold 3's input format"),
    ],
)
def test_a_problem_has_its_place(name: str, version: str, where: str, line: int, words: str) -> None:
    found = [problem for problem in read(name, version).problems if words in problem.text]
    assert [(problem.where, problem.line) for problem in found] == [(where, line)], read(name, version).problems


def test_what_is_read() -> None:
    assert read("ligands").queries == (
        Query(
            "one",
            (
                Chain("protein", ("A",), "MQIFVKTLTGKTITLEVEPS"),
                Chain("ligand", ("B",), smiles="CCO"),
                Chain("ligand", ("C",), component="ATP"),
                Chain("ligand", ("D",), component="MG"),
            ),
        ),
    )
    assert read("modified").queries[0].chains[0].modified == {3: "SEP"}
    assert read("homodimer").queries[0].chains[0].ids == ("A", "B")
    assert read("id_alone").queries == read("type_number").queries == read("protein").queries
    assert read("seeds").seeds == (7,)


def test_without_a_release_the_newest_schema_counts() -> None:
    for path in FILES.values():
        newest = query.read(path.read_bytes(), (0, 5, 0), kind_of)
        assert query.read(path.read_bytes(), (), kind_of) == newest
        assert query.read(path.read_bytes(), (0, 6), kind_of) == newest


def test_files_are_looked_for_only_where_one_can_look() -> None:
    assert not query.read(FILES["msa_missing"].read_bytes()).problems


def test_too_large() -> None:
    found = query.read(b" " * (query.LIMIT + 1))
    assert found.rejected
    assert "larger than 16 MiB" in found.problems[0].text


def test_a_large_file_is_read_in_a_moment() -> None:
    chain = {"molecule_type": "protein", "chain_ids": ["A"], "sequence": "MQIFVKTLTG" * 100, "odd": 1}
    many = {"queries": {f"q{number}": {"chains": [chain]} for number in range(2000)}}
    found = query.read(json.dumps(many, indent=1))
    assert len(found.queries) == len(found.problems) == 2000
    assert found.problems[-1].where == "queries.q1999.chains[0].odd"


# --- real parsers


PARSE = """
import json, logging, pathlib, sys
from openfold3.projects.of3_all_atom.config.inference_query_format import InferenceQuerySet
logging.disable(50)
for name in sys.argv[1:]:
    try:
        InferenceQuerySet.from_json(name)
    except Exception as error:
        print(json.dumps([name, "rejected"]))
    else:
        print(json.dumps([name, "accepted"]))
"""
BUILD = """
import json, logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(50)
from openfold3.core.data.framework.single_datasets.inference import InferenceDataset
from openfold3.projects.of3_all_atom.config.inference_query_format import InferenceQuerySet
for name in sys.argv[1:]:
    try:
        for query in InferenceQuerySet.from_json(name).queries.values():
            atoms = InferenceDataset.get_structure_with_ref_mols(query)[0]
        print(json.dumps([name, sorted({str(residue) for residue in atoms.res_name}) + sorted(set(map(str, atoms.chain_id)))]))
    except Exception as error:
        print(json.dumps([name, "failed"]))
"""


def judged(python: Path, program: str, paths: Iterable[Path]) -> dict[Path, Any]:
    """What a real OpenFold3 says of each file."""
    command: list[str | Path] = [python, "-B", "-c", program, *paths]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, cwd=HERE.parent, env=env)
    lines = (json.loads(line) for line in ran.stdout.splitlines() if line.startswith('["/'))
    return {Path(path): answer for path, answer in lines}


class Parsed(NamedTuple):
    """What a real parser says: of our files, of odd documents, of what we suggest instead of AlphaFold 3's format."""

    files: dict[str, str]
    odd: dict[str, str]
    suggestions: list[str]


@pytest.fixture(scope="module")
def parsed(openfold3: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Parsed]:
    """The parser of a version; it is imported once, in seconds."""

    @cache
    def parse(version: str) -> Parsed:
        place = tmp_path_factory.mktemp("queries")
        odd = {place / f"{number}.json": text for number, text in enumerate(documents(int(version.replace(".", "")), 4000))}
        suggested = {place / f"{name}.json": suggestion(name) for name in ("alphafold3", "alphafold_server")}
        for path, text in (odd | suggested).items():
            path.write_text(text)
        said = judged(openfold3(version) / "python", PARSE, [*FILES.values(), *odd, *suggested])
        return Parsed(
            {name: said[path] for name, path in FILES.items()},
            {text: said[path] for path, text in odd.items()},
            [said[path] for path in suggested],
        )

    return parse


def suggestion(name: str) -> str:
    found = query.suggestion(FILES[name].read_text())
    assert found is not None
    return query.document(found.queries)


@releases(*RELEASES)
def test_the_real_parser_agrees(version: str, parsed: Callable[[str], Parsed]) -> None:
    ours = {name: "rejected" if expected(name, version) == "rejected" else "accepted" for name in FILES}
    assert parsed(version).files == ours


ODD: list[Any] = [
    *(None, True, 0, 2, 4, -1, 1.0, 0.5, 1e30, 10**25, float("nan"), "", "A", "protein", "Dna", "prot", "1", " 2 ", "3.0", "1_0"),
    *("yes", "OFF", "tests/queries", "tests/queries/empty.cif", "none", [], ["A"], ["A", "B"], [1], [None], {}, {"1": "SEP"}),
    *({"x": "SEP"}, {"1": 3}, [["A", 1, 2]], [[["A", 1, 2], ["B", 1, 0]]], [{"atom1": ["A", 1, 2], "atom2": ["B", "1", True]}]),
    *(["tests/queries/empty.cif"], {"ligand_chain_id": "L", "pocket_residues": [["A", 1]]}),
    {"ligand_chain_id": "Z", "pocket_residues": [], "max_distance": -1},
]
PIECES = ("", ",", '"', "}", "\\", "0", ".", "-", "e", "//", " ", "\n", "{", "[", "'", "é", "\\u00", "\\ud83d")


def documents(seed: int, number: int) -> list[str]:
    """Queries with odd values, some of them broken as JSON."""
    random = Random(seed)

    def odd(of: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
        return {**of, **{key: random.choice(ODD) for key in random.choices([*keys, "odd"], k=random.choice((0, 0, 0, 1, 2)))}}

    def chain() -> Any:
        kind, ids = random.choice(("protein", "ligand", "rna")), random.choice((["A"], ["L"], "L"))
        return odd({"molecule_type": kind, "chain_ids": ids}, schema._CHAIN) if random.random() < 0.99 else random.choice(ODD)

    found = []
    for _ in range(number):
        queries = {"u": odd({"chains": [chain() for _ in range(random.choice((1, 2, 3)))]}, schema._QUERY)}
        text = json.dumps(odd({"queries": queries}, ["seeds"] if random.random() < 0.2 else []))
        if random.random() < 0.1:
            at = random.randrange(len(text))
            text = text[:at] + random.choice(PIECES) + text[at + random.choice((0, 1, 2)) :]
        found.append(text)
    return found


@releases(*RELEASES)
def test_the_real_parser_agrees_on_thousands(version: str, parsed: Callable[[str], Parsed]) -> None:
    said = parsed(version).odd
    ours = {text: query.read(text, NUMBERS[version], kind_of) for text in said}
    assert [text for text, our in ours.items() if our.rejected != (said[text] == "rejected")] == []
    assert 1000 < sum(our.rejected for our in ours.values()) < 3000


@releases("0.5.0", "0.3.1")
def test_what_openfold3_makes_of_what_it_accepts(version: str, openfold3: Callable[[str], Path]) -> None:
    """Ends on it, or makes something else of it; what its run ends on before or after that is left out."""
    names = [name for name in TABLE if expected(name, version) in {"fails", "ok"} and name not in {"no_queries", "one_residue"}]
    said = judged(openfold3(version) / "python", BUILD, [FILES[name] for name in names])
    made = {path.stem: answer for path, answer in said.items()}
    failed = {name for name, answer in made.items() if answer == "failed"}
    assert failed == {
        *("bare_ligand", "component_small", "no_chains", "no_ids", "no_sequence", "smiles_and_component", "two_components"),
    }
    unknown = {name for name, answer in made.items() if name not in failed and {"UNK", "N"} & set(answer)}
    assert unknown == {"dots", "escaped_break", "lower_case", "nucleic", "t_in_rna"}  # (one of nucleic's is written as N)
    assert "CHAI" in made["long_id"]
    assert made["same_id"].count("A") == 1
    assert "SEP" not in made["position_outside"]
    assert "SEP" in made["modified"]


@releases(*RELEASES)
def test_a_suggestion_is_accepted_by_the_real_parser(version: str, parsed: Callable[[str], Parsed]) -> None:
    assert parsed(version).suggestions == ["accepted", "accepted"]


# --- AlphaFold 3's formats


def test_the_example_of_the_deployment_readme() -> None:
    found = query.suggestion(FILES["alphafold3"].read_text())
    assert found is not None
    assert found.queries == (Query("my_protein", (Chain("protein", ("A",), "MKTAYIAKQRQISFVKSHFSRQ..."),)),)
    assert len(found.lost) == 2
    assert "experiment_settings: {seeds: [42]}" in found.lost[0]
    assert "cut short by dots" in found.lost[1]
    (problem,) = query.read(query.document(found.queries)).problems
    assert (problem.rejected, problem.where) == (False, "queries.my_protein.chains[0].sequence")


def test_a_job_of_alphafold_server() -> None:
    found = query.suggestion(FILES["alphafold_server"].read_text())
    assert found is not None
    protein = Chain("protein", ("A", "B"), "MQIFVKTLTGKTITLEVEPS", {3: "SEP"})
    assert found.queries == (Query("a job", (protein, Chain("ligand", ("C",), component="MG"))),)
    assert not query.read(query.document(found.queries)).problems


def af3(*sequences: Any, **more: Any) -> str:
    return json.dumps({"name": "job", "modelSeeds": [1], "sequences": sequences, "dialect": "alphafold3", "version": 2, **more})


def test_what_cannot_be_carried_over_is_said() -> None:
    protein = {"id": ["A", "B"], "sequence": "mqifv ktltg", "unpairedMsa": ">x", "templates": [{}], "pairedMsa": ""}
    nucleic = {"id": "R", "sequence": "GACU", "modifications": [{"modificationType": "2MG", "basePosition": 1}, {"odd": 1}]}
    text = af3(
        {"protein": protein},
        {"rna": nucleic},
        {"ligand": {"id": "L", "ccdCodes": ["NAG", "BMA"]}},
        {"ligand": {"id": "S", "smiles": "CC(=O)O"}},
        {"glycan": {"id": "G"}},
        bondedAtomPairs=[[["A", 1, "CA"], ["L", 1, "C1"]]],
        userCCD="data_x",
    )
    found = query.suggestion(text)
    assert found is not None
    assert found.queries == (
        Query(
            "job",
            (
                Chain("protein", ("A", "B"), "MQIFVKTLTG"),
                Chain("rna", ("R",), "GACU", {1: "2MG"}),
                Chain("ligand", ("S",), smiles="CC(=O)O"),
            ),
        ),
    )
    said = "\n".join(found.lost)
    for words in (
        "modelSeeds",
        "bondedAtomPairs",
        "userCCD",
        "unpairedMsa of protein A, B",
        "templates of",
        "ligand L",
        "glycan G",
    ):
        assert words in said, words
    assert "pairedMsa" not in said.replace("unpairedMsa", "")
    assert len(found.lost) == 8


def test_jobs_of_one_name_stay_apart() -> None:
    job = json.loads(af3({"protein": {"id": "A", "sequence": "MQIFV"}}))
    found = query.suggestion(json.dumps([job, {**job, "name": "a/b"}, {**job, "name": ""}, job]))
    assert found is not None
    assert [one.name for one in found.queries] == ["job", "a_b", "query", "job_2"]


def test_no_other_file_is_taken_for_one_of_alphafold() -> None:
    taken = {name for name, path in FILES.items() if query.suggestion(path.read_bytes())}
    assert taken == {"alphafold3", "alphafold_server"}


# --- any text


def sound(problem: Problem) -> None:
    assert problem.text
    assert problem.line is None or problem.line > 0


@settings(max_examples=40)
@given(st.text(max_size=60) | st.text(alphabet="{}[]\",:\\u0aN \n1-.eE/#'", max_size=60) | st.binary(max_size=60))
def test_any_text_is_read(text: str | bytes) -> None:
    for problem in query.read(text).problems:
        sound(problem)
    query.suggestion(text)


@settings(max_examples=40)
@given(st.sampled_from(sorted(FILES)), st.integers(min_value=0), st.integers(0, 255), st.integers(0, 3))
def test_a_changed_file_is_read(name: str, position: int, byte: int, length: int) -> None:
    raw = FILES[name].read_bytes()
    at = position % (len(raw) + 1)
    changed = raw[:at] + bytes([byte]) * (length > 0) + raw[at + length :]
    for problem in query.read(changed, (0, 4, 0), lambda path: None if "x" in path else "file").problems:
        sound(problem)
    query.suggestion(changed)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["A", "protein", "ligand", "MQ", "ATP", "1", ""])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(sorted({*schema._CHAIN, *schema._QUERY, "1", "queries", "seeds", "sequences", "id"})),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=40)
@given(
    st.dictionaries(st.sampled_from([*schema._CHAIN, "odd"]), JSON, max_size=6),
    st.dictionaries(st.sampled_from([*schema._QUERY, "odd"]), JSON, max_size=3),
    JSON,
)
def test_any_values_are_read(chain: dict[str, Any], of_query: dict[str, Any], other: Any) -> None:
    usual = {"molecule_type": "protein", "chain_ids": ["A"], "sequence": "MQ"}
    for one in (
        {"queries": {"x": {"chains": [{**usual, **chain}, other], **of_query}}, "seeds": other},
        {"name": other, "sequences": [{"protein": chain}, other]},
        other,
    ):
        text = json.dumps(one)
        for problem in query.read(text).problems:
            sound(problem)
        if found := query.suggestion(text):
            assert not query.read(query.document(found.queries)).rejected


IDS = st.text(alphabet="ABCDEFGH0123", min_size=1, max_size=4)
CODES = st.text(alphabet="ABCXYZ0189", min_size=1, max_size=3)


@st.composite
def queries(draw: st.DrawFn) -> tuple[Query, ...]:
    names = draw(st.lists(st.text(alphabet="abc_- 19é", min_size=1, max_size=5), min_size=1, max_size=3, unique=True))
    return tuple(Query(name, draw(chains())) for name in names)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Chain, ...]:
    ids = draw(st.lists(IDS, min_size=2, max_size=6, unique=True))
    found = [Chain("protein", tuple(ids[:2]), draw(st.text(alphabet="ACDEFGHIKLMNPQRSTVWYX", min_size=2, max_size=9)))]
    for name in ids[2:]:
        kind = draw(st.sampled_from(["protein", "rna", "dna", "smiles", "component"]))
        if kind in nouns.POLYMERS:
            sequence = draw(st.text(alphabet=nouns.POLYMERS[kind], min_size=1, max_size=9))
            modified = draw(st.dictionaries(st.integers(1, len(sequence)), CODES, max_size=2))
            found.append(Chain(kind, (name,), sequence, modified))
        else:
            code = draw(CODES)
            found.append(Chain("ligand", (name,), smiles=code) if kind == "smiles" else Chain("ligand", (name,), component=code))
    return tuple(found)


@settings(max_examples=40)
@given(queries(), st.sampled_from([*NUMBERS.values(), ()]))
def test_what_is_written_is_read(given_: tuple[Query, ...], release: tuple[int, ...]) -> None:
    found = query.read(query.document(given_), release)
    assert found.queries == given_
    assert found.problems == ()


WRITTEN: dict[str, Callable[[Chain], dict[str, Any]]] = {
    "protein": lambda chain: {
        "sequence": chain.sequence,
        "modifications": [{"ptmType": code, "ptmPosition": at} for at, code in chain.modified.items()],
    },
    "rna": lambda chain: {
        "sequence": chain.sequence,
        "modifications": [{"modificationType": code, "basePosition": at} for at, code in chain.modified.items()],
    },
    "ligand": lambda chain: {"smiles": chain.smiles} if chain.smiles else {"ccdCodes": [chain.component]},
}
WRITTEN["dna"] = WRITTEN["rna"]


@settings(max_examples=40)
@given(queries())
def test_alphafold_3_s_document_means_the_same(given_: tuple[Query, ...]) -> None:
    jobs = [
        {
            "name": one.name,
            "sequences": [{chain.kind: {"id": list(chain.ids), **WRITTEN[chain.kind](chain)}} for chain in one.chains],
        }
        for one in given_
    ]
    found = query.suggestion(json.dumps(jobs))
    assert found == query.Suggestion(given_, ())


# --- files that are no JSON

UBIQUITIN = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HEADER    X\nATOM      1  N   MET A   1\n", "PDB"),
        ("data_1UBQ\n#\n_entry.id 1UBQ\n", "mmCIF"),
        (f">a\n{UBIQUITIN}\n>b\n--{UBIQUITIN[2:]}\n", "main_msa_file_paths"),
        (f">a\n{UBIQUITIN}\n", "FASTA"),
        ("experiment_settings:\n  seeds: [1]\n", "--runner-yaml"),
        ("queries:\n  a:\n", "this is YAML"),
        ("id,sequence\na,MQ\n", "CSV"),
        ("\n  RDKit\n\nM  END\n$$$$\n", "SMILES"),
        ("<!DOCTYPE html>", "HTML"),
        ('{"queries": {}}'.encode("utf-16"), "UTF-16"),
        ('{"queries": {}}'.encode("utf-16-le"), "UTF-16"),
        (b"\x1f\x8b\x08\0", "unpack"),
        (b"\x7fELF\0\0", "binary"),
    ],
)
def test_what_a_file_is_instead(text: str | bytes, words: str) -> None:
    (problem,) = query.read(text).problems
    assert words in problem.text
    assert problem.rejected


def test_fasta_is_rewritten() -> None:
    found = query.suggestion(f"\ufeff>sp|P0CG48|UBC some words\r\n{UBIQUITIN[:40]}\r\n{UBIQUITIN[40:]}*\r\n")
    assert found is not None
    assert (found.form, found.lost) == ("FASTA", ())
    assert found.queries == (Query("sp_P0CG48_UBC", (Chain("protein", ("A",), UBIQUITIN),)),)
    several = query.suggestion(f">x\nACGT:{UBIQUITIN}\n>x\nACGU\n")
    assert several is not None
    assert [(one.name, [(chain.kind, chain.ids) for chain in one.chains]) for one in several.queries] == [
        ("x", [("dna", ("A",)), ("protein", ("B",))]),
        ("x_2", [("rna", ("A",))]),
    ]
    assert several.lost
    marked = query.suggestion(f">A|protein|x.a3m\n{UBIQUITIN}\n>ligand|name=y\nC[C-]\n>C|ccd\natp\n")
    assert marked is not None
    assert [chain.smiles or chain.component or chain.kind for chain in marked.queries[0].chains] == ["protein", "C[C-]", "ATP"]
    bare = query.suggestion(f"{UBIQUITIN[:40]}\n{UBIQUITIN[40:]}\n")
    assert bare is not None
    assert bare.queries[0].chains[0].sequence == UBIQUITIN
    assert query.suggestion("Hello world, this is a text\n") is None


def test_boltz_s_input_is_rewritten() -> None:
    found = query.suggestion(
        f"version: 1\nsequences:\n- protein: {{id: [A, B], sequence: {UBIQUITIN}, modifications: [{{position: 1, ccd: MSE}}]}}\n"
        "- ligand: {id: C, ccd: ATP}\nconstraints: [{}]\n"
    )
    assert found is not None
    assert found.form == "Boltz's input format"
    protein, ligand = found.queries[0].chains
    assert (protein.ids, dict(protein.modified), ligand.component) == (("A", "B"), {1: "MSE"}, "ATP")
    assert any("constraints" in words for words in found.lost)


@given(st.text(alphabet=">ACGTU|:-*. \n\rprotein", max_size=60))
def test_any_fasta_is_rewritten_into_what_is_read(text: str) -> None:
    if found := query.suggestion(text):
        again = query.read(query.document(found.queries))
        assert not again.rejected
        assert [one.name for one in again.queries] == [one.name for one in found.queries]


def test_what_stands_beside_queries_and_a_protein_of_nucleotides() -> None:
    chain = {"molecule_type": "protein", "chain_ids": ["A"], "sequence": "ACGT" * 6}
    (alone,) = query.read(json.dumps({"chains": [chain]})).fatal
    assert "this is one query" in alone.text
    (named,) = query.read(json.dumps({"u": {"chains": [chain]}})).fatal
    assert "belongs in it" in named.text
    (doubt,) = query.read(json.dumps({"queries": {"u": {"chains": [chain]}}})).problems
    assert "dna or rna is meant" in doubt.text
    assert not doubt.fatal
