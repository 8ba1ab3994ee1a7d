"""OpenFold3's Triton kernels, as they lie in Triton's cache."""

import json
from collections.abc import Iterator
from itertools import islice
from posixpath import join
from typing import Self

from sparkdoctor.facts.attention import Attention
from sparkdoctor.facts.gpu import Gpu
from sparkdoctor.facts.places import Place
from sparkdoctor.facts.triton_cache import TritonCache
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

ATTENTION, DYNAMIC = "_attn_fwd", "_attn_fwd_dyn"
KERNELS = (ATTENTION, DYNAMIC, "layernorm_kernel", "linear_kernel", "linear_fused_kernel")
"""What a prediction compiles. Sources: core/kernels/triton/evoformer.py and core/model/layers/triangular_multiplicative_update.py
of OpenFold3 0.4.4 to 0.5.0."""
LIMIT, READS = 1024, 64
"""Entries of the cache that are looked into, and descriptions of kernels that are read."""


class TritonKernels(Fact):
    """Those that Triton has compiled, by the names of their functions: for this machine's GPUs, and (`others`) for other ones.

    `place` is Triton's cache; `dynamic` says that one attention kernel is to serve all lengths ($OF3_TRITON_DYNAMIC_SHAPES).
    `unseen` is the number of entries that were not looked into; `room` and `temporary` are bytes free for it and for temporary
    files, None where that cannot be measured.
    """

    place: Place
    names: tuple[str, ...]
    others: tuple[str, ...] = ()
    dynamic: bool = False
    unseen: int = 0
    room: int | None = None
    temporary: int | None = None

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Where a prediction would use them, look for their descriptions: `<hash>/_attn_fwd.json`."""
        if not machine.need(Attention).triton:
            return Missing("no prediction here would use OpenFold3's Triton kernels")
        place = machine.need(TritonCache).place
        if isinstance(place, Missing):
            return place
        gpu = machine.get(Gpu)
        wanted = set() if isinstance(gpu, Missing) else {capability.number for capability in gpu.capabilities}
        entries = machine.entries(place.path) if place.status else ()
        inside = () if isinstance(entries, Missing) else entries
        found: dict[bool, list[str]] = {True: [], False: []}
        for path, name in islice(_descriptions(machine, place.path, inside[:LIMIT]), READS):
            text = machine.read(path)
            number = None if isinstance(text, Missing) else architecture(text)
            if number is not None:
                found[not wanted or number in wanted].append(name)
        nearest = place.path if place.status else next((path for path, _ in place.above), "/")
        room, temporary = (machine.space(path) for path in (nearest, machine.env("TMPDIR") or "/tmp"))
        return cls(
            place,
            tuple(sorted(found[True])),
            tuple(sorted(found[False])),
            machine.env("OF3_TRITON_DYNAMIC_SHAPES") == "1",
            max(0, len(inside) - LIMIT),
            None if isinstance(room, Missing) else room.free,
            None if isinstance(temporary, Missing) else temporary.free,
        )

    @property
    def warm(self) -> bool:
        """Whether the attention kernel that a prediction uses was compiled, for some length."""
        return (DYNAMIC if self.dynamic else ATTENTION) in self.names


def _descriptions(machine: Machine, root: str, entries: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        found = machine.entries(join(root, entry))
        files = () if isinstance(found, Missing) else found
        for name in KERNELS:
            if f"{name}.json" in files:
                yield join(root, entry, f"{name}.json"), name


def architecture(text: str) -> int | None:
    """121: what a kernel was compiled for, by its description; None where that says nothing, or of a GPU that is not NVIDIA's."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    match said:
        case {"target": {"backend": "cuda", "arch": int(number)}}:
            return number
    return None
