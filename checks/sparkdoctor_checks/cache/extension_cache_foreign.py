"""Extensions of another environment."""

from sparkdoctor.facts import Extensions
from sparkdoctor.facts.extensions import State, move_aside
from sparkdoctor.plugin import Verdict, check, fail, ok, skip, warn


@check
def extension_cache_foreign(extensions: Extensions) -> Verdict:
    """Every extension in the cache fits today's Python, PyTorch, CUDA and GPU.

    The cache's folder is named by Python and CUDA alone, and not even that where TORCH_EXTENSIONS_DIR is set. After an upgrade,
    in a home directory that two machines share, or in an image for another processor, the library of before is loaded: it ends
    in `undefined symbol`, in `libcudart.so.12: cannot open shared object file`, or in `no kernel image is available`. Nothing
    records the version of PyTorch; it is told by the paths in build.ninja, the library's own headers, its GPU code, and by
    whether PyTorch was installed after it was built. Ninja does not notice that: PyTorch's headers are system headers to it.

    Sources:
    - _get_build_directory in torch/utils/cpp_extension.py; measured with PyTorch 2.13, docs/sources.md
    """
    if not extensions.found:
        return skip(extensions.none)
    foreign = extensions.having(State.FOREIGN)
    left = extensions.others(State.FOREIGN)
    if foreign:
        names = " and ".join(one.name for one in foreign)
        level, end = (warn, "it may not fit, or be built anew") if all(one.mild for one in foreign) else (fail, "it does not fit")
        return level(
            f"{names} in {extensions.root.path} was built for something else than what is here today: {end}{left}",
            expected="builds of today's environment",
            observed=f"{len(foreign)} of {len(extensions.found)} are not",
            evidence=tuple(f"{one.name}: {reason}" for one in foreign for reason in one.reasons[:6]),
            remedy="Move it aside; the next use builds it for today's environment.",
            command=move_aside(foreign),
        )
    fitting = extensions.having(State.WHOLE, State.OUTDATED)
    if not fitting:
        return skip(f"no extension is left to judge{left}")
    return ok(f"{', '.join(one.name for one in fitting)}: built for what is here today{extensions.but}")
