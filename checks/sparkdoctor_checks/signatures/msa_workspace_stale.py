"""Alignments of an earlier run."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

PLACES = ("of3_colabfold_msas", "of3-of-", "colabfold_msas", "msa-root-", "of3_template_data")


@signature(
    " No such file or directory: '{file:path}'",
    " Permission denied: '{file:path}'",
    " File exists: '{file:path}'",
    "ColabFold {kind:name} MSA query returned an unexpected or incomplete result.",
    because=("msa-server-refuses", "msa-server-unreachable", "disk-full"),
)
def msa_workspace_stale(found: Found) -> Verdict | None:
    """What an earlier run has left of its alignments is in the way.

    OpenFold3 keeps what the MSA server sent in a temporary directory: up to 0.4.4 `/tmp/of3_colabfold_msas` for all users of a
    machine, then `/tmp/of3-of-USER`. A run that was ended half-way, or another user's, makes the next one fail.

    Sources:
    - aqlaboratory/openfold-3 #269
    - core/data/tools/colabfold_msa_server.py and utils.py of OpenFold3 0.3.1 to 0.5.0
    """
    file = found["file"]
    if file and not any(place in file for place in PLACES):
        return None
    if "Permission denied" in found.line:
        return fail(
            f"{file} belongs to another user: OpenFold3 0.3 and 0.4 share one directory among all",
            remedy="Give each user a directory of their own.",
            command='mkdir -p "$HOME/.cache/of3-tmp" && export TMPDIR="$HOME/.cache/of3-tmp"',
        )
    if "msa-root-" in file and "of3" not in file.partition("msa-root-")[0]:
        return fail(
            f"the alignments in the output directory are of an earlier run, and not whole: {file}",
            remedy="Predict into a new directory, with another --output_dir.",
        )
    return fail(
        "what an earlier run has left of its alignments is incomplete, and was taken for this one's",
        remedy="Delete it, and predict again.",
        command='rm -rf "${TMPDIR:-/tmp}/of3_colabfold_msas" "${TMPDIR:-/tmp}/of3-of-$USER"',
    )
