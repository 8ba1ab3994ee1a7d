"""What the first use will have to wait for."""

from posixpath import basename

from sparkdoctor.facts import Deepspeed, Extensions, Python, TritonCache
from sparkdoctor.facts.deepspeed import evoformer_unused
from sparkdoctor.facts.extensions import FIRST as EVOFORMER
from sparkdoctor.facts.extensions import State
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip, warn


@check
def kernels_not_warm(
    python: Python, extensions: Extensions, deepspeed: Deepspeed | Missing, triton: TritonCache | Missing
) -> Verdict:
    """The kernels that will be used are compiled already.

    DeepSpeed compiles evoformer_attn at its first use: about 3 minutes on a GB10. OpenFold3 uses it by default before 0.4.3; from
    0.4.5 on it uses Triton kernels, which cost a first prediction about 11 seconds more (25 instead of 14, on an H100). PyTorch
    writes a lock even where nothing is left to build: in a cache that this user cannot write, each use ends in PermissionError.

    Sources:
    - aqlaboratory/openfold-3 #78: ubiquitin on a GB10 took 9 s warm and about 3 min cold
    - OpenFold3 0.3.0 to 0.5.0, its default kernels; measured on an H100, docs/sources.md
    """
    return _stuck(python, extensions, deepspeed) or _warmth(python, extensions, deepspeed, triton)


def _warmth(python: Python, extensions: Extensions, deepspeed: Deepspeed | Missing, triton: TritonCache | Missing) -> Verdict:
    """The verdict where what must be compiled can be."""
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

            cold.append(
                f"DeepSpeed's {EVOFORMER} is not in {extensions.root.path}: about 3 minutes on a GB10{_moving(extensions)}"
            )
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


def _stuck(python: Python, extensions: Extensions, deepspeed: Deepspeed | Missing) -> Verdict | None:
    """The verdict where this user can neither build nor load evoformer_attn."""
    built = extensions.named(EVOFORMER)
    obstacle = extensions.root.obstacle
    if built:
        obstacle = "" if built.writable else f"{built.path} cannot be written by this user"
    if isinstance(deepspeed, Missing) or evoformer_unused(python) or EVOFORMER in deepspeed.prebuilt or not obstacle:
        return None
    return fail(
        f"DeepSpeed's {EVOFORMER} can be neither built nor loaded: {obstacle}",
        expected="a cache of extensions that this user can write",
        observed=obstacle,
        remedy="Let TORCH_EXTENSIONS_DIR lead to a directory that this user can write.",
        command=f"export TORCH_EXTENSIONS_DIR=/var/tmp/torch_extensions-$(id -u)/{basename(extensions.usual)}",
    )


def _moving(extensions: Extensions) -> str:
    """A word on a cache that each working directory has anew."""
    given = extensions.variable or "/"
    return (
        "" if given.startswith("/") else f" (TORCH_EXTENSIONS_DIR={given} begins in the working directory; PyTorch expands no ~)"
    )
