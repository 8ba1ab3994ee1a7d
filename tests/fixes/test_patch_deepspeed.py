"""DeepSpeed's builder, patched: from texts, and in installations of every shape.

The statements are those of DeepSpeed 0.15.4 to 0.16.4 (Apache-2.0, Copyright Microsoft Corporation and the DeepSpeed team).
"""

import base64
import hashlib
import json
import os
import py_compile
import shlex
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from by_hand import DEFAULTS, FAILED, GONE, OK, SPARK, but, judge
from crashing import treat, undo_all
from facts.test_deepspeed import BY_TEXT, FILTER, HEAD, KEEPS_TEXT, LOOP, NEW_FILTER, NUM, SPLITS, TWO_DIGITS
from sparkdoctor.architecture import Capability
from sparkdoctor.facts import Deepspeed, DeepspeedSource, Nvcc, Python
from sparkdoctor.facts.deepspeed import FILTERING, MARK
from sparkdoctor.facts.deepspeed_source import BUILDER, SourceFile, method, reading, unchecked
from sparkdoctor.facts.python import Distribution
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing
from sparkdoctor.plan import Answer, NotNeeded, Plan, Refused, WriteFile
from sparkdoctor.profiles import Profile
from sparkdoctor.registry import Registry
from standins.hosts import Elsewhere, machine_of, script
from texts import TEXT, lines_of

FIX = Registry.load().fixes["patch-deepspeed"]
LEAST = dict(zip(FILTERING, (8, 8, 8, 6, 6, 6), strict=True))
BUILDER_START = "import os\n\n\nclass CUDAOpBuilder(OpBuilder):\n\n    def "


def whole(arguments: str, base: str, each: str) -> dict[str, str]:
    """The seven files."""
    files = {
        name: f"class {name}(CUDAOpBuilder):\n\n    def {each.replace('>= 8', f'>= {LEAST[name]}')}\n    def sources(self):\n        pass\n"
        for name in FILTERING
    }
    return {BUILDER: f"{BUILDER_START}{arguments}\n    def {base}\n    def nvcc_args(self):\n        pass\n", **files}


UNPATCHED = whole(HEAD + LOOP, KEEPS_TEXT, FILTER)
MODERN = whole(TWO_DIGITS, SPLITS, NEW_FILTER)
BY_README = {**UNPATCHED, BUILDER: UNPATCHED[BUILDER].replace(NUM, BY_TEXT)}
OUR_NUMBER = f"            num = cc.split('+')[0].replace('.', '')  {MARK}\n"
OUR_BF16 = f"            if int(cc.split('.')[0]) <= 7:  {MARK}\n"
TWO_LINES = {
    **UNPATCHED,
    BUILDER: UNPATCHED[BUILDER].replace(NUM, OUR_NUMBER).replace("            if int(cc[0]) <= 7:\n", OUR_BF16),
}
NVCC_12_8 = Nvcc("/cuda/bin/nvcc", "12.8.93", {121: "nvcc fatal   : Unsupported gpu architecture 'compute_121'"}, None)
CAPABILITY = Capability(12, 1)


def source(texts: dict[str, str], pristine: bool | None = True, **changes: Any) -> DeepspeedSource:
    """An op_builder that this user may write; `older` where nvcc knows 12.0."""
    file = {name: changes.pop(name) for name in SourceFile._fields if name in changes}
    files = {name: SourceFile(f"/site/{name}.py", text, pristine, owner=1000)._replace(**file) for name, text in texts.items()}
    return DeepspeedSource(**{"files": files, "elevated": ("sudo", "/py", "-m", "sparkdoctor", "fix"), "uid": 1000, **changes})


def answer(*facts: Any, **gone: Missing) -> Answer:
    """What the fix says of a healthy machine but for these facts."""
    given = DEFAULTS | {Deepspeed: but(Deepspeed, version="0.15.4")} | {type(fact): fact for fact in facts}
    profile = next((fact for fact in facts if isinstance(fact, Profile)), SPARK)
    found: Answer = FIX.function(
        **{need.name: gone.get(need.name) or (profile if need.fact is None else given[need.fact]) for need in FIX.needs}
    )
    match found:
        case Refused(_, str(command)) | NotNeeded(_, str(command)):
            assert shlex.split(command)
    return found


def planned(*facts: Any, **gone: Missing) -> Plan:
    found = answer(*facts, **gone)
    assert isinstance(found, Plan), found
    assert found.steps
    return found


def patched(before: dict[str, str], plan: Plan) -> dict[str, str]:
    """The texts after a plan, which replaces only what it has seen."""
    after = dict(before)
    for step in plan.steps:
        assert isinstance(step, WriteFile)
        name = Path(step.path).stem
        assert step.before == after[name]
        after[name] = step.text
    return after


def notes(plan: Plan) -> str:
    return "\n".join(plan.notes)


DONE = patched(UNPATCHED, planned(source(UNPATCHED)))
DONE_12_8 = patched(UNPATCHED, planned(source(UNPATCHED, older=""), NVCC_12_8))


# --- what the patch does


def test_all_three_defects_are_mended() -> None:
    plan = planned(source(UNPATCHED))
    assert len(plan.steps) == 7
    assert plan.summary == "DeepSpeed 0.15.4 makes compute_121 of 12.1, with bf16 and for all its operators"
    assert reading(UNPATCHED, CAPABILITY) == ("1.", False, FILTERING)
    assert reading(DONE, CAPABILITY) == ("121", True, ())
    assert sum(text.count(MARK) for text in DONE.values()) == 8
    assert "to upgrade DeepSpeed to 0.16.4 or later: /venv/bin/python -m pip install --upgrade 'deepspeed>=0.18.7'" in notes(plan)
    again = answer(source(DONE, pristine=False))
    assert isinstance(again, NotNeeded)
    assert "sparkdoctor's patch is in it" in again.reason


def test_an_nvcc_before_12_9_is_asked_for_12_0() -> None:
    assert reading(DONE_12_8, CAPABILITY) == ("120", True, ())
    assert reading(DONE_12_8, Capability(10, 0)) == ("100", True, ())
    assert isinstance(answer(source(DONE_12_8, pristine=False, older=""), NVCC_12_8), NotNeeded)
    plan = planned(source(UNPATCHED, older=""), NVCC_12_8)
    assert "makes compute_120 of 12.1" in plan.summary
    assert "nvcc 12.8.93 knows no compute_121: it is asked for 120" in notes(plan)


def test_another_nvcc_than_then() -> None:
    # Both ways, and only the one file changes.
    newer = planned(source(DONE_12_8, pristine=False))
    assert patched(DONE_12_8, newer) == DONE
    older = planned(source(DONE, pristine=False, older=""), NVCC_12_8)
    assert patched(DONE, older) == DONE_12_8
    assert (len(newer.steps), len(older.steps)) == (1, 1)
    # Without an nvcc, what is there stays.
    for done in (DONE, DONE_12_8):
        assert isinstance(answer(source(done, pristine=False), nvcc=GONE), NotNeeded)


def test_an_nvcc_that_cannot_be_asked() -> None:
    dead = but(Nvcc, refusals={121: "nvcc fatal   : Could not set up the environment"})
    for plan in (planned(source(UNPATCHED), nvcc=GONE), planned(source(UNPATCHED), dead)):
        assert patched(UNPATCHED, plan) == DONE
        assert "nvcc could not be asked" in notes(plan)


def test_an_nvcc_that_knows_neither() -> None:
    words = "nvcc fatal   : Unsupported gpu architecture 'compute_120'"
    found = answer(source(UNPATCHED, older=words), NVCC_12_8)
    assert isinstance(found, Refused)
    assert "nvcc 12.8.93 knows no compute_121" in found.reason


@pytest.mark.parametrize(("texts", "nvcc"), [(DONE, but(Nvcc)), (DONE_12_8, NVCC_12_8), (DONE_12_8, but(Nvcc))])
def test_the_check_is_content(texts: dict[str, str], nvcc: Nvcc) -> None:
    found = but(Deepspeed, version="0.15.4", readings={121: reading(texts, CAPABILITY)}, pristine=False, ours=True)
    assert judge("deepspeed-misparses-architecture", found, nvcc).status is OK
    ill = but(Deepspeed, version="0.15.4", readings={121: reading(UNPATCHED, CAPABILITY)})
    assert judge("deepspeed-misparses-architecture", ill, nvcc).status is FAILED


# --- who else was there


def test_our_earlier_patch_is_completed() -> None:
    assert reading(TWO_LINES, CAPABILITY) == ("121", True, FILTERING)
    plan = planned(source(TWO_LINES, pristine=False))
    assert patched(TWO_LINES, plan) == DONE
    assert len(plan.steps) == 6


def test_half_of_our_patch_is_completed() -> None:
    # Whatever of it was lost.
    for name in UNPATCHED:
        torn = {**DONE, name: UNPATCHED[name]}
        assert patched(torn, planned(source(torn, pristine=False))) == DONE


@pytest.mark.parametrize(("nvcc", "older"), [(but(Nvcc), None), (NVCC_12_8, "")])
def test_somebody_elses_patch_stays_and_the_rest_is_mended(nvcc: Nvcc, older: str | None) -> None:
    as_published = '            num = cc.replace("+PTX","").replace(".","");\n            if num == "121": num="120"\n'
    for theirs in (BY_TEXT, as_published):
        before = {**UNPATCHED, BUILDER: UNPATCHED[BUILDER].replace(NUM, theirs)}
        plan = planned(source(before, pristine=False, older=older), nvcc)
        after = patched(before, plan)
        assert theirs in after[BUILDER]
        assert reading(after, CAPABILITY) == ("120", True, ())
        assert "by the look of it the replacement of 121 by 120 that is passed around for 0.15.4" in notes(plan)
        assert isinstance(answer(source(after, pristine=False, older=older), nvcc), NotNeeded)


def test_somebody_elses_patch_that_asks_for_what_nvcc_does_not_know() -> None:
    theirs = {**UNPATCHED, BUILDER: UNPATCHED[BUILDER].replace(NUM, OUR_NUMBER.replace(MARK, "# mine"))}
    found = answer(source(theirs, pristine=False, older=""), NVCC_12_8)
    assert isinstance(found, Refused)
    assert "that alone helps nothing; nvcc 12.8.93 knows no compute_121" in found.reason
    assert patched(theirs, planned(source(theirs, pristine=False)))


def test_a_change_elsewhere_stays() -> None:
    before = {**UNPATCHED, BUILDER: UNPATCHED[BUILDER].replace("import os\n", "import os  # mine\n")}
    plan = planned(source(before, pristine=False))
    assert "import os  # mine" in patched(before, plan)[BUILDER]
    assert "was changed after its installation, in other lines" in notes(plan)
    assert "no RECORD" in notes(planned(source(UNPATCHED, pristine=None)))


# --- what needs nothing


def test_a_deepspeed_that_reads_two_digits_by_itself() -> None:
    found = answer(source(MODERN), but(Deepspeed, version="0.16.4"))
    assert found == NotNeeded("DeepSpeed 0.16.4 makes compute_121 of 12.1 by itself")
    others = answer(source({**MODERN, BUILDER: f"{MODERN[BUILDER]}#\n"}, pristine=False))
    assert isinstance(others, NotNeeded)
    assert "somebody else has changed its builder.py, and well" in others.reason
    helpless = answer(source(MODERN, older=""), NVCC_12_8)
    assert isinstance(helpless, NotNeeded)
    assert "nvcc 12.8.93 knows no compute_121" in helpless.reason
    assert helpless.command == "/venv/bin/python -m pip install --upgrade 'deepspeed>=0.19.0' && export TORCH_CUDA_ARCH_LIST=12.0"


@pytest.mark.parametrize(("number", "needed"), [("9.0", False), ("8.0", False), ("10.0", True), ("12.0", True)])
def test_other_gpus(number: str, needed: bool) -> None:
    wanted = Profile(compute_capability=Capability.parse(number))
    found = answer(source(UNPATCHED), wanted, Nvcc("/nvcc", "13.0.88", {Capability.parse(number).number: ""}, None))
    assert isinstance(found, Plan if needed else NotNeeded)
    if isinstance(found, Plan):
        assert patched(UNPATCHED, found) == DONE
    assert isinstance(answer(source(UNPATCHED), Profile(), gpu=GONE), Refused)


# --- what is refused


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (BUILDER, NUM, "            num = cc[0:1] + cc[2]\n", "/site/builder.py does not let us see what it makes of 12.1"),
        (BUILDER, NUM, NUM * 2, "the statement of the architecture's number"),
        (BUILDER, NUM, NUM + OUR_NUMBER, "the statement of the architecture's number"),
        (BUILDER, "int(cc[0]) <= 7", "int(cc[0]) < 8", "the bf16 gate in /site/builder.py is not one that is known here"),
        (BUILDER, "\n", "\r\n", "the statement of the architecture's number"),
        (BUILDER, "def compute_capability_args", "def flags", "does not let us see what it makes of 12.1"),
        ("ragged_ops", "int(cc[0]) >= 8", "int(cc[0]) >= 9", "the filter in /site/ragged_ops.py is not one that is known here"),
        ("ragged_ops", "int(cc[0]) >= 8", "allowed(cc)", "would not be understood afterwards"),
    ],
)
def test_what_is_not_known_is_refused(name: str, old: str, new: str, words: str) -> None:
    assert old in UNPATCHED[name]
    found = answer(source({**UNPATCHED, name: UNPATCHED[name].replace(old, new)}, pristine=False))
    assert isinstance(found, Refused), found
    assert words in found.reason
    assert found.command is not None
    assert "--upgrade" in found.command


def test_an_archive_or_what_cannot_be_read() -> None:
    zipped = answer(DeepspeedSource({}, archive="/site/ds.zip"), but(Deepspeed, version="unknown"))
    assert isinstance(zipped, Refused)
    assert zipped.reason == "this DeepSpeed is imported from the archive /site/ds.zip, in which nothing is replaced"
    unread = answer(source(UNPATCHED, trouble="/site/builder.py: Permission denied"))
    assert isinstance(unread, Refused)
    assert "Permission denied" in unread.reason


def test_what_may_not_be_written() -> None:
    theirs = answer(source(UNPATCHED, obstacle="/site cannot be written by this user"))
    assert isinstance(theirs, Refused)
    assert theirs.reason.startswith("/site cannot be written by this user; a copy")
    assert theirs.command == "sudo /py -m sparkdoctor fix patch-deepspeed"
    root = answer(source(UNPATCHED, obstacle="/site cannot be written by this user", uid=0))
    assert isinstance(root, Refused)
    assert root.command is not None
    assert "-m venv --system-site-packages" in root.command
    for installer, words in (("uv", "uv pip install --python /venv/bin/python --link-mode copy"), ("pip", "--force-reinstall")):
        linked = answer(source(UNPATCHED, linked=True, installer=installer))
        assert isinstance(linked, Refused)
        assert linked.command is not None
        assert words in linked.command
    hidden = answer(source(UNPATCHED, unchecked=("/site/__pycache__/builder.cpython-312.pyc",)))
    assert isinstance(hidden, Refused)
    assert hidden.command == "rm /site/__pycache__/builder.cpython-312.pyc"


def test_who_else_is_told() -> None:
    told = notes(
        planned(
            source(UNPATCHED, checkout="/home/user/DeepSpeed", shared="/a is a link to /b: whatever else", uid=0),
            but(Deepspeed, version="0.15.4", prebuilt=("fused_adam",), settings={"DS_BUILD_OPS": "1"}, asked="deepspeed==0.15.4"),
            but(Python, distributions={"openfold3": Distribution("0.4.0", "/x")}),
        )
    )
    for words in (
        "/home/user/DeepSpeed is a git checkout",
        "/a is a link to /b",
        "belong to user id 1000, and stay theirs",
        "not affected: fused_adam",
        "DS_BUILD_OPS=1 makes pip build from DeepSpeed's own sources",
        "unless OpenFold3 0.4.0 (deepspeed==0.15.4) must keep this one",
    ):
        assert words in told


# --- the functions themselves, run


class Made(NamedTuple):
    flags: list[str]
    bf16: bool
    kept: list[list[str]]


def run(texts: dict[str, str], capabilities: list[tuple[int, int]]) -> Made:
    """What the functions of these files answer for these devices."""
    devices = SimpleNamespace(device_count=lambda: len(capabilities), get_device_capability=lambda index: capabilities[index])
    known: dict[str, Any] = {"torch": SimpleNamespace(cuda=devices), "List": list}
    bodies = [method(texts[BUILDER], "compute_capability_args"), method(texts[BUILDER], "filter_ccs")]
    exec("class Builder:\n    name, jit_mode = 'x', True\n" + "".join(f"    def {body}\n" for body in bodies), known)
    builder = known["Builder"]()
    flags = builder.compute_capability_args()
    ccs = [f"{major}.{minor}" for major, minor in capabilities]
    kept = []
    for name in FILTERING:
        exec(f"class Operator:\n    def {method(texts[name], 'filter_ccs')}", known)
        kept.append(known["Operator"]().filter_ccs([*ccs, f"{ccs[-1]}+PTX"]))
    return Made(flags, builder.enable_bf16, kept)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=4))
def test_one_digit_majors_are_as_before(capabilities: list[tuple[int, int]]) -> None:
    before = run(UNPATCHED, capabilities)
    assert run(DONE, capabilities) == before
    assert run(DONE_12_8, capabilities) == before


@given(st.tuples(st.integers(1, 30), st.integers(0, 9)))
def test_two_digit_majors_are_right(capability: tuple[int, int]) -> None:
    number = "{}{}".format(*capability)
    for texts, made in ((DONE, number), (DONE_12_8, "120" if number == "121" else number)):
        found = run(texts, [capability])
        assert found.flags == [
            f"-gencode=arch=compute_{made},code=sm_{made}",
            f"-gencode=arch=compute_{made},code=compute_{made}",
        ]
        assert found.bf16 is (capability[0] > 7)
        assert [bool(kept) for kept in found.kept] == [capability[0] >= least for least in LEAST.values()]
        assert reading(texts, Capability(*capability)) == (
            made,
            found.bf16,
            tuple(name for name, kept in zip(FILTERING, found.kept, strict=True) if not kept),
        )


# --- installations


def install(site: Path, texts: dict[str, str] = UNPATCHED) -> Path:
    """What pip leaves: the package, and its RECORD."""
    place = site / "deepspeed" / "ops" / "op_builder"
    place.mkdir(parents=True)
    (site / "deepspeed" / "__init__.py").write_text("")
    record = []
    for name, text in texts.items():
        (place / f"{name}.py").write_bytes(text.encode())
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        record.append(f"deepspeed/ops/op_builder/{name}.py,sha256={digest},{len(text)}\n")
    metadata = site / "deepspeed-0.15.4.dist-info"
    metadata.mkdir()
    (metadata / "RECORD").write_text("".join(record))
    (metadata / "INSTALLER").write_text("pip\n")
    return place


PYTHON = "/nowhere/bin/python"


@pytest.fixture(autouse=True)
def known_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKDOCTOR_PYTHON", PYTHON)
    for name in ("CUDA_HOME", "CUDA_PATH", "PYTORCH_NVCC"):
        monkeypatch.delenv(name, raising=False)


def machine(site: Path, origin: Path | None = None, python: str = PYTHON) -> Machine:
    """This machine with an interpreter that has what lies in `site`."""
    file = origin or (site / "deepspeed" / "__init__.py").resolve()
    names = sorted(site.glob("*.dist-info"))
    said = {
        "version": "3.12.3",
        "include": "/usr/include",
        "modules": {"deepspeed": {"origin": str(file)}, "torch": None, "triton": None, "openfold3": None},
        "distributions": [[*path.stem.split("-"), str(path)] for path in names],
    }
    return machine_of(
        Elsewhere({f"script {python}": {"code": 0, "stdout": f"sparkdoctor-interpreter:{json.dumps(said)}\n", "stderr": ""}})
    )


def source_of(site: Path, origin: Path | None = None, python: str = PYTHON) -> DeepspeedSource:
    found = machine(site, origin, python).get(DeepspeedSource)
    assert isinstance(found, DeepspeedSource), found
    return found


def test_an_installation_is_read(tmp_path: Path) -> None:
    place = install(tmp_path / "site")
    found = source_of(tmp_path / "site")
    assert found.texts() == UNPATCHED
    assert {file.pristine for file in found.files.values()} == {True}
    assert found.files[BUILDER].path == str(place / "builder.py")
    assert (found.trouble, found.archive, found.checkout, found.shared, found.installer) == ("", None, None, None, "pip")
    (place / "builder.py").write_text(DONE[BUILDER])
    (place / "ragged_ops.py").unlink()  # as in versions before it
    changed = source_of(tmp_path / "site")
    assert changed.files[BUILDER].pristine is False
    assert "ragged_ops" not in changed.files
    (place / "builder.py").unlink()
    assert "builder.py does not exist" in source_of(tmp_path / "site").trouble


def test_a_text_that_is_none(tmp_path: Path) -> None:
    place = install(tmp_path / "site")
    (place / "builder.py").write_bytes(UNPATCHED[BUILDER].encode() + b"# \xff\n")
    assert source_of(tmp_path / "site").trouble == f"{place}/builder.py is no text in UTF-8"


def test_an_installation_of_another_package_has_no_record(tmp_path: Path) -> None:
    install(tmp_path / "site")
    install(tmp_path / "elsewhere")
    found = source_of(tmp_path / "site", tmp_path / "elsewhere" / "deepspeed" / "__init__.py")
    assert {file.pristine for file in found.files.values()} == {None}
    assert found.files[BUILDER].path.startswith(f"{tmp_path}/elsewhere/")


def test_a_checkout(tmp_path: Path) -> None:
    install(tmp_path / "site")
    top = tmp_path / "DeepSpeed"
    (top / "deepspeed" / "ops").mkdir(parents=True)
    (top / "deepspeed" / "__init__.py").write_text("")
    (tmp_path / "site" / "deepspeed" / "ops" / "op_builder").rename(top / "op_builder")
    (top / "deepspeed" / "ops" / "op_builder").symlink_to("../../op_builder")
    (top / ".git").mkdir()
    found = source_of(tmp_path / "site", top / "deepspeed" / "__init__.py")
    assert found.files[BUILDER].path == f"{top}/op_builder/builder.py"
    assert found.checkout == str(top)
    assert not any(file.linked for file in found.files.values())
    plan = planned(found)
    assert f"{top} is a git checkout" in notes(plan)


def test_a_package_that_is_a_link(tmp_path: Path) -> None:
    install(tmp_path / "cache")
    site = tmp_path / "site"
    site.mkdir()
    for path in (tmp_path / "cache").iterdir():
        (site / path.name).symlink_to(path)
    found = source_of(site)
    assert found.files[BUILDER].path == f"{tmp_path}/cache/deepspeed/ops/op_builder/builder.py"
    assert found.files[BUILDER].pristine is True
    assert (
        found.shared == f"{site}/deepspeed is a link to {tmp_path}/cache/deepspeed: whatever else leads there gets the change too"
    )
    assert not found.files[BUILDER].linked


def test_files_that_are_links(tmp_path: Path) -> None:
    install(tmp_path / "cache")
    site = tmp_path / "site"
    for path in (tmp_path / "cache").rglob("*"):
        link = site / path.relative_to(tmp_path / "cache")
        link.mkdir(parents=True) if path.is_dir() else link.symlink_to(path)
    found = source_of(site)
    assert all(file.linked for file in found.files.values())
    assert isinstance(answer(found), Refused)


def test_a_package_beyond_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site")
    python = tmp_path / "venv" / "bin" / "python"
    script(python, "#!/bin/sh\n")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    monkeypatch.setenv("SPARKDOCTOR_PYTHON", str(python))
    shared = source_of(tmp_path / "site", python=str(python)).shared
    assert shared is not None
    assert f"{tmp_path}/site lies outside of the environment {tmp_path}/venv" in shared
    install(tmp_path / "venv" / "lib")
    assert source_of(tmp_path / "venv" / "lib", python=str(python)).shared is None


def test_a_zip(tmp_path: Path) -> None:
    install(tmp_path / "site")
    with zipfile.ZipFile(tmp_path / "ds.zip", "w") as archive:
        archive.writestr("deepspeed/__init__.py", "")
    found = source_of(tmp_path / "site", tmp_path / "ds.zip" / "deepspeed" / "__init__.py")
    assert found.archive == f"{tmp_path}/ds.zip"


@pytest.mark.parametrize(
    ("mode", "hides"),
    [
        (py_compile.PycInvalidationMode.UNCHECKED_HASH, True),
        (py_compile.PycInvalidationMode.CHECKED_HASH, False),
        (py_compile.PycInvalidationMode.TIMESTAMP, False),
    ],
)
def test_a_compiled_form_that_hides_the_text(tmp_path: Path, mode: py_compile.PycInvalidationMode, hides: bool) -> None:
    place = install(tmp_path / "site")
    compiled = place / "__pycache__" / "builder.cpython-312.pyc"
    py_compile.compile(str(place / "ragged_ops.py"), cfile=str(compiled), invalidation_mode=mode)
    py_compile.compile(
        str(place / "ragged_ops.py"), cfile=str(compiled.with_name("builder.cpython-39.pyc")), invalidation_mode=mode
    )
    assert source_of(tmp_path / "site").files[BUILDER].unchecked == ((str(compiled),) if hides else ())


@given(TEXT | lines_of("    def ", "flags(self, x):", "\n"))
def test_any_text_has_methods_or_none(text: str) -> None:
    found = method(text, "flags")
    assert found in text
    assert not found or found.startswith("flags(self, ")


@given(st.binary(max_size=20))
def test_any_head_of_a_compiled_form(head: bytes) -> None:
    assert unchecked(head) in (True, False)


def test_who_owns_the_files(tmp_path: Path) -> None:
    place = install(tmp_path / "site")
    status = {"uid": 1000, "cwd": "/", "executable": "/py", "path": [], "patient_python": PYTHON}
    before = machine(tmp_path / "site")
    host = before._host
    assert isinstance(host, Elsewhere)
    host._answers["self"] = status
    found = before.get(DeepspeedSource)
    assert isinstance(found, DeepspeedSource)
    if os.getuid() != 1000:
        assert found.files[BUILDER].obstacle == f"{place}/builder.py belongs to user id {os.getuid()}"
    assert found.elevated[0] == "sudo"
    assert found.elevated[-6:] == ("/py", "-m", "sparkdoctor", "fix", "--python", PYTHON)


def test_an_old_nvcc_is_asked_for_what_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site")
    refuses = (
        'case "$*" in *compute_{0}*) echo "nvcc fatal   : Unsupported gpu architecture \'compute_{0}\'" >&2; exit 1;; esac\n'
    )
    version = "echo '#$ _ -D__CUDACC_VER_MAJOR__=12 -D__CUDACC_VER_MINOR__=8 -D__CUDACC_VER_BUILD__=93' >&2\necho 'release 12.8, V12.8.93'\n"
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    for refused, words in (
        (("121",), ""),
        (("121", "120"), "nvcc fatal   : Unsupported gpu architecture 'compute_120'"),
        ((), None),
    ):
        script(tmp_path / "cuda" / "bin" / "nvcc", "#!/bin/sh\n" + "".join(map(refuses.format, refused)) + version)
        assert source_of(tmp_path / "site").older == words


def test_the_files_of_an_installer_s_cache_stay_what_they_are(tmp_path: Path) -> None:
    site = tmp_path / "site"
    # As uv and conda install: the file in the cache must stay what it is.
    torn = {**DONE, **{name: UNPATCHED[name] for name in (BUILDER, "ragged_ops")}}
    install(tmp_path / "cache", torn)
    for path in sorted((tmp_path / "cache").rglob("*")):
        copy = site / path.relative_to(tmp_path / "cache")
        copy.mkdir(parents=True) if path.is_dir() else copy.hardlink_to(path)
    steps = planned(source_of(site)).steps
    treat(tmp_path / "state", steps)
    assert source_of(site).texts() == DONE
    assert source_of(tmp_path / "cache").texts() == torn
    assert undo_all(tmp_path / "state") == []
    assert source_of(site).texts() == source_of(tmp_path / "cache").texts() == torn
