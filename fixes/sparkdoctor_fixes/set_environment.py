"""The file of variables."""

from collections.abc import Iterator

from sparkdoctor.facts import EnvironmentFile, Exports
from sparkdoctor.facts.environment import merged, parse, without
from sparkdoctor.plugin import Answer, Missing, NotNeeded, Plan, Refused, fix

PRINTED = 'eval "$(sparkdoctor env)"'


CURED = {
    "CUDA_HOME": ("cuda-home-wrong", "nvcc-lacks-architecture", "nvcc-missing", "nvcc-torch-mismatch"),
    "TORCH_CUDA_ARCH_LIST": ("arch-list-wrong", "build-jobs-unbounded"),
    "DS_NVCC_THREADS": ("build-jobs-unbounded",),
    "NVCC_THREADS": ("build-jobs-unbounded",),
    "MAX_JOBS": ("build-jobs-unbounded",),
    "NVCC_APPEND_FLAGS": (),
    "TRITON_PTXAS_PATH": ("triton-ptxas-path-ignored", "triton-ptxas-too-old"),
    "TRITON_PTXAS_BLACKWELL_PATH": ("triton-ptxas-path-ignored", "triton-ptxas-too-old"),
    "CUTLASS_PATH": ("deepspeed-cutlass-missing",),
    "CPATH": ("deepspeed-cutlass-missing",),
}
"""The checks that each variable can cure."""


@fix(cures=tuple(sorted({name for names in CURED.values() for name in names})))
def set_environment(exports: Exports, file: EnvironmentFile | Missing) -> Answer:
    """A file sets what builds and programs need on this machine.

    Writes `export` lines to ~/.config/sparkdoctor/environment.sh (below $XDG_CONFIG_HOME where that is set), for a shell to
    read with `. FILE`. Each has its reason: the number of compilers that fit into memory, the architecture in a form that all
    that is installed takes, a toolkit and a ptxas that know the GPU where the usual ones do not, nvcc's optimiser on all
    processors. Nothing is written for what is not installed.

    In a file that is there, lines marked `sparkdoctor:` are ours and are brought up to date; every other line stays as it is and
    wins. What you have set yourself, there or in the shell, is never overridden: where it is wrong, that is said.

    `sparkdoctor env` prints such lines for `eval`, a Dockerfile or docker run, and writes nothing.

    Sources:
    - torch/utils/cpp_extension.py, DeepSpeed's op_builder, triton/knobs.py: which variables they read, and when
    - nvcc --help (NVCC_APPEND_FLAGS, --split-compile)
    """
    if isinstance(file, Missing):
        return Refused(file.reason, PRINTED)
    if file.obstacle:
        return Refused(f"{file.obstacle}: it is left alone", PRINTED)
    wrong = tuple(map(str, exports.wrong.values()))
    kept = None if file.text is None else without(file.text, exports.obsolete)
    text = merged(kept, exports.wanted) if exports.wanted else kept
    if text == file.text or text is None:
        if unread := _unread(exports, file):
            words = f"{file.path} is as it should be, but this shell has not read it: {', '.join(unread)}"
            return NotNeeded("; ".join((words, *wrong)), file.read)
        if wrong:
            return Refused("; ".join(wrong), _unset(exports))
        return NotNeeded(f"{file.path} is as it should be" if file.text else "there is nothing worth exporting here")
    news = exports.wanted or dict.fromkeys(sorted(exports.obsolete))
    return Plan(
        f"{file.path} {'sets' if exports.wanted else 'no longer sets'} {', '.join(news)}",
        file.steps(text),
        (*wrong, "a line in ~/.bashrc that reads it serves every new shell"),
        environment := tuple(_environment(exports, file, text)),
        tuple(
            sorted({check for name, value in environment if exports.present.get(name) != value for check in CURED.get(name, ())})
        ),
        file.read,
    )


def _unread(exports: Exports, file: EnvironmentFile) -> list[str]:
    """The variables that the file sets to something else than what this process has."""
    held = exports.kept.keys() | exports.wrong.keys()
    return [
        name
        for name, line in file.exports.items()
        if name in exports.wanted and line.known and not (line.ours and name in held) and exports.present.get(name) != line.value
    ]


def _unset(exports: Exports) -> str | None:
    names = [name for name, wrong in exports.wrong.items() if wrong.file is None]
    return f"unset {' '.join(names)}" if names else None


def _environment(exports: Exports, file: EnvironmentFile, text: str) -> Iterator[tuple[str, str | None]]:
    """What the file sets; what a user's own value in the shell stands against is left as it is there."""
    held = exports.kept.keys() | exports.wrong.keys()
    for name, line in parse(text).items():
        if line.known and not (line.ours and name in held):
            yield name, line.value
    for name in sorted(exports.obsolete):
        if exports.present.get(name) == file.exports[name].value:
            yield name, None
