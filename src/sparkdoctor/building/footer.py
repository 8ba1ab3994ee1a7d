"""A line at the bottom of a terminal to which others write too.

As apt does it: the bottom row is taken out of the region that scrolls, so that what the build prints, which goes to the terminal
untouched, never meets it. Source: VT100 (DECSTBM, DECSC, DECRC), known to every terminal since.
"""

import contextlib
import os
import select
import termios
from collections.abc import Callable

_ROWS = 6
"""Fewer rows have none to spare."""
FAREWELL = b"\x1b7\x1b[r\x1b8\x1b[J"
"""Gives the bottom row back, whatever is there: all below the cursor is ours."""


def writable(descriptor: int) -> bool:
    """Whether a line can be written without waiting: not to a terminal that Ctrl-S holds, nor to a pager that is not read on.

    Who waits for a reader does not look at memory.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(event & select.POLLOUT for _, event in poll.poll(0))


class Footer:
    """Shows one line on a terminal; nothing where there is none."""

    def __init__(self, descriptor: int = 2) -> None:
        """For the terminal behind a descriptor."""
        self._to = descriptor
        self._rows = 0
        self._shown = ""

    @property
    def possible(self) -> bool:
        """Whether there is a terminal that understands this, and is ours to write to."""
        try:
            mine = os.isatty(self._to) and os.tcgetpgrp(self._to) == os.getpgrp()
            rows = os.get_terminal_size(self._to).lines
        except OSError:
            return False
        return mine and rows >= _ROWS and os.environ.get("TERM", "dumb") not in ("dumb", "")

    def show(self, text: Callable[[int], str]) -> None:
        """Show what `text` makes of the width."""
        if not self.possible or not writable(self._to):
            return
        if self._taken():
            self.leave()
            return
        size = os.get_terminal_size(self._to)
        if size.lines != self._rows:
            self.leave()
            # A new line makes room where the cursor stands in the bottom row.
            self._write(f"\n\x1b7\x1b[1;{size.lines - 1}r\x1b8\x1b[1A")
            self._rows = size.lines
        if (line := text(size.columns)) != self._shown:
            self._write(f"\x1b7\x1b[{self._rows};1H\x1b[2K{line}\x1b8")
            self._shown = line

    def _taken(self) -> bool:
        """Whether a program has the whole screen (`make menuconfig`): it reads each key."""
        try:
            return not termios.tcgetattr(self._to)[3] & termios.ICANON
        except termios.error:
            return False

    def leave(self) -> None:
        """Give the bottom row back."""
        if self._rows:
            self._write(f"\x1b7\x1b[{self._rows};1H\x1b[2K\x1b[r\x1b8")
        self._rows, self._shown = 0, ""

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._to, text.encode(errors="replace"))
