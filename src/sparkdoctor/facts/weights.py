"""OpenFold3's weights: the file that a prediction would take, what it is, and whether it fits."""

import re
from typing import Any, NamedTuple, Self

from sparkdoctor.facts.openfold3 import KNOWN, Openfold3
from sparkdoctor.facts.places import home
from sparkdoctor.facts.runner_yaml import RunnerYaml, absolute, cache
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing

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
_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""With which torch.save began before PyTorch 1.6 (MAGIC_NUMBER of torch/serialization.py)."""
_LONGEST, _SHOWN = 1024, 60
"""Bytes of a path that are believed, and characters of what is none that are shown."""


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
    weights of known names that lie there; `dangling` is what is wrong with `root`, the file ckpt_root. `standard` is said of the
    one cache that setup_openfold fills.
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
    standard: bool = False

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
        directory, dangling, lost = base, "", False
        if isinstance(said, Missing):
            if isinstance(said, Broken) or not isinstance(machine.stat(root), Missing):
                dangling = f"{root} cannot be read: {said.reason.removeprefix(f'{root}: ')}"
            looked.append(f"{root}: {'unreadable' if dangling else 'none'}")
        else:
            named = said.strip()
            # As it may be shown: with quotes where there is more to it than the letters of a path.
            words = named if re.fullmatch(r"[\w./~$+@ -]{1,200}", named) else repr(named[:_SHOWN])
            if not named.isprintable() or len(named.encode()) > _LONGEST:
                lost, dangling = True, f"{root} holds no path: {words}"
                looked.append(dangling)
            else:
                directory = absolute(machine, named)
                stands = _what(machine, directory)
                looked.append(f"{root}: leads to {words if named else 'nowhere: it is empty'} ({stands})")
                if stands == "none":
                    unexpanded = "; ~ and $ mean nothing in it" if re.match(r"[~$]", named) else ""
                    dangling = f"{root} leads to {words}, and there is none{unexpanded}"
                elif stands != "a directory":
                    dangling = f"{root} leads to {words}, where there is {stands}"
                elif not named.startswith("/"):
                    dangling = f"{root} holds the relative path {named!r}, which means another place wherever predict is started"
        path = f"{directory}/{name}"
        found = describe(machine, path)
        names = machine.entries(directory)
        if isinstance(found, Missing) and not isinstance(names, Missing) and name in names:
            found = File(path, "a broken link", 0, "", "it is a symbolic link that leads nowhere")
        looked.append(f"{path}: {'none' if isinstance(found, Missing) else found.kind}")
        others = () if isinstance(names, Missing) else tuple(one for one in names if one in KNOWN and one != name)
        place = machine.stat(directory)
        writable = _writable(machine, directory) if isinstance(place, Missing) else place.writable
        about: dict[str, Any] = {"writable": writable, "others": others, "dangling": dangling, "root": root}
        about["standard"] = base == f"{home(machine)}/.openfold3"
        if isinstance(found, Missing) or lost:
            return cls(None, name, directory, tuple(looked), **about)
        _, kind, size, generation, trouble = found
        return cls(path, name, directory, tuple(looked), kind, size, generation, trouble or misfit(found, openfold3), **about)


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
        return File(path, "a special file" if status.kind == "other" else f"a {status.kind}", 0, "", "it is no file")
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
        if "without data.pkl" in reason:
            return File(path, "a ZIP archive", status.size, "", "it is an archive without data.pkl, which each checkpoint has")
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
    if head.startswith(b"\x80"):
        return (LEGACY, "") if head[2:].startswith(_MAGIC) else ("a pickle", "it is a pickle, and not one of torch.save")
    if head[257:262] == b"ustar":
        return "a tar file", "it must be unpacked"
    if head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < 1 << 27:
        return SAFETENSORS, "OpenFold3 reads checkpoints of torch.save, no safetensors"
    if not head.strip(b"\0"):
        return "a file of zeroes", "its beginning was never written"
    words = head.decode("ascii", "replace").split("\n")[0].strip()
    if words.isprintable() and words.isascii():
        return "a text", f"it is a text, which begins {words[:_SHOWN]!r}"
    return "no checkpoint", "its beginning is that of no checkpoint"


_BEGINNINGS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    ((b"PK\3\4", b"PK\5\6"), CHECKPOINT, ""),
    ((b"<!doctype", b"<html", b"<head", b"<!--"), "an HTML page", "it is the page of a web site, not what that was to deliver"),
    ((b"version https://git-lfs",), "a git-lfs pointer", "it stands for a file that git-lfs has not fetched"),
    ((b"<?xml", b"<error"), "an XML message", "it is the answer of a server, such as S3's that there is no such key"),
    ((b"{", b"["), "a JSON message", "it is the answer of a server, not what that was to deliver"),
    ((b"\x1f\x8b",), "a gzip file", "it must be unpacked"),
    ((b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c"), "a packed file", "it must be unpacked"),
)


def _directory(machine: Machine, path: str) -> File:
    """DeepSpeed's checkpoints are directories, with a file `latest`."""
    names = machine.entries(path)
    latest = machine.read(f"{path}/latest") if not isinstance(names, Missing) and "latest" in names else Missing("")
    if isinstance(latest, Missing):
        return File(path, DIRECTORY, 0, "", "it is a directory, and no checkpoint of DeepSpeed: it has no file latest")
    lacking = latest.strip() not in names if not isinstance(names, Missing) else False
    return File(
        path, DIRECTORY, 0, "", f"its file latest names {latest.strip()[:_SHOWN]!r}, which is not in it" if lacking else ""
    )


def _what(machine: Machine, path: str) -> str:
    status = machine.stat(path)
    return "none" if isinstance(status, Missing) else f"a {status.kind}"


def _writable(machine: Machine, path: str) -> bool:
    """Whether a directory that is not there could be made."""
    return next((status.writable and status.kind == "directory" for status in machine.lineage(path).values()), False)
