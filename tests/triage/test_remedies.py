"""What a remedy's command may hold: nothing of the log that a shell would run, and no other PyTorch in NVIDIA's images."""

import re
import string
from shlex import split
from subprocess import run

import pytest

from sparkdoctor.model import Verdict
from sparkdoctor.registry import Registry
from sparkdoctor.signature import Found, Signature

SIGNATURES = Registry.load(signatures=True).signatures
HOSTILE = {
    "": "$(touch pwned) `id`; rm x | sh & #.pt",
    "word": "$(id);`x`|y&z",
    "path": "/a&b|c$d${IFS}e!f*.pt",
    "name": "sm_121a",
    "number": "12.8",
    "int": "137",
}
OURS = "run_openfold predict: openfold3 of3-p2-155k torch triton Traceback (most recent call last)"
IMAGE = "docker run --gpus all nvcr.io/nvidia/pytorch:25.01-py3 python3 fold.py"


def _verdicts(signature: Signature, above: str) -> list[Verdict]:
    """What it says of each of its texts, with all holes filled."""
    said = []
    for wording in signature.wordings:
        parts = list(string.Formatter().parse(wording.text))
        held = {name: HOSTILE[kind or ""] for _, name, kind, _ in parts if name}
        line = "".join(literal + ("" if name is None else HOSTILE[kind or ""]) for literal, name, kind, _ in parts)
        verdict = signature.function(Found(line.strip(), held, 2, lambda: ((above,), ())))
        if verdict is not None:
            said.append(verdict)
    return said


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_a_log_puts_nothing_into_a_shell(name: str) -> None:
    for verdict in _verdicts(SIGNATURES[name], OURS):
        command = verdict.remedy.command if verdict.remedy else None
        if command is None:
            continue
        rest = re.sub(r"'[^']*'", "", command)
        for mark in ("pwned", "IFS", "rm x", "$(id)", "c$d", "`x`"):
            assert mark not in rest, command
        assert split(command, comments=True) or command.isspace()


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_nothing_replaces_pytorch_in_nvidias_images(name: str) -> None:
    for verdict in _verdicts(SIGNATURES[name], IMAGE):
        command = (verdict.remedy.command if verdict.remedy else None) or ""
        assert "'torch>=" not in command, command
        assert "--break-system-packages" not in command


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_what_needs_root_says_so(name: str) -> None:
    for above in (OURS, IMAGE):
        for verdict in _verdicts(SIGNATURES[name], above):
            remedy = verdict.remedy
            if remedy is None or remedy.command is None:
                continue
            assert remedy.needs_root or "sudo " not in remedy.command, remedy.command
            assert remedy.needs_reboot or "reboot" not in remedy.command, remedy.command


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_a_command_can_be_pasted(name: str) -> None:
    for above in (OURS, IMAGE):
        for verdict in _verdicts(SIGNATURES[name], above):
            command = verdict.remedy.command if verdict.remedy else None
            if command is None:
                continue
            assert "…" not in command
            assert "\n" not in command
            assert run(["bash", "-n", "-c", command], check=False).returncode == 0, command
            assert not re.search(r"pip install python3? |(?<![\w/.-])python -m", command), command
