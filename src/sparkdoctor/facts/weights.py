"""OpenFold3's weights: the file that a prediction would take, what it is, and whether it fits."""

from typing import Self

from sparkdoctor.facts.openfold3 import KNOWN, Openfold3
from sparkdoctor.facts.runner_yaml import RunnerYaml, absolute, cache
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.record import NamedTuple

CHECKPOINT, LEGACY, DIRECTORY, SAFETENSORS = "a checkpoint", "a checkpoint of PyTorch before 1.6", "a directory", "safetensors"
"""Kinds of files; others are named by what they are instead."""
GENERATIONS = (
    ("0.5", "diffusion_transformer.layer_norm_z.weight"),
    ("0.4", "atom_transformer.layer_norm_z.weight"),
    ("0.3", "atom_transformer.blocks.0.attention_pair_bias.layer_norm_z.weight"),
)
"""A name that stands in the checkpoints of a generation and in none of those below it, however many blocks the model has.

Source: the state_dicts of OpenFold3 0.3.1, 0.4.0, 0.4.5 and 0.5.0.
"""
LEAST = 1_400_000_000
"""Bytes below which a file cannot hold the published model: 368 million parameters in float32."""
_HEAD = 512


class File(NamedTuple):
    """What a file of weights is. `size` in bytes; `generation` 0.3, 0.4 or 0.5, empty where it tells none.

    `trouble` says why it is of no use; empty where nothing speaks against it.
    """

    path: str
    kind: str
    size: int
    generation: str
    trouble: str


class Weights(Fact):
    """The weights that a prediction without --inference-ckpt-path would take: `path`, None where there are none.

    `name` is the file that this version wants and `directory` where it looks for that; `looked` are the places in the order in
    which they were looked into, with what stands there. `writable` says whether this user could put it there. `others` are
    weights of known names that lie there; `dangling` is what is wrong with `root`, the file ckpt_root.
    """

    part_of = Openfold3

    path: str | None
    name: str
    directory: str
    looked: tuple[str, ...]
    kind: str = ""
    size: int = 0
    generation: str = ""
    trouble: str = ""
    writable: bool = True
    others: tuple[str, ...] = ()
    dangling: str = ""
    root: str = ""

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Go where the installed version goes.

        Sources: entry_points/validator.py and parameters.py of 0.3.0 to 0.5.0.
        """
        openfold3, runner = machine.need(Openfold3), machine.get(RunnerYaml)
        set_ = None if isinstance(runner, Missing) else runner.cache_path
        base = absolute(machine, set_) if set_ else cache(machine)
        why = "cache_path" if set_ else "$OPENFOLD_CACHE" if machine.env("OPENFOLD_CACHE") else "the default cache"
        name = openfold3.weights.file
        root = f"{base}/ckpt_root"
        said = machine.read(root)
        looked = [f"{base} ({why}): {_what(machine, base)}"]
        directory, dangling = base, ""
        if isinstance(said, Missing):
            if isinstance(said, Broken) or not isinstance(machine.stat(root), Missing):
                dangling = f"{root} cannot be read: {said.reason}"
            looked.append(f"{root}: {'unreadable' if dangling else 'none'}")
        else:
            named = said.strip()
            directory = absolute(machine, named or ".")
            stands = _what(machine, directory)
            looked.append(f"{root}: leads to {named or 'nowhere: it is empty'} ({stands})")
            if stands != "a directory":
                dangling = (
                    f"{root} leads to {named or 'nothing'}, {'where there is ' if stands != 'none' else 'and there is '}{stands}"
                )
            elif not named.startswith("/"):
                dangling = f"{root} holds the relative path {named!r}, which means another place wherever predict is started"
        path = f"{directory}/{name}"
        found = describe(machine, path)
        looked.append(f"{path}: {'none' if isinstance(found, Missing) else found.kind}")
        names = machine.entries(directory)
        others = () if isinstance(names, Missing) else tuple(one for one in names if one in KNOWN and one != name)
        place = machine.stat(directory)
        writable = _writable(machine, directory) if isinstance(place, Missing) else place.writable
        if isinstance(found, Missing):
            return cls(None, name, directory, tuple(looked), writable=writable, others=others, dangling=dangling, root=root)
        _, kind, size, generation, trouble = found
        trouble = trouble or misfit(found, openfold3)
        return cls(path, name, directory, tuple(looked), kind, size, generation, trouble, writable, others, dangling, root)


def misfit(found: File, openfold3: Openfold3) -> str:
    """Why the installed version does not take these weights; empty where nothing is known against it."""
    wanted = openfold3.generation
    if found.trouble or not wanted or not found.generation or found.generation == wanted:
        return ""
    return f"weights of the generation {found.generation}; OpenFold3 {openfold3.version} takes those of {wanted}"


def describe(machine: Machine, path: str) -> File | Missing:
    """What a file of weights is, told without PyTorch and without reading more than its ends; `Missing` where it is not there."""
    status = machine.stat(path)
    if isinstance(status, Missing):
        return status
    if status.kind == "directory":
        return _directory(machine, path)
    if status.kind != "file":
        return File(path, f"a {status.kind}", 0, "", "it is no file")
    if not status.readable:
        return File(path, "unreadable", status.size, "", "this user may not read it")
    head = machine.head(path, _HEAD)
    if isinstance(head, Missing):
        return File(path, "unreadable", status.size, "", head.reason)
    kind, trouble = parse_head(head)
    if kind != CHECKPOINT:
        return File(path, kind, status.size, "", trouble)
    texts = machine.archived(path, "data.pkl", tuple(text for _, text in GENERATIONS))
    if isinstance(texts, Missing):
        reason = texts.reason.removeprefix(f"{path}: ")
        kind = "a truncated checkpoint" if "truncated" in reason else "a damaged checkpoint"
        return File(path, kind, status.size, "", f"{reason}; the download did not come to its end" if "trunc" in kind else reason)
    generation = next((name for name, text in GENERATIONS if text in texts), "")
    unknown = "" if generation else "it holds none of the names of an OpenFold3 model"
    return File(path, CHECKPOINT, status.size, generation, unknown)


def parse_head(head: bytes) -> tuple[str, str]:
    """(kind, why it is of no use) of what a file begins with."""
    if not head:
        return "an empty file", "it is empty"
    begun = head, head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginnings, kind, trouble in _BEGINNINGS:
        if any(text.startswith(beginnings) for text in begun):
            return kind, trouble
    if head[257:262] == b"ustar":
        return "a tar file", "it must be unpacked"
    if head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < 1 << 27:
        return SAFETENSORS, "OpenFold3 reads checkpoints of torch.save, no safetensors"
    if not head.strip(b"\0"):
        return "a file of zeroes", "its beginning was never written"
    return "no checkpoint", "its beginning is that of no checkpoint"


_BEGINNINGS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b"PK\3\4", b"PK\5\6"), CHECKPOINT, ""),
    ((b"\x80\2", b"\x80\3", b"\x80\4"), LEGACY, ""),
    ((b"<!doctype", b"<html", b"<head"), "an HTML page", "it is the page of a web site, not what that was to deliver"),
    ((b"version https://git-lfs",), "a git-lfs pointer", "it stands for a file that git-lfs has not fetched"),
    ((b"<?xml", b"<error"), "an XML message", "it is the answer of a server, such as S3's that there is no such key"),
    ((b"\x1f\x8b",), "a gzip file", "it must be unpacked"),
)


def _directory(machine: Machine, path: str) -> File:
    """DeepSpeed's checkpoints are directories, with a file `latest`."""
    names = machine.entries(path)
    whole = not isinstance(names, Missing) and "latest" in names
    return File(
        path, DIRECTORY, 0, "", "" if whole else "it is a directory, and no checkpoint of DeepSpeed: it has no file latest"
    )


def _what(machine: Machine, path: str) -> str:
    status = machine.stat(path)
    return "none" if isinstance(status, Missing) else f"a {status.kind}"


def _writable(machine: Machine, path: str) -> bool:
    """Whether a directory that is not there could be made."""
    return next((status.writable for status in machine.lineage(path).values()), False)
