"""Reports as text. Each module has `render(report, verbose, to_file) -> str`; none knows any check."""

import re

_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"


def printable(text: str) -> str:
    """A text that cannot move the cursor or break a document: control and direction characters become escapes."""
    if text.isprintable():  # nearly all texts are: the expression is seldom compiled, which is slow
        return text
    return re.sub(_CONTROL, lambda found: f"\\x{ord(found[0]):02x}", text)
