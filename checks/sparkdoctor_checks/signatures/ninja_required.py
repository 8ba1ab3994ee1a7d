"""ninja, which builds PyTorch's extensions."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature


@signature(
    "Ninja is required to load C++ extensions",
    "Attempted to use ninja as the BuildExtension backend but {why}. Falling back to using the slow distutils backend",
    "FileNotFoundError: [Errno 2] No such file or directory: '{tool:path}'",
    'CMake was unable to find a build program corresponding to "Ninja"',
    "ERROR: Could not detect Ninja v{version:number} or newer",
    " {tool:path}: not found ",
    " {tool:path}: command not found ",
    'exec: "{tool}": executable file not found in $PATH',
    checks=("ninja-missing",),
)
def ninja_required(found: Found) -> Verdict | None:
    """A build needs ninja, and PATH does not lead to one.

    PyTorch runs `ninja --version` at each use of an extension, even where nothing is left to build. The one that pip put into a
    virtual environment counts only while that environment is active. Builds by setup.py do without it, slowly.

    Sources:
    - is_ninja_available and BuildExtension in torch/utils/cpp_extension.py
    - CMake 3.25, run without ninja
    """
    tool = found["tool"].rpartition("/")[2]
    asked = any(mark in found.line.lower() for mark in ("raise ", "checking", "looking for"))
    if asked or (found["tool"] and tool not in ("ninja", "ninja-build")):
        return None
    if "slow distutils backend" in found.line:
        return ok("there is no ninja: this build goes on without it, slowly, one file after the other")
    builds = "CMake" in found.line or found["version"]
    needs = "this build was told to use it" if builds else "extensions cannot be loaded without it"
    return fail(
        f"there is no ninja on PATH, and {needs}",
        remedy="Install it, or activate the environment that has it.",
        command="sparkdoctor fix install-build-tools",
    )
