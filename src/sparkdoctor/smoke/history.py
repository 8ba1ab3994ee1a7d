"""The predictions that were believed or refused on this machine, for the next one to be compared with."""

from collections.abc import Mapping
from typing import Any

from sparkdoctor.history import History

KEPT = 20
"""Runs that are kept."""
SAME = ("gpu", "openfold3", "torch", "triton", "samples", "weights")
"""What must agree for two runs to be comparable."""
_HISTORY = History("smoke.json", "sparkdoctor.smokes/1", KEPT)
runs, keep = _HISTORY.runs, _HISTORY.keep


def last(run: Mapping[str, Any]) -> dict[str, Any] | None:
    """The last run before this one with the same GPU, versions, weights and number of samples."""
    return next((one for one in reversed(runs()) if all(one.get(name) == run.get(name) for name in SAME)), None)
