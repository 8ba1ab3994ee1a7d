"""Files that are no JSON and are taken for a query: told by their beginnings, and rewritten where they hold sequences."""

import re
from collections.abc import Iterator
from typing import Any

from sparkdoctor.query.nouns import POLYMERS, Chain, Problem, Query

FASTA, SEQUENCE, BOLTZ = "FASTA", "a bare sequence", "Boltz's input format"
YAML_LIMIT = 1 << 20
"""Bytes of a YAML file that are read."""
_RUNNER = re.compile(
    r"^(experiment_settings|model_update|pl_trainer_args|data_module_args|dataset_config_kwargs)\s*:", re.MULTILINE
)
_KINDS = {"protein": "protein", "dna": "dna", "rna": "rna", "ligand": "smiles", "smiles": "smiles", "ccd": "ccd"}
"""The kinds of molecules in the headers of Boltz (`>A|protein`) and Chai (`>protein|name=x`)."""
_LEAST = 8
"""Letters of a bare sequence."""


def stranger(given: str | bytes) -> Problem | None:
    """What a file that is no JSON is instead, and where that belongs; None where it is nothing that is known."""
    head = (given[:4096] if isinstance(given, bytes) else given[:4096].encode(errors="replace")).lstrip(b"\xef\xbb\xbf")
    text = head.decode(errors="replace").lstrip()
    words = _binary(head) or _text(text)
    return Problem("", None, words, rejected=True) if words else None


def _binary(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(head) > 3 and b"\0" in head[:2]):  # noqa: PLR2004
        return "this is UTF-16: save it as UTF-8"
    if head.startswith((b"PK\3\4", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        return "this is a packed file: unpack it"
    return "this is a binary file, no query" if b"\0" in head else ""


def _text(text: str) -> str:
    lines = text.splitlines() or [""]
    if re.match(r"(HEADER|TITLE |ATOM  |HETATM|CRYST1|REMARK|MODEL )", text):
        return "this is a structure in PDB format: a query holds sequences"
    if re.match(r"data_\S*\s*(#|_|loop_|\Z)", text):
        return "this is a structure in mmCIF format: a query holds sequences"
    if text.startswith(">") and re.search(r"^[A-Za-z]*-[A-Za-z-]*$", text, re.MULTILINE):
        return "this is an alignment: it belongs to a chain of a query, under main_msa_file_paths"
    if text.startswith((">", ";")):
        return "this is FASTA; a query is JSON"
    if text.startswith("<"):
        return "this is HTML or XML, no query"
    if re.search(r"^(M  END|\$\$\$\$)", text, re.MULTILINE):
        return "this is a molecule's structure (SDF): give its SMILES, as a ligand of a query"
    if _RUNNER.search(text):
        return "this is a runner YAML: it goes to --runner-yaml"
    if re.match(r"id\s*,\s*sequence\b", lines[0], re.IGNORECASE):
        return "this is a table (CSV); a query is JSON"
    if re.search(r"^sequences\s*:", text, re.MULTILINE):
        return f"this is {BOLTZ} (YAML); a query is JSON"
    return "this is YAML; a query is JSON" if re.search(r"^queries\s*:", text, re.MULTILINE) else ""


def sequences(text: str) -> tuple[tuple[Query, ...], tuple[str, ...], str] | None:
    """FASTA or a bare sequence as queries, what is not carried over, and which of them it was; None where it is neither."""
    text = text.lstrip("\ufeff").strip()
    if not text.startswith(">"):
        bare = "".join(text.split())
        whole = len(bare) >= _LEAST and set(bare.rstrip("*")) <= set(POLYMERS["protein"] + "U") and text.isupper()
        return ((Query("query", (_chain("A", bare, ""),)),), (), SEQUENCE) if whole else None
    records = list(_records(text))
    kinds = [next((_KINDS[word] for word in header.lower().split("|") if word in _KINDS), "") for header, _ in records]
    if not records or any("-" in sequence and kind != "smiles" for (_, sequence), kind in zip(records, kinds, strict=True)):
        return None
    ids = _ids()
    if all(kinds):
        chains = tuple(_chain(next(ids), sequence, kind) for (_, sequence), kind in zip(records, kinds, strict=True))
        return (Query("query", chains),), (), FASTA
    queries: dict[str, Query] = {}
    for header, sequence in records:
        ids, name = _ids(), re.sub(r"[^\w.-]+", "_", header.split()[0] if header.split() else "")[:60] or "query"
        free, number = name, 1
        while free in queries:
            number += 1
            free = f"{name}_{number}"
        parts = [part for part in sequence.split(":") if part]
        queries[free] = Query(free, tuple(_chain(next(ids), part, "") for part in parts))
    several = ("which records belong together: each is a query of its own here",) if len(queries) > 1 else ()
    return tuple(queries.values()), several, FASTA


def boltz(text: str) -> dict[str, Any] | None:
    """The job of a YAML file in Boltz's input format; None where it is none."""
    if len(text) > YAML_LIMIT or not re.search(r"^sequences\s*:", text, re.MULTILINE):
        return None
    import yaml  # noqa: PLC0415 (only where a file looks like it)

    try:
        found = yaml.safe_load(text)
    except Exception:  # noqa: BLE001 (its constructors raise what int, float and datetime raise, and RecursionError)
        return None
    if not isinstance(found, dict) or not isinstance(found.get("sequences"), list):
        return None
    return {"name": "query", **{str(key): value for key, value in found.items()}}


def _records(text: str) -> Iterator[tuple[str, str]]:
    for record in text[1:].split("\n>"):
        header, _, sequence = record.partition("\n")
        if joined := "".join(sequence.split()):
            yield header.strip(), joined


def _ids() -> Iterator[str]:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    yield from letters
    number = 0
    while True:
        number += 1
        yield from (f"{letter}{number}" for letter in letters)


def _chain(name: str, sequence: str, kind: str) -> Chain:
    if kind == "smiles":
        return Chain("ligand", (name,), smiles=sequence)
    if kind == "ccd":
        return Chain("ligand", (name,), component=sequence.upper())
    sequence = sequence.upper().rstrip("*")
    letters = set(sequence)
    if not kind:
        kind = (
            "rna"
            if letters <= set(POLYMERS["rna"]) and "U" in letters
            else "dna"
            if letters <= set(POLYMERS["dna"])
            else "protein"
        )
    return Chain(kind, (name,), sequence)
