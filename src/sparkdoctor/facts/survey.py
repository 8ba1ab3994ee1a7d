"""Asks a machine for all that the choice of exports rests on."""

from collections.abc import Iterator
from posixpath import dirname

from sparkdoctor.facts import archlist, nvcc, ptxas, triton
from sparkdoctor.facts.cgroup import Cgroup
from sparkdoctor.facts.choices import Seen, unsuited
from sparkdoctor.facts.cutlass import BINDINGS, DETECTED_SINCE, VALUES_SINCE, Cutlass
from sparkdoctor.facts.cutlass import VARIABLE as CUTLASS_PATH
from sparkdoctor.facts.deepspeed import Deepspeed
from sparkdoctor.facts.environment import EnvironmentFile
from sparkdoctor.facts.exports import EMPTY_IS_UNSET, NAMES
from sparkdoctor.facts.gpu import Gpu
from sparkdoctor.facts.memory import Memory
from sparkdoctor.facts.nvcc import CudaHome, Nvcc
from sparkdoctor.facts.places import home
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.system import System
from sparkdoctor.facts.torch import Torch
from sparkdoctor.facts.triton import UNSETTABLE, Triton
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing

_NEEDS = (EnvironmentFile, System, Memory, Cgroup, Python, Torch, Triton, Deepspeed, Cutlass, Nvcc, CudaHome, Gpu)


def seen(machine: Machine) -> Seen:
    """Ask for all of it, compilers and assemblers too."""
    machine.start(_NEEDS)
    file = machine.get(EnvironmentFile)
    values = {name: machine.env(name) for name in NAMES}
    it = Seen(
        machine.profile,
        machine.get(System),
        machine.get(Memory),
        machine.get(Cgroup),
        machine.get(Python),
        machine.get(Torch),
        machine.get(Triton),
        machine.get(Deepspeed),
        machine.get(Cutlass),
        machine.get(Nvcc),
        machine.get(CudaHome),
        machine.get(Gpu),
        present={name: value for name, value in values.items() if value or (value == "" and name not in EMPTY_IS_UNSET)},
        file={} if isinstance(file, Missing) else file.exports,
        path="" if isinstance(file, Missing) else file.path,
        known=archlist.known(machine)[0],
    )
    toolkit, compiler = _other_toolkit(machine, it)
    it = it._replace(toolkit=toolkit, compiler=compiler)
    if it.builds:
        wanted = it.target
        if wanted:
            base = f"{wanted.major}0"
            ran = nvcc.dry_run(machine, it.builds.path, f"-gencode=arch=compute_{base},code=sm_{base}")
            it = it._replace(base_refused=ran.reason if isinstance(ran, Missing) else nvcc.refusal(ran))
        it = it._replace(split=_splits(machine, it))
    bundled, assembler = _ptxas(machine, it)
    return it._replace(bundled=bundled, assembler=assembler, cutlass=_cutlass(machine, it))


def _other_toolkit(machine: Machine, seen: Seen) -> tuple[str | None, Nvcc | None]:
    """A toolkit that serves, where the one that builds would call does not."""
    if not unsuited(seen.nvcc, seen.torch, seen.target) or seen.is_users("CUDA_HOME") or machine.env("PYTORCH_NVCC"):
        return None, None
    found = seen.home
    installed = {} if isinstance(found, Missing) else found.installed
    places = [seen.own("CUDA_HOME"), *(installed[release] for release in sorted(installed, reverse=True))]
    for place in dict.fromkeys(place for place in places if place):
        compiler = Nvcc.ask(machine, f"{place}/bin/nvcc")
        if isinstance(compiler, Missing) or unsuited(compiler, seen.torch, seen.target):
            continue
        # Where PATH has another one, it is PATH that must change: with CUDA_HOME alone the two would differ.
        if _on_path(seen) in (None, compiler.release):
            return place, compiler
    return None, None


def _on_path(seen: Seen) -> tuple[int, int] | None:
    """The release of the nvcc on PATH, where there is one that says it."""
    found = seen.home
    if isinstance(found, Missing) or found.on_path is None:
        return None
    if found.on_path_version:
        return ptxas.toolkit_release(found.on_path_version)
    return None if isinstance(seen.nvcc, Missing) else seen.nvcc.release


def _splits(machine: Machine, seen: Seen) -> bool:
    """Whether the nvcc that builds call takes SPLIT, and the one on PATH too: the variable reaches every nvcc."""
    on_path = None if isinstance(seen.home, Missing) else seen.home.on_path
    paths = dict.fromkeys(path for path in (seen.builds.path if seen.builds else None, on_path) if path)
    asked = [nvcc.dry_run(machine, path, nvcc.SPLIT) for path in paths]
    return bool(asked) and all(not isinstance(ran, Missing) and ran.code == 0 for ran in asked)


def _ptxas(machine: Machine, seen: Seen) -> tuple[ptxas.Ptxas | Missing, ptxas.Ptxas | None]:
    """Triton's own ptxas, and another one where that will not do."""
    it, wanted = seen.triton, seen.target
    if isinstance(it, Missing) or wanted is None or wanted.number not in it.tools:
        return Missing("there is no Triton to ask"), None
    tool, name = it.tools[wanted.number], triton.code_name(wanted.number)
    bundled = (
        ptxas.ask(machine, f"{it.root}/backends/nvidia/bin/{tool.name}", (name,))
        if it.overridden[wanted.number]
        else it.assemblers[wanted.number]
    )
    if tool.knob == UNSETTABLE or seen.is_users(tool.knob) or not triton.unfit(it.version, bundled, wanted.number):
        return bundled, None
    for path in dict.fromkeys(_assemblers(seen, tool.knob)):
        found = ptxas.ask(machine, path, (name,))
        if not isinstance(found, Missing) and not triton.unfit(it.version, found, wanted.number):
            return bundled, found
    return bundled, None


def _assemblers(seen: Seen, knob: str) -> Iterator[str]:
    """Where a ptxas may lie: ours of before, in toolkits, in PyTorch (from 2.11 on), in packages of NVIDIA's."""
    if own := seen.own(knob):
        yield own
    homes = [seen.toolkit]
    if not isinstance(seen.home, Missing):
        homes += [seen.home.home, *(seen.home.installed[release] for release in sorted(seen.home.installed, reverse=True))]
    yield from (f"{place}/bin/ptxas" for place in homes if place)
    if not isinstance(seen.torch, Missing):
        site = dirname(seen.torch.root)
        yield from (f"{seen.torch.root}/bin/ptxas", f"{site}/nvidia/cu13/bin/ptxas", f"{site}/nvidia/cuda_nvcc/bin/ptxas")


def _cutlass(machine: Machine, seen: Seen) -> str | None:
    """A CUTLASS_PATH with which DeepSpeed finds headers, where it needs one."""
    if isinstance(seen.python, Missing) or isinstance(seen.deepspeed, Missing) or seen.is_users(CUTLASS_PATH):
        return None
    if isinstance(seen.found_cutlass, Missing) or not seen.found_cutlass.refusal:
        return None
    package = seen.python.distribution("nvidia-cutlass")
    places = [seen.own(CUTLASS_PATH)]
    places += [BINDINGS] if package and VALUES_SINCE <= seen.deepspeed.release < DETECTED_SINCE else []
    places += [f"{dirname(package.path)}/cutlass_library/source"] if package else []
    places += ["/opt/cutlass", "/usr/local/cutlass", f"{home(machine)}/cutlass"]
    taken = (place for place in places if place and _takes(machine, seen.python, seen.deepspeed, place))
    return next(taken, None)


def _takes(machine: Machine, python: Python, deepspeed: Deepspeed, place: str) -> bool:
    found = Cutlass.judged(machine, python, deepspeed, place)
    return not found.refusal and found.headers is not None
