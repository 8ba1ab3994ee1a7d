"""OpenFold3's query file: the JSON in which a user says what is to be predicted."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Chain(NamedTuple):
    """One molecule and its copies.

    `kind` is protein, rna, dna or ligand; `ids` names a chain for each copy; `sequence` in one-letter codes, empty for a
    ligand; `modified` maps positions, counted from 1, to the component that stands there instead.
    """

    kind: str
    ids: tuple[str, ...]
    sequence: str = ""
    modified: Mapping[int, str] = MappingProxyType({})


class Query(NamedTuple):
    """What is predicted together, under the name that its output carries."""

    name: str
    chains: tuple[Chain, ...]
