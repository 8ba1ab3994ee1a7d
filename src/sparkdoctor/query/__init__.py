"""OpenFold3's query file: the JSON in which a user says what is to be predicted."""

from sparkdoctor.query.alphafold3 import suggestion
from sparkdoctor.query.located import LIMIT, under
from sparkdoctor.query.nouns import Chain, Problem, Query, QuerySet, Suggestion, document
from sparkdoctor.query.schema import KindOf, read
from sparkdoctor.query.ubiquitin import UBIQUITIN

__all__ = [
    "LIMIT",
    "UBIQUITIN",
    "Chain",
    "KindOf",
    "Problem",
    "Query",
    "QuerySet",
    "Suggestion",
    "document",
    "read",
    "suggestion",
    "under",
]
