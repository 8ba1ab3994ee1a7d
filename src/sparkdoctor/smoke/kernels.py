"""The attention kernels that OpenFold3 can use, tried without weights and without a prediction: `sparkdoctor smoke --kernels`."""

import secrets
from collections.abc import Iterator, Mapping
from posixpath import join
from typing import NamedTuple

from sparkdoctor.facts import ArchList, Deepspeed, Extensions, Gpu, Python
from sparkdoctor.facts.course import Course, Step, follow
from sparkdoctor.facts.evoformer import changed, other_codes
from sparkdoctor.facts.extensions import FIRST as EVOFORMER
from sparkdoctor.facts.extensions import State
from sparkdoctor.host import LocalHost, Watch
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing, Status
from sparkdoctor.process import Worked
from sparkdoctor.profiles import Profile
from sparkdoctor.smoke.criterion import Criterion, verdict

KERNELS = {
    "deepspeed": "DeepSpeed's evoformer_attn",
    "triton": "OpenFold3's Triton kernel",
    "cuequivariance": "cuEquivariance's triangle attention",
    "sdpa_flash": "PyTorch's flash attention",
    "sdpa_efficient": "PyTorch's memory-efficient attention",
    "sdpa_cudnn": "PyTorch's attention by cuDNN",
    "sdpa_math": "PyTorch's attention by its own operators",
    "plain": "OpenFold3's attention without a kernel",
}
"""The branches of patient/kernels.py, and what they try."""
TOLERANCE = {"bfloat16": 0.03, "float32": 0.004}
"""Relative errors in the Frobenius norm: eight units of rounding, 2^-8 of bfloat16 and 2^-11 of TF32, for float32.

Kernels multiply float32 as TF32. With all operands cut off to its 10 bits, as tensor cores do where nothing rounds before, 1.1e-3
is lost forward and 1.9e-3 in the gradients: that is the most, whatever the GPU. It is a bias, the same within 2 % for all seeds,
and what an H100 shows to the digit; rounded operands lose 5e-4. In bfloat16 an H100 loses 0.003, the CPU 0.006. A factor of 1.01
makes 0.01."""
PARTS = ("forward", "dq", "dk", "dv", "dpair")
"""What is compared: the result, and the gradients of queries, keys, values and the pair bias."""
WARM = "sparkdoctor fix warm-kernels"


class Pass(NamedTuple):
    """A forward pass as in a prediction, or a forward and backward pass as in training.

    `errors` are relative, in the Frobenius norm, against float64 on the CPU; None where a value is not finite. `first` is the
    seconds of the first call, with what it compiles and loads, `milliseconds` the median of later ones. `trouble` says how it
    went wrong (`raised`: by an error, not by a crash or a hang), `declined` why the kernel does not take such inputs, `missing`
    names the gradients that it does not give.
    """

    errors: Mapping[str, float | None]
    milliseconds: float | None = None
    first: float | None = None
    trouble: str | None = None
    raised: bool = False
    declined: str | None = None
    missing: tuple[str, ...] = ()


class Kernel(NamedTuple):
    """One kernel in one kind of numbers (`bfloat16`).

    `tolerance` is what an error may be at most. `absent` says why it was not tried; `note` how OpenFold3 uses it.
    `backward` is None where it was not come to.
    """

    name: str
    kind: str
    tolerance: float
    forward: Pass | None = None
    backward: Pass | None = None
    absent: str | None = None
    note: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def criterion(self) -> Criterion:
        """The line of the result. A backward pass that does not run is a warning: no prediction needs it."""
        title = f"{KERNELS[self.name]} is right in {self.kind}"
        one = Criterion(f"{self.name.replace('_', '-')}-{self.kind}", title, Status.SKIPPED, f"errors ≤ {self.tolerance:g}")
        absent = self.absent or (self.forward.declined if self.forward else "it was not come to")
        if absent or self.forward is None:
            return one._replace(observed=f"not available, because {absent}")
        seen, words = {Status.OK}, []
        for name, found in (("forward", self.forward), ("backward", self.backward)):
            if found is None:
                continue
            if found.trouble:
                seen.add(Status.WARNING if name == "backward" and found.raised else Status.FAILED)
                words.append(found.trouble)
            elif found.declined:
                words.append(f"no {name} pass: {found.declined}")
            else:
                if self.wrong(found):
                    seen.add(Status.FAILED)
                if found.missing:
                    seen.add(Status.WARNING)
                words.append(self.shown(name, found))
        worst = next(status for status in (Status.FAILED, Status.WARNING, Status.OK) if status in seen)
        observed = "; ".join((*words, *([self.note] if self.note else [])))
        return one._replace(status=worst, observed=observed, evidence=self.evidence)

    def wrong(self, found: Pass) -> tuple[str, ...]:
        """The names of what differs from float64 by more than rounding, or is not there."""
        return tuple(name for name, error in found.errors.items() if error is None or not 0 <= error <= self.tolerance)

    def shown(self, name: str, found: Pass) -> str:
        """`forward 1.9e-03, 0.21 ms, first call 2.3 s`."""
        errors = [f"{part} {'not finite' if error is None else f'{error:.1e}'}" for part, error in found.errors.items()]
        if name == "backward":  # that forward pass was told of, unless it is another one in training
            errors = [
                words for part, words in zip(found.errors, errors, strict=True) if part != "forward" or part in self.wrong(found)
            ]
        errors += [f"no {part}" for part in found.missing]
        times = []
        if found.milliseconds is not None:
            times.append(f"{found.milliseconds:.2f} ms{'' if name == 'forward' else ' both'}")
        if found.first is not None:
            times.append(f"first call {found.first:.2f} s")
        return ", ".join((*errors, *times))


class KernelReport(NamedTuple):
    """What was tried: with which interpreter, PyTorch and device, on random numbers of this seed.

    `trouble` says why nothing could be tried, with `evidence`; None where something was.
    """

    python: str
    torch: str | None
    device: str | None
    seed: int
    kernels: tuple[Kernel, ...]
    trouble: str | None = None
    evidence: tuple[str, ...] = ()

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """A line for each kernel and kind of numbers."""
        return tuple(kernel.criterion for kernel in self.kernels)

    @property
    def verdict(self) -> str:
        """`refused` where one is wrong or died, `unknown` where none was tried, else `believed`."""
        return verdict(self.criteria)


def check_kernels(python: str | None, profile: Profile, timeout: float, watch: Watch | None = None) -> KernelReport:
    """Try all of them in an interpreter, for `timeout` seconds at most, with the user's environment.

    `python` is what the user asked for, None for the one that a check would examine; `watch` is told of each step. Nothing of
    the user's is written: Triton compiles into a cache of its own, so its first call is always a cold one, and DeepSpeed's
    operator is loaded as it is built, or not at all.
    """
    return try_kernels(Machine(LocalHost(python, watch), profile, timeout=timeout, deep=True))


def try_kernels(machine: Machine, seed: int | None = None) -> KernelReport:
    """Try them on a machine."""
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    python = machine.get(Python)
    if isinstance(python, Missing):
        return KernelReport("", None, None, seed, (), python.reason)
    torch = python.modules["torch"]
    if isinstance(torch, Missing):
        return KernelReport(python.path, None, None, seed, (), torch.reason)
    library = evoformer(machine)
    given = "" if isinstance(library, Missing) else library
    # The machine keeps a part of the time that is left for whoever judges: here nobody needs it.
    worked = machine.work(python.path, "kernels", str(seed), given, timeout=machine.remaining())
    if isinstance(worked, Missing):
        return KernelReport(python.path, None, None, seed, (), worked.reason)
    return read(worked, python.path, seed, library.reason if isinstance(library, Missing) else None)


def evoformer(machine: Machine) -> str | Missing:
    """DeepSpeed's operator as a run would load it: its file, or `installed`; why there is none that would be loaded as it is."""
    deepspeed, gpu = machine.get(Deepspeed), machine.get(Gpu)
    if isinstance(deepspeed, Missing):
        return deepspeed
    if EVOFORMER in deepspeed.prebuilt:
        return "installed"
    extensions = machine.get(Extensions)
    if isinstance(extensions, Missing):
        return extensions
    built = extensions.named(EVOFORMER)
    if built is None:
        return Missing(f"it is not built: {WARM}")
    if built.state is not State.WHOLE:
        return Missing(f"it {built.state} ({', '.join(built.reasons)}): sparkdoctor check")
    if built.build is not None:
        asked = Missing("not asked")  # its builder costs an import of DeepSpeed
        profile = machine.profile
        anew = changed(built.build, deepspeed, asked, gpu, profile) or other_codes(
            built.build, deepspeed, machine.get(ArchList), gpu
        )
        if anew:
            return Missing(f"DeepSpeed would build it anew ({anew}): {WARM}")
    return join(built.path, f"{EVOFORMER}.so")


def read(worked: Worked, python: str, seed: int, no_evoformer: str | None = None) -> KernelReport:
    """What the report of patient/kernels.py says; `no_evoformer` is why DeepSpeed's kernel was not to be tried."""
    start = follow(worked)
    version = start.learnt("import torch").get("version")
    torch = version if isinstance(version, str) else None
    if torch is None:
        trouble = start.trouble.words if start.trouble else "its report cannot be read"
        return KernelReport(python, None, None, seed, (), trouble, start.evidence)
    courses = {name: follow(worked, name) for name in KERNELS}
    devices = (course.learnt("reach the device").get("device") for course in courses.values())
    device = next((device for device in devices if isinstance(device, str)), None)
    crashed = [name for name, course in courses.items() if course.ended and course.trouble and not course.trouble.place]
    found = []
    for name, course in courses.items():
        # All branches print to one place: whose words these are is known only where one went wrong alone.
        own = course.evidence if course.trouble and (course.trouble.place or crashed == [name]) else ()
        found += list(_kernels(name, course, own, no_evoformer if name == "deepspeed" else None))
    return KernelReport(python, torch, device, seed, tuple(found))


def _kernels(name: str, course: Course, evidence: tuple[str, ...], known: str | None) -> Iterator[Kernel]:
    finding, reaching = course.step("find the kernel"), course.step("reach the device")
    absent = known or next(
        (words for step in (finding, reaching) if step and isinstance(words := step.learnt.get("absent"), str)), None
    )
    trouble = next((step.words for step in (finding, reaching) if step and step.trouble), None)
    cast = name == "deepspeed"
    for kind, tolerance in TOLERANCE.items():
        one = Kernel(name, kind, TOLERANCE["bfloat16"] if cast else tolerance, absent=absent)
        if cast and kind == "float32":
            one = one._replace(note="cast to bfloat16, as OpenFold3 does")
        if not absent and trouble:
            one = one._replace(forward=Pass({}, trouble=trouble), evidence=evidence)
        elif not absent:
            forward, backward = (course.step(f"{way} in {kind}") for way in ("forward", "backward"))
            own = evidence if course.trouble in (forward, backward) and course.trouble else ()
            one = one._replace(
                forward=_pass(forward, PARTS[:1]) if forward else None,
                backward=_pass(backward, PARTS) if backward else None,
                evidence=own,
            )
        yield one


def _pass(step: Step, parts: tuple[str, ...]) -> Pass:
    declined, errors = step.learnt.get("declined"), step.learnt.get("errors")
    if step.trouble:
        return Pass({}, trouble=step.words, raised=bool(step.place))
    if isinstance(declined, str):
        return Pass({}, declined=declined)
    said = Step("", 0.0, errors if isinstance(errors, dict) else {})
    missing = tuple(part for part in step.texts("missing") if part in parts[1:])  # a result there must be
    found = {part: said.number(part) for part in parts if part not in missing}
    return Pass(found, step.number("ms"), step.number("first"), missing=missing)
