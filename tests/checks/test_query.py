"""The check of a query file, on facts made by hand; its remedy is really followed."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from by_hand import CHECKS, FAILED, OK, WARNING, command_of, judge
from sparkdoctor import query
from sparkdoctor.facts import QueryFile
from sparkdoctor.facts.query import Answer, Refusal
from sparkdoctor.model import Broken, Missing, Report, Result, Verdict
from sparkdoctor.render import terminal

GOOD = {"queries": {"u": {"chains": [{"molecule_type": "protein", "chain_ids": ["A"], "sequence": "MQIFV"}]}}}
CHAIN = GOOD["queries"]["u"]["chains"][0]
ACCEPTED = Answer()
ABSENT = Missing("OpenFold3 is not installed")
REFUSED = Answer((Refusal("queries.u.chains[0].molecule_type", "Input should be 0, 1, 2 or 3", "enum"),), 1)
AF3 = {"name": "it's $HOME", "modelSeeds": [42], "sequences": [{"protein": {"id": "A", "sequence": "MKTAYIAKQR"}}]}


def fact(
    document: Any = GOOD, answer: Answer | Missing = ACCEPTED, version: str | None = "0.5.0", path: str = "/q.json"
) -> QueryFile:
    text = json.dumps(document, indent=1)
    return QueryFile(path, version, query.read(text, (0, 5, 0)), answer, query.suggestion(text))


def chain(**changes: Any) -> dict[str, Any]:
    return {"queries": {"u": {"chains": [{**CHAIN, **changes}]}}}


def test_a_good_query_says_what_it_is_and_who_read_it() -> None:
    verdict = judge("query-invalid")
    assert verdict.status is OK
    assert (
        verdict.summary == "1 query: ubiquitin (protein A, 10 residues; ligand B, C, ATP); read by OpenFold3 0.5.0's own parser"
    )
    verdict = judge("query-invalid", fact(answer=ABSENT, version=None))
    assert verdict.summary == "1 query: u (protein A, 5 residues); read by our own reading of the schema of OpenFold3 0.5.0"
    verdict = judge("query-invalid", fact(answer=Broken("it crashed"), version="0.4.5"))
    assert verdict.status is OK
    assert verdict.evidence == ("read by our own reading of the schema of OpenFold3 0.4.5: it crashed",)


def test_many_queries_are_told_in_a_line() -> None:
    many = {"queries": {f"q{number}": {"chains": [{**CHAIN, "chain_ids": list("ABCDE")}]} for number in range(50)}}
    summary = judge("query-invalid", fact(many)).summary
    assert summary.startswith("50 queries: q0 (protein A, B, C and 2 more, 5 residues), q1 ")
    assert " and 47 more; read by" in summary


@pytest.mark.parametrize("answer", [ABSENT, REFUSED])
def test_what_is_rejected_has_its_place_and_what_is_due(answer: Answer | Missing) -> None:
    verdict = judge("query-invalid", fact(chain(molecule_type="prot"), answer))
    assert verdict.status is FAILED
    assert verdict.evidence[0] == (
        'queries.u.chains[0].molecule_type (line 6): "prot" stands where protein, rna, dna or ligand is due'
    )
    who = "refused by OpenFold3 0.5.0's own parser: 1 error" if answer is REFUSED else "our own reading"
    assert who in verdict.evidence[-1]
    assert len(verdict.evidence) == 2, "the parser says no more than we do"
    assert command_of(verdict) == "sparkdoctor check query-invalid --query /q.json"


def test_what_is_accepted_and_fails_is_failed_all_the_same() -> None:
    verdict = judge("query-invalid", fact(chain(sequence="mqifv")))
    assert verdict.status is FAILED
    assert "unknown residues" in verdict.summary
    assert verdict.evidence[-1] == "accepted by OpenFold3 0.5.0's own parser"


def test_the_installed_parser_wins() -> None:
    verdict = judge("query-invalid", fact(chain(new_key=1), Answer()))
    assert verdict.status is OK
    assert "own parser" in verdict.summary
    verdict = judge("query-invalid", fact(chain(new_key=1, sequence="MQ*"), Answer()))
    assert verdict.status is FAILED
    assert "new_key" not in verdict.summary
    assert [line for line in verdict.evidence if "would refuse it, which does not count" in line]
    verdict = judge("query-invalid", fact(GOOD, REFUSED))
    assert verdict.status is FAILED
    assert verdict.summary == "/q.json: queries.u.chains[0].molecule_type: Input should be 0, 1, 2 or 3"


def test_a_refusal_whose_words_were_lost_is_one() -> None:
    verdict = judge("query-invalid", fact(GOOD, Answer((), 3)))
    assert verdict.status is FAILED
    assert verdict.summary == "/q.json: refused by OpenFold3 0.5.0's own parser: 3 errors"


def test_what_biotite_does_not_know_is_told_once() -> None:
    where = "queries.u.chains[0].non_canonical_residues[2]"
    unknown = Answer(unknown=(Refusal(where, "'ZZZ' is not in the dictionary", "x"),))
    verdict = judge("query-invalid", fact(chain(non_canonical_residues={"2": "ZZZ"}), unknown))
    assert verdict.status is FAILED
    assert verdict.evidence[0] == f"{where}: 'ZZZ' is not in the dictionary"
    verdict = judge("query-invalid", fact(chain(non_canonical_residues={"2": "zzz"}), unknown))
    assert len(verdict.evidence) == 2


def test_what_has_no_effect_is_a_warning() -> None:
    verdict = judge("query-invalid", fact({**GOOD, "modelSeeds": [5], "seeds": [7]}))
    assert verdict.status is WARNING
    assert "modelSeeds (line " in verdict.evidence[0]
    assert "experiment_settings: {seeds: [5]} in the runner YAML" in verdict.evidence[0]
    assert "{seeds: [7]}" in verdict.evidence[1]
    assert verdict.evidence[-1] == "1 query: u (protein A, 5 residues)"


def of(found: QueryFile) -> Verdict:
    verdict: Verdict = CHECKS["query-invalid"].function(found)  # (its command has braces, which `judge` takes for placeholders)
    return verdict


def test_alphafold_3_s_format_is_rewritten_by_the_command(tmp_path: Path) -> None:
    path = tmp_path / "it's mine.json"
    verdict = of(fact(AF3, ABSENT, None, str(path)))
    assert verdict.status is FAILED
    assert "AlphaFold 3's input format" in verdict.summary
    assert verdict.evidence[0] == "not carried over: modelSeeds: set experiment_settings: {seeds: [42]} in the runner YAML"
    for shell in ("bash", "sh"):
        subprocess.run([shell, "-c", command_of(verdict)], check=True)
        written = tmp_path / "it's mine.openfold3.json"
        found = query.read(written.read_bytes())
        assert found.problems == ()
        assert found.queries == (query.Query("it's $HOME", (query.Chain("protein", ("A",), "MKTAYIAKQR"),)),)
        written.unlink()


def test_a_rewriting_that_is_too_long_is_not_pasted() -> None:
    long = {**AF3, "sequences": [{"protein": {"id": "A", "sequence": "M" * 40_000}}]}
    verdict = of(fact(long, ABSENT))
    assert verdict.remedy is not None
    assert verdict.remedy.command is None
    assert "too long" in verdict.remedy.text


def shown(verdict: Verdict) -> str:
    result = Result("query-invalid", "openfold", "t", verdict)
    machine: dict[str, str | int | float | None] = dict.fromkeys(
        "name gpu compute_capability driver cuda nvcc torch triton arch cpus kernel os container".split()
    )
    machine |= {"gpus": 0, "memory_gib": None, "memory_available_gib": None, "memory_limit_gib": None, "dgx_os": None}
    return terminal.render(
        Report("0", "p", False, {"path": None, "why": "none"}, machine, (result,), 0.1), verbose=True, to_file=True
    )


def test_at_eighty_columns_a_long_sequence_does_not_bury_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = "M" * 20_000
    for document in (
        chain(sequence=[long]),
        chain(sequence=long + "."),
        chain(molecule_type=long),
        chain(**{long: 1}),
        chain(smiles=long),
    ):
        text = shown(of(fact(document, ABSENT)))
        lines = text.splitlines()
        assert len(lines) < 30
        assert all(len(line) <= 80 for line in lines), max(lines, key=len)
        assert "Correct the file" in text or "Leave out" in text
