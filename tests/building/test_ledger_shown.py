"""What a build took, for a person and as a document: well-formed whatever files are called."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.cells import cell_len
from rich.console import Console

from built import CONTAINER, GIB, MACHINE, build, job, unit, units
from sparkdoctor.building.diagnosis import DIAGNOSES, conclude
from sparkdoctor.building.job import KINDS
from sparkdoctor.building.ledger import Ledger, Moment
from sparkdoctor.building.outcome import Bounds, Build, Ending
from sparkdoctor.cli import _PLAIN
from sparkdoctor.redact import Redactor
from sparkdoctor.render.build import as_json, document, shown, text

SCHEMA = Draft202012Validator(json.loads((Path(__file__).parents[2] / "docs" / "build.schema.json").read_text()))
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
NASTY = [
    "a\nb✓ all is well.cu",
    "\x1b[31mred.cu",
    "\x1b]0;title\x07.cu",
    "\x9b31m.cu",
    "\u202eevil.cu",
    "\udcff\udcfe.cu",
    "日本語" * 40 + ".cu",
    "e\u0301" * 90,
    "\u0301" * 4096,
    "x" * 4096 + ".cu",
    "[red]markup[/] [.cu",
    "{} %s\t\r.cu",
    "",
    "…",
]


def page(made: Build, width: int = 80) -> str:
    return shown(made, conclude(made), Console(width=width, no_color=True, force_terminal=False, highlight=False))


def many() -> Build:
    hdims = (32, 64, 96, 128, 192, 256)
    made = [
        unit(f"flash_fwd_hdim{hdim}_bf16_sm80.cu", 0.4 + hdim / 160, hdim / 2, began=hdim / 10, seconds=hdim / 1.5)
        for hdim in hdims
    ]
    made[3] = made[3]._replace(held=21.0)
    made[4] = made[4]._replace(paused=4.0)
    made += [unit("link.so", 0.2, 3.0, tool="ld", kind="link"), *(unit(f"{number}.cpp", 0.1, 1.0) for number in range(8))]
    return build(made, CONTAINER, held=9, total_peak=int(5.7 * GIB), lowest_free=2 * GIB, command=("ninja", "-C", "out"))


def nasty(name: str) -> Build:
    book = Ledger()
    book.see(0.0, [job(number, 2.0, name=name, tool=name) for number in range(12)], 0, frozenset({(1, 7)}))
    book.see(9.0, [job(number, 2.0, name=name, tool=name) for number in range(12)], 0)
    ending = Ending(None, "SIGKILL", f"{name} is at fault", oom_kills=1, others=(name,))
    return build(bounds=CONTAINER, ending=ending, command=("make", name), left=(name,), toolkit="12.8")._replace(
        account=book.account(), environment={"MAKEFLAGS": name}
    )


# --- the page


PAGE = """\
job                             tool     peak  time   CPU  waited
flash_fwd_hdim256_bf16_sm80.cu  cicc  2.0 GiB  2:50  2:08       -
flash_fwd_hdim192_bf16_sm80.cu  cicc  1.6 GiB  2:08  1:36    0:04
flash_fwd_hdim128_bf16_sm80.cu  cicc  1.2 GiB  1:25  1:04    0:21
flash_fwd_hdim96_bf16_sm80.cu   cicc  1.0 GiB  1:04  0:48       -
flash_fwd_hdim64_bf16_sm80.cu   cicc  819 MiB  0:42  0:32       -
flash_fwd_hdim32_bf16_sm80.cu   cicc  614 MiB  0:21  0:16       -
link.so                         ld    205 MiB  0:03  0:03       -
0.cpp                           cicc  102 MiB  0:01  0:01       -
1.cpp                           cicc  102 MiB  0:01  0:01       -
2.cpp                           cicc  102 MiB  0:01  0:01       -
… and 5 more, at most 102 MiB each

memory: 5.7 GiB by all jobs together, after 0:40, of 6.0 GiB (8.0 GiB that this
container had free, less 2.0 GiB in reserve)
    2.0 GiB were left at the worst moment
jobs: 15 in 1:41, at most 6 at once; 9 held back before they began, 1:30 in all
best: 4 jobs at once, of up to 2.0 GiB each and 5.8 GiB together; more would be
no faster

! Too many jobs: 15 wanted to run at once, which may take 8.2 GiB of the 6.0 GiB
  that this container has for them.
    → Without `sparkdoctor build`, let no more than 4 jobs run at once: call
    ninja with -j4.
"""
NARROW = """\
job                                peak
flash_fwd_hdim256_bf16_sm80.cu  2.0 GiB
flash_fwd_hdim192_bf16_sm80.cu  1.6 GiB
flash_fwd_hdim128_bf16_sm80.cu  1.2 GiB
flash_fwd_hdim96_bf16_sm80.cu   1.0 GiB
flash_fwd_hdim64_bf16_sm80.cu   819 MiB
flash_fwd_hdim32_bf16_sm80.cu   614 MiB
link.so                         205 MiB
0.cpp                           102 MiB
1.cpp                           102 MiB
2.cpp                           102 MiB
… and 5 more, at most 102 MiB each

memory: 5.7 GiB by all jobs together,
after 0:40, of 6.0 GiB (8.0 GiB that
this container had free, less 2.0 GiB in
reserve)
    2.0 GiB were left at the worst
    moment
jobs: 15 in 1:41, at most 6 at once; 9
held back before they began, 1:30 in all
best: 4 jobs at once, of up to 2.0 GiB
each and 5.8 GiB together; more would be
no faster

! Too many jobs: 15 wanted to run at
  once, which may take 8.2 GiB of the
  6.0 GiB that this container has for
  them.
    → Without `sparkdoctor build`, let
    no more than 4 jobs run at once:
    call ninja with -j4.
"""


@pytest.mark.parametrize(("width", "expected"), [(80, PAGE), (40, NARROW)])
def test_the_page(width: int, expected: str) -> None:
    assert page(many(), width) == expected


def test_a_build_that_needed_no_help_is_told_in_a_line_or_none() -> None:
    assert page(build()) == ""
    assert page(build(units(2, 0.3))) == "✓ Memory was never short: 614 MiB of 80.0 GiB were taken at the most.\n"
    assert "… and" not in page(build(units(3, 0.3)))
    assert page(build(units(3, 0.3))).startswith("job   tool     peak  time   CPU\n0.cu  cicc  307 MiB  0:10  0:10\n")
    assert page(build(left=("sccache", "a\nb"))) == "still running: sccache, a\\nb\n"


def test_what_was_the_matter_is_told_though_nothing_was_compiled() -> None:
    said = page(build(ending=Ending(1, oom_kills=1), bounds=CONTAINER))
    assert "✗ The kernel killed for memory" in said
    assert "jobs: 0 in 1:41, at most 0 at once; none had to wait" in said


def test_an_ended_build_says_why() -> None:
    made = build([unit("rope.cu", 47.0)], ending=Ending(None, "SIGTERM", "cicc outgrew this machine", job(1, 47.0)))
    lines = page(made).splitlines()
    assert "✗ The build was ended: cicc outgrew this machine" in lines
    assert any(line.startswith("✗ One compiler ran away: cicc took 47.0 GiB for rope.cu.") for line in lines)
    assert "    │ cicc 47.0 GiB rope.cu" in lines
    assert not any(line.startswith("best:") for line in lines)


def test_the_best_number_says_why() -> None:
    assert "best: 3 jobs at once, of up to 2.0 GiB each and 6.0 GiB together; this build was as good" in page(
        build(units(8, 2.0), CONTAINER, held=5)
    ).replace("\n", " ")
    assert "best: 3 jobs at once, of up to 2.0 GiB each and 6.0 GiB together; 4 could take 8.0 GiB" in page(
        build(units(12, 2.0), CONTAINER, held=10)
    ).replace("\n", " ")


def test_colours_are_for_terminals_alone() -> None:
    made = build(units(8, 2.0), CONTAINER, held=5)
    assert "\x1b[" not in page(made)
    bright = Console(width=80, force_terminal=True, color_system="standard", highlight=False)
    assert "\x1b[" in shown(made, conclude(made), bright)


@pytest.mark.parametrize("name", NASTY, ids=lambda name: ascii(name)[:20])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_name_moves_the_cursor_or_breaks_a_line(name: str, width: int) -> None:
    made = nasty(name)
    said = page(made, width)
    assert CONTROL.findall(said) == []
    assert not any(line.startswith(("✓", "b✓")) for line in said.splitlines())
    command = conclude(made).diagnosis.remedy
    assert command is not None
    wide = [line for line in said.splitlines() if cell_len(line) > width and not line.startswith("      ")]
    assert wide == []
    assert all(line == line.rstrip() for line in said.splitlines())
    said.encode()


# --- the line


MOMENT = Moment(192.4, 6, 2, 1, int(41.2 * GIB), job(1, 3.4, name="csrc/attention_back.cu"))


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (120, "sparkdoctor 3:12 · 6 run, 2 held, 1 paused · 41.2 of 96.0 GiB · cicc 3.4 GiB attention_back.cu"),
        (94, "sparkdoctor 3:12 · 6 run, 2 held, 1 paused · 41.2 of 96.0 GiB · cicc 3.4 GiB attention_back.cu"),
        (93, "3:12 · 6 run, 2 held, 1 paused · 41.2 of 96.0 GiB · cicc 3.4 GiB attention_back.cu"),
        (80, "3:12 · 6 run, 2 held, 1 paused · 41.2 of 96.0 GiB · cicc 3.4 GiB …tion_back.cu"),
        (50, "3:12 · 6 run, 2 held, 1 paused · 41.2 of 96.0 GiB"),
        (40, "3:12 · 6 run, 2 held, 1 paused"),
        (20, "sparkdoctor 3:12"),
        (5, "3:12"),
        (3, ""),
        (0, ""),
    ],
)
def test_the_line_of_a_moment(width: int, line: str) -> None:
    assert text(width, MOMENT, 96 * GIB) == line


def test_the_line_of_the_first_moment() -> None:
    assert text(80, Moment(), 96 * GIB) == "sparkdoctor 0:00 · 0 run · 0.0 of 96.0 GiB"
    assert text(80, Moment(3725.0, 1), GIB) == "sparkdoctor 1:02:05 · 1 run · 0.0 of 1.0 GiB"


@pytest.mark.parametrize("name", NASTY, ids=lambda name: ascii(name)[:20])
def test_no_name_breaks_the_line(name: str) -> None:
    for width in range(0, 140, 3):
        line = text(width, MOMENT._replace(biggest=job(1, 3.4, name=name, tool=name)), 96 * GIB)
        assert CONTROL.findall(line) == []
        assert "\n" not in line
        assert "\t" not in line
        assert cell_len(line) <= width


@given(st.integers(0, 130), st.integers(0, 999), st.integers(0, 999), st.text(st.characters(categories=["L", "N"]), max_size=60))
def test_the_line_is_never_longer_than_the_terminal(width: int, running: int, held: int, name: str) -> None:
    line = text(width, Moment(1e6, running, held, 3, 1 << 50, job(1, 3.4, name=name)), 96 * GIB)
    assert cell_len(line) <= width
    assert len(line.translate(_PLAIN).encode("ascii", "replace")) <= width


# --- the document


def valid(made: Build) -> Any:
    found = document(made, conclude(made), Redactor("/home/jane", "jane", "spark-7"))
    again = json.loads(as_json(found))
    assert again == found
    assert [f"{list(error.absolute_path)}: {error.message[:200]}" for error in SCHEMA.iter_errors(again)] == []
    return again


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA.schema)
    schema: Any = SCHEMA.schema
    assert schema["properties"]["diagnosis"]["properties"]["id"]["enum"] == list(DIAGNOSES)
    assert schema["$defs"]["unit"]["properties"]["kind"]["enum"] == list(KINDS)


@pytest.mark.parametrize("made", [build(), many(), build(units(3, 2.0)), *map(nasty, NASTY)])
def test_every_document_is_valid(made: Build) -> None:
    found = valid(made)
    json.dumps(found, ensure_ascii=False).encode()


def test_what_stands_in_a_document() -> None:
    found = valid(many()._replace(environment={"MAX_JOBS": "4"}, left=("sccache",)))
    assert found["started"] == "2026-11-18T11:06:40Z"
    assert found["command"] == ["ninja", "-C", "out"]
    assert found["exit"] == {"status": 0, "signal": None, "ended": None}
    assert found["jobs"] == {"asked": None, "seen": 15, "wanted_at_once": 15, "most_at_once": 6, "best": 4, "already_best": False}
    assert found["memory"]["budget"] == 8 * GIB
    assert found["memory"]["limit"] == "container"
    assert found["waits"]["held"] == 9
    assert [one["name"] for one in found["units"][:2]] == ["flash_fwd_hdim256_bf16_sm80.cu", "flash_fwd_hdim192_bf16_sm80.cu"]
    assert found["more"] == {"count": 0, "peak": 0}
    assert found["diagnosis"]["id"] == "too-many-jobs"
    assert found["diagnosis"]["remedy"]["command"] is None
    assert (found["environment"], found["left"]) == ({"MAX_JOBS": "4"}, ["sccache"])


def test_of_many_jobs_the_largest_are_listed() -> None:
    made = build(unit(f"{number}.cu", 0.1 + number / 1000) for number in range(1000))
    found = valid(made)
    assert [one["name"] for one in found["units"]] == [f"{number}.cu" for number in range(999, 799, -1)]
    assert found["more"] == {"count": 800, "peak": made.account.units[799].peak}


def test_nothing_private_stands_in_a_document() -> None:
    secret = "hunter2hunter2"
    made = build(
        [unit(f"/home/jane/{number}.cu", 2.0) for number in range(9)],
        CONTAINER,
        Ending(1, reason="/home/jane/x outgrew it", oom_kills=2, others=("python /home/jane/serve.py",)),
        command=(
            "ninja",
            "--index-url",
            f"https://jane:{secret}@x.org/",
            "--token",
            secret,
            f"--api-key={secret}",
            "--password",
            "-v",
        ),
        environment={"MAKEFLAGS": f"TOKEN={secret}"},
        left=("/home/jane/bin/sccache",),
    )
    said = json.dumps(valid(made))
    assert secret not in said
    assert "jane" not in said
    assert valid(made)["command"][3:] == ["--token", "<redacted>", "--api-key=<redacted>", "--password", "-v"]


def test_a_long_command_is_cut_short() -> None:
    found = valid(build(command=("ld", *["x" * 100_000] * 1000)))
    assert len(found["command"]) == 200
    assert len(json.dumps(found)) < 300_000


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "sparkdoctor.build/2"),
        (("extra",), 1),
        (("started",), "today"),
        (("exit", "status"), -9),
        (("exit", "ended"), ...),
        (("jobs", "best"), 0),
        (("memory", "limit"), "cgroup"),
        (("memory", "budget"), 1.5),
        (("waits", "held_seconds"), -1),
        (("units", 0, "kind"), "fortran"),
        (("units", 0, "peak"), None),
        (("units", 0, "extra"), 1),
        (("diagnosis", "id"), "swap"),
        (("diagnosis", "remedy"), "Do this."),
        (("environment",), {"MAX_JOBS": 4}),
    ],
)
def test_what_is_no_document_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    found: Any = copy.deepcopy(valid(many()))
    at = found
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    assert not SCHEMA.is_valid(found)


@settings(max_examples=40)
@given(
    st.lists(st.builds(unit, st.text(max_size=9), st.floats(0, 60), st.floats(0, 100)), max_size=12),
    st.builds(
        Bounds,
        st.integers(0, 1 << 37),
        st.integers(0, 1 << 35),
        st.just("machine"),
        st.integers(1, 24),
        st.none() | st.integers(1, 9),
    ),
    st.builds(Ending, st.none() | st.integers(0, 255), reason=st.none() | st.text(max_size=9), oom_kills=st.integers(0, 3)),
    st.text(max_size=9),
)
def test_any_build_is_shown_and_valid(made: list[Any], bounds: Bounds, ending: Ending, noise: str) -> None:
    one = build(made, bounds, ending, command=(noise,), left=(noise,), environment={"A": noise}, lowest_free=0)
    valid(one)
    for width in (40, 80):
        assert CONTROL.findall(page(one, width)) == []


def test_the_bounds_of_a_machine() -> None:
    assert MACHINE.room == 80 * GIB
    assert MACHINE._replace(reserve=1 << 60).room == 0
