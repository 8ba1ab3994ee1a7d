"""Other programs' input, which is taken for OpenFold3's, as its queries."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sparkdoctor.query.located import Json, Malformed, Node, clipped, decoded, plain, shown
from sparkdoctor.query.nouns import KINDS, Chain, Query, Suggestion
from sparkdoctor.query.strangers import BOLTZ, boltz, sequences


def is_foreign(root: Node) -> bool:
    """Whether a document is one job of AlphaFold 3's, or a list of them."""
    jobs = root.value if isinstance(root.value, list) else [root]
    return bool(jobs) and all(
        isinstance(job.value, dict)
        and "queries" not in job.value
        and "sequences" in job.value
        and isinstance(job.value["sequences"].value, list)
        for job in jobs
    )


def suggestion(given: str | bytes) -> Suggestion | None:
    """A document in the input format of AlphaFold 3, AlphaFold Server or Boltz, or FASTA, as queries; None where it is none.

    Sources: google-deepmind/alphafold3 docs/input.md; google-deepmind/alphafold server/README.md;
    jwohlwend/boltz docs/prediction.md
    """
    text = ""
    try:
        text = decoded(given)
        root = Json(text).read()
    except Malformed:
        if found := sequences(text):
            return Suggestion(*found)
        job = boltz(text)
        return _jobs([job], BOLTZ) if job else None
    if not is_foreign(root):
        return None
    return _jobs([plain(job) for job in (root.value if isinstance(root.value, list) else [root])])


def _jobs(jobs: list[dict[str, Any]], *form: str) -> Suggestion | None:
    lost: dict[str, None] = {}
    queries: dict[str, Query] = {}
    for job in jobs:
        name = job.get("name")
        name = name.replace("/", "_") if isinstance(name, str) and name else "query"
        number, free = 1, name
        while free in queries:
            number += 1
            free = f"{name}_{number}"
        if chains := _Job(job, lost).chains():
            queries[free] = Query(free, tuple(chains))
    return Suggestion(tuple(queries.values()), tuple(lost), *form) if queries else None


_ENTITIES = {
    **{kind: kind for kind in KINDS},
    "proteinChain": "protein",
    "rnaSequence": "rna",
    "dnaSequence": "dna",
    "ion": "ligand",
}
_COPIES = 1000


class _Job:
    """One of AlphaFold 3's jobs; `lost` gathers what OpenFold3 cannot be told."""

    def __init__(self, job: Mapping[str, Any], lost: dict[str, None]) -> None:
        self._job = job
        self._lost = lost
        self._taken = {name for _, entity in self._entities() for name in _names(entity)}

    def _entities(self) -> list[tuple[str, dict[str, Any]]]:
        items = [item for item in self._job["sequences"] if isinstance(item, dict)]
        return [(kind, entity) for item in items for kind, entity in item.items() if isinstance(entity, dict)]

    def _lose(self, what: str) -> None:
        self._lost.setdefault(what)

    def chains(self) -> list[Chain]:
        """Its molecules, as far as OpenFold3 has their like."""
        for key, value in self._job.items():
            if key == "modelSeeds":
                self._lose(f"modelSeeds: {seeds_advice(value)}")
            elif key not in ("name", "sequences", "dialect", "version") and value:
                self._lose(f"{clipped(key)}: OpenFold3's query has no place for it")
        return [chain for kind, entity in self._entities() if (chain := self._molecule(kind, entity))]

    def _molecule(self, kind: str, entity: Mapping[str, Any]) -> Chain | None:
        ids = _names(entity) or self._free(entity.get("count", 1))
        who = f"{clipped(kind)} {', '.join(ids[:3])}"
        if kind not in _ENTITIES:
            self._lose(f"{who}: OpenFold3 has no such molecule")
            return None
        known = {"id", "count", "description", "sequence", "modifications", "ccdCodes", "smiles", "ligand", "ion", "ccd"}
        for key, value in entity.items():
            if key not in known and value:
                self._lose(f"{clipped(key)} of {who}")
        kind = _ENTITIES[kind]
        if kind != "ligand":
            return self._polymer(kind, ids, entity, who)
        smiles, codes = (
            entity.get("smiles"),
            next((entity[key] for key in ("ccdCodes", "ligand", "ion", "ccd") if key in entity), None),
        )
        if isinstance(smiles, str) and smiles:
            return Chain(kind, ids, smiles=smiles)
        codes = [codes] if isinstance(codes, str) else codes
        if isinstance(codes, list) and len(codes) == 1 and isinstance(codes[0], str) and codes[0]:
            return Chain(kind, ids, component=codes[0].removeprefix("CCD_").upper())
        self._lose(f"{who}: OpenFold3 takes a SMILES or one component")
        return None

    def _polymer(self, kind: str, ids: tuple[str, ...], entity: Mapping[str, Any], who: str) -> Chain | None:
        sequence = entity.get("sequence")
        if not isinstance(sequence, str) or not sequence.strip():
            self._lose(f"{who}: it has no sequence")
            return None
        sequence = "".join(sequence.split()).upper()
        if sequence.endswith(("...", "…")):
            self._lose(f"{who}: its sequence is cut short by dots, write the whole one")
        modified: dict[int, str] = {}
        given = entity.get("modifications")
        for item in given if isinstance(given, list) else []:
            found = item if isinstance(item, dict) else {}
            code, position = (
                found.get("ptmType", found.get("modificationType", found.get("ccd"))),
                found.get("ptmPosition", found.get("basePosition", found.get("position"))),
            )
            if isinstance(code, str) and code and type(position) is int:
                modified[position] = code.removeprefix("CCD_").upper()
            else:
                self._lose(f"a modification of {who}")
        return Chain(kind, ids, sequence, MappingProxyType(modified))

    def _free(self, count: Any) -> tuple[str, ...]:
        """Ids for so many copies: A, B, and after Z comes AA."""
        wanted = count if type(count) is int and 0 < count <= _COPIES else 1
        if wanted != count:
            self._lose(f"count {shown(count)}: one copy was taken")
        found: list[str] = []
        number = 0
        while len(found) < wanted:
            number += 1
            name, rest = "", number
            while rest:
                rest, letter = divmod(rest - 1, 26)
                name = chr(ord("A") + letter) + name
            if name not in self._taken:
                self._taken.add(name)
                found.append(name)
        return tuple(found)


def _names(entity: Mapping[str, Any]) -> tuple[str, ...]:
    names = entity.get("id")
    listed = names if isinstance(names, list) else [names]
    return tuple(name for name in listed if isinstance(name, str) and name)


def seeds_advice(given: Any) -> str:
    """What to do about seeds that stand in the wrong place."""
    given = plain(given) if isinstance(given, Node) else given
    whole = isinstance(given, list) and all(type(seed) is int for seed in given) and given
    listed = clipped(json.dumps(given)) if whole else "[...]"
    return f"set experiment_settings: {{seeds: {listed}}} in the runner YAML"
