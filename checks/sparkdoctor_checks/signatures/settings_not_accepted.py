"""Runner YAMLs of OpenFold3."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.refusals import first

CHECK = "sparkdoctor check runner-yaml-surprise --runner-yaml runner.yml"
WEIGHTS = ("Default checkpoint", "Provided checkpoint", "Selected checkpoint", "inference_ckpt_name")


@signature(
    "{number:int} validation error for {model:name}",
    "{number:int} validation errors for {model:name}",
    "{preset:name} preset is not supported for {project:name}",
    "got multiple values for keyword argument '{argument:name}'",
    "{file:path}: a table is due, not {kind:name}",
    "AttributeError: '{kind:name}' object has no attribute 'items'",
    checks=("runner-yaml-surprise",),
    because=("yaml-unreadable",),
)
def settings_not_accepted(found: Found) -> Verdict | None:
    """OpenFold3 does not accept its settings.

    A setting that the version does not know ends a prediction at its start. `inference_ckpt_path` and `inference_ckpt_name` are
    options of the command line, and must not stand in the YAML. 0.5.0 merges `$OPENFOLD_CACHE/runner.yml` unasked.

    Sources:
    - OpenFold3 0.3.1, 0.4.5 and 0.5.0, run with such YAMLs; entry_points/validator.py
    - aqlaboratory/openfold-3 #23
    """
    if found["argument"]:
        if not found["argument"].startswith("inference_ckpt"):
            return None
        return fail(
            f"the runner YAML holds {found['argument']}, which OpenFold3 takes from its command line alone",
            remedy=f"Take it out of the YAML, and give it as --{found['argument']}.",
            command=CHECK,
        )
    if found["preset"]:
        if "{" in found["preset"]:
            return None
        return fail(
            f"the runner YAML names a preset that this OpenFold3 does not know: {found['preset'].strip(chr(34))}",
            remedy="Take one of those that the message lists.",
            command=CHECK,
        )
    if found["kind"]:
        ours = found["file"] or any("run_openfold" in line or "openfold3" in line for line in found.before)
        if not ours or found["kind"] not in ("list", "str", "int", "NoneType", "float", "bool"):
            return None
        return fail(
            f"the runner YAML holds no table of settings, but a {found['kind']}",
            remedy="Write settings as NAME: VALUE, without a dash before the name.",
            command=CHECK,
        )
    if found["model"] == "InferenceQuerySet":
        return None
    near = (*found.before, *found.after)
    known = found["model"].endswith(("ExperimentConfig", "ModelUpdate", "ExperimentSettings")) or any(
        "openfold" in line for line in near
    )
    if not known or any(words in line for line in found.after[:3] for words in WEIGHTS):
        return None
    where, words = first(found.after)
    return fail(
        f"the runner YAML is not accepted: {where}: {words}" if where else "the runner YAML is not accepted",
        remedy="Correct that setting, or take it out.",
        command=CHECK,
    )
