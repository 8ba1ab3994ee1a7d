"""What pydantic says of what it refuses."""

from collections.abc import Sequence


def first(lines: Sequence[str]) -> tuple[str, str]:
    """Where the first error is, and what it says, from the lines below `1 validation error for …`.

    Each has a line of its own, with its words indented in the next; one that is about the whole has no such line.
    Whatever prints the log may put a prefix before each.
    """
    texts = [line.strip() for line in lines if line.strip()]
    for number, text in enumerate(texts[:3]):
        words, said, _ = text.partition(" [type=")
        if said:
            return (texts[number - 1].rpartition(" ")[2] if number else ""), words.rpartition("  ")[2]
    return (texts[0].rpartition(" ")[2], texts[1]) if len(texts) > 1 else ("", "")
