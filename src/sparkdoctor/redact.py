"""Takes out of a text what says whose machine it is: for tapes and for reports that are pasted into issues."""

import getpass
import json
import os
import re
import socket
from collections.abc import Iterable
from typing import Any

_SYSTEM_NAMES = frozenset(
    (
        "root nvidia user users home usr lib lib64 bin sbin local cuda python python3 dev proc sys etc opt mnt srv tmp var run"
        " data workspace ubuntu debian spark dgx torch triton deepspeed sparkdoctor localhost host admin test runner"
        # Words of our own questions and answers, and of the files and programs that they quote.
        " ask args answer missing broken env which read entries records head stat space limits self script nvml"
        " code stdout stderr kind size mode real readable writable executable total free device stack memlock nofile"
        " uid gid mtime pid now processes hidden gpu_code lineage holders members mirror abiflags ninja build cache passwd group"
        " sysname release machine cwd page_size cpus usable_cpus uid path patient_python query runner_yaml input output scratch"
        " interpreter version implementation prefix include modules distributions managed origin namespace error text file load"
        " archived rows max memory docker container some full low high aarch64 x86_64 linux kernel gcc clang nvcc ptxas gnu"
    ).split(),
)
"""Words of paths and messages everywhere: as the name of a user or host they tell nothing, and replacing them breaks much."""

_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|CREDENTIAL|PRIVATE", re.IGNORECASE)
_HEXADECIMAL = ("head", "digest")
"""Questions whose answers are bytes of a file or their checksum: as long as an id, and none."""
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
# Where a name may begin: after what is no part of one, or after \n, \t, … in quoted JSON.
_BEGIN = r"(?:(?<![\w-])|(?<=\\[bfnrt]))"
# Between a name and its value: `=` or `: `, quotes, and those of a text that is quoted in JSON.
_IS = r"(?:\\?\")?\s*[=:]\s*(?:\\?\")?"
_PATTERNS = (
    # First, since these may stand within a word (pod5d5ba0d6-…) and what follows them then begins one.
    (re.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"(?i)(?<![0-9a-f:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![0-9a-f:])"), "<mac>"),
    # A variable or a JSON member with a telling name.
    (
        re.compile(rf"(?i)\b(\w*(?:token|secret|passw(?:or)?d|api_?key|credential)\w*{_IS})(?:[^\s\"',;\\]|\\[^\"nrt])+"),
        r"\1<redacted>",
    ),
    (re.compile(r"(?i)\b(bearer )[\w.~+/-]{8,}=*"), r"\1<redacted>"),
    (re.compile(r"\b(?:hf_|ghp_|gho_|github_pat_|glpat-|sk-|nvapi-|xox[bp]-)[\w-]{8,}"), "<redacted>"),
    (re.compile(r"(\b\w+://)[^/\s\"'<>]+@"), r"\1<redacted>@"),
    (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), "<address>"),
    (re.compile(rf"(?i)\b(\w*serial(?:[ _-]?(?:number|no))?{_IS})[\w-]+"), r"\1<serial>"),
    # Four numbers with points are an address unless they are part of a name or a version (nvidia_cublas-13.1.0.3).
    (
        re.compile(
            r"(?<![\w.+-])(?<![=<>~!]=)(?<![^/]/)(?!127\.0\.0\.1\b|0\.0\.0\.0\b)"
            rf"(?:{_OCTET}\.){{3}}{_OCTET}(?![\w-]|\.\w)"
        ),
        "<ip>",
    ),
    # The address ranges in use (global, local, link-local), shortened by :: or not.
    (re.compile(r"(?i)(?<![\w:])(?:fe[89ab]|f[cd][0-9a-f]|[23][0-9a-f]{2})[0-9a-f](?::[0-9a-f]{0,4}){2,7}(?![\w:])"), "<ip>"),
    (re.compile(r"(?i)(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}(?::|[0-9a-f]{1,4})(?![\w:])"), "<ip>"),
    # Ids of machines, sessions and containers.
    (re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b"), "<id>"),
)


class Redactor:
    """Replaces home directories, the user's and the host's name, addresses, serials, UUIDs and secrets.

    The same text always becomes the same text, in questions and in answers, so that a redacted tape still plays.
    """

    def __init__(self, home: str | None = None, user: str | None = None, host: str | None = None) -> None:
        """Redact for this home directory, user and host name."""
        rules = list(_PATTERNS)
        if home and home.strip("/") and not set(home.strip("/").split("/")) <= _SYSTEM_NAMES:
            rules.append((re.compile(_either(home.rstrip("/")) + r"(?![\w-])"), "/home/user"))
        begin = r"(?:(?<![\w.])|(?<=\\[bfnrt]))"
        rules.append((re.compile(begin + r"(/home|/Users)/(?!user(?![\w.-]))[^/\s\"':,;]+"), r"\1/user"))
        for name, replacement in ((user, "user"), (host, "host"), ((host or "").partition(".")[0], "host")):
            if name and len(name) > 2 and name.lower() not in _SYSTEM_NAMES:  # noqa: PLR2004
                rules.append((re.compile(rf"{_BEGIN}{_either(name)}(?![\w-])"), replacement))
        self._rules = rules

    @classmethod
    def local(cls) -> "Redactor":
        """For the user and the machine that we run as and on."""
        try:
            user: str | None = getpass.getuser()
        except (KeyError, OSError):
            user = None
        return cls(os.environ.get("HOME"), user, socket.gethostname())

    def text(self, text: str) -> str:
        """A text without what is private."""
        for pattern, replacement in self._rules:
            text = pattern.sub(replacement, text)
        return text

    def command(self, arguments: Iterable[str]) -> list[str]:
        """A command's arguments without what is private; what follows an option with a telling name is its value."""
        found: list[str] = []
        awaited = False
        for argument in arguments:
            name, equals, _ = argument.partition("=")
            option = name.startswith("-")
            telling = option and _SECRET_NAME.search(name.replace("-", "_"))
            if awaited and not option:
                found.append("<redacted>")
            else:
                found.append(f"{name}=<redacted>" if telling and equals else self.text(argument))
            awaited = bool(telling and not equals)
        return found

    def clean(self, value: Any) -> Any:
        """JSON data without what is private."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list | tuple):
            return [self.clean(item) for item in value]
        if isinstance(value, dict):
            if value.get("ask") == "env" and isinstance(value.get("answer"), str) and _SECRET_NAME.search(str(value.get("args"))):
                return {**value, "answer": "<redacted>"}
            if value.get("ask") in _HEXADECIMAL and "answer" in value:
                return {key: item if key == "answer" else self.clean(item) for key, item in value.items()}
            return {key: self.clean(item) for key, item in value.items()}  # keys are words of ours
        return value


def _either(name: str) -> str:
    """A pattern for a name as it is and as JSON in ASCII writes it."""
    spellings = dict.fromkeys((name, json.dumps(name)[1:-1]))
    return f"(?:{'|'.join(map(re.escape, spellings))})"
