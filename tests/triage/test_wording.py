"""Wordings: what they fit is what a plain regular expression without backtracking fits."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.wording import KINDS, Wording, usual

WORDS = st.sampled_from(["nvcc", "fatal", "error:", "of", "x", "lib.so", "'a'", "12.1", "7", "a/b", "é"])
HOLES = st.sampled_from(["{}", "{h}", "{p:path}", "{w:word}", "{n:name}", "{f:number}", "{i:int}"])


def fit(text: str, line: str) -> dict[str, str] | None:
    return Wording(text).fit(f" {' '.join(usual(line).split())} ")


@pytest.mark.parametrize(
    ("text", "line", "held"),
    [
        (
            "Unsupported gpu architecture '{gpu}'",
            "nvcc fatal   : Unsupported gpu\tarchitecture 'compute_1.'",
            {"gpu": "compute_1."},
        ),
        ("no kernel image is available", "E   RuntimeError: no kernel image is available for execution", {}),
        (
            "{file:path}: cannot open shared object file",
            "ImportError: /a/b.so: cannot open shared object file: No",
            {"file": "/a/b.so"},
        ),
        ("{file:path}: cannot open shared object file", "(b.so: cannot open shared object file)", {"file": "b.so"}),
        (" {tool:path}: command not found ", "a b c d e f g h i j k l bash: line 1: ninja: command not found", {"tool": "ninja"}),
        (" {tool:path}: command not found ", "x: 'ninja: command not found", None),
        (" Killed ", "Killed", {}),
        (" Killed ", "sh: line 1:  4711 Killed   ninja", {}),
        (" Killed ", "package-Killed installed", None),
        ("tried to allocate {size:number} GiB of it", "tried to allocate 1.50 GiB of it", {"size": "1.50"}),
        ("tried to allocate {size:number} GiB of it", "tried to allocate some GiB of it", None),
        ("failed with code {code:int}", "it failed with code 137.", {"code": "137"}),
        ("failed with code {code:int}", "it failed with code ١٣٧", None),
        ("built for CUDA {version:number}", "built for CUDA 12.8.", {"version": "12.8"}),
        ("built for CUDA {version:number}", "built for CUDA ...", None),
        ("the file {what} is here", "the file is is here", {"what": "is"}),
        ("the file {what} is here", "the file is here", None),
        ("a braced {{x}} y z", "a braced {x} y z", {}),
        ("error: {a} in b {a2}", "error: error: x in b y", {"a": "error: x", "a2": "y"}),
        ('it isn\'t "so" <here> & quite there', "it isn&#39;t &ldquo;", None),
        ('it isn\'t "so" <here> & quite there', "it isn’t “so” &lt;here&gt; &amp; quite there", {}),
        ("it isn’t “so” at all", 'it isn\'t \\"so\\" at all', {}),
        ("version `{version:name}' not found here", "version `GLIBC_2.38' not found here", {"version": "GLIBC_2.38"}),
        ("{a} of the {b} is c", "one of the two is c", {"a": "one", "b": "two"}),
    ],
)
def test_what_it_fits(text: str, line: str, held: dict[str, str] | None) -> None:
    assert fit(text, line) == held


@pytest.mark.parametrize(
    "text",
    ["Killed", "", "{x}", "{x} y", "a b", " a  b c ", "a\tb c d", "a b\nc d e", "a {x!r} b c", "a {x:float} b c", "a b c {x}{y}",
     "a b c {x} d {x}", "it 'is' so", "a b c {", "a b c }", "a\xa0b c d"],
)  # fmt: skip
def test_what_cannot_be_looked_for_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Wording(text)


def test_its_words_are_whole_and_are_spelled_in_one_way() -> None:
    wording = Wording("nvcc fatal : Unsupported 'gpu' architecture '{gpu}' of {it:word} is not known here")
    assert wording.words <= {b"fatal", b":", b"Unsupported", b"architecture", b"known"}
    assert wording.rarest == wording.key == b"architecture"
    assert Wording("git-lfs: is not found").key == b"git-lfs:"
    assert Wording("No such file or directory").words, "where all are common, they are what there is"


@given(st.lists(st.one_of(WORDS, HOLES), min_size=3, max_size=9), st.lists(WORDS, max_size=20), st.booleans())
def test_it_fits_what_a_regular_expression_fits(parts: list[str], line: list[str], insert: bool) -> None:
    """Atomic groups: a hole takes what it can up to the text behind it, and there it stays."""
    names = iter("abcdefghi")
    parts = [
        part if not part.startswith("{") else f"{{{next(names)}{':' + part[3:-1] if ':' in part else ''}}}" for part in parts
    ]
    text = " ".join(parts)
    try:
        wording = Wording(text)
    except ValueError:
        return
    if insert:  # a line that may fit
        line = [*line[:4], *(part if not part.startswith("{") else "7" for part in parts), *line[4:]]
    whole = f" {' '.join(line)} "
    found = wording.fit(whole)
    expected = oracle(text, whole)
    assert found == expected


def oracle(text: str, line: str) -> dict[str, str] | None:
    literals = re.split(r"\{[^}]*\}", text)
    holes = re.findall(r"\{(\w)(?::(\w+))?\}", text)
    first = 1 if not literals[0].strip() and holes else 0
    pattern = re.escape(literals[first])
    for (name, kind), literal in list(zip(holes, literals[1:], strict=True))[first:]:
        one = KINDS[kind]
        more = f"(?P<{name}>(?: (?=.)|){one}{{1,399}}?)" if not kind else f"(?P<{name}>{one}{{1,400}}?)"
        pattern += f"(?>{more}{re.escape(literal)})" if literal else f"(?P<{name}>{one}{{1,400}})"
    for begin in list(re.finditer(f"(?={re.escape(literals[first])})", line))[:8]:
        matched = re.compile(pattern).match(line, begin.start())
        held = {name: (value or "").strip() for name, value in matched.groupdict().items()} if matched else {}
        if matched and not literals[-1] and holes[first:]:
            held[holes[-1][0]] = held[holes[-1][0]].rstrip(".,:;")
        if matched and first:
            name, kind = holes[0]
            before = re.search(f"({KINDS[kind]}{{1,400}})$", line[: begin.start()])
            held[name] = before[1].strip() if before else ""
        if matched and all(held.values()):
            return held
    return None


@pytest.mark.parametrize(
    "text", ["a b {x} c d {y} e f", "{x:path}: is not found", " {x:path}: is not found ", "error: b {x:int} c"]
)
def test_a_long_line_takes_no_more_than_its_length(text: str) -> None:
    def seconds(length: int) -> float:
        lines = [f" {(piece * length)[:length]} " for piece in ("a b ", "a b c d ", ": is not", "error: b 1", "x", "error: b ")]
        wording = Wording(text)
        began = time.thread_time()
        for line in lines:
            wording.fit(line)
        return time.thread_time() - began

    assert min(seconds(1 << 20) for _ in range(3)) < 0.1
