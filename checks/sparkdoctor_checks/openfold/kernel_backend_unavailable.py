"""The attention kernels that a prediction would use."""

from sparkdoctor.facts import Deepspeed, Openfold3, Openfold3Kernels, Python, RunnerYaml, Torch, Triton, target
from sparkdoctor.facts.openfold3 import CUEQUIVARIANCE, DEEPSPEED, LMA, TRITON, switched_on
from sparkdoctor.facts.openfold3_kernels import IMPORT
from sparkdoctor.facts.triton import unfit
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile

NAMES = {
    CUEQUIVARIANCE: "cuEquivariance's kernels",
    DEEPSPEED: "DeepSpeed's evoformer_attn",
    TRITON: "OpenFold3's Triton kernels",
    LMA: "the low-memory attention",
}
SILENT = "a prediction counts it as a failed query, and ends with exit status 0"
OFF = "model_update.custom.settings.memory.eval"


@check
def kernel_backend_unavailable(  # noqa: PLR0913, PLR0917 (each kernel has a package of its own)
    openfold3: Openfold3,
    runner: RunnerYaml | Missing,
    triton: Triton | Missing,
    deepspeed: Deepspeed | Missing,
    torch: Torch | Missing,
    kernels: Openfold3Kernels | Missing,
    python: Python,
    profile: Profile,
) -> Verdict:
    """The attention kernels that OpenFold3 would use are there.

    Which they are: DeepSpeed's evoformer_attn by default up to 0.4.2, none in 0.4.3, OpenFold3's own in Triton from 0.4.4 on;
    presets and runner YAMLs switch them. Of several that are on, cuEquivariance goes before DeepSpeed and that before Triton;
    the low-memory attention with any of them is refused (`Choose at most one alternative attention algorithm`). One that is
    not there makes the query fail in the middle of the prediction, whose exit status is 0 all the same.

    Sources:
    - core/model/primitives/attention.py and model_config.py of OpenFold3 0.3.0 to 0.5.0
    - predictions of 0.5.0 without Triton, DeepSpeed and cuEquivariance
    """
    if isinstance(runner, Missing):
        return skip(f"{runner.reason}; see runner-yaml-surprise" if isinstance(runner, Broken) else runner.reason)
    on = switched_on(runner.kernels)
    if LMA in on and len(on) > 1:
        return fail(
            f"{NAMES[LMA]} and {NAMES[on[0]]} are both on, which OpenFold3 refuses: {SILENT}",
            expected="one of them",
            observed=", ".join(on),
            remedy=f"Turn {LMA} off, or the others ({OFF} in the runner YAML).",
        )
    chosen = on[0] if on else None
    if not isinstance(kernels, Missing) and (step := kernels.course.trouble):
        return fail(
            f"{step.words}: no prediction can begin",
            expected="no error",
            observed=(step.trouble or "").partition(":")[0] or None,
            evidence=kernels.course.evidence,
            remedy="Mend that import; its last line names what is missing.",
            command=_lacking(step.trouble or "", python),
        )
    if chosen is None or chosen == LMA:
        return ok(f"attention by PyTorch alone: {NAMES[LMA]}" if chosen else "attention by PyTorch alone, which is always there")
    trouble, remedy, command = _trouble(chosen, openfold3, triton, deepspeed, torch, python, profile)
    said = None if isinstance(kernels, Missing) else kernels.has(chosen)
    if not trouble and said is False and _visible(kernels, chosen):
        trouble = f"{IMPORT} succeeds, but it says that it has none"
        remedy, command = f"Install it anew, or turn {chosen} off ({OFF} in the runner YAML).", None
    if trouble:
        return fail(
            f"OpenFold3 {openfold3.version} would use {NAMES[chosen]}: {trouble}. Without them {SILENT}",
            expected=NAMES[chosen],
            observed="not available",
            remedy=remedy,
            command=command,
        )
    proof = ", and OpenFold3 has found them" if said else ""
    return ok(f"{NAMES[chosen]} ({chosen}){proof}", observed=chosen)


def _visible(kernels: Openfold3Kernels | Missing, chosen: str) -> bool:
    """Whether its own account counts: cuEquivariance is never there for it where no GPU is to be seen."""
    if isinstance(kernels, Missing):
        return False
    return chosen != CUEQUIVARIANCE or kernels.course.learnt("import torch").get("available") is True


def _trouble(  # noqa: PLR0913, PLR0917
    chosen: str,
    openfold3: Openfold3,
    triton: Triton | Missing,
    deepspeed: Deepspeed | Missing,
    torch: Torch | Missing,
    python: Python,
    profile: Profile,
) -> tuple[str, str, str | None]:
    """(why the kernels are not to be had, the remedy, its command); the first is empty where nothing is known against them."""
    if chosen == TRITON:
        if isinstance(triton, Missing):
            return triton.reason, "Install Triton.", python.pip_install(f"'triton{profile.triton.fresh or ''}'")
        wanted = target(profile, Missing(""))
        if wanted is not None and wanted.number in triton.assemblers:
            why = unfit(triton.version, triton.assemblers[wanted.number], wanted.number)
            if why:
                return (
                    f"{why}; see triton-ptxas-too-old",
                    "Mend what triton-ptxas-too-old says.",
                    "sparkdoctor check triton-ptxas-too-old",
                )
    if chosen == DEEPSPEED and isinstance(deepspeed, Missing):
        bound = next((line.partition(";")[0] for line in openfold3.requires if line.startswith("deepspeed")), "deepspeed")
        return (
            deepspeed.reason,
            "Install DeepSpeed (the checks of that layer say what else it needs).",
            python.pip_install(f"'{bound}'"),
        )
    if chosen == CUEQUIVARIANCE:
        cuda = "13" if isinstance(torch, Missing) or torch.cuda is None else torch.cuda.partition(".")[0]
        names = ("cuequivariance-torch", f"cuequivariance-ops-torch-cu{cuda}")
        lacking = [name for name in names if python.distribution(name) is None]
        if lacking:
            words = f"{' and '.join(lacking)} {'are' if len(lacking) > 1 else 'is'} not installed"
            return words, "Install them for PyTorch's CUDA.", python.pip_install(" ".join(("cuequivariance", *names)))
    return "", "", None


def _lacking(trouble: str, python: Python) -> str | None:
    import re  # noqa: PLC0415 (only where an import failed)

    found = re.search(r"No module named '([\w.]+)'", trouble)
    return python.pip_install(found[1].split(".")[0]) if found else None
