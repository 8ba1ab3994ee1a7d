"""Whether a line only speaks of a message: source code, a comment, a heading, prose that names it between quotation marks."""

import re

_REACH = 300
"""Characters on either side of a message that are looked at."""

_MARKS = str.maketrans("‘’“”", "''\"\"")

_BLOCKS = ("if ", "elif ", "else", "for ", "while ", "try", "except", "with ", "def ", "} else if ")
"""How a statement begins that holds others."""

_SHORT = 80
"""Characters before a message in a table of errors."""

_COMMANDS = frozenset(
    "apt apt-get bash cat cd cmake conda cp curl deepspeed dmesg docker dpkg echo env export find gcc git grep helm journalctl"
    " kubectl ldconfig ls make mkdir modprobe mv nano ninja nvcc nvidia-smi pip pip3 podman ps pytest python python3 rm sbatch sh"
    " singularity apptainer snap source srun ssh sudo systemctl tail tar torchrun uv vi vim wget which".split()
)
"""What may stand behind the prompt of root, which looks like the sign of a comment."""

_HEADING = re.compile(r"#{1,6} |#: |#!|# ?[A-Za-z]*:? ?[\"'`]")
_CODE_BEHIND_SIGN = re.compile(r"#\s?(?:assert|raise|return|except|if|elif|define|include|error|warning|pragma)\b")
_JAVA = ("# There is insufficient memory", "# Native memory allocation", "# A fatal error")
"""What a Java machine prints with that sign in front."""

_FOUND_IN = re.compile(r"^(?:[\w./+-]+\.[A-Za-z]\w{0,4}[:-]\d{1,6}[:-] ?(?=\D)|[+-](?=[ \t]*(?:#|//|/\*)))[ \t]*")
"""What grep and diff print before a line of a file."""

_ORDERED = re.compile(
    r"(?:\([\w.-]+\) )?(?:[\w.-]+@[\w.-]+:[^ $]*)?\$ [\w./-]|\++ (?:trap|echo|printf|eval|export|grep|test|exec) "
)
"""A line at the prompt of a shell, or one that it traces."""

_GUTTER = re.compile(r"\d{1,6} \| ")
_COMMIT = re.compile(r"(?:[*|\\/] )*(?:commit |HEAD is now at |Previous HEAD position was )?([0-9a-f]{7,11}|[0-9a-f]{40}) (?!\|)")
_COMMITTED = re.compile(r"\[[\w./-]+ (?:\(root-commit\) )?([0-9a-f]{7,40})\] ")
_CURE = re.compile(
    r"(?:[-*+•>] |\d{1,4}[.)] |\(?#\d+\)? |\[[\w ./-]{1,30}\] )*"
    r"(?:(?:bug|hot)?fix(?:e[sd])?|fixing|avoids?|avoided|prevents?|prevented|resolves?|resolved|works? around|workaround"
    r"|handles?|attempted fix|troubleshooting|to (?:fix|avoid|prevent|resolve|work around))(?:\([^()]{1,40}\))?!?:? ",
    re.IGNORECASE,
)
"""How a line of a list of changes, or of advice, begins."""

_METHOD = re.compile(r"\.(?:[a-z]\w*|Contains|Errorf|New|HasPrefix|HasSuffix|Fatalf?|Printf)\([^\"'()]*[bfr]{0,2}[\"']$")
_STATEMENT = re.compile(
    r"(?:raise|throw|return|assert|echo|yield|printf|puts) |(?:print|printf|fprintf|puts|message|TORCH_CHECK|pytest\.raises) ?\("
    r"|(?:assert|require)\.\w+\("
)
_PREFIXED = re.compile(r"(?:^|[\s(,=+])(?:f|r|rf|fr|R|match=r?|(?:exp|want)\w*: )$")
_REPORTED = re.compile(r"\w=$|(?:Error|Exception|Warning|Exit|Failure)\($")
"""What stands before the mark in `msg="…"` and `RuntimeError("…")`, in a program and in a log."""

_AFTER = re.compile(r"$|[%+,)\\;]|\.format\(")
_TEMPLATE = re.compile(r"%[srdiu](?!\w)|\{[a-z_][\w.]*(?:![rs])?\}|\{\}")
_ASSIGNED = re.compile(
    r"[A-Za-z_][\w.]*(?:\[[^\]]{1,40}\])? ?(?:: ?[\w. |\[\]]{1,40})?[+:]?= ?(?:\d+, |[\w.]+\()?[fr]{0,2}[\"']$"
)
_PRINTED = frozenset("err error errors msg message reason desc detail details output stderr stdout log status what cause".split())
"""Names that a printed report gives to what it holds, as a program may."""

_NAMED = re.compile(
    r"\b(?:fix|fixes|fixed|fixing|avoids?|prevents?|resolves?|handles?|see|sees|seeing|gets?|getting|encounters?|sa(?:y|ys|ying)|"
    r"like|about|the|a|an|this|any|such|results? in|fails with|with (?:an?|the) error|error message(?: is| says)?|message is|"
    r"messages?|errors? (?:like|such as|as)|such as|fix for|e\.g\.,?|i\.e\.,?|expected|reads|known as|titled?|called|prints?|"
    r"or|and|for|if|when|matching|containing|contains|expects?) $",
    re.IGNORECASE,
)
_MEANT = re.compile(r"\b(?:indicates|means|meaning) (?:that )?[\w ]{0,20}$", re.IGNORECASE)
_NOUN = re.compile(r"['\"”’`][,.]? (?:errors?|messages?|exceptions?|problems?|issues?|warnings?|failures?|means?)\b")
_LOG = re.compile(r"[\[(]?\d\d|\w{3} +\d+ \d\d:|[\w./-]*(?:\[\d+\])?: |[A-Z]{2,}[: ]|.*(?:could not|cannot|failed to|unable to) ")
_HINT = re.compile(
    r"(?:expected|note|symptoms?|cause|fix|tip|problem|issue|example|solution|hint|question|answer):? ", re.IGNORECASE
)
_ERRNO = re.compile(
    r"(?:\w+_)?(?:EMFILE|ENFILE|ENOSPC|EDQUOT|ENOMEM|EAGAIN|EPERM|EACCES|ENOEXEC|ENOENT|EIO|EROFS|EDC\w+|EAI_\w+)\b(?!:)|\b(?:case|define)\b"
)


def quoted(line: str, at: int) -> bool:
    """Whether the message that begins at `at` of this line is spoken of there, and not printed.

    A line of source code holds it (`raise RuntimeError("…`, as tracebacks show them; `print("…`; a table of errors), a comment,
    a heading or a row of a table of Markdown, the title of a commit, or prose: between backticks, or between quotation marks
    behind a word of prose (`Fix "…"`). Logs that keep their messages between such marks are not meant: JSON, `msg="…"`, the
    `repr` of an exception, `of 'std::bad_alloc'`.
    """
    begin = max(0, at - _REACH)
    head, tail = _FOUND_IN.sub("", _single(line[begin:at]).lstrip(), count=1), _single(line[at : at + _REACH]).rstrip()
    whole = begin == 0
    last = line.rstrip()[-1:]
    if whole and (_is_comment(head, tail) or _is_title(head, tail) or _is_of_table(head, last)):
        return True
    return _is_behind_comment(head) or _is_code(head, tail) or _is_in_prose(head, tail)


def _single(text: str) -> str:
    """With single blanks and plain quotation marks."""
    if not text.isascii():
        text = text.translate(_MARKS)
    edges = text[:1].isspace(), text[-1:].isspace()
    return f"{' ' * edges[0]}{' '.join(text.split())}{' ' * edges[1]}"


def _is_comment(head: str, tail: str) -> bool:
    if head.startswith(("// ", "//! ", "/// ", "/* ", "<!-- ", ".. ", '"""')):
        return True
    if not head.startswith("#"):
        return False
    if _CODE_BEHIND_SIGN.match(head + tail):
        return True
    if not _HEADING.match(head) or head.startswith(_JAVA) or (head + tail).startswith(_JAVA):
        return False
    first = head.lstrip("#:! ").partition(" ")[0]
    return not (first.startswith(("[", "/", "./", "$")) or first in _COMMANDS or "=" in first)


def _is_title(head: str, tail: str) -> bool:
    """The title of a commit, a line of a list of changes, advice."""
    for pattern in (_COMMIT, _COMMITTED):
        found = pattern.match(head)
        if found and not found[1].isdigit() and not found[1].isalpha():
            return True
    return bool(_CURE.match(head)) and not tail.startswith("...")


def _is_of_table(head: str, last: str) -> bool:
    """A row of a table of Markdown, the source that a compiler shows beside its message, a row of a table of errors."""
    if head.startswith("|") and last == "|" and not head.startswith("|--"):
        return True
    if _GUTTER.match(head):
        return True
    if len(head) > _SHORT:
        return False
    rest, names = _ERRNO.subn("", head)
    if names:
        return not any(one.isalpha() or one == ":" for one in rest.replace("XX(", "").replace("errorTab", ""))
    return bool(re.fullmatch(r"\{?\d{1,5}[, ]+['\"]?", head))


def _is_behind_comment(head: str) -> bool:
    """Behind the sign of a comment that stands behind code."""
    for sign in (" // ", " /* ", " /**"):
        if sign in head:
            return True
    before, sign, _ = head.rpartition(" # ")
    before = before.rstrip()
    code = before.endswith((")", ",", "]", "}", '"', "'")) or " = " in before or " == " in before
    return bool(sign) and (code or (before.endswith(":") and before.startswith(_BLOCKS)))


def _is_code(head: str, tail: str) -> bool:
    if head.endswith(("== ", "!= ", "case ", "catch (const ", "catch (", "class ", "public ")):
        return True
    opening = _opened(head)
    if opening < 0:
        return _is_order(head)
    if _ORDERED.match(head):
        return True
    if head.startswith(_BLOCKS) and tail.endswith(("{", ":", "(", "&&", "||")):
        return True
    return _is_literal(head[: opening + 1], tail)


def _is_literal(upto: str, tail: str) -> bool:
    """Whether a quotation mark, the last of `upto`, begins a literal of a program."""
    bare, mark = upto[:-1], upto[-1]
    if (
        bare.rstrip().endswith(("<<", "==", "!="))
        or _PREFIXED.search(bare)
        or (bare.startswith((")", "]")) and not re.search(r"\w", bare))
    ):
        return True
    if any(not _inside(bare, found.start()) for found in _STATEMENT.finditer(bare)) or _METHOD.search(upto):
        return True
    assigned = _ASSIGNED.fullmatch(upto)
    if assigned and "= " in upto and (upto.endswith("(" + mark) or re.split(r"\W", upto, maxsplit=1)[0].lower() not in _PRINTED):
        return True
    if bare.rstrip().endswith(('":', "':")) or _REPORTED.search(bare):
        return False
    held, closed, behind = tail.partition(mark)
    behind = behind.strip()
    if _TEMPLATE.search(held) and _AFTER.match(behind):
        return True
    return bool(closed) and (
        behind.startswith((".format(", "% (", "+ ", "in ")) or (not bare.strip() and held.endswith(" ") and not behind)
    )


def _is_order(head: str) -> bool:
    """An order to print, without quotation marks: `+ echo …`."""
    return head.startswith(("echo ", "+ echo ", "++ echo "))


def _is_in_prose(head: str, tail: str) -> bool:
    if head.count("`") % 2 and "`" in tail[1:]:
        return not _is_log(head.rpartition("`")[0])
    if _MEANT.search(head):
        return True
    opening = _opened(head)
    if opening < 0:
        return False
    before, mark = head[:opening], head[opening]
    closing = tail.find(mark)
    if closing < 0:
        return False
    before = before.removesuffix("(")
    if _NAMED.search(before):
        return not re.search(r"\b(?:[Ee]rror|failed|got|code|desc|status)\b[^.]*: [^.]*$", before[:-1])
    return bool(_NOUN.match(tail[closing:])) and bool(re.search(r"\b[a-z]+ $", before)) and not _is_log(before)


def _is_log(before: str) -> bool:
    """Whether it begins as a line of a log does: with a time, a level, or a program and what that says."""
    return bool(_LOG.match(before)) and not _HINT.match(before)


def _opened(head: str) -> int:
    """Where the quotation mark stands that is still open at the end of `head`; -1 where none is."""
    mark, at = "", -1
    for place, one in ((found.start(), found[0]) for found in re.finditer("[\"']", head)):
        if mark:
            if one == mark and head[place - 1] != "\\":
                mark, at = "", -1
        elif one == '"' or (one == "'" and not (place and head[place - 1].isalnum() and not _is_prefix(head, place))):
            mark, at = one, place
    return at


def _is_prefix(head: str, place: int) -> bool:
    """Whether a letter before an apostrophe is that of a literal (f'…', r'…'), and the apostrophe no other."""
    word = re.search(r"\w+$", head[max(0, place - 4) : place])
    return word is not None and word[0].lower() in ("f", "r", "b", "rf", "fr", "rb", "br", "u")


def _inside(text: str, at: int) -> bool:
    return _opened(text[:at]) >= 0
