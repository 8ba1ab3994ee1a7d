"""What pydantic says of what it refuses."""

from collections.abc import Sequence


def others(lines: Sequence[str]) -> tuple[str, ...]:
    """Where the further errors are, with what they say, as far as the lines below show them."""
    texts = [line.strip() for line in lines if line.strip()]
    found = []
    for number, text in enumerate(texts):
        words, said, _ = text.partition(" [type=")
        if said and number:
            found.append(f"{texts[number - 1].rpartition(' ')[2]}: {words.rpartition('  ')[2]}")
    return tuple(found[1:3])


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
