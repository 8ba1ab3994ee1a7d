"""Weights that do not say their version."""

from sparkdoctor.plugin import Found, Verdict, ok, signature


@signature(
    "No version_tensor found for this checkpoint.",
    "No version_tensor is found for this checkpoint.",
    checks=("weights-missing",),
)
def weights_without_version(found: Found) -> Verdict:  # noqa: ARG001 (it says so itself)
    """The weights do not say which version they are of.

    OpenFold3 warns, and loads them where their names are those of the model: weights of another generation are refused by
    their names.

    Sources:
    - experiment_runner.py of OpenFold3 0.4.0 to 0.5.0
    """
    return ok("the weights do not say their version, and are loaded since their names fit")
