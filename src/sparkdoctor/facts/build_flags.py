"""Flags that PyTorch and builders of extensions give to compilers, none of which runs another program or reads more flags."""

import re
from collections.abc import Iterable, Iterator
from posixpath import basename

_COMPILER = r"(.+-)?(c\+\+|g\+\+|gcc|cc|clang(\+\+)?|nvcc|s?ccache)(-[\d.]+)?"
_HOST = (
    r"-[DUIL].+|-l[\w.+:-]+|-std=[\w+]+|-O([0-3gsz]|fast)?|-g(\d|gdb\d?|dwarf-\d|line-tables-only)?"
    r"|-W[a-zA-Z][\w+=-]*|-w|-m[\w.=+-]+|-f([a-z][a-z0-9-]*|PIC|PIE)"
    r"|-f(visibility|fp-contract|abi-version|diagnostics-color|max-errors|template-depth|constexpr-depth)=[\w-]+"
    r"|-pthread|-pipe|-shared|-static-lib(gcc|stdc\+\+)|--param=[\w-]+=\d+"
)
"""Not: -B, -wrapper, -specs, -fplugin=, -fuse-ld=, @file, -Wp, -Wa, -o, -M…, -x, -include and whatever is not known."""
_LINKER = r"-Wl(,(-rpath(-link)?[,=][^,]+|-z,\w+|-O\d|-s|--(no-)?as-needed|--(disable|enable)-new-dtags|-soname[,=][^,]+))+"
_NVCC = (
    r"(-gencode|--generate-code|-arch|--gpu-architecture|-code|--gpu-code)=[\w=,\[\]]+"
    r"|--?(expt-(relaxed-constexpr|extended-lambda)|extended-lambda|use_fast_math|lineinfo|generate-line-info"
    r"|allow-unsupported-compiler|dlink|device-link|dc|device-c|resource-usage|res-usage|extra-device-vectorization)"
    r"|(-t|--threads|--?split-compile|-maxrregcount|--maxrregcount|--?(diag|display-error)-(suppress|number)|--?default-stream"
    r"|--?(rdc|relocatable-device-code|cudart|ftz|fmad|prec-div|prec-sqrt|static-global-template-stub|Ofast-compile))=[\w,-]+"
)
_ASSEMBLER = r"-v|-O\d|-[a-z]{4}=[a-z]{2}|--?(warn-[a-z-]+|verbose|opt-level=\d|allow-expensive-optimizations=\w+)"
_FRONT = r"--?(diag|display)_[a-z_]+(=\w+)?"
_NEXT = {
    "-isystem": r"[^-@].*",
    "-I": r"[^-@].*",
    "-L": r"[^-@].*",
    "-gencode": r"arch=[\w,=\[\]]+",
    "--generate-code": r"arch=[\w,=\[\]]+",
    "--threads": r"\d+",
    "-t": r"\d+",
    "-maxrregcount": r"\d+",
    "-ccbin": r"[^@].*",  # a compiler, which `compilers` looks at
    "--compiler-bindir": r"[^@].*",
}
"""Flags that take the next word, and what that may be."""
_PASSING = {
    "-Xcompiler": _HOST,
    "--compiler-options": _HOST,
    "-Xptxas": _ASSEMBLER,
    "--ptxas-options": _ASSEMBLER,
    "-Xcudafe": _FRONT,
}
"""Flags of nvcc that hand the next word, or what follows `=`, to another of its programs."""


def known(words: Iterable[str]) -> bool:
    """Whether all of these are flags that builders of extensions give, and do nothing but compile and link."""
    left = iter(words)
    return all(_known(word, left) for word in left)


def _known(word: str, left: Iterator[str]) -> bool:
    if word in _NEXT:
        return re.fullmatch(_NEXT[word], next(left, "")) is not None
    name, equals, value = word.partition("=")
    if name in _PASSING:
        handed = value if equals else next(left, "")
        return all(re.fullmatch(_PASSING[name], one.strip()) for one in re.split(r"[, ]+", handed.strip("'\"")))
    if name in ("-ccbin", "--compiler-bindir"):
        return True
    return any(re.fullmatch(known, word) for known in (_HOST, _LINKER, _NVCC))


def is_compiler(path: str) -> bool:
    """Whether a program has a compiler's name, or that of what stands before one."""
    return re.fullmatch(_COMPILER, basename(path)) is not None


def host_compilers(words: Iterable[str]) -> list[str]:
    """The compilers that flags tell nvcc to call."""
    found, left = [], iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if name in ("-ccbin", "--compiler-bindir"):
            found.append(value if equals else next(left, ""))
    return found
