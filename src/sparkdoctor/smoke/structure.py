"""The atoms of a predicted structure, read strictly from mmCIF or PDB: what OpenFold3 writes, and an error for anything else."""

import math
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import NamedTuple

from sparkdoctor.reading import opened

SIZE_LIMIT = 64 << 20
"""Bytes of a structure, uncompressed, that are read at most: half a million atoms."""
FORMATS = (".cif", ".cif.gz", ".pdb")


class StructureError(ValueError):
    """It is no structure that can be judged; the message says why, with the line where there is one."""


class Atom(NamedTuple):
    """One atom. Coordinates in Å; `b` is the B factor, in which a prediction has its pLDDT (0 to 100); both may be NaN.

    `number` counts residues of a polymer from 1; of a ligand it is what the author says.
    """

    chain: str
    number: int
    residue: str
    name: str
    element: str
    x: float
    y: float
    z: float
    b: float
    model: int = 1

    @property
    def at(self) -> tuple[float, float, float]:
        """Where it is, in Å."""
        return self.x, self.y, self.z

    @property
    def finite(self) -> bool:
        """Whether it is anywhere at all."""
        return math.isfinite(self.x) and math.isfinite(self.y) and math.isfinite(self.z)


def read(path: str) -> list[Atom]:
    """The atoms of a file whose name ends in one of FORMATS, in its order.

    Raises:
        StructureError: it is none, it is too large, or there is something in it that should not be.
        OSError: it cannot be read, or is no regular file.
    """
    content = _content(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise StructureError(f"line {line}: not text (byte 0x{content[error.start]:02x})") from None
    return parse_pdb(text) if path.endswith(".pdb") else parse_cif(text)


def _content(path: str) -> bytes:
    parts, size = [], 0
    packed = path.endswith(".gz")
    unpack = zlib.decompressobj(wbits=31)
    with opened(path) as descriptor:
        while chunk := os.read(descriptor, 1 << 16):
            if packed:
                try:
                    chunk = unpack.decompress(chunk, SIZE_LIMIT + 1 - size)
                except zlib.error as error:
                    raise StructureError(f"not gzip: {error}") from None
            parts.append(chunk)
            size += len(chunk)
            if size > SIZE_LIMIT:
                raise StructureError(f"larger than {SIZE_LIMIT >> 20} MiB")
    if packed and not unpack.eof:
        raise StructureError("the gzip file ends too early")
    return b"".join(parts)


# mmCIF: https://www.iucr.org/resources/cif/spec/version1.1/cifsyntax

_TOKEN = re.compile(
    r"""[ \t]*(?:
        (?P<comment>\#.*)
      | '(?P<single>(?:[^']|'(?=[^ \t]))*)'(?=[ \t]|$)
      | "(?P<double>(?:[^"]|"(?=[^ \t]))*)"(?=[ \t]|$)
      | (?P<bare>[^ \t'"\#\$\[\]][^ \t]*)
    )[ \t]*""",
    re.VERBOSE,
)
_SPECIAL = re.compile(r"['\"#_$\[\]]")
_CONTROL = re.compile(r"[^\t\n\r\x20-\U0010ffff]|\x7f")
_CATEGORY = "_atom_site."


def parse_cif(text: str) -> list[Atom]:
    """The atoms of the one data block of an mmCIF file.

    Raises:
        StructureError: it breaks CIF's syntax, or `_atom_site` is missing, incomplete or no table of atoms.
    """
    reader = _CifReader()
    number, lines = 0, enumerate(_lines(text), 1)
    for number, line in lines:
        if line.startswith(";"):
            field, line = _text_field(line, number, lines)  # noqa: PLW2901 (what follows the field)
            reader.value(field, number)
        if not _SPECIAL.search(line):
            reader.values(line.split(), number)
            continue
        at = 0
        while at < len(line):
            found = _TOKEN.match(line, at)
            if found is None:
                if not line[at:].strip(" \t"):
                    break
                raise StructureError(f"line {number}: {_quoted(line[at:])} is neither a value nor a name")
            at = found.end()
            if found["bare"] is not None:
                reader.bare(found["bare"], number)
            elif found["comment"] is None:
                reader.value(found["single"] if found["single"] is not None else found["double"], number)
    return reader.finish(number)


def _lines(text: str) -> list[str]:
    if odd := _CONTROL.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        raise StructureError(f"line {line}: not text (character 0x{ord(odd[0]):02x})")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _text_field(first: str, number: int, lines: Iterator[tuple[int, str]]) -> tuple[str, str]:
    """A value of several lines between semicolons, and what follows it on its last line."""
    parts = [first[1:]]
    for _, line in lines:
        if line.startswith(";"):
            return "\n".join(parts), line[1:]
        parts.append(line)
    raise StructureError(f"line {number}: a text field that does not end")


class _CifReader:
    """Puts names and values together. Only `_atom_site` is kept; of all else the form is seen to."""

    def __init__(self) -> None:
        self.blocks = 0
        self.names: set[str] = set()
        self.atoms: list[Atom] | None = None
        self.header: list[str] = []  # of the open loop
        self.in_header = False
        self.name = ""  # that has no value yet
        self.pairs: dict[str, str] = {}  # of _atom_site
        self.row: list[str] = []
        self.rows = 0
        self.opened = 0  # the line of the open loop, or name
        self.make: Callable[[list[str], int], Atom] | None = None

    def bare(self, token: str, line: int) -> None:
        """A token without quotes: a name, a keyword or a value."""
        if token[0] == "_":
            self.tag(token, line)
            return
        word = token.lower()
        if word == "loop_":
            self.close(line)
            self.header, self.opened, self.rows = [], line, 0
            self.make = None
            self.in_header = True
        elif word.startswith("data_"):
            self.close(line)
            self.blocks += 1
            if self.blocks > 1:
                raise StructureError(f"line {line}: a second data block")
        elif word.startswith("save_") or word in ("global_", "stop_"):
            raise StructureError(f"line {line}: {_quoted(token)} has no place in a structure")
        else:
            self.value(token, line)

    def tag(self, token: str, line: int) -> None:
        """A data name."""
        name = token.lower()
        if not self.blocks:
            raise StructureError(f"line {line}: {_quoted(token)} before any data block")
        if name in self.names:
            raise StructureError(f"line {line}: {_quoted(token)} is there twice")
        self.names.add(name)
        if self.in_header:
            self.header.append(name)
            return
        self.close(line)
        self.name, self.opened = name, line

    def value(self, token: str, line: int) -> None:
        """One value."""
        self.values([token], line)

    def values(self, tokens: list[str], line: int) -> None:
        """Values that follow each other on a line."""
        if not tokens:
            return
        if self.name:
            if self.name.startswith(_CATEGORY):
                self.pairs[self.name] = tokens[0]
            self.name = ""
            self.values(tokens[1:], line)
            return
        width = len(self.header)
        if not width:
            raise StructureError(f"line {line}: {_quoted(tokens[0])} is a value without a name")
        if self.in_header:
            self.in_header = False
            if any(name.startswith(_CATEGORY) for name in self.header):
                self._begin(self.header, self.opened)
        if not self.row and len(tokens) == width:  # what a structure consists of
            self._complete(tokens, line)
            return
        self.row += tokens
        while len(self.row) >= width:
            self._complete(self.row[:width], line)
            del self.row[:width]

    def _complete(self, row: list[str], line: int) -> None:
        self.rows += 1
        if self.make is not None and self.atoms is not None:
            self.atoms.append(self.make(row, line))

    def _begin(self, names: list[str], line: int) -> None:
        if self.atoms is not None:
            raise StructureError(f"line {line}: a second table of atoms")
        self.make, self.atoms = _maker(names, line), []

    def close(self, line: int) -> None:
        """The loop or name that was open ends here."""
        if self.name:
            raise StructureError(f"line {self.opened}: {_quoted(self.name)} has no value")
        if self.in_header or (self.header and not self.rows and not self.row):
            raise StructureError(f"line {self.opened}: a loop without {'values' if self.header else 'names'}")
        if self.row:
            raise StructureError(
                f"line {line}: the loop of line {self.opened} ends within a row ({len(self.row)} values too many)"
            )
        self.header, self.make = [], None

    def finish(self, line: int) -> list[Atom]:
        """The atoms, at the end of the file."""
        self.close(line)
        if not self.blocks:
            raise StructureError("there is no data block: not an mmCIF file")
        if self.pairs:
            self._begin(list(self.pairs), self.opened)
            self.row = list(self.pairs.values())
            self._complete(self.row, self.opened)
        if not self.atoms:
            raise StructureError("there are no atoms (_atom_site) in it")
        return self.atoms


_MISSING = (".", "?")


def _maker(names: list[str], line: int) -> Callable[[list[str], int], Atom]:
    """What makes an atom of a row."""
    columns = {name.removeprefix(_CATEGORY): index for index, name in enumerate(names)}

    def column(*options: str) -> int:
        for option in options:
            if option in columns:
                return columns[option]
        raise StructureError(f"line {line}: the table of atoms has no {_CATEGORY}{options[0]}")

    pick = itemgetter(
        column("auth_asym_id", "label_asym_id"),
        column("label_seq_id", "auth_seq_id"),
        column("label_comp_id", "auth_comp_id"),
        column("label_atom_id", "auth_atom_id"),
        column("type_symbol"),
        column("cartn_x"),
        column("cartn_y"),
        column("cartn_z"),
        column("b_iso_or_equiv"),
    )
    author = columns.get("auth_seq_id")
    model = columns.get("pdbx_pdb_model_num")

    def make(row: list[str], line: int) -> Atom:
        chain, number, residue, name, element, *numbers = pick(row)
        if number in _MISSING and author is not None:  # a ligand is no polymer's residue
            number = row[author]
        return _atom((chain, residue, name, element), (number, row[model] if model is not None else "1"), numbers, line)

    return make


def _atom(words: tuple[str, str, str, str], counts: tuple[str, str], numbers: Iterable[str], line: int) -> Atom:
    chain, residue, name, element = words
    if not chain or not residue or not name or residue in _MISSING or name in _MISSING:
        raise StructureError(f"line {line}: an atom without chain, residue or name")
    try:
        number, model = map(int, counts)
        x, y, z, b = map(float, numbers)
    except ValueError:
        shown = ", ".join(_quoted(text) for text in (*counts, *numbers))
        raise StructureError(f"line {line}: not all of {shown} are numbers") from None
    said = "".join((*counts, *numbers))
    if "_" in said or not said.isascii():  # Python reads 1_0 and １０ as numbers
        raise StructureError(f"line {line}: {_quoted(said)} is no number")
    return Atom(chain, number, residue, name, element.upper(), x, y, z, b, model)


# PDB: https://www.wwpdb.org/documentation/file-format-content/format33/v3.3.html

_RECORD = re.compile(r"[A-Z][A-Z0-9]{2,5} *$")


def parse_pdb(text: str) -> list[Atom]:
    """The atoms of a PDB file.

    Raises:
        StructureError: it is none, or a record of an atom is not what the format demands.
    """
    atoms: list[Atom] = []
    model = "1"
    for number, line in enumerate(_lines(text), 1):
        record = line[:6]
        if record in ("ATOM  ", "HETATM"):
            atoms.append(_pdb_atom(line, model, number))
        elif record.rstrip() == "MODEL":
            model = line[6:].strip()
        elif line.strip() and not _RECORD.match(record):
            raise StructureError(f"line {number}: {_quoted(line)} is no record of a PDB file")
    if not atoms:
        raise StructureError("there are no atoms (ATOM, HETATM) in it")
    return atoms


def _pdb_atom(line: str, model: str, number: int) -> Atom:
    if len(line) < 66 or not line.isascii():  # noqa: PLR2004 (up to the B factor)
        raise StructureError(f"line {number}: {_quoted(line)} is too short for an atom")
    name = line[12:16].strip()
    words = (line[21].strip(), line[17:20].strip(), name, line[76:78].strip() or name.lstrip("0123456789")[:1])
    return _atom(words, (line[22:26], model), (line[30:38], line[38:46], line[46:54], line[60:66]), number)


def _quoted(text: str) -> str:
    """The beginning of a text, fit to be shown."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…")  # noqa: PLR2004
