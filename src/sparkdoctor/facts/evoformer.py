"""DeepSpeed's evoformer_attn in PyTorch's cache: whether it would be built anew, and what a build ahead of its use rests on."""

import re
from collections.abc import Iterator
from posixpath import join
from typing import Self

from sparkdoctor.facts.archlist import ArchList
from sparkdoctor.facts.compilers import Compilers
from sparkdoctor.facts.deepspeed import Deepspeed
from sparkdoctor.facts.deepspeed_builder import DeepspeedBuilder
from sparkdoctor.facts.extensions import ASIDE, Build, Extensions, free_name
from sparkdoctor.facts.extensions import FIRST as EVOFORMER
from sparkdoctor.facts.gpu import Gpu, target
from sparkdoctor.facts.nvcc import APPEND, SPLIT, Nvcc, dry_run
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing
from sparkdoctor.profiles import Profile

ROOMY = "-Xcompiler=--param=ggc-min-heapsize=1048576"
"""Lets GCC collect its garbage from 1 GiB on only: its part of a file takes a sixth less time, for the same object."""
OBEYS = (0, 19)
"""The first DeepSpeed that takes the architecture from TORCH_CUDA_ARCH_LIST at first use."""


class EvoformerPlace(Fact):
    """Where evoformer_attn is built: its directory, what lies there, and the room.

    `inside` are the names in the directory, None where there is none; `aside` is a free name to move it to. `cache` and
    `temporary` are bytes free for it and for compilers' files, None where that cannot be measured. `faster` are flags that make a
    build faster and its kernels no other, as far as the nvcc that would be called and its host compiler know them; `append` is
    $NVCC_APPEND_FLAGS. `linked` says that the directory is a symbolic link.
    """

    path: str
    inside: tuple[str, ...] | None
    aside: str
    cache: int | None
    temporary: int | None
    faster: tuple[str, ...]
    append: str
    linked: bool = False

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Look at the directory and its file systems, and ask nvcc by a dry run whether it knows the flag."""
        root = machine.need(Extensions).root
        path = join(root.path, EVOFORMER)
        inside, found, status = machine.entries(path), machine.entries(root.path), machine.stat(path)
        beside = () if isinstance(found, Missing) else found
        linked = EVOFORMER in beside if isinstance(status, Missing) else status.real != path
        nearest = root.path if root.status else next((place for place, _ in root.above), "/")
        return cls(
            path,
            None if isinstance(inside, Missing) else inside,
            join(root.path, free_name(EVOFORMER + ASIDE, beside)),
            _free(machine, nearest),
            _free(machine, machine.env("TMPDIR") or "/tmp"),
            tuple(_faster(machine)),
            machine.env(APPEND) or "",
            linked,
        )

    @property
    def flags(self) -> str:
        """$NVCC_APPEND_FLAGS for a fast build; what the user has set of it stays."""
        own = self.append.split()
        names = [flag.partition("=")[0] for flag in self.faster]
        added = [flag for name, flag in zip(names, self.faster, strict=True) if not any(name.lstrip("-") in word for word in own)]
        return " ".join((*own, *added))


def _faster(machine: Machine) -> Iterator[str]:
    nvcc = machine.get(Nvcc)
    if isinstance(nvcc, Missing):
        return
    tried = dry_run(machine, nvcc.path, SPLIT)
    if not isinstance(tried, Missing) and tried.code == 0:
        yield SPLIT
    host = machine.need(Compilers)
    named = (host.c, host.cxx)
    if all(isinstance(said, str) and "clang" not in said for said in named) and machine.env("NVCC_CCBIN") is None:
        yield ROOMY


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


def other_codes(build: Build, deepspeed: Deepspeed, arches: ArchList | Missing, gpu: Gpu | Missing) -> str:
    """The architectures of a build where they are not those that DeepSpeed asks for today; empty where they are, or unknown.

    By what its builder's text makes of the GPUs that it sees, which costs no import.
    """
    before = {match[1] for flag in build.flags if (match := re.match(r"-gencode=arch=compute_(\w+)", flag))}
    if not before or isinstance(gpu, Missing) or not (isinstance(arches, Missing) or (0,) < deepspeed.release < OBEYS):
        return ""
    readings = [deepspeed.readings.get(capability.number) for capability in gpu.capabilities]
    now = {reading.number for reading in readings if reading and reading.number}
    if len(now) < len(readings) or now == before:
        return ""
    return f"compute_{', '.join(sorted(before))} is compute_{', '.join(sorted(now))} now"


def threads_of(build: Build) -> int | None:
    """The `--threads` that a build gave each nvcc; None where it says none."""
    found = next((flag for flag in build.flags if flag.startswith("--threads=")), "").removeprefix("--threads=")
    return int(found) if found.isdecimal() else None
