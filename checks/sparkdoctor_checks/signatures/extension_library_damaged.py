"""Libraries that are not whole."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.renewal import DISTRIBUTIONS, owner, renewed


@signature(
    "{file:path}: file too short",
    "{file:path}: invalid ELF header",
    "{file:path}: ELF load command address/offset not page-aligned",
    "{file:path}: cannot read file data",
    "{file:path}: object file has no dynamic section",
    'torch/utils/cpp_extension.py", line {number:int} in _import_module_from_library',
    "Loading extension module {extension:name}...",
    checks=("extension-cache-incomplete", "wheel-for-other-machine"),
)
def extension_library_damaged(found: Found) -> Verdict | None:
    """A compiled library was cut off when it was written.

    A build that was killed, or a disk that was full, leaves part of a library. Where its beginning is whole, loading it ends the
    process with SIGBUS and no traceback, and ninja does not notice it.

    Sources:
    - measured: a library of PyTorch 2.13 cut off at several places, docs/sources.md
    - traveller59/second.pytorch #339
    """
    file = found["file"]
    if not file:
        near = found.before if found["number"] else [line for line in found.after if line.strip()][:2]
        if not any("Bus error" in line or "SIGBUS" in line for line in near) or any("shared memory" in line for line in near):
            return None
        name = found["extension"] or "an extension"
        return fail(
            f"the process died of a bus error while it loaded {name}: the library is cut off",
            remedy="Build it from the beginning.",
            command="sparkdoctor fix rebuild-extension",
        )
    name = file.rpartition("/")[2]
    if ".so" not in name:
        return None
    own = file.rpartition("/")[0].endswith("/" + name.partition(".")[0]) and "-packages/" not in file
    if own or "torch_extensions/" in file:
        return fail(
            f"{name} in the cache of extensions is not whole",
            remedy="Build it from the beginning.",
            command="sparkdoctor fix rebuild-extension",
        )
    inside = file.rpartition("-packages/")[2].split("/")[0].partition(".")[0] if "-packages/" in file else ""
    what = f"{name} is not whole: its file was cut off, or is no library"
    if package := DISTRIBUTIONS.get(inside):
        remedy, command = renewed(
            found,
            "Install its package again, and see that the disk is not full (df -h).",
            f"--force-reinstall --no-deps --no-cache-dir {package}",
        )
        return fail(what, remedy=remedy, command=command)
    return fail(
        what,
        remedy="Install the package again that it belongs to, and see that the disk is not full (df -h).",
        command=owner(inside) if inside else "df -h",
    )
