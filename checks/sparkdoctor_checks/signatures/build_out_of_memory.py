"""Builds that memory did not suffice for."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.compiler_runaway import ANOTHER_TOOLKIT, TAKE_IT

FEWER_JOBS = "Bound the jobs to what memory holds, and build again; `sparkdoctor build -- COMMAND` does both."
BOUND = (
    "export MAX_JOBS=$(awk '/^MemAvailable/ {n = int(($2 / 1048576 - 16) / 4)} "
    "END {print (n < 1) ? 1 : ((n > 16) ? 16 : n)}' /proc/meminfo)"
)
"""One job for each 4 GiB that are free beyond 16 GiB."""
_OUT = ("out of memory", "emory exhausted", "Memory allocation failure", "Cannot allocate memory")
_ONE_JOB = ("MAX_JOBS=1", "-j1", "-j 1", "--parallel 1")
_TOOLS = (
    "ninja",
    "make",
    "cmake",
    "nvcc",
    "gcc",
    "g++",
    "c++",
    "cc",
    "clang",
    "pip",
    "uv",
    "setup.py",
    "cargo",
    "rustc",
    "build",
)


@signature(
    "error: Killed signal terminated program {program:name}",
    "internal compiler error: Killed (program {program:name})",
    "'{program}' died due to signal 9",
    "unable to execute command: Killed",
    "ld terminated with signal 9",
    "virtual memory exhausted: Cannot allocate memory",
    "{program:name}: out of memory allocating {size:int} bytes",
    "catastrophic error: out of memory",
    "LLVM ERROR: out of memory",
    " Memory allocation failure",
    "final link failed: memory exhausted",
    "final link failed: Memory exhausted",
    "*** [{target}] Killed ",
    "*** [{target}] Error 137 ",
    "FAILED: [code=137] {target:path}",
    "command '{command}' terminated by signal 9",
    "command '{command}' failed with exit code -9",
    "command '{command}' failed with exit code 137",
    "Command '{command}' died with <Signals.SIGKILL: 9>",
    "Command '{command}' returned non-zero exit status 137",
    "Command '{command}' returned non-zero exit status -9",
    "did not complete successfully: exit code: 137",
    "returned a non-zero code: 137",
    "(signal: 9, SIGKILL: kill)",
    " failed (signal: 9 (SIGKILL)) ",
    "{program:path}: signal: killed ",
    " exit code: -9 ",
    " exit code: 137 ",
    checks=("build-jobs-unbounded", "memory-low", "oom-killed-recently"),
    because=("compiler-runaway", "killed-by-kernel", "memory-limit-reached", "killed-by-daemon", "oom-killer-invoked"),
)
def build_out_of_memory(found: Found) -> Verdict | None:
    """A compiler ran out of memory, or was killed for it.

    ninja starts a job for each processor and two more: 22 on a GB10, and a compiler of CUTLASS code takes 3 to 5 GB. What
    is too much the kernel kills, and the compiler's driver says only that its program was killed.

    Sources:
    - NVIDIA/cudf #8018; microsoft/onnxruntime #18579; LeelaChessZero/lc0 #1395
    - vllm-project/vllm #2175; ggml-org/llama.cpp #13375; facebookresearch/faiss #3779
    - g++ 12, GNU make 4.3 and ninja 1.11, run and killed
    """
    line = found.line
    if "exit code: " in line and "did not complete" not in line and not _wheel(found):
        return None
    if found["command"] and not is_tool(found["command"]):
        return None
    if "Memory allocation failure" in line and " fatal : " not in line:  # nvcc, ptxas and nvlink say it so
        return None
    program = found["program"].strip("\"'").rpartition("/")[2]
    if "signal: killed" in line and program not in ("compile", "link", "asm", "cgo", *_TOOLS):  # go build says it so
        return None
    if not program and "ld terminated" in line:
        program = "ld"
    step = "did not complete" in line or "non-zero code" in line
    if program in ("cudafe++", "cicc") and any(f"{word} " in f"{near} " for near in found.before for word in _ONE_JOB):
        return fail(
            f"{program} was killed in a build that runs one job at a time: it grows without bounds",
            remedy=ANOTHER_TOOLKIT,
            command=TAKE_IT,
        )
    who = program or ("a step of the image" if step else "a compiler")
    if step:
        return fail(
            f"{who} was killed in a build, most likely for want of memory",
            remedy="Bound the jobs in the Dockerfile, in that RUN or by ENV MAX_JOBS=4 before it: the shell's do not reach it.",
        )
    if "SIGKILL: kill" in line:
        return fail(
            "rustc was killed in a build, most likely for want of memory",
            remedy="Build with fewer jobs; `sparkdoctor build -- COMMAND` bounds them to what memory holds.",
            command="export CARGO_BUILD_JOBS=4",
        )
    if any(words in line for words in _OUT):
        return fail(f"{who} ran out of memory in a build", remedy=FEWER_JOBS, command=BOUND)
    return fail(f"{who} was killed in a build, most likely for want of memory", remedy=FEWER_JOBS, command=BOUND)


def is_tool(command: str) -> bool:
    """Whether a command builds: what it runs is a compiler, or starts compilers."""
    words = command.replace("'", " ").replace('"', " ").replace(",", " ").replace("[", " ").split()
    if not words:
        return False
    names = [word.rpartition("/")[2] for word in words]
    first = names[0]
    if first.startswith("python") and len(names) > 1:
        return any(name in ("setup.py", "pip", "build", "bdist_wheel", "build_ext") for name in names[1:5])
    return first in _TOOLS or any(first.endswith(f"-{tool}") for tool in ("gcc", "g++", "cc"))


def _wheel(found: Found) -> bool:
    """Whether pip says so of a build."""
    return any("did not run successfully" in line for line in found.before[-3:])
