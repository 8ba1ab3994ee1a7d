"""DeepSpeed's evoformer_attn in PyTorch's cache: whether it would be built anew, and what a build ahead of its use rests on."""

from posixpath import join
from typing import Self

from sparkdoctor.facts.deepspeed import Deepspeed
from sparkdoctor.facts.deepspeed_builder import DeepspeedBuilder
from sparkdoctor.facts.extensions import ASIDE, Build, Extensions
from sparkdoctor.facts.extensions import FIRST as EVOFORMER
from sparkdoctor.facts.gpu import Gpu, target
from sparkdoctor.facts.nvcc import Nvcc, dry_run
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing
from sparkdoctor.profiles import Profile

SPLIT = "--split-compile=0"
"""Lets nvcc optimise the functions of one file side by side; the code that comes of it is the same."""
APPEND = "NVCC_APPEND_FLAGS"


class EvoformerPlace(Fact):
    """Where evoformer_attn is built: its directory, what lies there, and the room.

    `inside` are the names in the directory, None where there is none; `aside` is a free name to move it to. `cache` and
    `temporary` are bytes free for it and for compilers' files, None where that cannot be measured. `split` says that the nvcc
    that would be called knows SPLIT, `append` is $NVCC_APPEND_FLAGS.
    """

    path: str
    inside: tuple[str, ...] | None
    aside: str
    cache: int | None
    temporary: int | None
    split: bool
    append: str

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Look at the directory and its file systems, and ask nvcc by a dry run whether it knows the flag."""
        root = machine.need(Extensions).root
        path = join(root.path, EVOFORMER)
        inside, beside = machine.entries(path), machine.entries(root.path)
        nearest = root.path if root.status else next((place for place, _ in root.above), "/")
        nvcc = machine.get(Nvcc)
        tried = nvcc if isinstance(nvcc, Missing) else dry_run(machine, nvcc.path, SPLIT)
        return cls(
            path,
            None if isinstance(inside, Missing) else inside,
            join(root.path, free_name(EVOFORMER + ASIDE, () if isinstance(beside, Missing) else beside)),
            _free(machine, nearest),
            _free(machine, machine.env("TMPDIR") or "/tmp"),
            not isinstance(tried, Missing) and tried.code == 0,
            machine.env(APPEND) or "",
        )

    @property
    def flags(self) -> str:
        """$NVCC_APPEND_FLAGS for a build that splits; as it is where it says so itself, or nvcc would not understand."""
        if not self.split or any(word.lstrip("-").startswith("split-compile") for word in self.append.split()):
            return self.append
        return f"{self.append} {SPLIT}".strip()


def free_name(name: str, taken: tuple[str, ...]) -> str:
    """A name that is not taken; numbers are `mv --backup=numbered`'s: `op.aside.~1~`."""
    number, found = 0, name
    while found in taken:
        number += 1
        found = f"{name}.~{number}~"
    return found


def _free(machine: Machine, path: str) -> int | None:
    space = machine.space(path)
    return None if isinstance(space, Missing) else space.free


def changed(
    build: Build, deepspeed: Deepspeed | Missing, builder: DeepspeedBuilder | Missing, gpu: Gpu | Missing, profile: Profile
) -> str:
    """The flags that differ from today's; empty where none does, or where today's are not known."""
    said = []
    before = {flag for flag in build.flags if flag.startswith("-gencode=")}
    wanted = target(profile, gpu)
    if not isinstance(builder, Missing) and builder.first_use and not builder.first_use.trouble:
        now = {flag for flag in builder.first_use.flags if flag.startswith("-gencode=")}
        # DeepSpeed goes by the GPU that it sees, which may not be the one of the profile.
        if before and now and before != now and (isinstance(gpu, Missing) or gpu.capability == wanted == builder.capability):
            said.append(f"{' '.join(sorted(before))} is {' '.join(sorted(now))} now")
    if not isinstance(deepspeed, Missing) and (threads := threads_of(build)) and threads != deepspeed.threads:
        said.append(f"--threads={threads} is {deepspeed.threads} now")
    return "; ".join(said)


def threads_of(build: Build) -> int | None:
    """The `--threads` that a build gave each nvcc; None where it says none."""
    found = next((flag for flag in build.flags if flag.startswith("--threads=")), "").removeprefix("--threads=")
    return int(found) if found.isdecimal() else None
