"""`sparkdoctor env`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from shlex import quote

import click

from sparkdoctor.cli import NO_VERDICT, emit, say
from sparkdoctor.cli.options import find_python, load_profile, quick, seconds
from sparkdoctor.facts import Container, Exports, Gpu, Memory, SharedMemory
from sparkdoctor.facts.exports import NAMES
from sparkdoctor.facts.memory import GIB
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.mends import STACK
from sparkdoctor.model import Missing
from sparkdoctor.profiles import Profile

SHM_GIB = 16
"""What a container's own /dev/shm may grow to where it cannot share the host's."""


@click.command(
    "env",
    epilog='Examples: sparkdoctor env --docker >> Dockerfile | eval "$(sparkdoctor env)" |'
    " docker run $(sparkdoctor env --docker-run) IMAGE",
)
@quick
@click.option("--docker", "form", flag_value="docker", help="Print ENV lines for a Dockerfile.")
@click.option("--docker-run", "form", flag_value="docker-run", help="Print options for docker run, on one line.")
def command(profile: str | None, python: str | None, timeout: float | None, form: str | None) -> int:
    """Print what to export for this machine, each variable with its reason; nothing is written.

    What you have set yourself is left as it is; where it is wrong, that is said on stderr.

    Exit codes: 0 printed, 2 wrong usage, 3 nothing could be told.
    """
    rules = load_profile(profile)
    machine = Machine(LocalHost(find_python(python)), rules, timeout=seconds(timeout, deep=False))
    machine.start((Exports, Container, SharedMemory, Memory, Gpu))
    exports = machine.get(Exports)
    if isinstance(exports, Missing):
        say(f"sparkdoctor: nothing can be told: {exports.reason}")
        return NO_VERDICT
    for wrong in exports.wrong.values():
        say(f"sparkdoctor: {wrong}")
    if form is None:
        text = "".join(shell(exports))
    else:
        container = machine.get(Container)
        inside = not isinstance(container, Missing) and bool(container)
        values = {name: exports.wanted.get(name) or (exports.kept[name], "you have set it") for name in _order(exports)}
        if form == "docker":
            text = "".join(dockerfile(values, inside=inside))
        else:
            options = (*container_options(rules, machine, inside=inside), *passed(values, inside=inside))
            for words, reason in options:
                say(f"sparkdoctor: {' '.join(words) or 'not passed'}: {reason}")
            text = " ".join(word for words, _ in options for word in words)
            text += "\n" if text else ""
    if not text:
        say("sparkdoctor: there is nothing to be told of this machine")
        return NO_VERDICT
    emit(text)
    return 0


def _order(exports: Exports) -> list[str]:
    return [name for name in NAMES if name in exports.wanted or name in exports.kept]


def shell(exports: Exports) -> Iterator[str]:
    """Lines for a POSIX shell."""
    for name in _order(exports):
        if name in exports.wanted:
            value, reason = exports.wanted[name]
            yield f"# {reason}\nexport {name}={quote(value)}\n"
        else:
            yield f"# {name} is as you have set it\n"


def dockerfile(values: Mapping[str, tuple[str, str]], *, inside: bool) -> Iterator[str]:
    """Lines for a Dockerfile. Outside of containers, what names a path of this machine is left out: an image has its own."""
    for name, (value, reason) in values.items():
        if why := unfit_for_image(value, inside=inside):
            yield f"# {name} is left out: {why}\n"
        else:
            yield f"# {reason}\nENV {name}={in_dockerfile(value)}\n"


def in_dockerfile(value: str) -> str:
    r"""A value in double quotes. There, a backslash escapes `"`, `$` and itself, and nothing else is expanded.

    Source: Dockerfile reference, "Environment replacement".
    """
    return '"' + re.sub(r'(["$\\])', r"\\\1", value) + '"'


def unfit_for_image(value: str, *, inside: bool) -> str:
    """Why a value cannot be used in a container; empty where it can."""
    if "\n" in value or "\r" in value:
        return "no line of a Dockerfile or of options can hold its line breaks"
    if value.startswith("/") and not inside:
        return f"{value} is a path of this machine; run `sparkdoctor env` in the image"
    return ""


Option = tuple[tuple[str, ...], str]


def passed(values: Mapping[str, tuple[str, str]], *, inside: bool) -> Iterator[Option]:
    """Variables as options. $(…) takes no quotes apart: a value that would need some is not passed."""
    for name, (value, reason) in values.items():
        if why := unfit_for_image(value, inside=inside):
            yield (), f"{name}: {why}"
        elif not re.fullmatch(r"[\w@%+=:,./-]+", value, re.ASCII):
            yield (), f"{name}: its value needs quotes; add -e {quote(f'{name}={value}')}"
        else:
            yield ("-e", f"{name}={value}"), reason


def container_options(profile: Profile, machine: Machine, *, inside: bool) -> Iterable[Option]:
    """What a container needs to meet the profile."""
    gpu, memory, shm = machine.get(Gpu), machine.get(Memory), machine.get(SharedMemory)
    if profile.gpus or profile.compute_capability or not isinstance(gpu, Missing):
        yield ("--gpus", "all"), "the container sees the GPU"
    if wanted := profile.shm_gib.failed:
        # Of the two only one takes effect. In a container the host's /dev/shm cannot be measured.
        if not inside and not isinstance(shm, Missing) and shm.total >= wanted * GIB:
            yield ("--ipc=host",), "data loaders use the host's /dev/shm, docker's own has 64 MiB"
        else:
            most = SHM_GIB if isinstance(memory, Missing) else min(SHM_GIB, memory.total // 4 // GIB)
            yield (
                (f"--shm-size={max(int(wanted) or 1, most)}g",),
                "data loaders use /dev/shm; it takes memory only as it is filled",
            )
    if profile.memlock_mib.warning is not None:
        yield ("--ulimit", "memlock=-1"), "RDMA and NCCL lock their buffers"
    if wanted := profile.stack_mib.failed:
        yield ("--ulimit", f"stack={max(STACK, int(wanted) << 20)}"), "compilers of templated code use deep stacks"
