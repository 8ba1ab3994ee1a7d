"""CUTLASS, looked for as the installed DeepSpeed looks for it."""

from posixpath import dirname
from typing import Self

from sparkdoctor.facts.attention import Attention, evoformer_unused
from sparkdoctor.facts.build_files import first, variable
from sparkdoctor.facts.deepspeed import Deepspeed
from sparkdoctor.facts.nvcc import CudaHome
from sparkdoctor.facts.python import Distribution, Python
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

VARIABLE = "CUTLASS_PATH"
IGNORE, BINDINGS = "DS_IGNORE_CUTLASS_DETECTION", "DS_USE_CUTLASS_PYTHON_BINDINGS"
VALUES_SINCE, DETECTED_SINCE = (0, 18, 5), (0, 19, 1)
"""The first DeepSpeed that takes these two values of CUTLASS_PATH, and the first that looks around by itself."""
_HEADER = "cutlass/cutlass.h"


class Cutlass(Fact):
    """What DeepSpeed makes of the CUTLASS that is here.

    `headers` is the directory that it would compile with, None where there is none; `refusal` says why it would build no
    evoformer_attn, in its own words where it has some, and is empty where it would. `setting` is CUTLASS_PATH.
    """

    part_of = Deepspeed

    headers: str | None
    refusal: str
    setting: str | None

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Look where DeepSpeed's EvoformerAttnBuilder looks. Sources: its 0.15.4, 0.18.5, 0.19.1 and 0.19.8."""
        python, deepspeed = machine.need(Python), machine.need(Deepspeed)
        if unused := evoformer_unused(machine.get(Attention)):
            return Missing(unused)
        return cls.judged(machine, python, deepspeed, deepspeed.settings.get(VARIABLE))

    @classmethod
    def judged(cls, machine: Machine, python: Python, deepspeed: Deepspeed, setting: str | None) -> Self:
        """What DeepSpeed would make of it with this value of CUTLASS_PATH."""
        search = _Search(machine, python, deepspeed, setting)
        release = deepspeed.release or DETECTED_SINCE
        judge = search.detected if release >= DETECTED_SINCE else search.named if release >= VALUES_SINCE else search.required
        headers, refusal = judge()
        return cls(headers, refusal, setting)


class _Search:
    """The three ways in which DeepSpeed has looked; each answers (headers, refusal)."""

    def __init__(self, machine: Machine, python: Python, deepspeed: Deepspeed, setting: str | None) -> None:
        self.machine, self.python, self.deepspeed, self.setting = machine, python, deepspeed, setting
        self.package: Distribution | None = python.distribution("nvidia-cutlass")
        self.site = dirname(self.package.path) if self.package else None

    def required(self) -> tuple[str | None, str]:
        """Up to 0.18.4: the variable names a checkout, or anything else where the package `cutlass` can be imported."""
        if self.setting is None:
            # OpenFold3 sets a placeholder, and CPATH to the package's headers, before it imports DeepSpeed.
            if self.python.distribution("openfold3") and self._importable() and self._bundled():
                return self._bundled(), ""
            return None, "Please specify the CUTLASS repo directory as environment variable $CUTLASS_PATH"
        changes = self._mentions_3_1(self.setting)
        if changes is None and not self._importable():
            return None, "Please pip install nvidia-cutlass if trying to pre-compile kernels"
        if changes is False or (changes is None and not self._importable_is_new()):
            return None, "Please use CUTLASS version >= 3.1.0"
        headers = self._below(self.setting) or self._around()
        return headers, "" if headers else f"{self.setting}/include/{_HEADER} does not exist"

    def named(self) -> tuple[str | None, str]:
        """From 0.18.5 to 0.19.0: the variable must be set, to a directory or to one of two words."""
        if self.setting is None:
            return None, "Please specify CUTLASS location directory as environment variable CUTLASS_PATH"
        return self._by_word() or self._by_path(self.setting)

    def detected(self) -> tuple[str | None, str]:
        """From 0.19.1 on: the variable, where it is set; else a list of usual places."""
        if self.setting:
            return self._by_word() or self._by_path(self.setting)
        prefixes = ("CUTLASS_ROOT", "CUTLASS_HOME", "CONDA_PREFIX", "VIRTUAL_ENV", "CMAKE_PREFIX_PATH", "CUDA_HOME", "CUDA_PATH")
        places = (
            *((self._package_source(),) if self.site else ()),
            *variable(self.machine, *prefixes),
            dirname(dirname(self.python.path)),
            *variable(self.machine, "CPATH", "CPLUS_INCLUDE_PATH", "C_INCLUDE_PATH"),
            f"{self.machine.itself()['cwd']}/cutlass",
            f"{self.deepspeed.root}/ops/cutlass",
            f"{self.deepspeed.root}/cutlass",
            *("/usr/local/cutlass", "/opt/cutlass", "/usr/local", "/usr"),
        )
        headers = next((found for place in places if (found := self._below(place))), None)
        return headers, "" if headers else "Unable to locate CUTLASS"

    def _by_word(self) -> tuple[str | None, str] | None:
        if self.setting == IGNORE:
            headers = self._around()
            return headers, "" if headers else f"{VARIABLE}={IGNORE}, and no include path has {_HEADER}"
        if self.setting == BINDINGS:
            return self._bundled(), "" if self._bundled() else "Please pip install nvidia-cutlass"
        return None

    def _by_path(self, path: str) -> tuple[str | None, str]:
        headers = self._below(path)
        if headers is None:
            return None, f"{VARIABLE} {path} does not contain CUTLASS headers"
        return (None, "Please use CUTLASS version >= 3.1.0") if self._mentions_3_1(path) is False else (headers, "")

    def _below(self, place: str) -> str | None:
        """The include directory of a checkout, a prefix or an include directory itself."""
        found = first(self.machine, (f"{place}/include", place), _HEADER)
        return found.removesuffix(f"/{_HEADER}") if found else None

    def _around(self) -> str | None:
        """Where a compiler finds it without being told."""
        home = self.machine.need(CudaHome).home
        places = [*variable(self.machine, "CPATH", "CPLUS_INCLUDE_PATH"), *([f"{home}/include"] if home else [])]
        places += [f"{place}/include" for place in (*variable(self.machine, "CONDA_PREFIX"), "/usr/local", "/usr")]
        found = first(self.machine, places, _HEADER)
        return found.removesuffix(f"/{_HEADER}") if found else None

    def _package_source(self) -> str:
        return f"{self.site}/cutlass_library/source"

    def _bundled(self) -> str | None:
        """The headers that the package nvidia-cutlass brings."""
        return self._below(self._package_source()) if self.site else None

    def _importable(self) -> bool:
        """Whether that package is one that `import cutlass` finds: 4.2 has none."""
        return bool(self.site) and first(self.machine, (f"{self.site}/cutlass",), "__init__.py") is not None

    def _importable_is_new(self) -> bool:
        """DeepSpeed's own comparison, which takes 4.0 for too old."""
        release = self.package.release if self.package else ()
        return len(release) > 1 and release[0] >= 3 and release[1] >= 1  # noqa: PLR2004

    def _mentions_3_1(self, place: str) -> bool | None:
        """Whether the checkout's CHANGELOG.md knows 3.1.0; None where there is no such file."""
        found = self.machine.records(f"{place}/CHANGELOG.md", "3.1.0", "\n")
        return None if isinstance(found, Missing) else bool(found)
