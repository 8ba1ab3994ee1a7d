"""The builder of extensions."""

from sparkdoctor.facts import Extensions, Ninja, Python, Torch
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip


@check
def ninja_missing(ninja: Ninja, python: Python, torch: Torch, extensions: Extensions) -> Verdict:
    """Ninja is there to build extensions.

    PyTorch builds extensions at run time with the `ninja` that PATH finds, and runs it even where nothing is left to build:
    without one it stops with `Ninja is required to load C++ extensions`. The one that pip put into a virtual environment counts
    only while that environment is active.

    Sources:
    - is_ninja_available in torch/utils/cpp_extension.py: `ninja --version`
    """
    if not isinstance(ninja.path, Missing):
        return ok(f"ninja {ninja.version}: {ninja.path}", observed=ninja.version)
    deepspeed = python.distribution("deepspeed")
    if not deepspeed and not extensions.found:
        return skip("nothing here builds extensions at run time: no DeepSpeed, and none in the cache")
    who = f"DeepSpeed {deepspeed.version}" if deepspeed else extensions.found[0].path
    if ninja.aside:
        from posixpath import dirname  # noqa: PLC0415
        from shlex import quote  # noqa: PLC0415

        return fail(
            f"PATH does not lead to ninja, which PyTorch {torch.version} needs for {who}",
            expected="ninja on PATH",
            observed=ninja.path.reason,
            evidence=(f"{ninja.aside} is there",),
            remedy="Put its directory on PATH, which activating the environment does.",
            command=f"export PATH={quote(dirname(ninja.aside))}:$PATH",
        )
    return fail(
        f"there is no ninja, which PyTorch {torch.version} needs for {who}",
        expected="ninja on PATH",
        observed=ninja.path.reason,
        remedy="Install it, and keep the environment's bin directory on PATH.",
        command=python.pip_install("ninja"),
    )
