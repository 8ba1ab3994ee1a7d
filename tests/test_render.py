"""The four formats, of reports made by hand: well-formed whatever is in them, and of use to whom they are for."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from sparkdoctor.model import Report, Result, Status, Verdict, fail, ok, skip, warn
from sparkdoctor.render import json as json_render
from sparkdoctor.render import junit, markdown, printable, terminal

Render = Callable[[Report], str]
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NASTY = [
    "",
    "x" * 2_000,
    "word " * 400,
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\rb",
    "a\x08\x08b",
    "a\tb",
    "a\nb\nc",
    "a\n\n\nb",
    "nul\0",
    BIDI,
    "\u2028\u2029\x85",
    "\ud800 \udfff",
    "\ufffe\uffff",
    "`one` ``two`` ```three",
    "```\n# heading\n```",
    "a | b \\| c",
    "<script>alert(1)</script> & <!-- ]]> -->",
    "[link](http://example.org) ![x](y) *bold* _it_",
    "[red]rich markup[/red] [/] [",
    "ünïcödé 日本語 🙂 ✓",
    "e\u0301" * 30,
    "日本語" * 100,
    "{} %s {0}",
    " leading and trailing ",
]
MACHINE: dict[str, str | int | float | None] = {
    "name": "NVIDIA DGX Spark",
    "gpu": "NVIDIA GB10",
    "gpus": 1,
    "compute_capability": "12.1",
    "driver": "580.159.03",
    "cuda": "13.0",
    "nvcc": "13.0.88",
    "python": "3.12.3",
    "torch": "2.11.0+cu130",
    "triton": "3.6.0",
    "arch": "aarch64",
    "cpus": 20,
    "kernel": "6.17.0-1008-nvidia",
    "os": "Ubuntu 24.04.4 LTS",
    "dgx_os": "7.5.0",
    "container": None,
    "memory_gib": 119.6,
    "memory_available_gib": 115.6,
    "memory_limit_gib": None,
}


def result(name: str, verdict: Verdict, layer: str = "gpu", title: str = "All is well", fixes: tuple[str, ...] = ()) -> Result:
    return Result(name, layer, title, verdict, fixes, 0.001)


def report(*results: Result, text: str | None = None, profile: str = "dgx-spark") -> Report:
    python: dict[str, str | None] = {"path": "/usr/bin/python3", "why": "python3 on PATH"}
    machine = MACHINE
    if text is not None:
        python = dict.fromkeys(python, text)
        machine = {name: text if isinstance(value, str) else value for name, value in MACHINE.items()} | {"container": text}
    return Report("0.1.0", profile, False, python, machine, results, 0.18)


def crash(reason: str) -> Verdict:
    return Verdict(Status.CRASHED, reason)


def of_every_status(text: str = "text", command: str = "sudo true") -> Report:
    return report(
        result("a-fine", ok(text, expected=text, observed=text, evidence=(text,)), "machine", text),
        result("b-bent", warn(text, remedy=text, command=command, expected=text, evidence=(text, text)), "gpu", text),
        result(
            "c-broken", fail(text, remedy=text, observed=text, evidence=(text,) * 20, needs_root=True), "cuda", text, ("mend",)
        ),
        result("d-skipped", skip(text), "torch", text),
        result("e-crashed", crash(text), "triton", text),
        text=text,
    )


def shown(it: Report, *, verbose: bool = False, to_file: bool = True) -> str:
    return terminal.render(it, verbose=verbose, to_file=to_file)


TEXT_FORMATS: dict[str, Render] = {
    "terminal": lambda it: terminal.render(it, verbose=False, to_file=True),
    "verbose": lambda it: terminal.render(it, verbose=True, to_file=True),
    "markdown": lambda it: markdown.render(it, verbose=True, to_file=True),
    "junit": lambda it: junit.render(it, verbose=False, to_file=True),
    "json": lambda it: json_render.render(it, verbose=False, to_file=True),
}
CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{BIDI}]")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


# --- all formats


@pytest.mark.parametrize("form", TEXT_FORMATS)
@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_nothing_moves_the_cursor_or_turns_the_text_around(form: str, text: str) -> None:
    said = TEXT_FORMATS[form](of_every_status(text, command=f"echo {text.replace(chr(10), ' ')}"))
    assert CONTROL.findall(said) == []
    said.encode("utf-8")


@pytest.mark.parametrize("form", TEXT_FORMATS)
def test_the_name_of_a_profile_is_a_strangers_too(form: str) -> None:
    it = report(result("a", ok("fine")), profile="\x1b[31m\u202e\0<&>\n|")
    said = TEXT_FORMATS[form](it)
    assert CONTROL.findall(said) == []
    if form == "junit":
        ET.fromstring(said.encode())


@pytest.mark.parametrize("form", TEXT_FORMATS)
@pytest.mark.parametrize(
    "it", [of_every_status(), report(), report(result("a", ok("fine"))), report(result("a", fail("x", remedy="y.")))]
)
def test_it_ends_with_one_newline_and_no_line_with_blanks(form: str, it: Report) -> None:
    said = TEXT_FORMATS[form](it)
    assert said.endswith("\n")
    assert not said.endswith("\n\n")
    assert not said.startswith("\n")
    assert [line for line in said.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize("form", TEXT_FORMATS)
def test_ten_kilobytes_of_evidence(form: str) -> None:
    it = report(result("a", fail("x" * 10_000, remedy="y.", evidence=("z" * 10_000,) * 10)))
    said = TEXT_FORMATS[form](it)
    assert ("z" * 10_000 in said) is (form in ("json", "junit", "markdown"))


@given(st.text(max_size=60), st.text(max_size=30))
@settings(max_examples=60)
def test_any_text_is_shown(text: str, command: str) -> None:
    it = of_every_status(text, command)
    for form, render in TEXT_FORMATS.items():
        said = render(it)
        assert CONTROL.findall(said) == [], form
        said.encode("utf-8")
        if form == "junit":
            ET.fromstring(said.encode("utf-8"))


@given(st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Cs"]))
def test_printable_is_idempotent(letter: str) -> None:
    assert printable(printable(letter)) == printable(letter)


# --- the terminal


def lines_without_commands(said: str) -> list[str]:
    return [line for line in said.splitlines() if not line.startswith("      ")]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_the_width_is_kept_but_for_commands(monkeypatch: pytest.MonkeyPatch, width: int, text: str) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    command = "sudo apt update && sudo apt dist-upgrade && sudo reboot " + "x" * 200
    for verbose in (False, True):
        said = shown(of_every_status(text, command), verbose=verbose)
        assert f"      {command}" in said.splitlines()
        wide = [line for line in said.splitlines() if cell_len(line) > width and command not in line]
        assert wide == []
        assert [line for line in said.splitlines() if line != line.rstrip()] == []


def test_a_terminal_of_one_column_is_no_reason_to_break(monkeypatch: pytest.MonkeyPatch) -> None:
    for width in ("1", "0", "x", "10"):
        monkeypatch.setenv("COLUMNS", width)
        assert "c-broken" in shown(of_every_status()), f"COLUMNS={width}"


STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_only_richs_own_styles_reach_a_terminal(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = shown(of_every_status(text), verbose=True, to_file=False)
    assert STYLE.search(said)
    assert CONTROL.findall(STYLE.sub("", said)) == []
    monkeypatch.delenv("FORCE_COLOR")
    assert STYLE.sub("", said) == shown(of_every_status(text), verbose=True, to_file=True)


def test_no_colour_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in shown(of_every_status(), to_file=True)


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown(of_every_status(), to_file=False)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in shown(of_every_status(), to_file=False)


LAST = {
    "failed": "Next: sparkdoctor fix --all is for 1 of these 2; it shows what it would do first. Why: sparkdoctor explain c-broken",
    "warning": "Next: consider the first remedy above, then check again. Why: sparkdoctor explain b-bent",
    "ok": "Healthy: nothing to do.",
    "unknown": "No verdict: nothing could be examined. See the reasons above.",
}


@pytest.mark.parametrize("verdict", LAST)
def test_the_last_line_says_what_to_do_next(verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    kept = {"failed": "abcd", "warning": "abd", "ok": "ad", "unknown": "d"}[verdict]
    it = of_every_status()
    it = it._replace(results=tuple(found for found in it.results if found.id[0] in kept))
    assert it.verdict == verdict
    assert shown(it).splitlines()[-1] == LAST[verdict]


def test_the_last_line_where_checks_crashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    it = report(result("a-fine", ok("fine")), result("e-crashed", crash("boom")))
    assert it.verdict == "warning"
    assert shown(it).splitlines()[-1].startswith("Some checks could not be made; `sparkdoctor record FILE`")
    assert shown(report(result("e-crashed", crash("boom")))).splitlines()[-1] == LAST["unknown"]
    assert shown(report()).splitlines()[-1] == LAST["unknown"]


def test_a_warning_beside_a_crash_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    it = report(result("e-crashed", crash("boom")), result("b-bent", warn("x", remedy="y.")))
    assert it.verdict == "warning"
    assert "e-crashed" in shown(it)
    assert "b-bent" in shown(it)


def test_what_is_wrong_stands_first_and_in_full() -> None:
    it = report(
        result("b-bent", warn("it bends", remedy="Unbend it.", command="unbend --now")),
        result(
            "c-broken",
            fail(
                "it broke",
                remedy="Mend it.",
                expected=">=580",
                observed="575",
                evidence=("seen",),
                needs_root=True,
                needs_reboot=True,
            ),
            fixes=("mend", "patch"),
        ),
    )
    said = shown(it)
    for words in (
        "✗ c-broken [gpu] All is well",
        "    it broke",
        "    expected >=580, observed 575",
        "    │ seen",
        "    → Mend it. (needs root and a restart)",
        "    → sparkdoctor fix mend patch",
        "! b-bent [gpu] All is well",
        "    → Unbend it.",
        "      unbend --now",
        "1 failed, 1 warning (dgx-spark, 0.18 s)",
    ):
        assert words in said.splitlines()
    assert said.index("c-broken") < said.index("b-bent")


def test_passes_are_a_count_unless_verbose() -> None:
    it = report(*(result(f"fine-{number}", ok(f"summary {number}")) for number in range(3)))
    assert "✓ gpu        3 ok" in shown(it).splitlines()
    assert "fine-" not in shown(it)
    for number in range(3):
        assert f"    ✓ fine-{number}: summary {number}" in shown(it, verbose=True).splitlines()


def test_skips_are_folded_by_reason() -> None:
    it = report(
        *(result(f"gone-{number}", skip("there is no driver")) for number in range(3)),
        result("other", skip("there is no Triton")),
        result("fine", ok("x")),
    )
    said = shown(it)
    assert "- 3 skipped: there is no driver" in said.splitlines()
    assert "- 1 skipped: there is no Triton" in said.splitlines()
    assert "gone-1" not in said
    assert "    gone-0, gone-1, gone-2" in shown(it, verbose=True).splitlines()


def test_crashes_of_one_reason_are_folded() -> None:
    it = report(*(result(f"dead-{number}", crash("NVML hung")) for number in range(3)), result("alone", crash("boom")))
    said = shown(it)
    assert said.count("NVML hung") == 1
    assert "? 3 checks could not be made: NVML hung" in said.splitlines()
    assert "    dead-0, dead-1, dead-2" in said.splitlines()
    assert "? alone [gpu] All is well" in said.splitlines()


def test_the_head_says_what_was_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    head = shown(report()).splitlines()
    assert head[0] == "NVIDIA DGX Spark · NVIDIA GB10 · capability 12.1 · driver 580.159.03 · CUDA 13.0"
    assert head[1] == "Ubuntu 24.04.4 LTS · aarch64 · 20 CPUs · 119.6 GiB, 115.6 available"
    assert head[2] == "Python 3.12.3, PyTorch 2.11.0+cu130, Triton 3.6.0: /usr/bin/python3 (python3 on PATH)"


def test_a_head_of_nothing() -> None:
    empty: dict[str, str | int | float | None] = dict.fromkeys(MACHINE)
    it = report()._replace(machine={**empty, "gpus": 0}, python={"path": None, "why": "no Python interpreter was found"})
    for render in TEXT_FORMATS.values():
        assert render(it)
    assert "no GPU seen" in shown(it)
    assert "Python: no Python interpreter was found" in shown(it)


def test_several_gpus_are_counted() -> None:
    assert "4 × NVIDIA GB10" in shown(report()._replace(machine={**MACHINE, "gpus": 4}))


def test_long_evidence_is_cut_short() -> None:
    said = shown(report(result("a", fail("x", remedy="y.", evidence=tuple(f"line {number}" for number in range(40))))))
    assert "line 11" in said
    assert "line 12" not in said
    many = shown(report(result("a", fail("x", remedy="y.", evidence=("\n".join("abc" for _ in range(100)),)))))
    assert many.count("abc") <= 12, "line breaks inside of one piece of evidence are lines too"


def test_every_line_of_evidence_has_its_mark() -> None:
    said = shown(report(result("a", fail("x", remedy="y.", evidence=("first\nsecond",)))))
    assert "    │ first" in said.splitlines()
    assert "    │ second" in said.splitlines()


# --- JSON


def test_json_is_ascii_and_round_trips() -> None:
    for text in NASTY:
        said = json_render.render(of_every_status(text), verbose=False, to_file=True)
        assert said.isascii()
        assert json.loads(said)["results"][0]["summary"] == text


# --- JUnit


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_junit_is_xml_and_its_counts_agree(text: str) -> None:
    it = of_every_status(text)
    root = ET.fromstring(junit.render(it, verbose=False, to_file=True).encode("utf-8"))
    suite = root.find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [found.id for found in it.results]
    counts = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    assert suite.get("tests") == str(len(cases)) == "5"
    for attribute, tag in counts.items():
        assert suite.get(attribute) == str(sum(case.find(tag) is not None for case in cases)) == "1"


def test_junit_says_why_and_what_to_do() -> None:
    it = report(result("c-broken", fail("it broke", remedy="Mend it.", command="mend --now", evidence=("seen",))))
    root = ET.fromstring(junit.render(it, verbose=False, to_file=True))
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("message") == "it broke"
    assert (failure.text or "").splitlines() == ["All is well", "it broke", "seen", "Mend it.", "mend --now"]


def test_a_warning_is_a_pass_with_words_in_junit() -> None:
    root = ET.fromstring(
        junit.render(report(result("b-bent", warn("it bends", remedy="Unbend it."))), verbose=False, to_file=True)
    )
    case = root.find("testsuite/testcase")
    assert case is not None
    assert [child.tag for child in case] == ["system-out"]
    assert (case[0].text or "").startswith("warning: ")


# --- Markdown


def pasted(it: Report, *, verbose: bool = False) -> str:
    return markdown.render(it, verbose=verbose, to_file=False)


FENCE = re.compile(r"^(`{3,})(text)?$")


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_fences_open_and_close(text: str) -> None:
    inside: str | None = None
    blocks = 0
    for line in pasted(of_every_status(text)).splitlines():
        found = FENCE.match(line)
        if inside is None and found and found[2]:
            inside, blocks = found[1], blocks + 1
        elif inside is not None and found and not found[2] and len(found[1]) >= len(inside):
            assert found[1] == inside, "the evidence closes the fence"
            inside = None
    assert inside is None
    assert blocks == 3  # two pieces of evidence and a command


def test_evidence_cannot_close_its_fence() -> None:
    for evidence in ("```", "a\n```\nb", "````\n`````"):
        said = pasted(report(result("a", fail("x", remedy="y.", evidence=(evidence,))))).splitlines()
        longest = max(len(run) for run in re.findall("`+", evidence))
        opening = next(line for line in said if line.endswith("text") and line.startswith("```"))
        assert len(opening) - len("text") > longest
        assert said.count(opening.removesuffix("text")) == 1


@pytest.mark.parametrize("text", ["a | b", "a\nb", "a\\| b", "<b>", "a\n\n| x | y |"])
def test_a_row_of_the_table_has_three_cells(text: str) -> None:
    rows = [line for line in pasted(report(result("a", ok(text)), result("b", skip(text)))).splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    for row in rows:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 4


def test_no_html_of_a_stranger() -> None:
    said = pasted(of_every_status("<script>x</script> <img src=y> <!-- z"))
    assert not re.search(r"(?<!\\)<(script|img|!--)", re.sub(r"(?ms)^```+text$.*?^```+$|`[^`]+`", "", said))


def test_markdown_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nfs/homes/wonderland")
    for name in ("LOGNAME", "USER"):
        monkeypatch.setenv(name, "wonderland")
    secrets = "/nfs/homes/wonderland/x wonderland 192.168.1.27 4c:bb:47:12:34:56 HF_TOKEN=hf_abcdefghijkl"
    said = pasted(of_every_status(secrets)._replace(machine={**MACHINE, "os": secrets}), verbose=True)
    for secret in ("wonderland", "192.168.1.27", "4c:bb:47", "hf_abc"):
        assert secret not in said
    assert "580.159.03" in said


def test_a_command_is_pasted_as_it_is() -> None:
    command = "python -m pip install --upgrade 'torch>=2.11' | tee `tty` *.log"
    assert command in pasted(report(result("a", fail("x", remedy="y.", command=command)))).splitlines()


def test_the_rest_is_folded_unless_verbose() -> None:
    it = report(result("a", ok("x")), result("b", skip("y")), result("c", warn("z", remedy="w.")))
    assert "<details><summary>2 more</summary>" in pasted(it).splitlines()
    assert "<details open><summary>2 more</summary>" in pasted(it, verbose=True).splitlines()
    assert "#### warning: c" in pasted(it).splitlines()
    assert pasted(it).startswith("### sparkdoctor 0.1.0: warning\n")
