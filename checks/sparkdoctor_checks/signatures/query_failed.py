"""Queries that OpenFold3 gives up."""

from shlex import quote

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature

EACH_LOG = "find . -path '*/logs/predict_err_rank*.log' -exec sparkdoctor triage {} ';'"
"""They are named by the rank of the process; where the output directory is, the log does not always say."""


@signature(
    "Failed for query_id(s) {query}: {why} See {log:path} for details",
    "Failed for query_id(s) {query}: {why}",
    "Failed to write predictions for query_id(s) {query}: {why}",
    "Failed to process {query:name} with preferred",
    "Error Message: {why}",
    checks=("kernel-backend-unavailable", "weights-missing"),
    because=(
        "extension-library-missing",
        "extension-build-failed",
        "extension-waits-for-lock",
        "deepspeed-op-incompatible",
        "deepspeed-sees-no-gpu",
        "triton-codegen-failed",
        "triton-compiler-failed",
        "torch-compile-failed",
        ANYTHING,
    ),
)
def query_failed(found: Found) -> Verdict | None:
    """A query failed, and OpenFold3 goes on.

    It writes the error into logs/predict_err_rank0.log of the output directory, counts the query as failed, and ends with exit
    status 0.

    Sources:
    - projects/of3_all_atom/runner.py and core/runners/writer.py of OpenFold3 0.3.1 to 0.5.0
    - aqlaboratory/openfold-3 #17, #62, #94
    """
    if "{" in found["query"]:
        return None
    query = found["query"]
    if "Error Message:" in found.line:
        named = next((line.partition(":")[2].strip() for line in found.before if "Query ID(s):" in line), "")
        if not named:
            return None
        query = named
    return fail(
        f"the query {query} failed, though OpenFold3 ends with exit status 0",
        remedy="Its error is in the log of its output directory: look at its last line.",
        command=f"sparkdoctor triage {quote(found['log'])}" if found["log"] else EACH_LOG,
    )
