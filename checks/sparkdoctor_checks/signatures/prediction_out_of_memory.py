"""Queries that are too large."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "OOM for query_id(s) {query}. See",
    checks=("memory-low", "page-cache-holds-memory"),
    because=("cuda-out-of-memory", "host-memory-exhausted", "memory-limit-reached"),
)
def prediction_out_of_memory(found: Found) -> Verdict | None:
    """A query needs more memory than there is.

    OpenFold3 catches the error, writes it into logs/predict_err_rank0.log, counts the query as failed, and ends with exit
    status 0. Memory grows with the square of the number of residues and atoms.

    Sources:
    - projects/of3_all_atom/runner.py of OpenFold3 0.3.1 to 0.5.0
    """
    if "{" in found["query"]:
        return None
    return fail(
        f"memory ran out for the query {found['query']}",
        remedy="Free memory; for a large query, add the preset low_mem to model_update.presets in the runner YAML.",
        command="sparkdoctor check memory-low page-cache-holds-memory",
    )
