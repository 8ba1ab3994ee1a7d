"""Predictions that do not end."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    " CANCELLED AT {time} DUE TO TIME LIMIT",
    ", in _exit_function ",
    checks=("runner-yaml-surprise",),
)
def prediction_never_exits(found: Found) -> Verdict | None:
    """A prediction was done, and its process never ended.

    The summary is written; then it waits for the processes that prepare data, whose end nobody reports to it.

    Sources:
    - aqlaboratory/openfold-3 #360
    """
    if not any("PREDICTION SUMMARY (COMPLETE)" in line or "Total Queries Processed:" in line for line in found.before):
        return None
    return fail(
        "the prediction was done, and its process never ended: it waits for those that prepare data",
        remedy="The structures are whole. Let there be none of these: `data_module_args: {num_workers: 0}` in the runner YAML.",
    )
