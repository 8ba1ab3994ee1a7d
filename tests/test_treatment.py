"""`sparkdoctor fix` and `undo` from end to end, on a kitchen: every outcome, order, rounds, and what is said of it."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import kitchen
from crashing import Tree, tree
from sparkdoctor.fix import Fix
from sparkdoctor.registry import Registry
from sparkdoctor.treatment import ordered

COMMAND = str(Path(sys.executable).with_name("sparkdoctor"))


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def outcomes(self) -> dict[str, str]:
        return {one["id"]: one["outcome"] for one in json.loads(self.out)["fixes"]}

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


class Home:
    """A user whose machine is the kitchen alone."""

    def __init__(self, place: Path) -> None:
        self.kitchen = place / "kitchen"
        self.state = place / "state"
        self.kitchen.mkdir()
        installed = place / "installed"
        metadata = installed / "kitchen-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "entry_points.txt").write_text("[sparkdoctor.plugins]\nkitchen = kitchen\n")
        shutil.copy(kitchen.__file__, installed)
        checks = "".join(f'{name} = "off"\n' for name in Registry.load().checks)
        self.profile = place / "kitchen.toml"
        self.profile.write_text(f'schema = "sparkdoctor.profile/1"\n[severity]\n{checks}')
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(place),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(installed),
            "KITCHEN": str(self.kitchen),
            "SPARKDOCTOR_STATE": str(self.state),
        }

    def has(self, **files: str) -> Tree:
        for name, text in files.items():
            (self.kitchen / name).write_text(text)
        return tree(self.kitchen)

    def file(self, name: str) -> str:
        return (self.kitchen / name).read_text()

    def run(self, *args: str, **variables: str) -> Ended:
        where = ("--profile", str(self.profile)) if args[0] in ("check", "fix") else ()
        done = subprocess.run(
            [COMMAND, *args, *where], env=self.env | variables, capture_output=True, text=True, timeout=60, check=False
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert "sparkdoctor broke" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    def fix(self, *args: str) -> Ended:
        return self.run("fix", *args)

    def fixed(self, *args: str) -> Ended:
        """`--yes` and JSON."""
        return self.run("fix", *args, "--yes", "--format", "json")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_cure_and_its_undo(home: Home) -> None:
    before = home.has(milk="sour", bread="fresh")
    assert home.run("check").code == 1
    ended = home.fixed("--all")
    assert (ended.code, ended.err) == (0, "")
    (one,) = ended.document["fixes"]
    assert (one["id"], one["outcome"], one["checks"]) == ("buy-milk", "cured", {"milk-sour": "ok"})
    assert ended.document["report"]["verdict"] == "ok"
    assert home.file("milk") == "fresh"
    again = home.fixed("--all")
    assert (again.code, again.outcomes, again.document["treatment"]) == (0, {}, None)
    assert home.fix("--all", "--yes").out == "Nothing to fix.\n"
    undone = home.run("undo")
    assert (undone.code, undone.err) == (0, "")
    assert undone.out == "treatment 1: 1 of 1 step taken back\n"
    assert tree(home.kitchen) == before
    assert home.run("undo").out == "Nothing to take back.\n"


def test_the_plan_is_shown_and_nothing_is_done_without_a_yes(home: Home) -> None:
    before = home.has(milk="sour")
    ended = home.fix("--all")
    assert ended.code == 1
    assert ended.out == (
        "buy-milk: the milk is fresh\n"
        f"    --- {home.kitchen}/milk\n    +++ {home.kitchen}/milk\n    @@ -1 +1 @@\n"
        "    -sour\n    \\ No newline at end of file\n    +fresh\n    \\ No newline at end of file\n"
        "    (It costs a euro.)\n"
        "Nothing was done: nobody can be asked here; add --yes.\n"
    )
    assert tree(home.kitchen) == before
    rehearsed = home.fix("--all", "--dry-run", "--yes")
    assert rehearsed.code == 1
    assert rehearsed.out.splitlines()[:-1] == ended.out.splitlines()[:-1]
    assert rehearsed.out.endswith("Nothing was done: this was a rehearsal.\n")
    assert tree(home.kitchen) == before
    assert home.run("undo", "--list").out == "No treatment is written down.\n"


def test_a_rehearsal_writes_nothing_at_all(home: Home) -> None:
    home.has(milk="sour")
    home.fix("--all", "--dry-run")
    assert not home.state.exists()


def test_the_diff_is_in_colour_where_there_are_colours(home: Home) -> None:
    home.has(milk="sour")
    shown = home.run("fix", "--all", "--dry-run", FORCE_COLOR="1").out
    assert "\x1b[32m    +fresh\x1b[0m" in shown
    assert "\x1b[31m    -sour\x1b[0m" in shown
    assert "\x1b[" not in home.run("fix", "--all", "--dry-run", FORCE_COLOR="", NO_COLOR="1").out


def test_what_one_fix_brings_to_light_another_mends(home: Home) -> None:
    home.has(oven="cold")
    ended = home.fixed("--all")
    assert ended.outcomes == {"light-oven": "cured", "bake-bread": "cured"}
    assert ended.code == 0
    assert home.fixed("--all").outcomes == {}
    home.run("undo")
    assert sorted(home.has()) == ["oven"]


def test_a_fix_that_fails_is_taken_back_and_stops_no_other(home: Home) -> None:
    before = home.has(knife="blunt", milk="sour")
    ended = home.fixed("--all")
    assert ended.outcomes == {"buy-milk": "cured", "grind-knife": "failed", "polish-knife": "refused"}
    reasons = {one["id"]: one["reason"] for one in ended.document["fixes"]}
    assert reasons["grind-knife"] == "false exited with status 1"
    assert reasons["polish-knife"] == "the knife is blunt: grind-knife comes first"
    assert ended.code == 1
    after = tree(home.kitchen)
    assert {name: file.content for name, file in after.items()} == {"knife": b"blunt", "milk": b"fresh"}
    assert after["knife"] == before["knife"]
    assert home.run("undo").out.endswith(": 1 of 1 step taken back\n")
    assert tree(home.kitchen) == before


def test_a_fix_that_does_not_cure_says_so(home: Home) -> None:
    home.has(door="shut")
    ended = home.fixed("push-door")
    (one,) = ended.document["fixes"]
    assert (one["outcome"], one["checks"]) == ("not cured", {"door-shut": "failed"})
    assert one["reason"] == "door-shut still says: the door is ajar"
    assert ended.code == 1
    assert home.run("undo").code == 0
    assert home.file("door") == "shut"


@pytest.mark.parametrize(
    ("knife", "reason", "command"),
    [
        ("plastic", "it is of plastic", "shop for a knife"),
        ("strange", "the fix broke: ZeroDivisionError: no edge", None),
    ],
)
def test_a_fix_refuses(home: Home, knife: str, reason: str, command: str | None) -> None:
    before = home.has(knife=knife)
    (one,) = home.fixed("grind-knife").document["fixes"]
    assert (one["outcome"], one["reason"], one["command"]) == ("refused", reason, command)
    said = home.fix("grind-knife", "--yes").out
    assert said.startswith(f"! grind-knife: refused: {reason}\n")
    assert (f"\n    {command}\n" in said) is (command is not None)
    assert tree(home.kitchen) == before


def test_a_fix_by_name_that_is_not_needed(home: Home) -> None:
    home.has(milk="fresh")
    ended = home.fixed("buy-milk")
    assert (ended.code, ended.outcomes) == (0, {"buy-milk": "not needed"})
    assert home.fix("buy-milk", "--yes").out == "- buy-milk: not needed: the milk is fresh\n\nHealthy: nothing is left to do.\n"


def test_what_a_file_sets_is_believed_for_the_programs_that_read_it(home: Home) -> None:
    home.has(radio="broken")
    told = home.fix("--all", "--yes").out
    assert told.endswith(
        "\nWell in a shell that has read the file above, not yet in this one: music-off\nTo take this back: sparkdoctor undo 1\n"
    )
    home.run("undo")
    ended = home.fixed("--all")
    assert ended.outcomes == {"sing": "cured"}
    assert ended.document["fixes"][0]["environment"] == {"MUSIC": "on"}
    # This shell has not read it: a fresh look says what its programs would meet.
    assert ended.code == 1
    again = home.fixed("--all")
    assert (again.code, again.outcomes) == (1, {"sing": "not needed"})
    assert again.document["fixes"][0]["command"] == f". {home.kitchen}/song"
    assert again.document["treatment"] is None
    assert home.run("check", MUSIC="on").code == 0


def test_the_words_at_a_terminal(home: Home) -> None:
    home.has(milk="sour", door="shut")
    ended = home.fix("--all", "--yes")
    lines = ended.out.splitlines()
    assert "✓ buy-milk: cured: the milk is fresh" in lines
    assert "✗ push-door: not cured: door-shut still says: the door is ajar" in lines
    rest = ended.out.partition("\nStill to do:\n")[2]
    assert rest.startswith("door-shut (failed): the door is ajar\n    → Mend it.\n")
    assert lines[-1] == "To take this back: sparkdoctor undo 1"


# --- wrong usage


def test_wrong_usage(home: Home) -> None:
    for args, words in {
        (): "name the fixes, or say --all",
        ("buy-milk", "--all"): "name the fixes, or say --all",
        ("buy-milc",): "no fix 'buy-milc'; did you mean buy-milk?",
        ("milk-sour",): "milk-sour is a check; did you mean buy-milk?",
        ("xyz",): "no fix 'xyz'; see sparkdoctor list",
    }.items():
        ended = home.fix(*args)
        assert (ended.code, ended.out) == (2, "")
        assert len(ended.err.splitlines()) == 1
        assert words in ended.err
    ended = home.run("undo", "nothing")
    assert (ended.code, ended.out, ended.err) == (2, "", "sparkdoctor: no treatment 'nothing'; see sparkdoctor undo --list\n")


def test_a_list_and_explanations(home: Home) -> None:
    listed = home.run("list").out
    assert re.search(r"\nfixes\n(  .*\n)*  buy-milk +Fresh milk \[kitchen\]\n", listed)
    explained = home.run("explain", "buy-milk").out
    assert explained == (
        "buy-milk: Fresh milk.\n\nFrom the shop.\n\nSources:\n  the cow\n\n"
        "A fix. Plugin: kitchen. Facts: Kitchen. Cures: milk-sour.\n"
    )
    assert "Comes after: light-oven." in " ".join(home.run("explain", "bake-bread").out.split())
    assert "Fixes: grind-knife, polish-knife." in " ".join(home.run("explain", "knife-blunt").out.split())
    home.has(milk="sour")
    checked = home.run("check").out
    assert "→ sparkdoctor fix buy-milk" in checked
    assert "Next: sparkdoctor fix --all shows what it would do first." in checked
    assert json.loads(home.run("check", "--format", "json").out)["results"][-1]["id"]


# --- undo


def test_treatments_are_undone_one_by_one_the_last_first(home: Home) -> None:
    before = home.has(milk="sour", oven="cold", bread="fresh")
    first = home.fixed("buy-milk").document["treatment"]
    between = tree(home.kitchen)
    second = home.fixed("light-oven").document["treatment"]
    listed = home.run("undo", "--list").out.splitlines()
    assert [line.split()[0] for line in listed] == [first, second] == ["1", "2"]
    assert re.fullmatch(r"  2  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  done         2 steps   light-oven", listed[1])
    assert home.run("undo").out == "treatment 2: 2 of 2 steps taken back\n"
    assert tree(home.kitchen) == between
    assert "undone" in home.run("undo", "--list").out.splitlines()[1]
    assert home.run("undo", first).code == 0
    assert tree(home.kitchen) == before


def test_an_undo_of_what_has_changed_since(home: Home) -> None:
    home.has(milk="sour")
    home.fixed("buy-milk")
    home.has(milk="condensed")
    ended = home.run("undo")
    assert ended.code == 1
    assert ended.err == f"buy-milk: {home.kitchen}/milk has changed since\n"
    assert ended.out == "treatment 1: 0 of 1 step taken back\n"
    assert home.file("milk") == "condensed"


def test_one_that_stays_does_not_hide_those_before_it(home: Home) -> None:
    home.has(milk="sour", door="shut")
    home.fixed("buy-milk")
    home.fixed("push-door")
    home.has(door="broken")
    assert home.run("undo").err.splitlines()[-1] == "the one before it: sparkdoctor undo 1"
    assert home.run("undo", "1").code == 0
    assert home.file("milk") == "sour"


def test_a_damaged_journal_is_said(home: Home) -> None:
    home.has(milk="sour")
    name = home.fixed("buy-milk").document["treatment"]
    record = home.state / name / "0000.do"
    record.write_bytes(record.read_bytes()[:40])
    listed = home.run("undo", "--list").out
    assert "damaged" in listed.splitlines()[0]
    assert "cannot be read" in " ".join(listed.split())
    ended = home.run("undo")
    assert ended.code == 1
    assert "0000.do cannot be read" in ended.err
    assert (home.state / name / "0000.saved").read_text() == "sour"
    home.has(milk="sour")
    assert home.fixed("buy-milk").code == 0


# --- others at work


def test_another_doctor_at_work(home: Home) -> None:
    home.has(milk="sour")
    home.state.mkdir(mode=0o700)
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); f.write('4711'); f.flush(); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, home.state / "lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        other.stdout.readline()
        for args in (("fix", "--all", "--yes"), ("fix", "buy-milk", "--yes", "--format", "json")):
            ended = home.run(*args)
            assert (ended.code, ended.out) == (3, "")
            assert ended.err == "sparkdoctor: another treatment is going on (process 4711): wait for its end\n"
        assert home.fix("--all", "--dry-run").code == 1
        other.communicate("\n")
    assert home.file("milk") == "sour"
    assert home.fixed("--all").code == 0


def test_no_place_for_a_journal(home: Home) -> None:
    home.has(milk="sour")
    home.state.touch()
    ended = home.fixed("--all")
    assert ended.code == 3
    assert ended.out == ""
    assert f"no journal can be kept in {home.state}: set SPARKDOCTOR_STATE" in ended.err
    assert home.file("milk") == "sour"


def test_no_journal_is_needed_where_nothing_will_be_written(home: Home) -> None:
    home.has(milk="sour")
    home.state.touch()
    ended = home.fix("--all")
    assert (ended.code, ended.err) == (1, "")
    assert "add --yes" in ended.out
    home.has(milk="fresh")
    assert home.fix("--all", "--yes").out == "Nothing to fix.\n"


def test_nothing_is_offered_for_undo_where_nothing_was_done(home: Home) -> None:
    home.has(knife="blunt")
    ended = home.fix("grind-knife", "--yes")
    assert "failed" in ended.out
    assert "undo" not in ended.out
    assert home.fixed("grind-knife").document["treatment"] is None
    assert home.run("undo").out == "Nothing to take back.\n"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_streams(home: Home, closed: tuple[int, ...]) -> None:
    before = home.has(milk="sour")
    text = " ".join(f"{number}>&-" for number in closed)
    command = ["sh", "-c", f'exec "$@" {text}', "sh", COMMAND, "fix", "--all", "--yes", "--profile", str(home.profile)]
    done = subprocess.run(command, env=home.env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert home.file("milk") == "fresh"
    assert home.run("undo").code == 0
    assert tree(home.kitchen) == before


def test_an_older_treatment_is_undone_after_the_later(home: Home) -> None:
    home.has(milk="sour")
    home.fixed("--all")
    home.has(milk="old")
    home.fixed("--all")
    ended = home.run("undo", "1")
    assert (ended.code, ended.out) == (1, "treatment 1: 0 of 1 step taken back\n")
    assert ended.err == f"buy-milk: the later treatment 2 has changed {home.kitchen}/milk: undo that first\n"
    assert home.run("undo", "2").code == 0
    assert home.file("milk") == "old"


STRANGER = """
from sparkdoctor.plugin import Answer, Plan, WriteFile, fix
from sparkdoctor.profiles import Profile

@fix(cures=("milk-sour",))
def spill_milk(profile: Profile) -> Answer:
    '''Nothing that could be looked at is left.'''
    import os
    return Plan("spilt", (WriteFile(os.environ["KITCHEN"] + "/spilt", "all of it"),))

@fix(cures=("no-such-check",))
def pray(profile: Profile) -> Answer:
    '''Nobody can tell.'''
    import os
    return Plan("prayed", (WriteFile(os.environ["KITCHEN"] + "/prayer", "please"),))

@fix(cures=("milk-sour",))
def promise(profile: Profile) -> Answer:
    '''A promise about something else.'''
    import os
    return Plan("promised", (WriteFile(os.environ["KITCHEN"] + "/promise", "x"),), cures=("something-else",))
"""


def test_what_no_check_has_seen_is_not_believed(home: Home) -> None:
    home.has(milk="sour")
    module = home.kitchen.parent / "installed" / "kitchen.py"
    source = module.read_text().replace(
        "        names = machine.entries(place)\n",
        """        names = machine.entries(place)
        if not isinstance(names, Missing) and "spilt" in names:
            return Missing("the kitchen is flooded")
""",
    )
    module.write_text(source + STRANGER)
    ended = home.fixed("pray", "promise", "spill-milk")
    assert ended.outcomes == dict.fromkeys(("pray", "promise", "spill-milk"), "not cured")
    reasons = {one["id"]: one["reason"] for one in ended.document["fixes"]}
    assert reasons["spill-milk"] == "milk-sour still says: the kitchen is flooded"
    assert reasons["promise"] == "milk-sour still says: the milk is sour"


# --- a person at a terminal


class Terminal:
    """A terminal with a person who answers."""

    def __init__(self, home: Home, *args: str) -> None:
        self._mine, theirs = pty.openpty()
        env = home.env | {"TERM": "dumb", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [COMMAND, "fix", *args, "--profile", str(home.profile)], env=env, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.seen = ""

    def until(self, words: str) -> None:
        ends = time.monotonic() + 30
        while words not in self.seen:
            assert time.monotonic() < ends, self.seen
            if select.select([self._mine], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self._mine, 4096).decode()
                except OSError:
                    break
        assert words in self.seen, self.seen

    def says(self, words: str) -> None:
        self.seen = ""
        os.write(self._mine, words.encode())

    def ended(self) -> int:
        code = self.process.wait(30)
        while select.select([self._mine], [], [], 0.1)[0]:
            try:
                self.seen += os.read(self._mine, 4096).decode()
            except OSError:
                break
        os.close(self._mine)
        return code


def test_a_person_is_asked(home: Home) -> None:
    home.has(milk="sour", bread="stale")
    terminal = Terminal(home, "--all")
    terminal.until("Do this? [y/N]: ")
    assert "+fresh" in terminal.seen
    terminal.says("n\n")
    terminal.until("Do this? [y/N]: ")
    terminal.says("y\n")
    assert terminal.ended() == 1
    assert "buy-milk: cured" in terminal.seen
    assert (home.file("milk"), home.file("bread")) == ("fresh", "stale")


def test_what_changes_while_a_person_thinks_is_shown_again(home: Home) -> None:
    home.has(milk="sour")
    terminal = Terminal(home, "buy-milk")
    terminal.until("Do this? [y/N]: ")
    home.has(milk="rotten")
    time.sleep(0.6)
    terminal.says("y\n")
    terminal.until("Do this? [y/N]: ")
    assert "-rotten" in terminal.seen
    home.has(milk="fresh")
    time.sleep(0.6)
    terminal.says("y\n")
    assert terminal.ended() == 0
    assert "not needed: the milk is fresh" in terminal.seen


# --- order


def test_each_comes_after_those_that_it_comes_after() -> None:
    def made(name: str, *after: str) -> Fix:
        return Fix(lambda: None, name, (), after)  # type: ignore[arg-type, return-value]

    fixes = [made("a", "z", "nobody"), made("m"), made("z", "m"), made("b")]
    assert [fix.id for fix in ordered(fixes)] == ["b", "m", "z", "a"]
    assert [fix.id for fix in ordered([made("a", "b"), made("b", "a"), made("c")])] == ["c", "a", "b"]
