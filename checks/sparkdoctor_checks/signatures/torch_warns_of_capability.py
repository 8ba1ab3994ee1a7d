"""What PyTorch says of a GPU that it was perhaps not built for."""

import re

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature, warn
from sparkdoctor_checks.signatures.renewal import renewed


@signature(
    "Found GPU{gpu:int} {name} which is of cuda capability {capability:number}",
    "Found GPU{gpu:int} {name} which is of compute capability (CC) {capability:number}",
    " with CUDA capability sm_{architecture:int} is not compatible with the current PyTorch installation",
    checks=("torch-lacks-kernels", "torch-cannot-compute", "torch-too-old"),
)
def torch_warns_of_capability(found: Found) -> Verdict | None:
    """PyTorch has warned that it may not know the GPU.

    Up to 2.10 it compares the GPU with the lowest and highest capability that it was built for, and so warns of 12.1 where it
    has code for 12.0, which runs there: that is harmless. It is not where no code of the same major version is listed.

    Sources:
    - pytorch/pytorch #172629, #182250, #150733
    - torch/cuda/__init__.py of 1.4 to 2.13
    - CUDA C++ Programming Guide, "Binary Compatibility"
    """
    if found["architecture"]:
        number = int(found["architecture"])
        said = " ".join((found.line, *found.after[:2]))
        return _judge(found, (number // 10, number % 10), _codes(said), _codes(said, "compute_"))
    major, _, minor = found["capability"].partition(".")
    capability = int(major or 0), int(minor.partition(".")[0] or 0)
    if " compute capability (CC) " in found.line:
        listed = [line.partition(" which supports hardware CC ") for line in found.after]
        codes = [_pair(before.rpartition("- ")[2]) for before, there, _ in listed if there]
        if not codes and capability[0] == 12 and any("torch==" in line and "+cu13" in line for line in found.after[:2]):
            codes = [(12, 0)]  # PyTorch's own builds for CUDA 13
        return _judge(found, capability, codes, [])
    name = f"{capability[0]}.{capability[1]}"
    said = " ".join((found.line, *found.after[:4]))
    if "no longer supports this GPU because it is too old" in said:
        return _judge(found, capability, [(capability[0] + 1, 0)], [])
    span = re.search(r"\((\d+)\.(\d+)\) - \((\d+)\.(\d+)\)", said)
    if span is None:
        if capability[0] != 12:
            return None
        return ok(f"PyTorch before 2.11 warns of compute capability {name}; harmless where it has code for {capability[0]}.0")
    lowest, highest = (int(span[1]), int(span[2])), (int(span[3]), int(span[4]))
    return _judge(found, capability, [highest] if capability >= lowest else [lowest], [])


def _pair(text: str) -> tuple[int, int]:
    major, _, minor = text.strip().partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def _codes(text: str, prefix: str = "sm_") -> list[tuple[int, int]]:
    _, _, listed = text.partition(" supports CUDA capabilities ")
    numbers = [word.removeprefix(prefix).rstrip(".af") for word in listed.split() if word.startswith(prefix)]
    return [(int(number) // 10, int(number) % 10) for number in numbers if number.isdigit()]


def _judge(found: Found, capability: tuple[int, int], codes: list[tuple[int, int]], ptx: list[tuple[int, int]]) -> Verdict:
    name = f"{capability[0]}.{capability[1]}"
    fitting = [code for code in codes if code[0] == capability[0] and code <= capability]
    if fitting:
        code = f"{fitting[-1][0]}.{fitting[-1][1]}"
        return ok(f"PyTorch warns of compute capability {name}; harmless: its code for {code} runs on it")
    if any(code <= capability for code in ptx) or not codes:
        return warn(
            f"PyTorch says that it may have no code for compute capability {name}",
            remedy="Let it compute something; where that ends with `no kernel image`, install a PyTorch built for this GPU.",
            command="python3 -c 'import torch; x = torch.ones(64, 64, device=\"cuda\"); print((x @ x).sum())'",
        )
    remedy, command = renewed(found, "Install a PyTorch that was built for this GPU.", "--upgrade 'torch>=2.11'")
    if capability < (7, 5):
        remedy, command = "Install an older PyTorch, for a CUDA that still knows this GPU; CUDA 13 begins with 7.5.", None
    return fail(f"this PyTorch has no code that runs on compute capability {name}", remedy=remedy, command=command)
