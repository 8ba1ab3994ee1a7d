"""The toolchain of PyTorch extensions at work."""

from sparkdoctor.facts import ExtensionBuild, Python
from sparkdoctor.plugin import Verdict, check, fail, ok, skip


@check
def extension_cannot_build(built: ExtensionBuild, python: Python) -> Verdict:
    """PyTorch builds and loads a small C++ extension.

    DeepSpeed's operators are compiled at their first use, by PyTorch's own loader. A tiny extension goes that way here, in
    a temporary directory: ninja, the C++ compiler, Python's and PyTorch's headers and the linker are proven together.

    Sources:
    - torch.utils.cpp_extension.load of the patient's PyTorch, run
    """
    course = built.course
    trouble = course.trouble
    if trouble is None:
        return ok(f"built, loaded and called, in {course.seconds or 0:.1f} s")
    if course.step("import torch") in (None, trouble):
        return skip("PyTorch could not be imported; see torch-import-dies")
    text = str(trouble.trouble)
    short = ".".join(python.version.split(".")[:2])
    needs = {
        "Ninja is required": ("Install ninja where PATH finds it.", "sudo apt install ninja-build"),
        "Python.h": ("Install Python's headers.", f"sudo apt install python{short}-dev"),
    }
    known = next((cure for mark, cure in needs.items() if mark in text), None)
    remedy, command = known or ("Install the C++ compiler and its tools.", "sudo apt install build-essential")
    return fail(
        trouble.words,
        expected="an extension that loads",
        observed=text.partition(":")[0],
        evidence=course.evidence,
        remedy=remedy,
        command=command,
        needs_root=True,
    )
