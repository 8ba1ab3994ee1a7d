"""The published schemas: what we print and play is what they say."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry as Schemas
from referencing import Resource

from sparkdoctor import doctor, profiles, tape
from sparkdoctor.host import LocalHost
from sparkdoctor.journal import Journal
from sparkdoctor.machine import Machine
from sparkdoctor.model import Report, Result, Status, Verdict, fail, ok, skip, warn
from sparkdoctor.perform import Surroundings
from sparkdoctor.registry import Plugin, Registry
from sparkdoctor.render import json as json_render
from sparkdoctor.render import treatment as treatment_render
from sparkdoctor.treatment import Doctor, Outcome, chosen

ROOT = Path(__file__).parent.parent
TAPES = sorted((ROOT / "tests" / "machines").glob("*.tape.json"))
REGISTRY = Registry.load()


def validator(name: str, *others: Draft202012Validator) -> Draft202012Validator:
    schema = json.loads((ROOT / "docs" / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    known: Schemas[Any] = Schemas().with_resources(
        (other.schema["$id"], Resource.from_contents(other.schema)) for other in others if isinstance(other.schema, dict)
    )
    return Draft202012Validator(schema, registry=known)


REPORT, TAPE = validator("report"), validator("tape")
TREATMENT = validator("treatment", REPORT)
SMOKE = validator("smoke")
BUILD = validator("build")
TRIAGE = validator("triage", REPORT)


def errors(schema: Draft202012Validator, value: Any) -> list[str]:
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in schema.iter_errors(value)]


def synthetic() -> Report:
    verdicts = {
        "all-well": ok("well", expected=">=1", observed="2", evidence=("seen",)),
        "bent": warn("bent", remedy="Do this.", command="true", needs_root=True),
        "broken": fail("broken", remedy="Do that.", needs_reboot=True, evidence=("a", "b")),
        "passed-over": skip("not here"),
        "fell-over": Verdict(Status.CRASHED, "boom"),
    }
    results = tuple(Result(name, "machine", name, verdict, ("mend",), 0.001) for name, verdict in verdicts.items())
    machine: dict[str, str | int | float | None] = dict.fromkeys(
        ("name", "gpu", "compute_capability", "driver", "cuda", "nvcc", "torch", "triton", "arch", "cpus", "kernel", "os")
    )
    machine |= {"gpus": 0, "memory_gib": None, "memory_available_gib": None, "memory_limit_gib": None, "dgx_os": None}
    return Report("0.1.0", "dgx-spark", False, {"path": None, "why": "none"}, {**machine, "container": None}, results, 0.1)


def rendered(report: Report) -> Any:
    return json.loads(json_render.render(report, verbose=False, to_file=True))


# --- reports


@pytest.mark.parametrize("path", TAPES, ids=lambda path: path.name.partition(".")[0])
def test_the_report_of_every_tape_is_valid(path: Path) -> None:
    played = tape.load(str(path))
    checks = doctor.select(REGISTRY)
    for profile in dict.fromkeys((played["profile"], *profiles.builtin())):
        report = doctor.diagnose(Machine(tape.Player(played), profiles.load(profile)), REGISTRY, checks)
        assert errors(REPORT, rendered(report)) == []


def test_a_report_with_every_status_is_valid() -> None:
    assert {result["status"] for result in rendered(synthetic())["results"]} == {"ok", "warning", "failed", "skipped", "crashed"}
    assert errors(REPORT, rendered(synthetic())) == []


def test_a_report_of_nothing_is_valid() -> None:
    empty = synthetic()._replace(results=())
    assert rendered(empty)["verdict"] == "unknown"
    assert errors(REPORT, rendered(empty)) == []


def test_the_report_of_a_machine_that_says_nothing_is_valid() -> None:
    silent = tape.Player({"answers": []})
    report = doctor.diagnose(Machine(silent, profiles.load("dgx-spark")), REGISTRY, doctor.select(REGISTRY))
    assert errors(REPORT, rendered(report)) == []


def test_the_machine_may_grow() -> None:
    document = rendered(synthetic())
    document["machine"] |= {"bios": "5.36", "fans": 2, "room": None}
    assert errors(REPORT, document) == []


def _set(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "sparkdoctor.report/2"),
        (("verdict",), "fine"),
        (("verdict",), "crashed"),
        (("extra",), 1),
        (("deep",), "no"),
        (("seconds",), -1),
        (("seconds",), ...),
        (("summary", "ok"), ...),
        (("summary", "passed"), 1),
        (("machine", "gpus"), "1"),
        (("machine", "more"), {}),
        (("machine", "more"), True),
        (("machine", "compute_capability"), 12.1),
        (("machine", "name"), ...),
        (("python", "path"), 1),
        (("python", "extra"), "x"),
        (("results", 0, "status"), "passed"),
        (("results", 0, "extra"), 1),
        (("results", 0, "evidence"), None),
        (("results", 0, "evidence"), [1]),
        (("results", 0, "fixes"), None),
        (("results", 0, "remedy"), {"text": "An ok needs none.", "command": None, "needs_root": False, "needs_reboot": False}),
        (("results", 1, "remedy", "needs_root"), ...),
        (("results", 1, "remedy", "extra"), 1),
        (("results", 1, "remedy"), "Do this."),
        (("results", 1, "id"), ""),
    ],
)
def test_what_no_report_looks_like_is_invalid(path: tuple[Any, ...], value: Any) -> None:
    assert errors(REPORT, _set(rendered(synthetic()), path, value))


def test_every_status_and_every_key_of_a_report_stands_in_the_schema() -> None:
    schema: Any = REPORT.schema
    assert schema["$defs"]["result"]["properties"]["status"]["enum"] == [str(status) for status in Status]
    assert set(schema["properties"]) == set(rendered(synthetic()))
    assert set(schema["$defs"]["result"]["properties"]) == set(rendered(synthetic())["results"][0])
    report = doctor.diagnose(Machine(tape.Player({"answers": []}), profiles.load("dgx-spark")), REGISTRY, [])
    assert set(schema["properties"]["machine"]["properties"]) >= set(report.machine)


def test_what_the_schemas_say_is_described() -> None:
    for schema in (REPORT.schema, TAPE.schema, TREATMENT.schema, BUILD.schema):
        assert isinstance(schema, dict)
        assert all(description.endswith(".") for description in descriptions(schema["properties"]))
        assert schema["description"]


def descriptions(properties: dict[str, Any]) -> list[str]:
    return [value["description"] for value in properties.values() if isinstance(value, dict)]


# --- treatments


def treated(place: Path, *, agreed: bool = True, **files: str) -> Any:
    """The document of a real treatment of everything that is ill in a kitchen with these files."""
    kitchen, registry = place / "kitchen", Registry()
    registry.add(Plugin("kitchen", "kitchen", "kitchen"))
    kitchen.mkdir()
    for name, text in files.items():
        (kitchen / name).write_text(text)

    def look(environment: Mapping[str, str], *, deep: bool) -> Machine:
        return Machine(LocalHost(None, None, environment), profiles.load("dgx-spark"), deep=deep)

    around = Surroundings({"KITCHEN": str(kitchen), "PATH": "/usr/bin:/bin"})
    practice = Doctor(registry, look, Journal(str(place)).begin, around)
    before = doctor.diagnose(look(around.environment, deep=False), registry, doctor.select(registry))
    practice.treat(chosen(registry, before), before, lambda _fix, _plan: agreed, lambda _: None)
    practice.end()
    number = practice.treatment.id if practice.treatment else None
    return json.loads(treatment_render.as_json(practice.treated, before, number))


ILL = {"milk": "sour", "knife": "blunt", "door": "shut", "radio": ""}


def test_the_document_of_every_outcome_is_valid(tmp_path: Path) -> None:
    documents = []
    for number, files in enumerate((ILL, ILL | {"song": "", "knife": "plastic"}, ILL, {})):
        (tmp_path / str(number)).mkdir()
        documents.append(treated(tmp_path / str(number), agreed=number != 2, **files))
    assert {one["outcome"] for document in documents for one in document["fixes"]} == {str(one) for one in Outcome}
    assert [document["treatment"] for document in documents] == ["1", "1", None, None]
    for document in documents:
        assert errors(TREATMENT, document) == []
    schema: Any = TREATMENT.schema
    assert set(schema["properties"]) == set(documents[0])
    assert set(schema["$defs"]["fix"]["properties"]) == set(documents[0]["fixes"][0])
    assert schema["$defs"]["fix"]["properties"]["outcome"]["enum"] == [str(one) for one in Outcome]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A document whose first fix cured and whose second failed."""
    document = treated(tmp_path_factory.mktemp("kitchen"), milk="sour", knife="blunt")
    assert [one["outcome"] for one in document["fixes"]] == ["cured", "failed", "refused"]
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "sparkdoctor.treatment/2"),
        (("extra",), 1),
        (("fixes",), ...),
        (("report",), {}),
        (("report", "verdict"), "cured"),
        (("treatment",), 1),
        (("treatment",), "01"),
        (("treatment",), None),
        (("fixes", 0, "id"), ""),
        (("fixes", 0, "outcome"), "done"),
        (("fixes", 0, "outcome"), "not needed"),
        (("fixes", 0, "outcome"), "refused"),
        (("fixes", 0, "reason"), ...),
        (("fixes", 0, "extra"), 1),
        (("fixes", 0, "steps"), []),
        (("fixes", 0, "steps"), [{"path": "/x"}]),
        (("fixes", 0, "notes"), None),
        (("fixes", 0, "environment"), {"MUSIC": 1}),
        (("fixes", 0, "checks"), {"milk-sour": "cured"}),
        (("fixes", 1, "command"), "true"),
        (("fixes", 1, "checks"), {"knife-blunt": "failed"}),
    ],
)
def test_what_no_treatment_looks_like_is_invalid(both: Any, path: tuple[Any, ...], value: Any) -> None:
    assert errors(TREATMENT, both) == []
    assert errors(TREATMENT, _set(both, path, value))


# --- tapes


@pytest.mark.parametrize("path", TAPES, ids=lambda path: path.name.partition(".")[0])
def test_every_tape_is_valid(path: Path) -> None:
    assert errors(TAPE, json.loads(path.read_text())) == []


def test_the_schema_knows_every_kind_of_question() -> None:
    schema: Any = TAPE.schema
    assert schema["$defs"]["entry"]["oneOf"][2]["properties"]["ask"]["enum"] == list(tape._SHAPES)


KINDS = tuple(tape._SHAPES)
# JSON Schema takes 1.0 for a whole number and `tape.parse` does not: no such number here.
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.sampled_from([1 << 31, -(1 << 31), (1 << 31) - 1, 1 - (1 << 31), 1 << 63, (1 << 63) - 1, -1, 0.5]),
    st.text(max_size=3),
    st.sampled_from(["", "00", "7f45", "7F45", "abc", "ab\n", "\n", "zz"]),
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
COUNTS = st.integers(0, 9) | SCALARS
LIMITS = st.lists(st.none() | COUNTS, min_size=2, max_size=2) | ANYTHING


def members(names: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(dict.fromkeys(names.split(), values))


RAN = st.fixed_dictionaries({"code": st.none() | COUNTS, "stdout": st.text(max_size=3) | SCALARS, "stderr": st.text(max_size=3)})
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "stat": st.builds(
        lambda *parts: {name: value for part in parts for name, value in part.items()},
        members("kind real", st.text(max_size=3)),
        members("size mode", COUNTS),
        members("readable writable executable", st.booleans()),
    ),
    "space": members("total free device", COUNTS),
    "limits": members("stack memlock nofile", LIMITS),
    "self": st.builds(
        lambda *parts: {name: value for part in parts for name, value in part.items()},
        members("sysname release machine cwd executable", st.text(max_size=3)),
        members("page_size cpus usable_cpus uid", COUNTS),
        members("path", st.lists(st.text(max_size=3), max_size=2)),
        members("patient_python", st.none() | st.text(max_size=3)),
        st.just({}) | members("query runner_yaml", st.none() | st.text(max_size=3)),
    ),
    "run": RAN,
    "script": RAN,
    "work": st.builds(
        lambda *parts: {name: value for part in parts for name, value in part.items()},
        RAN,
        members("said", st.text(max_size=3)),
        members("flooded", st.booleans()),
        members("left", st.lists(st.text(max_size=3), max_size=2)),
    ),
    "nvml": RAN,
}


@st.composite
def entries(draw: st.DrawFn) -> Any:
    ask = draw(st.sampled_from(KINDS))
    usual = RIGHT.get(ask, st.text(max_size=4) | st.lists(st.text(max_size=3), max_size=2) | st.none())
    answer = draw(usual)
    if isinstance(answer, dict) and draw(st.integers(0, 4)) == 0:
        if draw(st.booleans()):
            del answer[draw(st.sampled_from(sorted(answer)))]
        else:
            answer[draw(st.sampled_from(["extra", *answer]))] = draw(ANYTHING)
    entry: dict[str, Any] = {"ask": ask, "args": draw(st.lists(SCALARS, max_size=2)), "answer": answer}
    match draw(st.integers(0, 14)):
        case 0:
            del entry[draw(st.sampled_from(sorted(entry)))]
        case 1:
            entry[draw(st.sampled_from(["ask", "args", "answer", "missing", "broken", "more"]))] = draw(ANYTHING)
        case 2:
            del entry["answer"]
            entry[draw(st.sampled_from(["missing", "broken"]))] = draw(st.text(max_size=4))
        case 3:
            return draw(ANYTHING)
    return entry


@st.composite
def tapes(draw: st.DrawFn) -> Any:
    found: dict[str, Any] = {"schema": tape.SCHEMA, "answers": draw(st.lists(entries(), max_size=3))}
    match draw(st.integers(0, 19)):
        case 0:
            del found[draw(st.sampled_from(sorted(found)))]
        case 1:
            found[draw(st.sampled_from(["schema", "answers", "deep", "notes", "more"]))] = draw(ANYTHING)
        case 2:
            return draw(ANYTHING)
    return found


@given(tapes())
def test_schema_and_loader_agree_about_every_tape(value: Any) -> None:
    complaints = errors(TAPE, value)
    try:
        tape.parse(json.dumps(value).encode())
    except tape.TapeError as error:
        assert complaints, f"only tape.parse refuses it: {error}"  # noqa: PT017
    else:
        assert complaints == [], "only the schema refuses it"


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_schema_and_loader_agree_about_every_kind_of_answer(kind: str, data: st.DataObject) -> None:
    answer = data.draw(RIGHT.get(kind, ANYTHING) | ANYTHING)
    value = {"schema": tape.SCHEMA, "answers": [{"ask": kind, "args": [], "answer": answer}]}
    complaints = errors(TAPE, value)
    try:
        tape.parse(json.dumps(value).encode())
    except tape.TapeError as error:
        assert complaints, f"only tape.parse refuses it: {error}"  # noqa: PT017
    else:
        assert complaints == [], "only the schema refuses it"


# --- builds and smoke tests


def test_what_a_build_on_an_h100_has_left_keeps_to_its_schema() -> None:
    document = json.loads((ROOT / "tests" / "machines" / "h100-build.json").read_text())
    BUILD.validate(document)
    tools = {unit["name"]: unit["tool"] for unit in document["units"]}
    assert tools["attention_back.cu"] == tools["attention_cu.cu"] == "cicc"
    assert (document["diagnosis"]["id"], document["toolkit"]) == ("too-many-jobs", "13.0.88")


def test_what_triage_said_on_an_h100_keeps_to_its_schema() -> None:
    document = json.loads((ROOT / "tests" / "machines" / "h100-triage.json").read_text())
    TRIAGE.validate(document)
    root, consequence = document["results"]
    assert (root["id"], root["confirmed"], root["fixes"][0]) == ("deepspeed-finds-no-cutlass", True, "find-cutlass")
    assert (document["root"], consequence["cause"], document["command"]["status"]) == (root["id"], root["id"], 1)


@pytest.mark.parametrize("name", ["h100-smoke-cold", "h100-kernels"])
def test_what_smoke_printed_on_an_h100_keeps_to_its_schema(name: str) -> None:
    document = json.loads((ROOT / "tests" / "machines" / f"{name}.json").read_text())
    SMOKE.validate(document)
    statuses = {one["id"]: one["status"] for one in document["criteria"]}
    if name == "h100-kernels":
        assert document["verdict"] == "believed"
        assert statuses["deepspeed-bfloat16"] == statuses["triton-bfloat16"] == statuses["triton-float32"] == "ok"
    else:
        wrong = {name for name, status in statuses.items() if status != "ok"}
        structure = {"ca-distances", "clashes", "handedness", "radius-of-gyration", "plddt-mean", "rmsd", "tm-score"}
        assert {"rmsd", "tm-score"} <= wrong <= structure


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "good"),
        (("mode",), None),
        (("criteria", 0, "status"), "maybe"),
        (("seconds",), -1),
        (("samples", 0, "rmsd"), "20"),
        (("findings", 0, "values"), None),
    ],
)
def test_what_is_no_document_of_smoke_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    document = json.loads((ROOT / "tests" / "machines" / "h100-smoke-cold.json").read_text())
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert not SMOKE.is_valid(document)
