"""Extensions that are not whole."""

from sparkdoctor.facts import (
    BuildSettings,
    CacheAccess,
    Cgroup,
    Container,
    Deepspeed,
    Extensions,
    Memory,
    Ninja,
    Rebuilds,
    gib,
)
from sparkdoctor.facts.build import COMPILER_BYTES
from sparkdoctor.facts.extension_locks import hindrance
from sparkdoctor.facts.extensions import FIRST as EVOFORMER
from sparkdoctor.facts.extensions import Extension, State, move_aside
from sparkdoctor.facts.rebuilds import Recipe
from sparkdoctor.plugin import Answer, MakeDirectory, Missing, Move, NotNeeded, Plan, Refused, Run, Step, WriteFile, fix

OTHERS = 0o022
"""What group and others may not do in what we make: write."""


@fix(cures=("extension-cache-incomplete",), after=("clear-extension-lock",))
def rebuild_extension(  # noqa: PLR0913, PLR0917 (what decides whether and how it can be built)
    extensions: Extensions,
    rebuilds: Rebuilds | Missing,
    ninja: Ninja | Missing,
    settings: BuildSettings | Missing,
    memory: Memory | Missing,
    cgroup: Cgroup | Missing,
    access: CacheAccess | Missing,
    deepspeed: Deepspeed | Missing,
    container: Container | Missing,
) -> Answer:
    """Extensions that were not whole are built from the beginning.

    The old directory is moved aside (`NAME.aside`), nothing is deleted, and undo puts it back. Then ninja follows the same
    build.ninja in a fresh one, with as many compilers at once as fit into memory.

    What stands in a build.ninja would be run, so it must be whole and hold nothing but PyTorch's compiling and linking, its
    sources and compilers must still be there, Python and PyTorch those of today, and the cache one that nobody else can write.
    Where one of these is not so, the extension is only moved aside, and its next use builds it. DeepSpeed's evoformer_attn is
    always left to DeepSpeed's own builder, which knows the flags of today (warm-kernels).

    Sources:
    - _write_ninja_file in torch/utils/cpp_extension.py: outputs are relative, sources absolute; a cache that was moved loads
    - measured: 3.3 to 3.5 GB for each nvcc and architecture, docs/sources.md
    """
    broken = extensions.having(State.DAMAGED, State.OUTDATED)
    if not broken:
        return NotNeeded(
            f"no extension is seen to be damaged{extensions.others(State.DAMAGED)}" if extensions.found else extensions.none
        )
    if isinstance(rebuilds, Missing):
        return Refused(f"what is in {extensions.root.path} could not be read: {rebuilds.reason}")
    kept = {one.path: why for one in broken if (why := hindrance(extensions, container, one))}
    moved = [one for one in broken if one.path not in kept]
    if not moved:
        return Refused("; ".join(dict.fromkeys(kept.values())), move_aside(broken, sudo=bool(extensions.root.obstacle)))
    steps: list[Step] = []
    notes: list[str] = []
    built: list[str] = []
    for one in moved:
        aside = rebuilds.aside(one)
        steps.append(Move(one.path, aside))
        recipe = rebuilds.recipes.get(one.name, Missing("its build.ninja was not read"))
        if one.name == EVOFORMER and not isinstance(deepspeed, Missing):
            recipe = Missing("it is left to DeepSpeed's own builder (warm-kernels)")
        room = _room(memory, cgroup)
        if isinstance(recipe, Missing):
            why = recipe.reason
        elif isinstance(ninja, Missing) or isinstance(ninja.path, Missing):
            why = "there is no ninja"
        elif isinstance(access, Missing) or access.openings:
            why = "others could have written what would be run" if not isinstance(access, Missing) else access.reason
        elif room is not None and room < recipe.copies * COMPILER_BYTES:
            why = f"one compiler may take {recipe.copies * COMPILER_BYTES / 1e9:g} GB, and {gib(room)} is free"
        else:
            steps += _building(one, recipe, ninja.path, _jobs(recipe, room, settings))
            built.append(one.name)
            continue
        notes.append(f"{one.name} is not built now, but at its next use: {why}")
    left = [one.name for one in moved if one.name not in built]
    done = [f"{' and '.join(built)} {_is(built)} built from the beginning"] if built else []
    done += [f"{' and '.join(left)} {_is(left)} moved aside, not being whole; the next use builds anew"] if left else []
    return Plan("; ".join(done), tuple(steps), (*notes, *dict.fromkeys(kept.values())))


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _building(one: Extension, recipe: Recipe, ninja: str, jobs: int) -> tuple[Step, ...]:
    mode = (one.place.mode & 0o777 if one.place else 0o755) & ~OTHERS
    return (
        MakeDirectory(one.path, mode | 0o700, filled=True),
        WriteFile(f"{one.path}/build.ninja", recipe.text),
        Run(
            (ninja, "-C", one.path, "-j", str(jobs)),
            why=f"compiles {len(recipe.sources)} file{'s' * (len(recipe.sources) > 1)} and links {one.name}",
            undo=(),
            seconds=3600.0,
        ),
    )


def _room(memory: Memory | Missing, cgroup: Cgroup | Missing) -> int | None:
    """Bytes that compilers may take, where that is known."""
    known = [memory.allocatable] if not isinstance(memory, Missing) else []
    known += [cgroup.free] if not isinstance(cgroup, Missing) and cgroup.free is not None else []
    return min(known, default=None)


def _jobs(recipe: Recipe, room: int | None, settings: BuildSettings | Missing) -> int:
    """Compilers at once: no more than files, than fit into memory, and than MAX_JOBS or the processors allow."""
    fitting = 1 if room is None else max(1, room // (recipe.copies * COMPILER_BYTES))
    allowed = len(recipe.sources) if isinstance(settings, Missing) or settings.jobs is None else settings.jobs
    return min(len(recipe.sources), fitting, allowed)
