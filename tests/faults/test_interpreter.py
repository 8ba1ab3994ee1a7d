"""The installed command among faults: the patient's interpreter."""

from pathlib import Path

import pytest

from sick import Env, check, run, statuses, told, unusable
from standins.hosts import Witness, script

NONSENSE = '{"version": null, "include": 7, "modules": {"torch": {"origin": "\\u0000/x"}}, "distributions": [[1, 2], "x", null]}'
INTERPRETERS = {
    "hangs": ("exec sleep 3600", 0.8),
    "hangs and will not go": ("trap '' TERM INT HUP; while :; do sleep 1; done", 0.8),
    "hangs after a word": ("echo sparkdoctor-interpreter:; exec sleep 3600", 0.8),
    "exits 7": ("exit 7", 5),
    "segfaults": ("ulimit -c 0; kill -SEGV $$", 5),
    "says nothing": ("exit 0", 5),
    "never ends to talk": ("exec yes rubbish", 5),
    "talks noise": ("exec cat /dev/urandom", 5),
    "talks noise to stderr": ("exec cat /dev/urandom >&2", 5),
    "leaves a child": ("sleep 3600 & exit 0", 5),
    "answers less": ("echo 'sparkdoctor-interpreter:{\"version\": 1}'", 5),
    "answers another type": ("echo 'sparkdoctor-interpreter:[1]'", 5),
    "answers nonsense": (f"echo '\nsparkdoctor-interpreter:{NONSENSE}'", 5),
    "answers without end": ("printf sparkdoctor-interpreter:; head -c 200000 /dev/zero | tr '\\0' '['", 5),
    "answers escapes": ("printf 'no\\033[2J\\033]0;title\\007\\n' >&2; exit 1", 5),
}


@pytest.mark.parametrize("kind", INTERPRETERS)
def test_an_interpreter_that_is_none(env: Env, tmp_path: Path, witness: Witness, kind: str) -> None:
    code, seconds = INTERPRETERS[kind]
    path = str(script(tmp_path / "python", f"#!/bin/sh\n{code}\n"))
    document = check(env, "--python", path, seconds=seconds)
    found = statuses(document)
    assert "Python" in told(document) if "hangs" in kind else path in told(document)
    assert found["torch-missing"] in ("failed", "crashed")
    assert "ok" not in (found["torch-lacks-kernels"], found["torch-too-old"], found["triton-missing"])
    assert statuses(document)["disk-low"] != "crashed"
    assert witness.alive() == []


@pytest.mark.parametrize("kind", ["missing", "not executable", "directory", "fifo", "garbage", "dangling", "lost interpreter"])
def test_an_interpreter_that_cannot_be_started(env: Env, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "venv" / "bin" / "python"
    path.parent.mkdir(parents=True)
    unusable(path, kind)
    document = check(env | {"SPARKDOCTOR_PYTHON": str(path)})
    assert str(path) in told(document)
    document = check(env | {"VIRTUAL_ENV": f"{tmp_path}/venv"})
    assert statuses(document)["torch-missing"] in ("failed", "crashed")
    asked = run(env, "check", "--python", str(path))
    if kind not in ("garbage", "lost interpreter"):
        assert asked.code == 2
        assert asked.out == b""
        assert str(path) in asked.err.decode()
        assert len(asked.err.splitlines()) == 1
