"""The headers and libraries that DeepSpeed's operators are built with."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from sparkdoctor.facts.nvcc import CudaHome
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.system import System
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

AIO = ("libaio.h", "libaio.so")
CUDA = ("cusparse.h", "cublas_v2.h", "cusolverDn.h", "curand_kernel.h", "libcurand.so")
"""What evoformer_attn includes by way of PyTorch's headers and of its own, and what it is linked with."""


class BuildFiles(Fact):
    """Where compiler and linker find each of these files, None where they do not.

    `aside` are the directories of libraries that are there, but where no linker looks by itself.
    """

    found: Mapping[str, str | None]
    aside: Mapping[str, str]

    def lacking(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of them that are not found."""
        return tuple(name for name in names if self.found.get(name) is None)

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Look where a build by torch.utils.cpp_extension would, where there is a DeepSpeed to build operators of."""
        origin = machine.need(Python).modules["deepspeed"]
        if isinstance(origin, Missing):
            return origin
        triplet = f"{machine.need(System).architecture}-linux-gnu"
        home = machine.need(CudaHome).home
        toolkit = (home,) if home else ()
        headers = (
            *(f"{place}/include" for place in toolkit),
            *_targets(machine, toolkit, "include"),
            *variable(machine, "CPATH", "CPLUS_INCLUDE_PATH"),
            *_flags(machine, "CFLAGS", "-I"),
            "/usr/local/include",
            f"/usr/include/{triplet}",
            "/usr/include",
        )
        libraries = (
            *(f"{place}/{name}" for place in toolkit for name in ("lib64", "lib")),
            *variable(machine, "LIBRARY_PATH"),
            *_flags(machine, "LDFLAGS", "-L"),
            *(f"{place}/{name}" for place in ("/usr", "") for name in (f"lib/{triplet}", "lib64", "lib")),
            "/usr/local/lib",
        )
        found = {name: first(machine, headers if name.endswith(".h") else libraries, name) for name in (*AIO, *CUDA)}
        elsewhere = _targets(machine, toolkit, "lib")
        aside = {
            name: path.removesuffix(f"/{name}")
            for name, place in found.items()
            if place is None and name.endswith(".so") and (path := first(machine, elsewhere, name))
        }
        return cls(found, aside)


def variable(machine: Machine, *names: str) -> Iterator[str]:
    """The directories that a variable lists."""
    for name in names:
        yield from (place for place in (machine.env(name) or "").split(":") if place)


def first(machine: Machine, places: Iterable[str], name: str) -> str | None:
    """The first path of a file in these directories."""
    paths = (f"{place.rstrip('/')}/{name}" for place in places)
    return next((path for path in paths if not isinstance(machine.stat(path), Missing)), None)


def _flags(machine: Machine, name: str, flag: str) -> tuple[str, ...]:
    return tuple(re.findall(rf"(?:^|\s){flag}\s*(\S+)", machine.env(name) or ""))


def _targets(machine: Machine, toolkit: Iterable[str], part: str) -> tuple[str, ...]:
    """The toolkit's directories for each kind of machine: `targets/sbsa-linux/lib`."""
    found = ((home, machine.entries(f"{home}/targets")) for home in toolkit)
    return tuple(f"{home}/targets/{name}/{part}" for home, names in found if not isinstance(names, Missing) for name in names)
