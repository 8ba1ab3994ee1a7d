"""What the first use will have to wait for."""

from sparkdoctor.facts import Deepspeed, Extensions, Python, TritonCache
from sparkdoctor.facts.deepspeed import evoformer_unused
from sparkdoctor.facts.extensions import State
from sparkdoctor.plugin import Missing, Verdict, check, ok, skip, warn

EVOFORMER = "evoformer_attn"


@check
def kernels_not_warm(
    python: Python, extensions: Extensions, deepspeed: Deepspeed | Missing, triton: TritonCache | Missing
) -> Verdict:
    """The kernels that will be used are compiled already.

    DeepSpeed compiles evoformer_attn at its first use: about 3 minutes on a GB10. OpenFold3 uses it by default before 0.4.3; from
    0.4.5 on it uses Triton kernels, which cost a first prediction about 11 seconds more (25 instead of 14, on an H100).

    Sources:
    - aqlaboratory/openfold-3 #78: ubiquitin on a GB10 took 9 s warm and about 3 min cold
    - OpenFold3 0.3.0 to 0.5.0, its default kernels; measured on an H100, docs/sources.md
    """
    openfold = python.distribution("openfold3")
    cold: list[str] = []
    ready: list[str] = []
    told: list[str] = []
    remedies: list[tuple[str, str | None]] = []
    if not isinstance(deepspeed, Missing) and evoformer_unused(python) is None:
        built = extensions.named(EVOFORMER)
        if EVOFORMER in deepspeed.prebuilt:
            ready.append(f"{EVOFORMER} was built when DeepSpeed {deepspeed.version} was installed")
        elif built is None:
            from shlex import quote  # noqa: PLC0415

            cold.append(f"DeepSpeed's {EVOFORMER} is not in {extensions.root.path}: about 3 minutes on a GB10")
            load = "from deepspeed.ops.op_builder import EvoformerAttnBuilder as b; b().load()"
            remedies.append(("Build it now, before it is needed.", f'{quote(python.path)} -c "{load}"'))
        elif built.state is State.WHOLE:
            ready.append(f"{EVOFORMER} {built.state}")
        else:
            told.append(f"{EVOFORMER} {built.state}")
    if openfold and openfold.release >= (0, 4, 5) and not isinstance(triton, Missing):
        where = triton.place.reason if isinstance(triton.place, Missing) else triton.place.path
        if triton.kernels:
            ready.append(f"Triton has {triton.kernels} entries in {where}")
        else:
            cold.append(f"Triton has compiled nothing yet ({where}): about 11 s more, on an H100")
            remedies.append(("Make one small prediction before the one that counts.", None))
    if cold:
        text, command = remedies[0]
        return warn(
            f"the first use compiles first: {'; '.join(cold)}",
            expected="compiled kernels",
            observed="none yet",
            evidence=tuple(cold),
            remedy=text,
            command=command,
        )
    if ready:
        return ok("; ".join(ready))
    if told:
        return skip(f"{'; '.join(told)}: told by the checks of the extension cache")
    return skip("neither DeepSpeed's nor OpenFold3's kernels are in use here")
