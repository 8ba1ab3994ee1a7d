"""CUTLASS for DeepSpeed."""

from sparkdoctor.facts import Cutlass, Deepspeed, DeepspeedBuilder, Python
from sparkdoctor.facts.course import Step
from sparkdoctor.facts.cutlass import BINDINGS, DETECTED_SINCE, VALUES_SINCE, VARIABLE
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip


@check
def deepspeed_cutlass_missing(
    deepspeed: Deepspeed, cutlass: Cutlass | Missing, builder: DeepspeedBuilder | Missing, python: Python
) -> Verdict:
    """DeepSpeed finds CUTLASS for evoformer_attn.

    Without it `Unable to JIT load the evoformer_attn op due to it not being compatible due to hardware/software issue`. Where
    it is looked for depends on the version: CUTLASS_PATH must name a checkout up to 0.18.4, may say
    DS_USE_CUTLASS_PYTHON_BINDINGS from 0.18.5 on, and is needed no more from 0.19.1 on, which finds the package
    nvidia-cutlass by itself.

    Sources:
    - op_builder/evoformer_attn.py of DeepSpeed 0.15.4, 0.18.5, 0.19.1 and 0.19.8
    - aqlaboratory/openfold-3 #218
    """
    if isinstance(cutlass, Missing):
        return skip(cutlass.reason)
    words, paths = _said(builder)
    # OpenFold3 sets CUTLASS_PATH before it imports DeepSpeed, which we do not.
    alone = cutlass.setting is not None or python.distribution("openfold3") is None
    refusal = cutlass.refusal or (words[0] if words and alone else "")
    if paths and deepspeed.release >= DETECTED_SINCE:
        refusal = ""  # it has seen the headers in them
    evidence = tuple(f"EvoformerAttnBuilder: {text}" for text in words)
    if not refusal:
        place = cutlass.headers or ", ".join(paths)
        return ok(f"CUTLASS in {place}", observed=place, evidence=evidence)
    if deepspeed.release >= DETECTED_SINCE:
        remedy, command = "Install the package that it finds by itself.", python.pip_install("nvidia-cutlass")
        if cutlass.setting:
            command = f"{command} && unset {VARIABLE}"
    elif deepspeed.release >= VALUES_SINCE:
        remedy = "Install CUTLASS as a package, and say so."
        command = f"{python.pip_install('nvidia-cutlass')} && export {VARIABLE}={BINDINGS}"
    else:
        remedy = "Get CUTLASS and say where it is."
        command = (
            f"git clone --depth 1 --branch v3.6.0 https://github.com/NVIDIA/cutlass ~/cutlass && export {VARIABLE}=~/cutlass"
        )
    return fail(
        f"DeepSpeed {deepspeed.version} finds no CUTLASS that it takes for evoformer_attn: {refusal}",
        expected="CUTLASS 3.1 or later",
        observed=f"{VARIABLE}={cutlass.setting}" if cutlass.setting is not None else f"{VARIABLE} is not set",
        evidence=evidence,
        remedy=remedy,
        command=command,
    )


def _said(builder: DeepspeedBuilder | Missing) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words in which DeepSpeed itself refuses what it finds, and the directories that it includes where it does not."""
    match None if isinstance(builder, Missing) else builder.cutlass:
        case Step(learnt={"compatible": False, "said": [*said]}):
            return tuple(map(str, said)), ()
        case Step(learnt={"compatible": True} as learnt):
            paths = learnt.get("paths")
            return (), tuple(map(str, paths)) if isinstance(paths, list) else ()
        case Step(trouble=str(trouble)):
            return (trouble,), ()
    return (), ()
