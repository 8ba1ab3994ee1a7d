"""What a query file holds, and how it is written."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

POLYMERS = {"protein": "ARNDCQEGHILKMFPSTWYVX", "rna": "AGCUN", "dna": "AGCTN"}
"""The letters that become residues; from any other OpenFold3 makes an unknown one."""
KINDS = (*POLYMERS, "ligand")
"""Kinds of molecules, in the order of OpenFold3's numbers for them."""


class Chain(NamedTuple):
    """One molecule and its copies.

    `kind` is protein, rna, dna or ligand; `ids` names a chain for each copy; `sequence` in one-letter codes, empty for a
    ligand; `modified` maps positions, counted from 1, to the component that stands there instead. A ligand is given as
    `smiles` or as `component`, a code of the chemical component dictionary (CCD).
    """

    kind: str
    ids: tuple[str, ...]
    sequence: str = ""
    modified: Mapping[int, str] = MappingProxyType({})
    smiles: str = ""
    component: str = ""


class Query(NamedTuple):
    """What is predicted together, under the name that its output carries."""

    name: str
    chains: tuple[Chain, ...]


class Problem(NamedTuple):
    """What is wrong with a query file.

    `where` is a path such as `queries.ubiquitin.chains[0].molecule_type`, empty for the whole; `line` counts from 1. What is
    `fatal` is refused, fails, or predicts something else than what is written; the rest has no effect. `rejected` by
    OpenFold3's parser, with which no query of the file is predicted.
    """

    where: str
    line: int | None
    text: str
    fatal: bool = True
    rejected: bool = False


class QuerySet(NamedTuple):
    """A query file as read: its queries as far as they could be, its `seeds` (which no version uses), its problems."""

    queries: tuple[Query, ...] = ()
    seeds: tuple[int, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether OpenFold3's parser refuses it."""
        return any(problem.rejected for problem in self.problems)

    @property
    def fatal(self) -> tuple[Problem, ...]:
        """The problems for which it cannot be predicted as it is written."""
        return tuple(problem for problem in self.problems if problem.fatal)


class Suggestion(NamedTuple):
    """The queries of a document in another program's format, `form`, and what of it OpenFold3 cannot be told, in words."""

    queries: tuple[Query, ...]
    lost: tuple[str, ...]
    form: str = "AlphaFold 3's input format"


def document(queries: Iterable[Query], *, indent: int | None = 2) -> str:
    """The query file that OpenFold3 0.3.0 to 0.5.0 read as these queries."""
    named = {query.name: {"chains": [_written(chain) for chain in query.chains]} for query in queries}
    return json.dumps({"queries": named}, indent=indent)


def _written(chain: Chain) -> dict[str, Any]:
    written: dict[str, Any] = {"molecule_type": chain.kind, "chain_ids": list(chain.ids)}
    if chain.kind in POLYMERS:
        written["sequence"] = chain.sequence
    if chain.modified:
        written["non_canonical_residues"] = {str(position): code for position, code in chain.modified.items()}
    if chain.smiles:
        written["smiles"] = chain.smiles
    if chain.component:
        written["ccd_codes"] = [chain.component]
    return written
