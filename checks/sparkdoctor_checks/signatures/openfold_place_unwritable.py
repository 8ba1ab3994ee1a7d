"""OpenFold3's directories."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "PermissionError: [Errno {number:int}] Permission denied: '{file:path}'",
    "OSError: [Errno {number:int}] Read-only file system: '{file:path}'",
    "PermissionError: [Errno {number:int}] Operation not permitted: '{file:path}'",
    checks=("weights-missing",),
)
def openfold_place_unwritable(found: Found) -> Verdict | None:
    """OpenFold3 may not write where it must.

    It writes `ckpt_root` into its cache ($OPENFOLD_CACHE, else ~/.openfold3) even where the weights are elsewhere, and its
    settings into the output directory before it predicts.

    Sources:
    - entry_points/parameters.py and experiment_runner.py of OpenFold3 0.3.1 to 0.5.0
    """
    file = found["file"]
    name = file.rpartition("/")[2]
    if name in ("ckpt_root", ".openfold3", "components.bcif") or "openfold3" in file.lower() or ".openfold3" in file:
        return fail(
            f"OpenFold3 may not write {file}",
            remedy="Give it a cache that this user can write, with the weights in it.",
            command="mkdir -p ~/openfold3 && export OPENFOLD_CACHE=~/openfold3",
        )
    if name in ("experiment_config.json", "model_config.json", "inference_query_set.json", "summary.txt") or any(
        "openfold3/entry_points/experiment_runner.py" in line for line in found.before
    ):
        return fail(
            f"OpenFold3 may not write its output: {file}",
            remedy="Predict into a directory that this user can write: --output_dir ~/predictions.",
            command="mkdir -p ~/predictions",
        )
    return None
