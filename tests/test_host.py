"""The local host: commands, their temporary directories, and workers."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from sparkdoctor import host, scratch
from sparkdoctor.host import LocalHost, Question
from sparkdoctor.model import Broken, Missing
from standins.hosts import Witness, ask, nothing_written, script

# --- a stand-in for a build directory


def test_ninja_writes_into_a_mirror_and_not_into_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "build"
    (place / "sub").mkdir(parents=True)
    for name in (".ninja_log", ".ninja_deps", "build.ninja", "op.so"):
        (place / name).write_text(f"real {name}")
    (place / "dangling").symlink_to("nowhere")
    code = 'cd "$1"; cat .ninja_log op.so; ls -A; pwd; for f in .ninja_log .ninja_deps build.ninja; do echo x > $f; rm $f; done'
    with nothing_written(tmp_path):
        ran = ask("run", ["/bin/sh", "-c", code, "sh", "{mirror}"], {"mirror": str(place)})
    assert ran["stderr"] == ""
    seen, *names, where = ran["stdout"].split("\n")[:-1]
    assert [seen, *names] == ["real .ninja_logreal op.so.ninja_deps", ".ninja_log", "build.ninja", "dangling", "op.so"]
    assert not Path(where).exists()
    assert sorted((path.name, path.read_text()) for path in place.iterdir() if path.is_file()) == [
        (name, f"real {name}") for name in (".ninja_deps", ".ninja_log", "build.ninja", "op.so")
    ]
    monkeypatch.setattr(scratch, "MIRROR_LIMIT", 4)
    assert isinstance(ask("run", ["/bin/true", "{mirror}"], {"mirror": str(place)}), Broken)
    assert isinstance(ask("run", ["/bin/true", "{mirror}"], {"mirror": str(tmp_path / "nowhere")}), Missing)


# --- commands


def test_a_command_gets_the_locale_c_and_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert ask("run", ["/bin/sh", "-c", "echo $LC_ALL"], {})["stdout"] == "C\n"
    assert ask("run", ["/bin/echo", "$HOME; *"], {})["stdout"] == "$HOME; *\n"


def test_input_and_output_are_files_in_memory() -> None:
    code = "cat < $1 > $2; cat $2; echo $1 $2"
    said = ask("run", ["/bin/echo", "--in={input}", "--out={output}"], {"input": ""})
    assert said["stdout"].startswith("--in=/proc/self/fd/")
    assert " --out=/proc/self/fd/" in said["stdout"]
    said = ask("run", ["/bin/sh", "-c", code, "sh", "{input}", "{output}"], {"input": "käse\n"})
    assert said["stdout"].startswith("käse\n/proc/self/fd/")
    assert said["code"] == 0


def test_text_that_looks_like_a_placeholder_is_left_alone() -> None:
    assert ask("run", ["/bin/echo", "{inputs} {x}"], {})["stdout"] == "{inputs} {x}\n"


def test_a_scratch_directory_is_private_and_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with nothing_written(tmp_path):
        said = ask("run", ["/bin/sh", "-c", "touch $TMPDIR/x; stat -c %a $TMPDIR; echo $TMPDIR"], {"scratch": True})
        mode, path = said["stdout"].split()
    assert mode == "700"
    assert not Path(path).exists()


def test_a_scratch_directory_goes_when_its_user_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, witness: Witness) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with nothing_written(tmp_path):
        said = ask("run", ["/bin/sh", "-c", "touch $TMPDIR/x; sleep 60"], {"scratch": True}, timeout=0.2)
    assert said["code"] is None
    assert witness.alive() == []


def test_no_place_for_a_scratch_directory_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    original = os.mkdir

    def full(path: str, mode: int = 0o777) -> None:
        if path.startswith("/dev/shm"):
            raise OSError(28, "No space left on device")
        original(path, mode)

    monkeypatch.setattr(os, "mkdir", full)
    assert isinstance(ask("run", ["/bin/true"], {"scratch": True}), Broken)


@pytest.mark.parametrize("what", ["absent", "not executable", "directory", "no program"])
def test_a_command_that_cannot_be_started_is_missing(tmp_path: Path, what: str) -> None:
    path = tmp_path / "program"
    if what == "directory":
        path.mkdir()
    elif what == "not executable":
        path.write_text("#!/bin/sh\n")
    elif what == "no program":
        script(path, "\x01\x02\n")
    answer = ask("run", [str(path), "--version"], {})
    if what == "absent":
        assert answer == Missing(f"{path} does not exist")
    else:
        assert isinstance(answer, Broken)
        assert answer.reason.startswith(f"{path}: ")
        assert answer.reason.endswith("Exec format error" if what == "no program" else "Permission denied")


def test_a_program_for_another_processor_is_broken(tmp_path: Path) -> None:
    head = bytearray(Path(sys.executable).read_bytes()[:4096])
    head[18:20] = (183 if os.uname().machine != "aarch64" else 62).to_bytes(2, "little")
    path = tmp_path / "python"
    path.write_bytes(head)
    path.chmod(0o755)
    assert ask("run", [str(path)], {}) == Broken(f"{path}: Exec format error")


def test_an_argument_that_no_command_can_have_is_broken() -> None:
    assert isinstance(ask("run", ["/bin/echo", "a\0b"], {}), Broken)


def test_what_cannot_be_utf8_is_still_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"\xff"))
    monkeypatch.setenv("SPARK", odd)
    monkeypatch.setenv("PATH", odd)
    os.mkdir(odd)
    script(Path(odd) / "tool", "#!/bin/sh\necho here\n")
    found = ask("which", "tool")
    assert found is not None
    assert ask("run", [found], {})["stdout"] == "here\n"
    real = ask("stat", odd)["real"]
    real.encode()
    assert isinstance(ask("env", "SPARK"), str)


def test_asking_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, witness: Witness) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with nothing_written(tmp_path):
        ask("read", "/etc/passwd")
        ask("script", sys.executable, "interpreter", "torch")
        ask("nvml")
        ask("run", ["/bin/sh", "-c", "cat {input}"], {"input": "x"})
    assert witness.alive() == []
    assert stat.S_ISDIR(tmp_path.stat().st_mode)


# --- work


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for scripts of a test, where ours are looked for."""
    place = tmp_path / "patient"
    place.mkdir()
    monkeypatch.setattr(host, "PATIENT", str(place))
    return place


def test_work_has_a_place_and_caches_of_its_own(scripts: Path, witness: Witness) -> None:
    names = ("TMPDIR", "TRITON_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH")
    code = "import json, os, sys\nopen(os.environ['TMPDIR'] + '/file', 'w').close()\n"
    (scripts / "task.py").write_text(code + f"print(json.dumps([sys.argv[1:], *map(os.environ.get, {names})]))\n")
    worked = ask("work", sys.executable, "task", "one", "two")
    assert set(worked) == {"code", "said", "stdout", "stderr", "flooded", "left"}
    args, place, *caches = json.loads(worked["stdout"])
    assert args == ["one", "two"]
    assert all(cache.startswith(f"{place}/") for cache in caches)
    assert len(set(caches)) == len(caches)
    assert not Path(place).exists()
    assert witness.alive() == []


@pytest.mark.parametrize("how", ["os._exit(1)", "os.abort()", "while True: print('x' * 1000)", "import time; time.sleep(60)"])
def test_the_place_of_work_goes_however_it_ends(
    scripts: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    place = scripts / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    (scripts / "task.py").write_text(f"import os\nopen(os.environ['TMPDIR'] + '/file', 'w').close()\n{how}\n")
    with nothing_written(place):
        ask("work", sys.executable, "task", timeout=0.5)
    assert witness.alive() == []


def test_who_watches_is_told_of_each_step_and_of_the_end(scripts: Path) -> None:
    lines = [
        b'{"step": "import torch", "at": 0.1}',
        b'{"learnt": {"a": 1}}',
        b'{"step": ',
        b'{"step": 1}',
        b'{"step": "\\u001b[2J", "at": 1}',
        b'{"step": "\x1b[2J", "at": 1}',
        b"\xff\xfe",
        b'{"step": "' + b"x" * 10_000 + b'", "at": 1}',
        b"[" * 10_000,
        b'{"step": "matmul float32", "at": 0.2}',
    ]
    code = f"import os\nfor line in {lines!r}:\n    os.write(int(os.environ['SPARKDOCTOR_SAY']), line + b'\\n')\n"
    (scripts / "task.py").write_text(code)
    told: list[tuple[str, str | None]] = []
    watched = LocalHost(watch=lambda worker, step: told.append((worker, step)))
    watched.answer(Question("work", (sys.executable, "task")), 5.0)
    assert told == [("task", "import torch"), ("task", "matmul float32"), ("task", None)]
    told.clear()
    assert watched.answer(Question("work", ("/nowhere/python", "task")), 5.0) == Missing("/nowhere/python does not exist")
    assert told == [("task", None)]


def test_work_is_done_where_there_is_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert scratch.cramped("/nowhere") > scratch.cramped(str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for cramped, place in (({"/dev/shm": (True, False)}, tmp_path), ({str(tmp_path): (False, True)}, "/dev/shm")):
        monkeypatch.setattr(scratch, "cramped", lambda base, cramped=cramped: cramped.get(base, (False, False)))
        with scratch.scratch(roomy=True) as found:
            assert os.path.dirname(found) == str(place)
