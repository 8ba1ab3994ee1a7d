"""Queries."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.refusals import first, others

CHECK = "sparkdoctor check query-invalid --query query.json"


@signature(
    "{number:int} validation error for InferenceQuerySet",
    "{number:int} validation errors for InferenceQuerySet",
    " json.decoder.JSONDecodeError: {what}",
    "Duplicate chain IDs found in query {query:name}:",
    checks=("query-invalid",),
)
def query_not_accepted(found: Found) -> Verdict | None:
    """OpenFold3 does not accept the query.

    What it takes is `{"queries": {NAME: {"chains": […]}}}`. JSON of AlphaFold 3 (`sequences`, `modelSeeds`) is not that, and
    ends with `queries: Field required`. Keys that it does not know are refused within a chain, and ignored elsewhere.

    Sources:
    - OpenFold3 0.3.1 to 0.5.0, run with such queries; config/inference_query_format.py
    """
    if found["what"]:
        if not any("run_openfold" in line or "inference_query" in line or "query_json" in line for line in found.before):
            return None
        where, words = "", f"Invalid JSON: {found['what']}"
    elif found["query"]:
        where, words = found["query"], "two of its chains have the same name"
    else:
        where, words = first(found.after)
        if where.endswith("molecule_type") and words.startswith("Input should be 0"):
            words = "it is protein, rna, dna or ligand"
    if where == "queries" and words.startswith("Field required"):
        return fail(
            "the query has no `queries`: it is in another format, such as AlphaFold 3's",
            remedy="Let sparkdoctor write it as a query of OpenFold3.",
            command=CHECK,
        )
    if not where:
        return fail(
            f"the query is not accepted: {words}" if words else "the query is not accepted",
            remedy="Correct it there.",
            command=CHECK,
        )
    said = "; ".join((f"{where}: {words}", *(others(found.after) if found["number"] else ())))
    return fail(f"the query is not accepted: {said}", remedy="Correct it there.", command=CHECK)
