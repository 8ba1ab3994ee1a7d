"""What facts make of texts: real ones, each with its public source, and any text at all.

Sources are GitHub threads ("owner/repo #n") and public captures of GB10 machines; serials and host names were removed.
"""

from hypothesis import strategies as st

BIG = 1 << 63
TEXT = st.one_of(st.text(), st.text("NVRM version:580.1\n =\"'+-_;,kB aPTX", max_size=80))
"""Any text, and text made of what the parsers look for."""


def lines_of(*words: str) -> st.SearchStrategy[str]:
    """Texts of lines put together from these words and arbitrary ones."""
    word = st.one_of(st.sampled_from(words), st.text(max_size=6), st.integers(-5, 1 << 70).map(str))
    return st.lists(st.lists(word, max_size=6).map("".join), max_size=8).map("\n".join)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["total", "ask", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
