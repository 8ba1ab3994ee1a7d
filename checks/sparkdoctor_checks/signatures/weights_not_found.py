"""OpenFold3's weights, where they are looked for."""

from shlex import quote

from sparkdoctor.plugin import Found, Verdict, fail, signature

LEFT = ("Aborted!", "EOF when reading a line", "Download cancelled", "No input received")
"""What is printed where nobody has answered."""


@signature(
    "checkpoint {name:word} not found in {place}, cowardly refusing to perform inference",
    " cowardly refusing to perform inference",
    "Provided checkpoint path {file} does not exist",
    "Checkpoint path {file} is not a valid file or directory",
    "Unable to find 'latest' file at {file}",
    " No such file or directory: '{checkpoint:path}.pt'",
    "Download {key:path} from s3://{bucket:name} to {file:path}? (yes/no):",
    "Download {key:path} ({size} GB) from s3://{bucket:name} to {file:path}? (yes/no):",
    "TimeoutError: No input received within timeout of {seconds:number}. Download cancelled.",
    "EOFError: EOF when reading a line",
    checks=("weights-missing",),
    because=("weights-download-failed", "openfold-place-unwritable"),
)
def weights_not_found(found: Found) -> Verdict | None:
    """The weights are not where OpenFold3 looks for them.

    0.5.0 refuses to begin. Before that, it asks on the terminal whether to download 2 GB: without one, as in a container or a
    batch job, click prints no more than `Aborted!`, or 0.4 gives up after two minutes.

    Sources:
    - OpenFold3 0.3.1, 0.4.0, 0.4.5 and 0.5.0, run without weights
    - aqlaboratory/openfold-3 #141, #378
    """
    if found["key"] or "EOF" in found.line or "No input" in found.line:
        said = "\n".join((found.line.partition("(yes/no)")[2], *found.after))
        if found["key"] and said.strip(" :") and not any(words in said for words in LEFT):
            return None
        if "EOFError" in found.line and not any("(yes/no)" in line for line in found.before):
            return None
        source = f"s3://{found['bucket']}/{found['key']}"
        return fail(
            "OpenFold3 asked whether to download its weights, and nobody answered",
            remedy="Download them before (2 GB), and predict again.",
            command=f"python3 -m awscli s3 cp --no-sign-request {quote(source)} {quote(found['file'])}"
            if found["key"]
            else "setup_openfold",
        )
    if found["place"]:
        return fail(
            f"the weights {found['name']} are not in {found['place']}",
            remedy="Let setup_openfold download them (2 GB), or say where they are with --inference-ckpt-path.",
            command="setup_openfold --non-interactive",
        )
    file = found["file"]
    if "cowardly" in found.line and "not found in" not in found.line:
        file = "the place where OpenFold3 looks for them"
    if found["checkpoint"]:
        file = found["checkpoint"] + ".pt"
        if "of3" not in file.rpartition("/")[2] and "openfold3" not in file:
            return None
    if file.startswith("{"):  # a traceback shows the source
        return None
    return fail(
        f"there are no weights at {file}",
        remedy="Say where they are with --inference_ckpt_path, or see where this OpenFold3 looks for them.",
        command="sparkdoctor check weights-missing",
    )
