"""A page for a terminal: prose is wrapped to its width, what may be copied is not."""

from rich.console import Console
from rich.text import Text

from sparkdoctor.model import Status

INDENT = 4
MARKS = {
    Status.OK: ("✓", "green"),
    Status.WARNING: ("!", "yellow"),
    Status.FAILED: ("✗", "bold red"),
    Status.SKIPPED: ("-", "dim"),
    Status.CRASHED: ("?", "magenta"),
}
"""How each ending looks."""


class Page:
    """Lines, wrapped to the console's width as they come and printed at once: one print costs as much as fifty."""

    def __init__(self, console: Console | None = None) -> None:
        """For `console`, by default the one that we are started in."""
        self._console = console or Console(highlight=False)
        self._console.width = max(20, self._console.width or 80)  # COLUMNS=0 would show nothing at all
        self._lines: list[Text] = []

    @property
    def width(self) -> int:
        """Columns that a line may take."""
        return self._console.width

    def add(self, text: Text, indent: int = 0, bar: str = "") -> None:
        """A paragraph, with a bar before each of its lines where it is a quotation."""
        for line in text.wrap(self._console, max(20, self._console.width - indent - len(bar))):
            made = Text.assemble(" " * indent, (bar, "dim"), line)
            made.rstrip()
            self._lines.append(made)

    def item(self, mark: Text, text: Text) -> None:
        """A paragraph that hangs on a mark."""
        first = len(self._lines)
        self.add(text, len(mark))
        self._lines[first] = Text.assemble(mark, self._lines[first][len(mark) :])

    def blank(self) -> None:
        """An empty line."""
        self._lines.append(Text())

    def whole(self, text: Text) -> None:
        """A line that is never broken: a command is there to be copied."""
        self._lines.append(text)

    def text(self) -> str:
        """The page, with escape sequences where the console wants them; empty where nothing was put on it."""
        with self._console.capture() as capture:
            if self._lines:
                self._console.print(Text("\n").join(self._lines), soft_wrap=True)
        return capture.get()
