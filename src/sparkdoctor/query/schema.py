"""OpenFold3's schema of a query file, release by release.

What is written here of OpenFold3 0.3.0 to 0.5.0 was tried with its own parser and with real predictions; the keys that a
release knows are those of its projects/of3_all_atom/config/inference_query_format.py.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sparkdoctor.query.alphafold3 import is_foreign, seeds_advice
from sparkdoctor.query.located import Json, Malformed, Node, clipped, decoded, shown, under
from sparkdoctor.query.nouns import KINDS, POLYMERS, Chain, Problem, Query, QuerySet
from sparkdoctor.query.strangers import stranger

KindOf = Callable[[str], str | None]
"""What stands at a path: `file`, `directory`, another word, or None for nothing."""

_AMBIGUOUS = {"protein": "BJOUZ", "rna": "", "dna": ""}
"""Letters with a meaning that OpenFold3 has no residue for."""
_ID_LENGTH = 4
_NUCLEIC = 20
"""Letters from which on a protein of A, C, G, T, U and N alone is doubted."""
_TRUE, _FALSE = ("1", "on", "t", "true", "y", "yes"), ("0", "off", "f", "false", "n", "no")
_COMPONENT = re.compile(r"[A-Z0-9]{1,5}")
_WHOLE = re.compile(r"\s*[+-]?[0-9]+(_[0-9]+)*(\.0+)?\s*")
_NAME = "has no effect: a query's name is its key in `queries`"
_INSTEAD = {
    "type": "molecule_type",
    "kind": "molecule_type",
    "id": "chain_ids",
    "ids": "chain_ids",
    "chain_id": "chain_ids",
    "ccd": "ccd_codes",
    "ccdCodes": "ccd_codes",
    "modifications": "non_canonical_residues",
    "sdf": "sdf_file_path",
}


def read(given: str | bytes, release: tuple[int, ...] = (), kind_of: KindOf | None = None) -> QuerySet:
    """Read a query file as OpenFold3 `release` does; without one, as the newest known does.

    Files that it names are looked for with `kind_of`; without it they are taken to be there.
    """
    try:
        text = decoded(given)
        document = Json(text)
        root = document.read()
    except Malformed as error:
        return QuerySet(problems=(stranger(given) or error.problem,))
    reading = _Reading(document, release, kind_of)
    if is_foreign(root):
        reading.add("", root.at, "this is AlphaFold 3's input format, not OpenFold3's", rejected=True)
        return QuerySet(problems=tuple(reading.problems))
    queries, seeds = reading.document(root)
    problems = [*reading.problems, *document.notes]
    problems.sort(key=lambda problem: (not problem.fatal, problem.line or 0))
    return QuerySet(queries, seeds, tuple(problems))


class _Reading:
    """A document against the schema of a release; problems are gathered as they are met."""

    def __init__(self, document: Json, release: tuple[int, ...], kind_of: KindOf | None) -> None:
        self._document = document
        self._release = release
        self._kind_of = kind_of
        self._version = ".".join(map(str, release))
        self.problems: list[Problem] = []

    def add(self, where: str, at: int, text: str, *, fatal: bool = True, rejected: bool = False) -> None:
        """One more problem."""
        self.problems.append(Problem(where, self._document.line(at), text, fatal, rejected))

    def document(self, root: Node) -> tuple[tuple[Query, ...], tuple[int, ...]]:
        """The whole document: its queries and seeds."""
        if not isinstance(root.value, dict):
            self._due("", root, "an object with `queries`")
            return (), ()
        queries: list[Query] = []
        seeds: tuple[int, ...] = ()
        for key, node in root.value.items():
            if key == "queries":
                queries = self._queries(node)
            elif key == "seeds":
                seeds = tuple(self.items(node, "seeds", self.whole))
                if seeds != (42,) and isinstance(node.value, list):
                    self.add("seeds", node.at, f"is read and not used: {seeds_advice(node)}", fatal=False)
            else:
                self._ignored(key, key, node, ("queries", "seeds"))
        if "queries" not in root.value:
            text = "`queries` is missing: an object of queries by their names is due"
            if "chains" in root.value:
                text += '; this is one query, which belongs under a name there: {"queries": {"NAME": {"chains": [...]}}}'
            elif any(isinstance(node.value, dict) and "chains" in node.value for node in root.value.values()):
                text += '; what stands here belongs in it: {"queries": {...}}'
            self.add("", root.at, text, rejected=True)
        return tuple(queries), seeds

    def _queries(self, node: Node) -> list[Query]:
        if not isinstance(node.value, dict):
            self._due("queries", node, "an object of queries by their names")
            return []
        if not node.value:
            self.add("queries", node.at, "there is no query in it: the run ends with an error")
        found = []
        for name, query in node.value.items():
            where = under("queries", name)
            if not name or "/" in name:
                said = "an empty name" if not name else "a name with /"
                self.add(where, query.at, f"{said} puts the output into other directories than those of its own", fatal=False)
            if isinstance(query.value, dict):
                found.append(Query(name, self._query(name, query, where)))
            else:
                self._due(where, query, "a query (an object with `chains`)")
        return found

    def _query(self, name: str, node: Node, where: str) -> tuple[Chain, ...]:
        parts: list[tuple[dict[str, Any], Node]] = []
        for key, value in node.value.items():
            inner = under(where, key)
            since, reader = _QUERY.get(key, ((), None))
            if key == "chains":
                parts = self._chains(value, inner)
            elif reader is None or self._lacks(since):
                self._ignored(inner, key, value, _QUERY, since)
            elif (found := reader(self, value, inner)) is not None and key == "query_name" and found != name:
                self.add(inner, value.at, f"has no effect: the query's name is its key, {shown(name)}", fatal=False)
        if "chains" not in node.value:
            self.add(where, node.at, "`chains` is missing: a list of chains is due", rejected=True)
        bonds = node.value.get("covalent_bonds")
        if bonds is not None and bonds.value:
            self.add(
                under(where, "covalent_bonds"), bonds.at, "is read and not used: the bonds are not in the prediction", fatal=False
            )
        if all("molecule_type" in values and "chain_ids" in values for values, _ in parts):
            self._pocket(node.value.get("pocket_constraint"), parts, where)
            self._assembled(parts, node, where)
        return tuple(chain for values, _ in parts if (chain := _chain(values)))

    def _chains(self, node: Node, where: str) -> list[tuple[dict[str, Any], Node]]:
        if not isinstance(node.value, list):
            self._due(where, node, "a list of chains")
            return []
        if not node.value:
            self.add(where, node.at, "there is no chain in it: nothing can be predicted")
        return [(self._fields(chain, f"{where}[{number}]"), chain) for number, chain in enumerate(node.value)]

    def _fields(self, node: Node, where: str) -> dict[str, Any]:
        """The values of a chain's keys, without those that cannot be read."""
        if not isinstance(node.value, dict):
            self._due(where, node, "a chain (an object with `molecule_type` and `chain_ids`)")
            return {}
        values: dict[str, Any] = {}
        whole = True
        for key, value in node.value.items():
            since, reader = _CHAIN.get(key, ((), None))
            inner = under(where, key)
            if reader is None or self._lacks(since):
                self.add(inner, value.at, self._unknown(key, since), rejected=True)
                continue
            before = len(self.problems)
            if (found := reader(self, value, inner)) is not None:
                values[key] = found
            whole &= len(self.problems) == before
        for key, due in (("molecule_type", "protein, rna, dna or ligand"), ("chain_ids", 'a list of ids such as ["A"]')):
            if key not in node.value:
                self.add(where, node.at, f"`{key}` is missing: {due} is due", rejected=True)
                whole = False
        if whole:
            self._templates(values, node, where)
            self._molecule(values, node.value, where)
        return values

    # --- keys

    def _lacks(self, since: tuple[int, ...]) -> bool:
        return bool(self._release) and self._release < since

    def _unknown(self, key: str, since: tuple[int, ...]) -> str:
        if since:
            return f"is refused by OpenFold3 {self._version}: it came with {'.'.join(map(str, since))}"
        if key in _QUERY:
            return "is no key of a chain: it belongs to the query, beside `chains`"
        instead = _INSTEAD.get(key) or _near(key, _CHAIN)
        return "is no key of a chain" + (f": {instead} is meant?" if instead else "")

    def _ignored(self, where: str, key: str, node: Node, known: Iterable[str], since: tuple[int, ...] = ()) -> None:
        if since:
            text = f"is ignored by OpenFold3 {self._version}: it came with {'.'.join(map(str, since))}"
        elif key in ("seeds", "modelSeeds"):
            text = f"has no effect: {seeds_advice(node)}"
        elif key == "name":
            text = _NAME
        elif key in _CHAIN:
            text = "is ignored here: it belongs to a chain, in `chains`"
        else:
            near = _near(key, known)
            text = "is ignored: OpenFold3 knows no such key here" + (f"; {near} is meant?" if near else "")
        self.add(where, node.at, text, fatal=False)

    # --- values; None where it is null or cannot be read

    def _due(self, where: str, node: Node, due: str) -> None:
        self.add(where, node.at, f"{shown(node.value)} stands where {due} is due", rejected=True)

    def text(self, node: Node, where: str) -> str | None:
        if isinstance(node.value, str):
            return node.value
        self._due(where, node, "a text")
        return None

    def whole(self, node: Node, where: str) -> int | None:
        value = node.value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 63:
            return int(value)
        if isinstance(value, str) and len(value) < 4300 and _WHOLE.fullmatch(value):  # noqa: PLR2004 (Python's own limit)
            return int(value.partition(".")[0])
        self._due(where, node, "a whole number")
        return None

    def flag(self, node: Node, where: str) -> bool | None:
        value = node.value
        if isinstance(value, str):
            value = value.lower()
        if value in (*_TRUE, 1):
            return True
        if value in (*_FALSE, 0):
            return False
        self._due(where, node, "true or false")
        return None

    def length(self, node: Node, where: str) -> float | None:
        try:
            return float(node.value)
        except (TypeError, ValueError, OverflowError):
            self._due(where, node, "a number")
            return None

    def items(self, node: Node, where: str, reader: Callable[[Node, str], Any]) -> list[Any]:
        """The values of a list that can be read."""
        if not isinstance(node.value, list):
            self._due(where, node, "a list")
            return []
        found = [reader(item, f"{where}[{number}]") for number, item in enumerate(node.value)]
        return [value for value in found if value is not None]

    def listed(self, node: Node, where: str, reader: Callable[[Node, str], Any]) -> tuple[Any, ...]:
        """The values of a list, or one that stands alone."""
        return tuple(self.items(node if isinstance(node.value, list) else Node([node], node.at), where, reader))

    def texts(self, node: Node, where: str) -> tuple[str, ...]:
        return self.listed(node, where, self.text)

    def optional_texts(self, node: Node, where: str) -> tuple[str, ...]:
        return self.listed(node, where, lambda item, inner: "" if item.value is None else self.text(item, inner))

    def path(self, node: Node, where: str, *allowed: str) -> str | None:
        path = self.text(node, where)
        if path is None or self._kind_of is None:
            return path
        kind = self._kind_of(path or ".")
        if kind in (allowed or ("file",)):
            return path
        self.add(where, node.at, f"{shown(path)} " + ("does not exist" if kind is None else "is no file"), rejected=True)
        return None

    def files(self, node: Node, where: str) -> tuple[str, ...]:
        return self.listed(node, where, self.path)

    def alignments(self, node: Node, where: str) -> tuple[str, ...]:
        return self.listed(node, where, lambda item, inner: self.path(item, inner, "file", "directory"))

    def kind(self, node: Node, where: str) -> str | None:
        value = node.value
        if isinstance(value, str) and value.upper().lower() in KINDS:
            return value.upper().lower()
        if isinstance(value, int) and 0 <= value < len(KINDS):
            return KINDS[value]
        self._due(where, node, "protein, rna, dna or ligand")
        return None

    def residues(self, node: Node, where: str) -> dict[int, str] | None:
        if not isinstance(node.value, dict):
            self._due(where, node, "an object of positions and component codes")
            return None
        found: dict[int, str] = {}
        for key, value in node.value.items():
            inner = under(where, key)
            code = self.text(value, inner)
            try:
                position = int(key)
            except ValueError:
                self.add(inner, value.at, f"{shown(key)} is no position, counted from 1", rejected=True)
                continue
            if code is not None:
                found[position] = code
        return found

    def named(self, node: Node, where: str, fields: Mapping[str, Callable[..., Any]]) -> bool | None:
        """Values by their order or by their names, as pydantic reads a NamedTuple."""
        value = node.value
        if isinstance(value, list) and len(value) == len(fields):
            pairs = [(item, f"{where}[{number}]") for number, item in enumerate(value)]
        elif isinstance(value, dict) and value.keys() == fields.keys():
            pairs = [(value[name], under(where, name)) for name in fields]
        else:
            self._due(where, node, f"[{', '.join(fields)}]")
            return None
        for (item, inner), reader in zip(pairs, fields.values(), strict=True):
            reader(self, item, inner)
        return True

    def bonds(self, node: Node, where: str) -> None:
        atom = {"chain_id": _Reading.text, "residue_id": _Reading.whole, "atom_id": _Reading.whole}

        def end(self: _Reading, node: Node, where: str) -> None:
            self.named(node, where, atom)

        self.items(node, where, lambda item, inner: self.named(item, inner, {"atom1": end, "atom2": end}))

    def constraint(self, node: Node, where: str) -> None:
        if not isinstance(node.value, dict):
            self._due(where, node, "an object with ligand_chain_id and pocket_residues")
            return
        residue = {"chain_id": _Reading.text, "residue_id": _Reading.whole}
        before = len(self.problems)
        for key, value in node.value.items():
            inner = under(where, key)
            if key == "ligand_chain_id":
                self.text(value, inner)
            elif key == "pocket_residues":
                self.items(value, inner, lambda item, place: self.named(item, place, residue))
                if value.value == []:
                    self.add(inner, value.at, "at least one residue is due", rejected=True)
            elif key == "max_distance":
                if (distance := self.length(value, inner)) is not None and distance <= 0:
                    self.add(inner, value.at, "a positive distance in Å is due", rejected=True)
            else:
                self.add(inner, value.at, "is no key of a pocket constraint", rejected=True)
        for key in ("ligand_chain_id", "pocket_residues"):
            if key not in node.value and len(self.problems) == before:
                self.add(where, node.at, f"`{key}` is missing", rejected=True)

    # --- what belongs together

    def _templates(self, values: Mapping[str, Any], node: Node, where: str) -> None:
        paths, ids = values.get("template_cif_paths"), values.get("template_cif_chain_ids")
        if paths is not None and "template_alignment_file_path" in values:
            text = "template_alignment_file_path and template_cif_paths exclude each other"
        elif ids is None:
            return
        elif paths is None:
            text = "template_cif_chain_ids needs template_cif_paths"
        elif len(ids) != len(paths):
            text = f"template_cif_paths names {len(paths)} files and template_cif_chain_ids {len(ids)} chains"
        else:
            return
        self.add(where, node.at, text, rejected=True)

    def _pocket(self, node: Node | None, parts: Sequence[tuple[dict[str, Any], Node]], where: str) -> None:
        if node is None or not isinstance(node.value, dict) or self._lacks(_QUERY["pocket_constraint"][0]):
            return
        name = node.value.get("ligand_chain_id")
        wanted = name.value if name is not None else None
        if isinstance(wanted, str) and wanted not in {
            one for values, _ in parts if values["molecule_type"] == "ligand" for one in values["chain_ids"]
        }:
            place = under(under(where, "pocket_constraint"), "ligand_chain_id")
            self.add(place, node.at, f"{shown(wanted)} is no ligand's chain", rejected=True)

    # --- what is read, and then fails or is not what was meant

    def _molecule(self, values: Mapping[str, Any], nodes: Mapping[str, Node], where: str) -> None:
        kind = values["molecule_type"]
        if kind in POLYMERS:
            self._polymer(kind, values, nodes, where)
        else:
            self._ligand(values, nodes, where)
        useless = ("smiles", "ccd_codes", "sdf_file_path") if kind in POLYMERS else ("non_canonical_residues", "cyclic")
        for key in useless:
            if values.get(key):
                self.add(under(where, key), nodes[key].at, f"has no effect on a {kind}", fatal=False)
        ids = values["chain_ids"]
        if not ids:
            self.add(under(where, "chain_ids"), nodes["chain_ids"].at, "there is no id in it: this chain is not predicted")
        for name in ids:
            if len(name) > _ID_LENGTH:
                text = f"{shown(name)} is longer than {_ID_LENGTH} characters, which OpenFold3 cuts off and then fails on"
                self.add(under(where, "chain_ids"), nodes["chain_ids"].at, text)
            elif not name:
                self.add(under(where, "chain_ids"), nodes["chain_ids"].at, "an id is empty", fatal=False)

    def _polymer(self, kind: str, values: Mapping[str, Any], nodes: Mapping[str, Node], where: str) -> None:
        sequence, place = values.get("sequence"), under(where, "sequence")
        if not sequence:
            given = nodes.get("sequence") or nodes["molecule_type"]
            self.add(where if sequence is None else place, given.at, f"a {kind} needs a sequence")
            return
        residues, odd = POLYMERS[kind], dict[str, int]()
        if not set(sequence) <= set(residues):
            odd = {letter: number for number, letter in reversed([*enumerate(sequence, 1)]) if letter not in residues}
        small = sorted(letter for letter in odd if letter.upper() != letter)
        unclear = sorted(letter for letter in odd if letter in _AMBIGUOUS[kind])
        others = sorted(set(odd) - set(small) - set(unclear), key=odd.__getitem__)
        at = nodes["sequence"].at
        unknown = "OpenFold3 makes unknown residues of them"
        if small:
            self.add(place, at, f"lower-case letters ({clipped(' '.join(small))}): {unknown}")
        if others:
            listed = ", ".join(f"{shown(letter)} at {odd[letter]}" for letter in others[:5])
            self.add(place, at, f"no residues of {_of(kind)}: {listed}; {unknown}")
        if unclear:
            self.add(place, at, f"{', '.join(unclear)}: {unknown}", fatal=False)
        if kind == "protein" and len(sequence) >= _NUCLEIC and set(sequence) <= set("ACGTUN"):
            self.add(place, at, "a protein of the letters of nucleic acids alone: dna or rna is meant?", fatal=False)
        for key, node in nodes["non_canonical_residues"].value.items() if values.get("non_canonical_residues") else ():
            inner, position = under(under(where, "non_canonical_residues"), key), int(key)
            if not 1 <= position <= len(sequence):
                text = f"position {shown(position)} is not in the sequence of {len(sequence)}: it has no effect"
                self.add(inner, node.at, text)
            else:
                self._component(node.value, inner, node)

    def _component(self, code: str, where: str, node: Node) -> None:
        if not _COMPONENT.fullmatch(code):
            hint = f": {code.upper()} is meant?" if _COMPONENT.fullmatch(code.upper()) else ""
            self.add(where, node.at, f"{shown(code)} is no code of the chemical component dictionary{hint}")

    def _ligand(self, values: Mapping[str, Any], nodes: Mapping[str, Node], where: str) -> None:
        smiles, codes = values.get("smiles"), values.get("ccd_codes")
        at = nodes["molecule_type"].at
        if smiles is not None:
            if not smiles.strip():
                self.add(under(where, "smiles"), nodes["smiles"].at, "the SMILES is empty")
        elif codes is not None:
            node = nodes["ccd_codes"]
            if len(codes) != 1:
                self.add(under(where, "ccd_codes"), node.at, f"{len(codes)} codes: OpenFold3 takes one for a ligand")
            for code in codes:
                self._component(code, under(where, "ccd_codes"), node)
        elif "sdf_file_path" in values:
            self.add(
                under(where, "sdf_file_path"), nodes["sdf_file_path"].at, "OpenFold3 cannot read ligands from SDF: give smiles"
            )
        else:
            self.add(where, at, "a ligand needs smiles or ccd_codes")

    def _assembled(self, parts: Sequence[tuple[dict[str, Any], Node]], node: Node, where: str) -> None:
        """The chains of a query as OpenFold3 puts them together."""
        entities: set[str | None] = set()
        for values, _ in parts:
            sequence, codes, smiles = (values.get(key) for key in ("sequence", "ccd_codes", "smiles"))
            entities.update([sequence] if sequence is not None else codes if codes is not None else [smiles])
        seen: dict[str, int] = {}
        for number, (values, chain) in enumerate(parts):
            place = f"{under(where, 'chains')}[{number}]"
            if values["molecule_type"] == "ligand":
                called = values.get("smiles") or next(iter(values.get("ccd_codes", ())), None)
                if called and called not in entities:
                    more = [key for key in ("smiles", "ccd_codes", "sequence") if key in values]
                    self.add(place, chain.at, f"{' and '.join(more)} exclude each other: OpenFold3 fails on this")
            for name in values["chain_ids"]:
                if name in seen:
                    other = "this chain" if seen[name] == number else f"chains[{seen[name]}]"
                    text = f"{shown(name)} is in {other} already: both would be one chain in the output"
                    self.add(under(place, "chain_ids"), chain.value["chain_ids"].at, text)
                seen.setdefault(name, number)
        lengths = [len(values.get("sequence") or "") for values, _ in parts if values["chain_ids"]]
        if lengths == [1] and parts[0][0]["molecule_type"] != "ligand" and len(parts[0][0]["chain_ids"]) == 1:
            self.add(where, node.at, "one residue alone: OpenFold3 fails on this")


def _of(kind: str) -> str:
    return "a protein" if kind == "protein" else kind.upper()


def _near(key: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 (only on the way to a problem)

    return next(iter(get_close_matches(key[:100], list(known), 1, 0.7)), None)


def _chain(values: Mapping[str, Any]) -> Chain | None:
    if "molecule_type" not in values or "chain_ids" not in values:
        return None
    kind, codes = values["molecule_type"], values.get("ccd_codes", ())
    sequence = values.get("sequence", "") if kind in POLYMERS else ""
    modified = values.get("non_canonical_residues", {}) if kind in POLYMERS else {}
    smiles = values.get("smiles", "") if kind == "ligand" else ""
    component = codes[0] if codes and kind == "ligand" and not smiles else ""
    return Chain(kind, values["chain_ids"], sequence, MappingProxyType(modified), smiles, component)


_Reader = Callable[[_Reading, Node, str], Any]


def _or_null(reader: _Reader) -> _Reader:
    return lambda reading, node, where: None if node.value is None else reader(reading, node, where)


_FIRST = (0,)
_CHAIN: dict[str, tuple[tuple[int, ...], _Reader | None]] = {
    "molecule_type": (_FIRST, _Reading.kind),
    "chain_ids": (_FIRST, _Reading.texts),
    "description": ((0, 4, 0), _or_null(_Reading.text)),
    "sequence": (_FIRST, _or_null(_Reading.text)),
    "non_canonical_residues": (_FIRST, _or_null(_Reading.residues)),
    "smiles": (_FIRST, _or_null(_Reading.text)),
    "ccd_codes": (_FIRST, _or_null(_Reading.texts)),
    "paired_msa_file_paths": (_FIRST, _or_null(_Reading.alignments)),
    "main_msa_file_paths": (_FIRST, _or_null(_Reading.alignments)),
    "template_alignment_file_path": (_FIRST, _or_null(_Reading.path)),
    "template_entry_chain_ids": (_FIRST, _or_null(_Reading.texts)),
    "template_cif_paths": ((0, 4, 2), _or_null(_Reading.files)),
    "template_cif_chain_ids": ((0, 4, 2), _or_null(_Reading.optional_texts)),
    "sdf_file_path": (_FIRST, _or_null(_Reading.path)),
    "cyclic": ((0, 4, 5), _Reading.flag),
}
"""A chain's keys: since which release, and how they are read."""
_QUERY: dict[str, tuple[tuple[int, ...], _Reader | None]] = {
    "query_name": (_FIRST, _or_null(_Reading.text)),
    "chains": (_FIRST, None),
    "use_msas": (_FIRST, _Reading.flag),
    "use_paired_msas": (_FIRST, _Reading.flag),
    "use_main_msas": (_FIRST, _Reading.flag),
    "covalent_bonds": (_FIRST, _or_null(_Reading.bonds)),
    "pocket_constraint": ((0, 4, 5), _or_null(_Reading.constraint)),
}
