"""OpenFold3's weights."""

from posixpath import dirname
from shlex import quote

from sparkdoctor.facts import Openfold3, Python, Weights
from sparkdoctor.facts.openfold3 import KNOWN
from sparkdoctor.facts.weights import CHECKPOINT, DIRECTORY, LEAST, LEGACY
from sparkdoctor.plugin import Verdict, check, fail, ok, warn

IN_THE_WAY = ("a directory", "a special file", "a device", "a broken link")
"""What a download does not replace."""
SMALL = 10_000_000
"""Bytes below which a size is told in bytes."""


@check
def weights_missing(weights: Weights, openfold3: Openfold3, python: Python) -> Verdict:
    """The weights that this OpenFold3 takes are there, and are its own.

    Without them a prediction ends before it begins (`cowardly refusing to perform inference`; before 0.5.0 it asks on the
    terminal whether to download 2 GB). Which file is wanted changes with the version, and a checkpoint of another generation
    stops with `Checkpoint state_dict keys do not match`. `ckpt_root` in $OPENFOLD_CACHE says where they are; it is written
    even by a run that fails, and stays when what it leads to goes. A download that broke off is taken for the weights by
    `setup_openfold`.

    Sources:
    - entry_points/validator.py and parameters.py of OpenFold3 0.3.0 to 0.5.0, and predictions with each of these weights
    - aqlaboratory/openfold-3 #141, #378
    """
    wanted = f"{weights.name} for OpenFold3 {openfold3.version}"
    evidence = (*weights.looked, *_strangers(weights))
    remedy, command = _fetch(weights, openfold3, python)
    if weights.path is None:
        if weights.dangling:
            summary = f"{weights.name} is not found: {weights.dangling}"
            remedy = f"Write the directory of the weights into {weights.root}; or, as here, that of the cache, and download them."
            cache = dirname(weights.root)
            copy = _copy(python, f"{openfold3.registry.source}/{weights.name}", quote(f"{cache}/{weights.name}"))
            command = f"printf %s {quote(cache)} > {quote(weights.root)} && {copy}"
        else:
            summary = f"there is no {wanted} in {weights.directory}"
        return fail(summary, expected=weights.name, observed="none", evidence=evidence, remedy=remedy, command=command)
    if weights.trouble:
        what = f"weights of {weights.generation}" if weights.generation else weights.kind
        return fail(
            f"{weights.path} is of no use: {weights.trouble}",
            expected=wanted,
            observed=what,
            evidence=evidence,
            remedy=remedy,
            command=command,
        )
    if weights.dangling:
        return warn(
            weights.dangling,
            expected="an absolute path",
            observed=weights.directory,
            evidence=evidence,
            remedy="Write the whole path into it.",
            command=f"printf %s {quote(weights.directory)} > {quote(weights.root)}",
        )
    if weights.kind in (CHECKPOINT, LEGACY) and weights.size < LEAST:
        size = f"{weights.size / 1e9:.2f} GB" if weights.size >= SMALL else f"{weights.size:,} bytes"
        return warn(
            f"{weights.path} is too small for the published model: {size}",
            expected=f">={LEAST / 1e9:.1f} GB",
            observed=size,
            evidence=evidence,
            remedy="Get the published weights, unless this is a smaller model of your own.",
            command=command,
        )
    generation = f", generation {weights.generation}" if weights.generation else ""
    size = weights.kind if weights.kind == DIRECTORY else f"{weights.size / 1e9:.2f} GB{generation}"
    return ok(f"{weights.path} ({size})", observed=weights.name)


def _strangers(weights: Weights) -> tuple[str, ...]:
    return tuple(f"{weights.directory}/{name}: by its name, weights of OpenFold3 {KNOWN[name]}" for name in weights.others)


def _fetch(weights: Weights, openfold3: Openfold3, python: Python) -> tuple[str, str | None]:
    """How to come by the weights. setup_openfold leaves a file alone that is there, and knows one cache: ~/.openfold3."""
    source = f"{openfold3.registry.source}/{weights.name}"
    target = f"{weights.directory}/{weights.name}"
    if not weights.writable:
        text = f"Put them elsewhere: this user cannot write {weights.directory}."
        return text, f"export OPENFOLD_CACHE=~/openfold3 && {_copy(python, source, '~/openfold3/' + quote(weights.name))}"
    if weights.path is None and not weights.dangling and openfold3.release < (0, 4):
        text = f"Download them (from {source}; setup_openfold of 0.3 works in conda environments alone)."
        return text, _copy(python, source, quote(target))
    if weights.path is None and not weights.dangling and weights.standard and weights.directory == dirname(weights.root):
        return f"Let setup_openfold download them (2 GB, from {source}).", _setup(openfold3, python)
    copy = _copy(python, source, quote(target))
    if weights.path and weights.kind in IN_THE_WAY:
        return (
            f"Move it aside, and download them (2 GB, from {source}).",
            f"mv -n {quote(target)} {quote(target + '.aside')} && {copy}",
        )
    return f"Download them (2 GB, from {source}).", copy


def _setup(openfold3: Openfold3, python: Python) -> str:
    """Its command, wherever pip has put the program; from 0.4.2 on it need not ask."""
    batch = " --non-interactive" if not openfold3.release or openfold3.release >= (0, 4, 2) else ""
    return f"{quote(python.path)} -m openfold3.setup_openfold{batch}"


def _copy(python: Python, source: str, target: str) -> str:
    """With the AWS client, which OpenFold3 requires; the bucket is public."""
    return f"{quote(python.path)} -m awscli s3 cp --no-sign-request {quote(source)} {target}"
