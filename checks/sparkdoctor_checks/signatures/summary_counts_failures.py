"""OpenFold3's summary."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.query_failed import EACH_LOG


@signature(
    "- Failed Queries: {failed:int}",
    "PREDICTION SUMMARY (INCOMPLETE (Rank {rank:int}))",
    checks=("kernel-backend-unavailable", "weights-missing"),
    because=("query-failed", "prediction-out-of-memory", ANYTHING),
)
def summary_counts_failures(found: Found) -> Verdict | None:
    """OpenFold3's summary counts queries that failed.

    Its exit status is 0 all the same. What failed is in logs/predict_err_rank0.log of the output directory, or above the
    summary where the query's features could not be made.

    Sources:
    - core/runners/writer.py of OpenFold3 0.3.1 and 0.5.0
    - aqlaboratory/openfold-3 #17
    """
    if found["rank"]:
        return fail(
            f"the processes of a prediction lost each other: rank {found['rank']} writes a summary of its own",
            remedy="Look for the error of another rank, or predict with one GPU.",
        )
    if not int(found["failed"]):
        return None
    return fail(
        f"{found['failed']} of OpenFold3's queries failed, though it ends with exit status 0",
        remedy="Look for the first error above it, or in the log of its output directory.",
        command=EACH_LOG,
    )
