"""Weights and the model that they are for."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

CHECK = "sparkdoctor check weights-missing"


@signature(
    "Loaded checkpoint model version ({loaded}) does not match current model version ({current})",
    "Checkpoint state_dict keys do not match model state_dict keys.",
    "Selected checkpoint {name:name} is not compatible with the currently installed OpenFold3 version {version:name}",
    "Selected checkpoint {name:name} is not compatiblewith the currently installed OpenFold3 version{version:name}",
    "inference_ckpt_name {name:name} not found in checkpoint registry",
    "Error(s) in loading state_dict for {model:name}:",
    "Missing key(s) in state_dict: ",
    "Unexpected key(s) in state_dict: ",
    "size mismatch for {parameter:name}: copying a param with shape",
    checks=("weights-missing", "runner-yaml-surprise"),
)
def weights_of_another_model(found: Found) -> Verdict | None:
    """The weights are not those of this model.

    Each generation of OpenFold3 has weights of its own: `of3_ft3_v1.pt` for 0.3, `of3-p2-155k.pt` for 0.4, and
    `of3-ob-2025-06-30-174k.pt` for 0.5. Settings that change the model's size, or a preset that leaves a head out, make weights
    unfit as well.

    Sources:
    - each version's weights in each other version of OpenFold3, 0.3.1 to 0.5.0; torch.nn.Module.load_state_dict
    - aqlaboratory/openfold-3 #23, #141, #378; aqlaboratory/openfold #319
    """
    if "{" in found["name"]:
        return None
    if found["loaded"]:
        return fail(
            f"the weights are of another version of OpenFold3 ({_version(found['loaded'])}, not {_version(found['current'])})",
            remedy="Take the weights that this OpenFold3 is for.",
            command=CHECK,
        )
    if found["version"]:
        version = found["version"].partition(". ")[0]
        return fail(
            f"the weights {found['name']} are of another version than OpenFold3 {version}",
            remedy="Leave --inference_ckpt_name out, and take the weights that this OpenFold3 is for.",
            command=CHECK,
        )
    if found["name"]:
        return fail(
            f"this OpenFold3 knows no weights called {found['name']}",
            remedy="Leave --inference_ckpt_name out, or take one of the names that it lists.",
            command=CHECK,
        )
    text = "\n".join((found.line, *found.after))
    if "aux_heads.pae." in text and "layer_norm_z" not in text and "Unexpected key" in text:
        return fail(
            "the weights have a head for the PAE, which the settings leave out: the model does not load them",
            remedy="Add the preset pae_enabled to model_update.presets in the runner YAML (before 0.5 it is one of its own).",
            command="sparkdoctor check runner-yaml-surprise",
        )
    return fail(
        "the weights do not fit the model: they are of another generation, or the settings change its size",
        remedy="Take the weights that this version is for, and leave the model's size as it is.",
        command=CHECK,
    )


def _version(text: str) -> str:
    """tensor([1, 0, 0], dtype=torch.int32) is 1.0.0."""
    numbers = text.partition("[")[2].partition("]")[0]
    return ".".join(part.strip() for part in numbers.split(",")) if numbers else text
