"""The file of exports: understood, merged, and read by real shells."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import EnvironmentFile
from sparkdoctor.facts.environment import HEADER, MARK, Export, merged, parse, without
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing
from sparkdoctor.plan import MakeDirectory, WriteFile
from sparkdoctor.profiles import Profile

SHELLS = [path for name in ("sh", "dash", "bash") if (path := shutil.which(name))]
VALUES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
NAMES = st.sampled_from(["MAX_JOBS", "CUDA_HOME", "NVCC_APPEND_FLAGS", "_x1", "A"])
WANTED = st.dictionaries(NAMES, st.tuples(VALUES, VALUES), max_size=4)
HARMLESS = (
    "# what I need",
    "",
    "   ",
    "export MINE='it is\nmine'",
    "MAX_JOBS=3; export MAX_JOBS",
    'export CUDA_HOME="/opt/my \\"cuda\\""',
    "export A=1 B=two\\ words # comment",
    "if [ -n \"${NOPE-}\" ]; then export A='x'; fi",
    "mine() {\n  export A=function\n}",
    'export P="${NOPE:-its}" Q="$(printf "%s" "it\'s")"',
    "export LONG=one\\\ntwo",
    "unset A",
    "case x in y) B=1 ;; (z) B=2 ;; esac",
    "for each in 1 2; do B=$each; done",
    f"export A=9  # {MARK}old",
    f"export _x1='a\nb'  # {MARK}two lines",
    f"# {MARK}no line of ours",
)
USERS = st.lists(st.sampled_from(HARMLESS), max_size=6).map(lambda lines: "".join(f"{line}\n" for line in lines))


def sourced(text: str, shell: str) -> dict[str, str]:
    """The environment of a shell that has read this text."""
    command = [shell, "-c", '. "$0" && exec /usr/bin/env -0', "/dev/stdin"]
    if len(text.encode()) > 60_000:
        raise AssertionError("too long for a pipe")
    ran = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, env={"PATH": "/usr/bin:/bin"}, check=True)
    return dict(item.split("=", 1) for item in ran.stdout.decode().split("\0") if "=" in item)


def test_a_new_file_says_what_it_is() -> None:
    text = merged(None, {"MAX_JOBS": ("20", "they fit"), "CUDA_HOME": ("/opt/my cuda", "it\nserves")})
    assert text == (
        f"{HEADER}export MAX_JOBS=20  # sparkdoctor: they fit\nexport CUDA_HOME='/opt/my cuda'  # sparkdoctor: it serves\n"
    )
    assert len(HEADER.splitlines()) == 2
    assert ". ~/.config/sparkdoctor/environment.sh" in HEADER
    assert parse(text)["CUDA_HOME"] == Export("/opt/my cuda", ours=True, reason="it serves")


def test_our_lines_are_updated_where_they_stand_and_the_users_stay() -> None:
    before = f"# mine\nexport MAX_JOBS=2  # {MARK}old\nexport CUDA_HOME=/mine # keep\nexport OTHER=1  # {MARK}of another fix"
    after = merged(before, {"MAX_JOBS": ("4", "new"), "CUDA_HOME": ("/ours", ""), "NVCC_THREADS": ("1", "few")})
    assert after == (
        f"# mine\nexport MAX_JOBS=4  # {MARK}new\nexport CUDA_HOME=/mine # keep\nexport OTHER=1  # {MARK}of another fix\n"
        f"export NVCC_THREADS=1  # {MARK}few\n"
    )


@pytest.mark.parametrize(
    "users",
    [
        "export MAX_JOBS=2",
        "MAX_JOBS=2",
        "unset MAX_JOBS",
        "[ -n x ] && export MAX_JOBS=2",
        ": ${MAX_JOBS:=2}",
        ': "${MAX_JOBS=2}"',
        "export MAX_JOBS",
        "read MAX_JOBS",
        "f() { MAX_JOBS=2; }",
        "export A=1 MAX_JOBS=2",
    ],
)
def test_a_name_that_the_user_deals_with_is_theirs(users: str) -> None:
    for text in (f"{users}\n", f"{users}\nexport MAX_JOBS=3  # {MARK}ours\n", f"export MAX_JOBS=3  # {MARK}ours\n{users}\n"):
        assert merged(text, {"MAX_JOBS": ("4", "new")}) == f"{users}\n"


@pytest.mark.parametrize("users", ["export MAKEFLAGS=-j$MAX_JOBS", "# MAX_JOBS=2", "echo MAX_JOBS=", "export XMAX_JOBS=2"])
def test_a_name_that_is_only_spoken_of_is_not(users: str) -> None:
    text = merged(f"{users}\n", {"MAX_JOBS": ("4", "new")})
    if users.startswith("echo"):  # it may be an assignment to whoever reads on
        assert text == f"{users}\n"
    else:
        assert text == f"{users}\nexport MAX_JOBS=4  # {MARK}new\n"


def test_a_marked_line_within_a_quotation_or_a_compound_command_is_the_users() -> None:
    text = f"export TEXT='\nexport MAX_JOBS=3  # {MARK}no\n'\nif true; then\nexport NVCC_THREADS=3  # {MARK}no\nfi\n"
    after = merged(text, {"MAX_JOBS": ("4", "r"), "NVCC_THREADS": ("1", "r")})
    assert after == f"{text}export MAX_JOBS=4  # {MARK}r\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("export A='x\n", "does not end"),
        ('export A="x\n', "does not end"),
        ("export A=`x\n", "does not end"),
        ("export A=${x\n", "does not end"),
        ("export A=$(x\n", "does not end"),
        ("export A=x\\\n", "within a line"),
        ("true \\\n", "within a line"),
        ("true \\", "within a line"),
        ("if true; then\n", "'fi'"),
        ("f() {\n", "'}'"),
        ("fi\n", "ends nothing"),
        ("cat <<END\nEND\n", "here-document"),
        ("return\n", "'return'"),
        ("export A=1; exit 0\n", "'exit'"),
        ("export A=$'x'\n", "shells read differently"),
        ('export A="${B:-it\'s}" C="\'}"\n', "shells read differently"),
        ("export A=\0\n", "not text"),
        ("$(" * 5000, "too deeply"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, words: str) -> None:
    for attempt in (lambda: merged(text, {"A": ("1", "")}), lambda: parse(text), lambda: without(text, frozenset("A"))):
        with pytest.raises(ValueError, match=re.escape(words)):
            attempt()


@pytest.mark.parametrize("wanted", [{"A B": ("1", "")}, {"1": ("1", "")}, {"A": ("\0", "")}, {"": ("1", "")}])
def test_what_no_shell_can_set_is_refused(wanted: dict[str, tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match="cannot set"):
        merged(None, wanted)


def test_obsolete_lines_go_and_nothing_else() -> None:
    text = f"export A=1  # {MARK}r\nexport A=2\nexport B=1  # {MARK}r\n"
    assert without(text, frozenset("A")) == f"export A=2\nexport B=1  # {MARK}r\n"


@given(st.text(max_size=60) | st.text("'\"\\$`(){}#;&|<= \nexportifA1", max_size=40), WANTED)
def test_strange_text_is_merged_or_refused(text: str, wanted: dict[str, tuple[str, str]]) -> None:
    try:
        once = merged(text, wanted)
    except ValueError:
        return
    assert merged(once, wanted) == once
    parse(once)
    if MARK not in text and text:
        assert once.startswith(text)


@given(USERS, WANTED, WANTED)
def test_users_lines_survive_and_win(users: str, first: dict[str, tuple[str, str]], then: dict[str, tuple[str, str]]) -> None:
    once = merged(merged(users, first), then)
    assert merged(once, then) == once
    own = without(users, frozenset(("A", "_x1")))
    assert own == "" or without(once, frozenset({"MAX_JOBS", "CUDA_HOME", "NVCC_APPEND_FLAGS", "_x1", "A"})).startswith(own)
    theirs = parse(own).keys()
    for name, (value, _) in then.items():
        found = parse(once)[name]
        assert found.ours != (name in theirs)
        assert name in theirs or found.value == value


def test_real_shells_read_exactly_these_values() -> None:
    """A few hundred files, each read by each shell that there is."""
    assert SHELLS

    examples: list[tuple[str, dict[str, tuple[str, str]]]] = []

    @given(USERS, WANTED)
    def collect(users: str, wanted: dict[str, tuple[str, str]]) -> None:
        examples.append((users, wanted))

    collect()
    for users, wanted in examples:
        text = merged(users, wanted)
        for shell in SHELLS:
            environment = sourced(text, shell)
            for name, export in parse(text).items():
                if export.known:
                    assert environment.get(name) == export.value, (text, shell, name)


# --- where it lies


def file_in(monkeypatch: pytest.MonkeyPatch, **env: str) -> EnvironmentFile | Missing:
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return Machine(LocalHost(), Profile()).get(EnvironmentFile)


def usable(found: EnvironmentFile | Missing) -> EnvironmentFile:
    assert isinstance(found, EnvironmentFile), found
    return found


def test_a_home_without_the_file_gets_its_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = usable(file_in(monkeypatch, HOME=str(tmp_path), XDG_CONFIG_HOME="relative"))
    place = f"{tmp_path}/.config/sparkdoctor"
    assert (found.path, found.text, found.obstacle) == (f"{place}/environment.sh", None, "")
    assert found.steps("x\n") == (
        MakeDirectory(f"{tmp_path}/.config", 0o700),
        MakeDirectory(place, 0o700),
        WriteFile(f"{place}/environment.sh", "x\n"),
    )
    assert found.read == f". {place}/environment.sh"


def test_an_absolute_xdg_directory_leads_and_links_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = usable(file_in(monkeypatch, HOME="/nowhere", XDG_CONFIG_HOME=str(tmp_path / "link")))
    assert found.path == f"{tmp_path}/real/sparkdoctor/environment.sh"
    assert found.new == (f"{tmp_path}/real/sparkdoctor",)


@pytest.mark.parametrize("dangling", [False, True])
def test_a_file_that_is_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dangling: bool) -> None:
    place = tmp_path / "sparkdoctor"
    place.mkdir()
    (place / "environment.sh").symlink_to("/nowhere/x" if dangling else "other.sh")
    (place / "other.sh").write_text("")
    assert "symbolic link" in usable(file_in(monkeypatch, XDG_CONFIG_HOME=str(tmp_path))).obstacle


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"export A='x\n", "cannot be understood"), (b"\xff\n", "UTF-8"), (b"A=\0\n", "UTF-8"), (None, "no file")],
)
def test_what_is_no_such_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, words: str
) -> None:
    path = tmp_path / "sparkdoctor" / "environment.sh"
    path.parent.mkdir()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    found = usable(file_in(monkeypatch, XDG_CONFIG_HOME=str(tmp_path)))
    assert words in found.obstacle
    assert found.exports == {}


def test_a_file_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sparkdoctor" / "environment.sh"
    path.parent.mkdir()
    path.write_text(f"export A=ä\nexport B=2  # {MARK}why\n")
    found = usable(file_in(monkeypatch, XDG_CONFIG_HOME=str(tmp_path)))
    assert found.obstacle == ""
    assert found.exports == {"A": Export("ä"), "B": Export("2", ours=True, reason="why")}
    assert found.steps("new\n") == (WriteFile(str(path), "new\n", path.read_text()),)


def test_no_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = file_in(monkeypatch, HOME="")
    assert isinstance(found, Missing)
    assert "HOME" in found.reason


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o555)
    assert "cannot be written" in usable(file_in(monkeypatch, XDG_CONFIG_HOME=str(tmp_path))).obstacle


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_somebody_elses_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sparkdoctor" / "environment.sh"
    path.parent.mkdir()
    path.write_text("")
    os.chown(path, 12345, 12345)
    assert "somebody else (uid 12345)" in usable(file_in(monkeypatch, XDG_CONFIG_HOME=str(tmp_path))).obstacle
    path.unlink()
    os.chown(tmp_path, 12345, 12345)
    shutil.rmtree(path.parent)
    assert "somebody else (uid 12345)" in usable(file_in(monkeypatch, XDG_CONFIG_HOME=str(tmp_path))).obstacle
