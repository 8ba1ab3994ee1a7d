"""Checkpoints that hold more than tensors."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Unsupported global: GLOBAL {name:path} was not an allowed global by default",
    "Unsupported class {name:path}",
    "Weights only load failed.",
    because=("weights-file-unreadable",),
)
def checkpoint_needs_trust(found: Found) -> Verdict | None:
    """PyTorch refuses a checkpoint that holds more than tensors.

    From 2.6 on, `torch.load` reads tensors alone unless told otherwise (`weights_only`). Checkpoints of training often hold
    classes of NumPy, of argparse or of the program. OpenFold3 names the classes of its own checkpoints to PyTorch, and no others.

    Sources:
    - PyTorch 2.6 release notes, torch/serialization.py; safe_globals.py of OpenFold3 0.4.4
    """
    if "Unsupported class" in found.line and "WeightsUnpickler" not in found.line:
        return None
    return fail(
        "PyTorch 2.6 and later load tensors alone, and this checkpoint holds more",
        remedy="Where you trust its source, load it with weights_only=False; for programs that do not let you, set this.",
        command="export TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1",
    )
