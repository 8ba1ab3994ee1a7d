"""The query that is predicted where none is given."""

from sparkdoctor.query.nouns import Chain, Query

UBIQUITIN = Query(
    "ubiquitin", (Chain("protein", ("A",), "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG"),)
)
"""Human ubiquitin, 76 residues: UniProt P0CG48, residues 1 to 76."""
