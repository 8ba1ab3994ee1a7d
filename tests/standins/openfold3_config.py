"""What an installed OpenFold3 makes of runner YAMLs, as `run_openfold predict` would read them; run in its interpreter.

Standard input is JSON: a list of YAML texts; standard output a list of [null or the error, kernel switches].
"""
# ruff: noqa: ANN001, ANN201, BLE001, TID251

import contextlib
import inspect
import json
import os
import sys
import tempfile
from pathlib import Path

import yaml

with contextlib.redirect_stdout(sys.stderr):
    from openfold3 import run_openfold
    from openfold3.entry_points.validator import InferenceExperimentConfig
    from openfold3.projects.of3_all_atom.project_entry import OF3ProjectEntry


def judged(text, weights):
    source = inspect.getsource(run_openfold.predict.callback)
    names = ("inference_ckpt_path", "inference_ckpt_name", "user_default_runner_yaml_path")
    given = {name: None for name in names if f"{name}=" in source.partition("InferenceExperimentConfig(")[2].partition("**")[0]}
    try:
        values = yaml.safe_load(text)
        config = InferenceExperimentConfig(**{**given, "inference_ckpt_path": weights}, **values)
        model = OF3ProjectEntry().get_model_config_with_update(config.model_update)
    except Exception as error:
        return [f"{type(error).__name__}: {error}", {}]
    memory = model.settings.memory.eval.to_dict()
    return [None, {name: value for name, value in memory.items() if name.startswith("use_")}]


with tempfile.TemporaryDirectory() as place:
    os.environ["OPENFOLD_CACHE"] = place
    os.chdir(place)
    weights = Path(place, "weights.pt")
    weights.touch()
    with contextlib.redirect_stdout(sys.stderr):
        found = [judged(text, weights) for text in json.load(sys.stdin)]
json.dump(found, sys.stdout)
