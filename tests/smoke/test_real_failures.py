"""What goes wrong with the real OpenFold3, as `sparkdoctor smoke` sees it."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from test_schemas import validator

pytestmark = pytest.mark.openfold3

COMMAND = str(Path(sys.executable).with_name("sparkdoctor"))
VERSION = "0.5.0"
SETTINGS: dict[str, Any] = {
    "pl_trainer_args": {"accelerator": "cpu"},
    "model_update": {
        "presets": ["predict"],
        "custom": {
            "settings": {"memory": {"eval": {"use_triton_triangle_kernels": False}}},
            "architecture": {
                "shared": {"num_recycles": 0, "diffusion": {"no_full_rollout_steps": 2}},
                "diffusion_module": {
                    "atom_attn_dec": {"no_blocks": 1},
                    "atom_attn_enc": {"no_blocks": 1},
                    "diffusion_transformer": {"no_blocks": 1},
                },
                "heads": {"pairformer_embedding": {"pairformer": {"no_blocks": 1}}},
                "input_embedder": {"atom_attn_enc": {"no_blocks": 1}},
                "msa": {"msa_module": {"no_blocks": 1}},
                "pairformer": {"no_blocks": 1},
                "template": {"template_pair_stack": {"no_blocks": 1}},
            },
        },
    },
}
"""A model of one block, on the CPU."""
MAKE = textwrap.dedent(
    """
    import json, sys
    import torch
    from openfold3.entry_points.experiment_runner import skip_random_init
    from openfold3.entry_points.validator import ModelUpdate
    from openfold3.projects.of3_all_atom.model import OpenFold3
    from openfold3.projects.of3_all_atom.project_entry import OF3ProjectEntry

    torch.manual_seed(0)
    with skip_random_init():
        model = OpenFold3(OF3ProjectEntry().get_model_config_with_update(ModelUpdate(**json.loads(sys.argv[2]))))
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() < 2:
                value.fill_(float("layer_norm" in name and name.endswith("weight")))
            else:
                value.normal_(0, value.shape[-1] ** -0.5)
    torch.save(model.state_dict(), sys.argv[1] + "/random.pt")
    spoilt = {name: value * float("nan") if value.is_floating_point() else value for name, value in model.state_dict().items()}
    torch.save(spoilt, sys.argv[1] + "/nan.pt")
    """
)


@pytest.fixture(scope="module")
def python(openfold3: Callable[[str], Path]) -> str:
    return str(openfold3(VERSION) / "python")


@pytest.fixture(scope="module")
def weights(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("weights")
    model = json.dumps(SETTINGS["model_update"])
    subprocess.run([python, "-c", MAKE, str(place), model], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return place


def smoke(python: str, place: Path, file: Path, **changes: Any) -> dict[str, Any]:
    settings = place / "own.yml"
    settings.write_text(json.dumps({**SETTINGS, **changes}))
    options = ["--python", python, "--weights", str(file), "--runner-yaml", str(settings), "--output", str(place / "out")]
    env = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OPENFOLD_CACHE": str(place / "cache"),
        "SPARKDOCTOR_STATE": str(place / "state"),
    }
    ended = subprocess.run(
        [COMMAND, "smoke", "--format", "json", *options], check=False, capture_output=True, text=True, env=env, timeout=300
    )
    assert ended.returncode == 1, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    validator("smoke").validate(found)
    return found


def failed(found: dict[str, Any]) -> set[str]:
    return {criterion["id"] for criterion in found["criteria"] if criterion["status"] == "failed"}


def test_a_pdb_file_that_cannot_be_written_and_two_seeds(python: str, weights: Path, tmp_path: Path) -> None:
    """The coordinates of random weights are too large for the format; the weights are to blame, not the format."""
    changes = {
        "output_writer_settings": {"structure_format": "pdb"},
        "experiment_settings": {"seeds": [1, 2], "skip_existing": True},
    }
    found = smoke(python, tmp_path, weights / "random.pt", **changes)
    assert failed(found) == {"summary", "structures"}
    (summary,) = [criterion for criterion in found["criteria"] if criterion["id"] == "summary"]
    assert summary["expected"] == "COMPLETE, 2 of 2"
    assert "never trained" in found["cause"]["text"]


def test_weights_of_which_everything_is_nan_whatever_openfold3_says(python: str, weights: Path, tmp_path: Path) -> None:
    """The version in them is NaN too, so that it takes them for those of another version."""
    found = smoke(python, tmp_path, weights / "nan.pt")
    assert failed(found) == {"exit-status", "summary", "structures"}
    assert "not finite" in found["cause"]["text"]
