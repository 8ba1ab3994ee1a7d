"""OpenFold3's files in Amazon's S3."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    'Could not connect to the endpoint URL: "{url}"',
    'Connect timeout on endpoint URL: "{url}"',
    'Read timeout on endpoint URL: "{url}"',
    "SSL validation failed for {url:path} ",
    'Failed to connect to proxy URL: "{url}"',
    "download failed: {url:path} to {file:path} {why}",
    "An error occurred ({code:name}) when calling the {operation:name} operation: {why}",
    "NoCredentialsError: Unable to locate credentials",
    "fatal error: Unable to locate credentials",
    "ERROR:root:Download failed. Exiting.",
    "Error: This script must be run from within a conda environment.",
    checks=("weights-missing", "ccd-missing"),
    because=("proxy-refuses", "certificate-rejected"),
)
def weights_download_failed(found: Found) -> Verdict | None:
    """OpenFold3's weights or components could not be downloaded.

    They are in public buckets of S3, `openfold3-data` (0.3: `openfold`), for which no credentials are needed, but
    `--no-sign-request`. `setup_openfold` leaves `ckpt_root` behind when it fails, and 0.3's works in conda environments alone.

    Sources:
    - setup_openfold of OpenFold3 0.3.1 to 0.5.0 without a network; botocore/exceptions.py
    - aqlaboratory/openfold-3 #118
    """
    ours = "openfold" in found.line or any("openfold" in line for line in (*found.before, *found.after))
    if "conda environment" in found.line:
        return fail(
            "setup_openfold of OpenFold3 0.3 works in conda environments alone",
            remedy="Download the weights without it.",
            command="mkdir -p ~/.openfold3 && python3 -m awscli s3 cp --no-sign-request"
            " s3://openfold/openfold3_params/of3_ft3_v1.pt ~/.openfold3/",
        )
    if not ours or "{" in found.line:
        return None
    if "credentials" in found.line:
        return fail(
            "the download asked for credentials of Amazon's, which OpenFold3's public bucket does not need",
            remedy="Download without signing the request (--no-sign-request); the check tells the command for this version.",
            command="sparkdoctor check weights-missing",
        )
    if found["code"]:
        return fail(
            f"OpenFold3's bucket answered {found['code']}: there is no such file, or the request was signed",
            remedy="See which weights this OpenFold3 takes, and where they are.",
            command="sparkdoctor check weights-missing",
        )
    what = "dictionary of components" if "components." in found.line else "weights"
    return fail(
        f"OpenFold3's {what} could not be downloaded: this machine does not reach Amazon's S3",
        remedy="Mend the network or its proxy; or download them elsewhere, and copy them here.",
        command="curl -sSI https://openfold3-data.s3.amazonaws.com/",
    )
