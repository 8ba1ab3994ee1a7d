"""What a prediction has shown of its environment: the kernels, the times, cold or warm, the memory."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sparkdoctor.facts import gib
from sparkdoctor.facts.openfold3 import CUEQUIVARIANCE, DEEPSPEED, LMA, TRITON
from sparkdoctor.reading import read
from sparkdoctor.smoke.run import STAGES, Run

GB10 = "on a GB10: 8 to 9 s warm, some 3 minutes cold, an operator loads in 0.04 s (OpenFold3-DGX-Spark, README)"
"""Source: github.com/adrian-greenneuron/openfold3-DGX-Spark, whose attention is DeepSpeed's, with an MSA."""
NAMES = {
    "triton": "OpenFold3's Triton kernels",
    "deepspeed": "DeepSpeed's evoformer_attn",
    "cuequivariance": "cuEquivariance",
    "lma": "low-memory attention",
    "pytorch": "PyTorch",
}
"""Whose attention it is, by what patient/predict.py calls it."""
SWITCHES = {TRITON: "triton", DEEPSPEED: "deepspeed", CUEQUIVARIANCE: "cuequivariance", LMA: "lma"}
"""The settings that choose one."""
SLOW = 1.0
"""Seconds of compiling from which on a run was cold."""
_SHOWN = 6


class Finding(NamedTuple):
    """One thing seen, as a line and as values for a program."""

    id: str
    title: str
    text: str
    values: dict[str, Any]


def chosen(output: str) -> tuple[str, ...] | None:
    """The attention that the model's resolved configuration selects; None where there is no such file."""
    try:
        found = json.loads(read(os.path.join(output, "model_config.json")))
        switches = found["settings"]["memory"]["eval"]
        return tuple(name for switch, name in SWITCHES.items() if switches.get(switch) is True)
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None


def temperature(run: Run) -> str:
    """`cold` where compiling took a second or more, `warm` where what is compiled was found, else `nothing to compile`."""
    built = sum(kernel.seconds for kernel in (*run.kernels, *run.operators) if kernel.built)
    if built >= SLOW:
        return "cold"
    numbers = run.learnt.get("kernels")
    compiled = isinstance(numbers, Mapping) and bool(numbers.get("found") or numbers.get("built"))
    return "warm" if compiled or run.operators else "nothing to compile"


def findings(run: Run, output: str, inference: float | None, before: Mapping[str, Any] | None) -> Iterator[Finding]:
    """All findings of a run. `inference` is the seconds that OpenFold3 itself measured, `before` the last run like this one."""
    versions = dict(run.versions)
    yield Finding("versions", "Versions", ", ".join(f"{name} {version}" for name, version in versions.items()) or "?", versions)
    yield _attention(run, output)
    yield from _compiled(run)
    yield _time(run, inference, before)
    yield _memory(run)
    if run.left:
        yield Finding("left", "Processes that outlived it, and were ended", ", ".join(run.left), {"names": list(run.left)})


def _attention(run: Run, output: str) -> Finding:
    configured, calls = chosen(output), run.learnt.get("calls")
    seen = {name: number for name, number in calls.items() if type(number) is int and number} if isinstance(calls, dict) else None
    told = ", ".join(f"{NAMES.get(name, name)} ({number:,} calls)" for name, number in (seen or {}).items())
    asked = None if configured is None else ", ".join(NAMES[name] for name in configured) or "PyTorch alone"
    text = "; ".join(part for part in (told or "none was called", f"the settings choose {asked}" if asked else "") if part)
    return Finding("attention", "Attention", text, {"configured": configured and list(configured), "calls": seen})


def _compiled(run: Run) -> Iterator[Finding]:
    numbers = run.learnt.get("kernels")
    numbers = numbers if isinstance(numbers, dict) else {}
    built, seconds = numbers.get("built", len(run.kernels)), numbers.get("seconds", sum(kernel.seconds for kernel in run.kernels))
    if run.kernels or numbers.get("found"):
        slowest = sorted(run.kernels, key=lambda kernel: -kernel.seconds)[:_SHOWN]
        text = f"{built} compiled" + (f" in {seconds:.1f} s" if built else "") + f", {numbers.get('found', 0)} found compiled"
        text += f": {', '.join(f'{kernel.name} {kernel.seconds:.2f} s' for kernel in slowest)}" if slowest else ""
        values = {"built": built, "found": numbers.get("found", 0), "seconds": round(float(seconds), 3)}
        yield Finding("triton-kernels", "Triton kernels", text, values)
    for operator in run.operators:
        text = f"{operator.name} {'built and loaded' if operator.built else 'found built, loaded'} in {operator.seconds:.2f} s"
        values = {"name": operator.name, "seconds": operator.seconds, "built": operator.built}
        yield Finding("operator", "Operator of PyTorch's cache", text, values)


def stages(run: Run) -> dict[str, float]:
    """Seconds that each stage took, as a user knows them."""
    steps = run.course.steps
    begins = [step.began for step in steps] + [run.seconds]
    return {
        STAGES.get(step.name, step.name): round(max(0.0, after - step.began), 2)
        for step, after in zip(steps, begins[1:], strict=True)
    }


def _time(run: Run, inference: float | None, before: Mapping[str, Any] | None) -> Finding:
    warmth = temperature(run)
    text = f"{inference:.1f} s inference, {warmth}; " if inference is not None else f"{warmth}; "
    text += f"{run.seconds:.1f} s in all; {GB10}"
    values: dict[str, Any] = {
        "inference_seconds": inference,
        "seconds": run.seconds,
        "temperature": warmth,
        "stages": stages(run),
        "before": None,
    }
    match before:
        case {"at": str(at), "inference_seconds": int() | float() as old, "temperature": str(old_warmth)}:
            values["before"] = {"at": at, "inference_seconds": old, "temperature": old_warmth}
            text += f"; the last run here, {at[:10]}: {old:.1f} s, {old_warmth}"
    return Finding("time", "Time", text, values)


def _memory(run: Run) -> Finding:
    graphics = run.learnt.get("gpu_memory")
    graphics = graphics if type(graphics) is int else None
    parts = [f"{gib(run.tree)} in its processes at their peak"] if run.tree is not None else []
    if run.used is not None and run.before is not None:
        parts.append(f"{gib(run.used)} in use on the whole machine, {gib(max(0, run.used - run.before))} more than before")
    if graphics:
        parts.append(f"{gib(graphics)} of GPU memory reserved by PyTorch")
    values = {"processes_bytes": run.tree, "machine_bytes": run.used, "machine_before_bytes": run.before, "gpu_bytes": graphics}
    return Finding("memory", "Memory", "; ".join(parts) or "not known", values)


def remembered(run: Run, inference: float | None, verdict: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a run. `about` names its GPU, weights and samples."""
    at = datetime.fromtimestamp(run.began, UTC).isoformat(timespec="seconds")
    versions = {name: run.versions.get(name) for name in ("openfold3", "torch", "triton")}
    return {
        "at": at,
        **versions,
        **about,
        "inference_seconds": inference,
        "seconds": run.seconds,
        "temperature": temperature(run),
        "verdict": verdict,
        "processes_bytes": run.tree,
        "machine_bytes": run.used,
    }
