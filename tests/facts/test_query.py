"""The query file that the user named: on described machines, without a process or a file."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkdoctor import profiles
from sparkdoctor.facts import QueryFile
from sparkdoctor.facts.course import Course, Step
from sparkdoctor.facts.query import IMPORT, PARSE, Answer, Refusal, understand
from sparkdoctor.machine import Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.process import Worked
from world import Python, World, steps

GOOD = '{"queries": {"u": {"chains": [{"molecule_type": "protein", "chain_ids": ["A"], "sequence": "MQIFV"}]}}}'
SITE = "/usr/lib/python3/dist-packages"
ACCEPTED = steps((IMPORT, {}), (PARSE, {"accepted": True, "number": 0}))


def world(text: str | bytes = GOOD, *, version: str | None = None, work: Worked | None = None, beside: str = "other") -> World:
    named: dict[str, str | bytes] = {"/data/q.json": text, f"/data/{beside}": ""}
    described = World(files=named, pythons={"/usr/bin/python3": Python()}, env={"PATH": "/usr/bin", "HOME": "/home/user"})
    described.itself = {"query": "/data/q.json", "cwd": "/data"}
    if version:
        described.files[f"{SITE}/openfold3/__init__.py"] = ""
        described.files[f"{SITE}/openfold3-{version}.dist-info/METADATA"] = ""
    if work:
        described.work["query"] = work
    return described


def fact(described: World) -> Any:
    return Machine(described, profiles.load("dgx-spark")).get(QueryFile)


def test_nothing_is_read_unasked() -> None:
    described = world()
    for itself in ({}, {"query": None}):
        described.itself = itself
        found = fact(described)
        assert type(found) is Missing
        assert "--query FILE" in found.reason


def test_without_openfold3_it_is_our_reading() -> None:
    found = fact(world())
    assert (found.version, found.answer) == (None, Missing("openfold3 is not installed in /usr/bin/python3"))
    assert found.queries[0].chains[0].sequence == "MQIFV"


def test_without_a_python_too() -> None:
    described = world()
    described.pythons.clear()
    found = fact(described)
    assert found.queries
    assert isinstance(found.answer, Missing)


@pytest.mark.parametrize(("version", "rejected"), [("0.3.1", True), ("0.5.0", False)])
def test_it_is_read_by_the_installed_schema(version: str, rejected: bool) -> None:
    found = fact(world(GOOD.replace('"sequence"', '"cyclic": true, "sequence"'), version=version, work=ACCEPTED))
    assert found.version == version
    assert found.reading.rejected is rejected
    assert found.answer == Answer()


def test_files_are_looked_for_from_where_the_user_is() -> None:
    text = GOOD.replace('"sequence"', '"main_msa_file_paths": ["here.a3m", "gone.a3m", "/data"], "sequence"')
    found = fact(world(text, beside="here.a3m"))
    (problem,) = found.reading.problems
    assert problem.where == "queries.u.chains[0].main_msa_file_paths[1]"


def test_what_cannot_be_read_is_broken() -> None:
    described = world()
    described.denied.add("/data/q.json")
    assert fact(described) == Broken("/data/q.json cannot be read: /data/q.json: Permission denied")
    described.itself["query"] = "/data/gone.json"
    assert "does not exist" in fact(described).reason
    described.itself["query"] = "/data"
    assert "not a regular file" in fact(described).reason


def test_bytes_are_read_as_they_are() -> None:
    assert "0xe9 is not UTF-8" in fact(world(GOOD.replace('"u"', '"é"').encode("latin-1"))).reading.problems[0].text


def test_another_program_s_format_is_rewritten() -> None:
    text = json.dumps({"name": "x", "sequences": [{"protein": {"id": "A", "sequence": "MQIFV"}}]})
    found = fact(world(text))
    assert json.loads(found.rewritten) == {
        "queries": {"x": {"chains": [{"molecule_type": "protein", "chain_ids": ["A"], "sequence": "MQIFV"}]}}
    }
    assert fact(world()).rewritten is None


def course(*lines: tuple[str, dict[str, Any]]) -> Course:
    return Course(tuple(Step(name, 0.0, learnt) for name, learnt in lines))


def test_the_parser_s_errors_as_data() -> None:
    validators = "function-after[validate_file(), lax-or-strict[lax=union[json-or-python]]]"
    errors = {
        "error0": [["queries", "u", "chains", "0", "molecule_type"], "Input should be 0, 1, 2 or 3", "enum"],
        "error1": [
            ["queries", "my query", "chains", "0", "main_msa_file_paths", "0", validators],
            "Path does not",
            "path_not_file",
        ],
        "error2": [
            ["queries", "my query", "chains", "0", "main_msa_file_paths", "0", validators],
            "Path does not",
            "path_not_file",
        ],
        "error3": "odd",
    }
    answer = understand(course((IMPORT, {}), (PARSE, {"accepted": False, "number": 4, **errors})))
    assert answer == Answer(
        (
            Refusal("queries.u.chains[0].molecule_type", "Input should be 0, 1, 2 or 3", "enum"),
            Refusal('queries["my query"].chains[0].main_msa_file_paths[0]', "Path does not", "path_not_file"),
        ),
        4,
    )


def test_what_biotite_and_rdkit_do_not_know() -> None:
    place = ["queries", "u", "chains", "1"]
    answer = understand(
        course(
            (PARSE, {"accepted": True, "number": 0}),
            ("biotite's components", {"number": 1, "unknown0": [[*place, "ccd_codes"], "ZZZZZ"]}),
            ("RDKit's SMILES", {"number": 1, "unknown0": [[*place, "smiles"], "C1CC"]}),
        )
    )
    assert isinstance(answer, Answer)
    assert [(refusal.where, refusal.text.split()[0]) for refusal in answer.unknown] == [
        ("queries.u.chains[1].ccd_codes", "'ZZZZZ'"),
        ("queries.u.chains[1].smiles", "'C1CC'"),
    ]


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (
            steps((IMPORT, {"error": "ImportError", "text": "no pydantic", "place": "x.py:1"}), code=0),
            "raised ImportError: no pydantic",
        ),
        (steps((IMPORT, {}), code=-11), "was killed by SIGSEGV"),
        (steps((IMPORT, {}), (PARSE, {}), code=None), "did not answer in time"),
    ],
)
def test_a_parser_that_does_not_answer(work: Worked, words: str) -> None:
    found = fact(world(version="0.5.0", work=work))
    assert isinstance(found.answer, Broken)
    assert words in found.answer.reason
    assert found.queries


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=5) | st.lists(st.text(max_size=3)))
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["accepted", "number", "error0", "error1", "unknown0"]), VALUES))
def test_whatever_a_worker_says_is_understood(learnt: dict[str, Any]) -> None:
    answer = understand(course((PARSE, learnt), ("RDKit's SMILES", learnt)))
    assert isinstance(answer, Answer | Broken)
