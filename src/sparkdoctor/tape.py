"""Tapes: what a host said, written down, to be asked again elsewhere.

A tape holds questions and raw answers, not what we made of them. It is redacted when it is saved, and it is input from
strangers when it is loaded.
"""

import io
import json
import os
import select
import stat
import threading
from typing import Any

from sparkdoctor import __version__
from sparkdoctor.files import without_waiting
from sparkdoctor.host import Host, Question
from sparkdoctor.machine import Untaped
from sparkdoctor.model import Broken, Missing
from sparkdoctor.redact import Redactor

SCHEMA = "sparkdoctor.tape/1"
SIZE_LIMIT = 64 << 20
"""Bytes; a larger file is no tape of ours."""
PIPE_SECONDS = 1.0
"""How long a pipe may say nothing."""


class TapeError(ValueError):
    """A file that is not a tape; the message is one line and says why."""


class Recorder:
    """A host that passes questions on to another and writes the answers down."""

    def __init__(self, host: Host) -> None:
        """Record what `host` says."""
        self._host = host
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[Question, Any]] = {}

    def answer(self, question: Question, timeout: float) -> Any:
        """The other host's answer; the first answer to a question is the one that stays."""
        answer = self._host.answer(question, timeout)
        if isinstance(answer, Untaped):
            return answer
        with self._lock:
            return self._answers.setdefault(_key(question), (question, answer))[1]

    def tape(self, redactor: Redactor, *, profile: str, deep: bool, notes: str = "") -> dict[str, Any]:
        """The tape as JSON data, redacted."""
        with self._lock:
            heard = [{"ask": kind, "args": list(args), **_said(answer)} for (kind, args), answer in self._answers.values()]
        heard.sort(key=lambda entry: (entry["ask"], json.dumps(entry["args"], sort_keys=True)))
        return {
            "schema": SCHEMA,
            "sparkdoctor": __version__,
            "profile": profile,
            "deep": deep,
            "notes": notes,
            "answers": redactor.clean(heard),
        }


class Player:
    """A host that answers from a tape."""

    def __init__(self, tape: dict[str, Any]) -> None:
        """Play a tape that `load` has checked."""
        self._answers = {_key(Question(entry["ask"], tuple(entry["args"]))): _heard(entry) for entry in tape["answers"]}

    def answer(self, question: Question, timeout: float) -> Any:  # noqa: ARG002 (a tape needs no time)
        """The taped answer; `Untaped` where the question was not asked when the tape was made."""
        try:
            return self._answers[_key(question)]
        except KeyError:
            first = question.args[0] if question.args else ""
            subject = " ".join(first) if isinstance(first, list) else first
            return Untaped(f"not on this tape: {question.kind} {subject}".rstrip())


def _key(question: Question) -> str:
    return json.dumps(question, sort_keys=True)


def _said(answer: Any) -> dict[str, Any]:
    match answer:
        case Broken(reason):
            return {"broken": reason}
        case Missing(reason):
            return {"missing": reason}
    return {"answer": answer}


def _heard(entry: dict[str, Any]) -> Any:
    if "broken" in entry:
        return Broken(entry["broken"])
    return Missing(entry["missing"]) if "missing" in entry else entry["answer"]


def load(path: str) -> dict[str, Any]:
    """Read and check a tape.

    Raises:
        TapeError: it is no tape that this version can play.
    """
    name = path if path.isprintable() else ascii(path)
    try:
        # A pipe, such as `<(zcat tape.gz)` of a shell, is welcome.
        with open(path, "rb", buffering=0, opener=without_waiting) as file:
            kind = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(kind) and not stat.S_ISFIFO(kind):
                raise TapeError(f"{name}: not a regular file")
            raw = _read(file)
    except OSError as error:
        raise TapeError(f"{name}: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise error if isinstance(error, TapeError) else TapeError(f"{name}: {error}") from None
    if len(raw) > SIZE_LIMIT:
        raise TapeError(f"{name}: larger than {SIZE_LIMIT >> 20} MiB, not a tape")
    return parse(raw, name)


def _read(file: io.FileIO) -> bytes:
    """All of a file or pipe, up to one byte over the limit; a pipe that says nothing for a while is at its end."""
    raw = bytearray()
    while len(raw) <= SIZE_LIMIT and select.select([file], [], [], PIPE_SECONDS)[0]:
        chunk = file.read(1 << 20)
        if not chunk:
            break
        raw += chunk
    return bytes(raw)


def parse(raw: bytes, name: str = "tape") -> dict[str, Any]:
    """Check a tape's text; what it must look like is docs/tape.schema.json.

    Raises:
        TapeError: it is no tape that this version can play.
    """
    try:
        tape = json.loads(raw)
    except UnicodeDecodeError:
        raise TapeError(f"{name}: not a tape: not UTF-8 text") from None
    except RecursionError:
        raise TapeError(f"{name}: not a tape: nested too deeply") from None
    except ValueError as error:
        raise TapeError(f"{name}: not a tape: {error}") from None
    if not isinstance(tape, dict) or not isinstance(tape.get("schema"), str):
        raise TapeError(f"{name}: not a tape: no schema")
    if tape["schema"] != SCHEMA:
        shown = tape["schema"] if len(tape["schema"]) < 100 and tape["schema"].isprintable() else "something else"  # noqa: PLR2004
        raise TapeError(f"{name}: a tape of schema {shown!r}; this version plays {SCHEMA!r}")
    if not isinstance(tape.get("answers"), list):
        raise TapeError(f"{name}: not a tape: no answers")
    for number, entry in enumerate(tape["answers"]):
        if wrong := _wrong(entry):
            raise TapeError(f"{name}: not a tape: answer {number} {wrong}")
    return tape


def _wrong(entry: Any) -> str | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("ask"), str) or not isinstance(entry.get("args"), list):
        return "has no question"
    kinds = [kind for kind in ("answer", "missing", "broken") if kind in entry]
    if len(kinds) != 1:
        return "must have one of answer, missing and broken"
    if kinds != ["answer"]:
        return None if isinstance(entry[kinds[0]], str) else "gives no reason"
    shape = _SHAPES.get(entry["ask"])
    if shape is None:
        return f"is to a question that this version does not know: {entry['ask'][:40]!r}"
    return None if shape(entry["answer"]) else f"makes no sense for the question {entry['ask']!r}"


def _is_text(answer: Any) -> bool:
    return isinstance(answer, str)


def _is_optional_text(answer: Any) -> bool:
    return answer is None or isinstance(answer, str)


def _is_texts(answer: Any) -> bool:
    return isinstance(answer, list) and all(isinstance(item, str) for item in answer)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _is_hex(answer: Any) -> bool:
    return isinstance(answer, str) and len(answer) % 2 == 0 and all(digit in "0123456789abcdef" for digit in answer)


def _has(kinds: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    """Objects with these members; `optional` ones came later than the first tapes."""
    known = kinds | (optional or {})
    return lambda answer: (
        isinstance(answer, dict) and set(kinds) <= set(answer) <= set(known) and all(known[name](answer[name]) for name in answer)
    )


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_code(value: Any) -> bool:
    return value is None or (type(value) is int and abs(value) < 1 << 31)


def _is_limits(answer: Any) -> bool:
    return (
        isinstance(answer, dict)
        and {"stack", "memlock", "nofile"} <= set(answer)
        and all(
            isinstance(pair, list) and len(pair) == 2 and all(value is None or _is_count(value) for value in pair)  # noqa: PLR2004
            for pair in answer.values()
        )
    )


def _is_holders(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_holder, value))


_STATUS: dict[str, Any] = {
    **dict.fromkeys(("kind", "real"), _is_text),
    **dict.fromkeys(("size", "mode"), _is_count),
    **dict.fromkeys(("readable", "writable", "executable"), _is_flag),
}
_OWNED: dict[str, Any] = dict.fromkeys(("uid", "gid", "mtime"), _is_count)
_is_relative = _has({"path": _is_text, **_STATUS}, optional=_OWNED)
_is_holder = _has({"pid": _is_count, "name": _is_text, "what": _is_text})
_is_ran = _has({"code": _is_code, "stdout": _is_text, "stderr": _is_text})
_SHAPES: dict[str, Any] = {
    "env": _is_optional_text,
    "which": _is_optional_text,
    "read": _is_text,
    "entries": _is_texts,
    "records": _is_texts,
    "head": _is_hex,
    "digest": _is_hex,
    "archived": _is_texts,
    "rows": _is_count,
    "gpu_code": _is_texts,
    "holders": _has({"now": _is_count, "processes": _is_holders, "hidden": _is_count}),
    "members": _is_count,
    "stat": _has(_STATUS, optional=_OWNED),
    "lineage": lambda answer: isinstance(answer, list) and all(map(_is_relative, answer)),
    "space": _has({"total": _is_count, "free": _is_count, "device": _is_count}),
    "limits": _is_limits,
    "self": _has(
        {
            **dict.fromkeys(("sysname", "release", "machine", "cwd", "executable"), _is_text),
            **dict.fromkeys(("page_size", "cpus", "usable_cpus", "uid"), _is_count),
            "path": _is_texts,
            "patient_python": _is_optional_text,
        },
        optional=dict.fromkeys(("query", "runner_yaml"), _is_optional_text),
    ),
    "run": _is_ran,
    "script": _is_ran,
    "work": _has(
        {"code": _is_code, **dict.fromkeys(("said", "stdout", "stderr"), _is_text), "flooded": _is_flag, "left": _is_texts}
    ),
    "nvml": _is_ran,
}
