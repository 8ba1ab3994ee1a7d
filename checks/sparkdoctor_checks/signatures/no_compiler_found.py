"""The compilers of the host."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

TOOLS = ("cc", "gcc", "c++", "g++", "clang", "clang++", "cc1plus", "cc1")


@signature(
    "Failed to find C compiler. Please specify via CC environment variable",
    "FileNotFoundError: [Errno 2] No such file or directory: '{tool:path}'",
    "FileNotFoundError: [Errno 2] No such file or directory: ''",
    "PermissionError: [Errno 13] Permission denied: ''",
    " {tool:path}: not found ",
    " {tool:path}: command not found ",
    " {tool:path}: No such file or directory ",
    'exec: "{tool}": executable file not found in $PATH',
    "error: command '{tool:path}' failed: No such file or directory",
    "unable to execute '{tool:path}': No such file or directory",
    "error trying to exec '{tool:path}': execvp: No such",
    "cannot execute '{tool:path}': execvp: No such",
    "error: linker '{tool:name}' not found",
    "error: linker `{tool:name}` not found",
    "No CMAKE_C_COMPILER could be found",
    "No CMAKE_CXX_COMPILER could be found",
    "Could not find compiler set in environment variable CC:",
    "Could not find compiler set in environment variable CXX:",
    "No working C++ compiler found in {setting}",
    "ERROR: Unknown compiler(s): {tried}",
    " Failed to preprocess host compiler properties",
    " Cannot find compiler '{tool:path}' in PATH",
    "CMAKE_C_COMPILER not set, after EnableLanguage",
    "CMAKE_CXX_COMPILER not set, after EnableLanguage",
    "is not a full path to an existing compiler tool",
    "is not a full path and was not found in the PATH",
    "configure: error: no acceptable C compiler found in $PATH",
    checks=("compiler-missing",),
)
def no_compiler_found(found: Found) -> Verdict | None:
    """A build found no C or C++ compiler.

    Triton needs a C compiler at run time, nvcc and the extensions of PyTorch a C++ compiler. Slim images have neither. Where
    $CC or $CXX is set it must name one that can be run: in conda environments it often names one that was not installed.

    Sources:
    - triton/runtime/build.py; apple/ml-cross-entropy #5; ggml-org/llama.cpp #3032, #6727
    - CMake 3.25 and nvcc 13.0.88, run without a compiler
    """
    tool = found["tool"].strip("'\"`").rpartition("/")[2]
    if found.line.endswith("''") and not any("triton/runtime/build.py" in line for line in found.before):
        return None  # with an empty $CC Triton asks for a program without a name
    if found["tool"]:
        plain = tool.rpartition("-gnu-")[2] or tool
        name, _, number = plain.partition("-")
        if name not in TOOLS or (number and not number.isdigit()):
            return None
    if "after EnableLanguage" in found.line and any(
        "CMake was unable to find a build program" in line for line in found.before[-4:]
    ):
        return None  # CMake looks for none then
    if any(mark in found.line.lower() for mark in ("raise ", "warning:", 'impl.")', "checking", "looking for")):
        return None
    if "not a full path" in found.line:
        asked = next((line for line in reversed(found.before) if "CMAKE_" in line), "")
        if "CMAKE_C_COMPILER" not in asked and "CMAKE_CXX_COMPILER" not in asked:
            return None
    if "via CC" in found.line:
        return fail(
            "Triton compiles a part of each kernel with a C compiler, and finds none",
            remedy="Install the compilers, and unset $CC where it names something else.",
            command="sparkdoctor fix install-build-tools",
            needs_root=True,
        )
    what = f"{tool} cannot be found" if tool else "there is no C or C++ compiler where the build looks"
    return fail(
        f"a build needs a compiler, and {what}",
        remedy="Install the compilers, and unset $CC and $CXX where they name something else.",
        command="sparkdoctor fix install-build-tools",
        needs_root=True,
    )
