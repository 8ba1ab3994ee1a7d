"""Every check, on facts made by hand: no host, no process, no file."""

import re
import shlex
from typing import Any

from sparkdoctor import profiles
from sparkdoctor.architecture import Architecture, Capability
from sparkdoctor.facts import (
    ArchList,
    Attention,
    BuildFiles,
    BuildSettings,
    CacheAccess,
    Ccd,
    Cgroup,
    Compilers,
    Compute,
    Container,
    CudaHome,
    Cutlass,
    Deepspeed,
    DeepspeedBuilder,
    Devices,
    Disks,
    Driver,
    ExtensionBuild,
    Extensions,
    Gpu,
    Identity,
    Limits,
    Memory,
    Network,
    Ninja,
    Nvcc,
    NvccCompile,
    Nvml,
    Openfold3,
    Openfold3Kernels,
    Pressure,
    Python,
    QueryFile,
    RunnerYaml,
    SharedMemory,
    System,
    Torch,
    Triton,
    TritonCache,
    TritonCompile,
    TritonKernels,
    TritonLaunch,
    Weights,
)
from sparkdoctor.facts.build_files import AIO, CUDA
from sparkdoctor.facts.builder_source import Reading
from sparkdoctor.facts.course import Course, Step
from sparkdoctor.facts.extensions import Build, Extension, State
from sparkdoctor.facts.gpu import Device
from sparkdoctor.facts.limits import Limit, Volume
from sparkdoctor.facts.openfold3 import kernels_of, registry_of, switched_on
from sparkdoctor.facts.places import Mount, Place
from sparkdoctor.facts.ptxas import Ptxas
from sparkdoctor.facts.python import Distribution, release_of
from sparkdoctor.facts.query import Answer
from sparkdoctor.facts.triton import BLACKWELL, PLAIN, Tool
from sparkdoctor.machine import Fact, FileStatus
from sparkdoctor.model import Broken, Missing, Status, Verdict
from sparkdoctor.profiles import Profile
from sparkdoctor.query import Chain, Query, QuerySet
from sparkdoctor.registry import Registry

CHECKS = Registry.load().checks
SPARK, HOPPER = profiles.load("dgx-spark"), profiles.load("hopper")
UNDEMANDING = Profile()
OK, WARNING, FAILED, SKIPPED = Status.OK, Status.WARNING, Status.FAILED, Status.SKIPPED
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
GONE = Missing("it is not there")
DEAD = Broken("it crashed")

NUMBER = 121


def course(*steps: Step | tuple[str, dict[str, Any]], ended: str | None = None, printed: tuple[str, ...] = ()) -> Course:
    """A worker's report; where it did not come to its end, its last step is the one that went wrong."""
    said = [step if isinstance(step, Step) else Step(step[0], float(place), step[1]) for place, step in enumerate(steps)]
    if ended and said:
        said[-1] = said[-1]._replace(trouble=ended)
    return Course(tuple(said), ended, printed, (), None if ended else float(len(said)))


Shown = tuple[str, dict[str, Any]]
RIGHT = {"error": 1e-7, "finite": True}
COMPUTED: tuple[Shown, ...] = (
    ("import torch", {"version": "2.11.0+cu130", "closed": False}),
    ("torch.cuda.is_available", {"available": True, "built": "13.0", "warnings": []}),
    ("torch.cuda.init", {"name": "NVIDIA GB10", "capability": [12, 1], "count": 1}),
    ("matmul float32", RIGHT),
    ("matmul bfloat16", {"error": 1.7e-3, "finite": True}),
    ("scaled_dot_product_attention float32", RIGHT),
    ("FLASH_ATTENTION float32", {"refused": "No available kernel"}),
    ("EFFICIENT_ATTENTION float32", RIGHT),
    ("clocks under load", {"samples": 7, "mhz": 2405, "watts": 60.0, "busy": 96}),
)
LAUNCHED: tuple[Shown, ...] = (
    ("import torch", {}),
    ("torch.cuda.init", {}),
    ("import triton", {}),
    ("launch a Triton kernel", {"error": 3e-8, "finite": True}),
)
BUILT: tuple[Shown, ...] = (
    ("import torch", {}),
    ("import torch.utils.cpp_extension", {}),
    ("build an extension", {}),
    ("call the extension", {}),
)
DISK = Mount("/", "ext4")
HOME = FileStatus("directory", 4096, 0o755, "/home/user", True, True, True, 1000, 1000, 1_760_000_000)
CACHE = "/home/user/.openfold3"
ROOT = "/home/user/.cache/torch_extensions/py312_cu130"
EVOFORMER = Extension(
    "evoformer_attn",
    f"{ROOT}/evoformer_attn",
    State.WHOLE,
    build=Build(
        "evoformer_attn.so", ("attention.o",), "/usr/local/cuda/bin/nvcc", ("/venv/torch/include", "/usr/include/python3.12")
    ),
    cuda=13,
)


def place(path: str, *, there: bool = True, mount: Mount | None = DISK, **changes: Any) -> Place:
    """A directory in the user's home, or one that is not there yet."""
    status = HOME._replace(real=path, **changes)
    return Place(path, status if there else None, (("/home/user", HOME if there else HOME._replace(**changes)),), mount)


HEALTHY: tuple[Fact, ...] = (
    System("aarch64", "6.17.0-1008-nvidia", 4096, 20, 20, "Ubuntu 24.04.4 LTS"),
    Identity("DGX Spark", "NVIDIA_DGX_Spark", "NVIDIA", "7.5.0"),
    Container(None),
    Nvml({}, {}, None),
    Gpu((Device("NVIDIA GB10", Capability(12, 1), None),)),
    Driver(
        loaded="580.159.03", library="580.159.03", installed="580.159.03", firmware="580.159.03", cuda=(13, 0), mismatch=False
    ),
    Devices(("nvidia-uvm", "nvidia-uvm-tools", "nvidia0", "nvidiactl"), (), (), None),
    Python(
        "/venv/bin/python",
        "the active virtual environment",
        "3.12.3",
        "/usr/include/python3.12",
        True,
        {},
        {
            name: Distribution(version, "/x")
            for name, version in {
                "deepspeed": "0.18.7",
                "biotite": "1.6.0",
                "pydantic": "2.14.3",
                "kalign-python": "3.4.1",
                "cuequivariance": "0.13.0",
                "cuequivariance-torch": "0.13.0",
                "cuequivariance-ops-torch-cu13": "0.13.0",
            }.items()
        },
    ),
    Torch(
        "2.11.0+cu130",
        "/venv/torch",
        "13.0",
        tuple(map(Architecture.parse, "sm_80 sm_90 sm_100 sm_110 sm_120".split())),
        "triton==3.6.0; platform_system == 'Linux'",
        "aarch64",
    ),
    Triton(
        "3.6.0",
        "/venv/triton",
        {},
        {NUMBER: Tool("ptxas-blackwell", BLACKWELL)},
        {NUMBER: Ptxas("/venv/triton/ptxas-blackwell", "12.9.86", {"sm_121a": ""})},
        {NUMBER: False},
        "aarch64",
    ),
    CudaHome(None, "/usr/local/cuda", None, None),
    Nvcc("/usr/local/cuda/bin/nvcc", "13.0.88", {NUMBER: ""}, None),
    Compilers("gcc (Ubuntu) 13.3.0", "c++ (Ubuntu) 13.3.0"),
    Memory(120 * GIB, 100 * GIB, 116 * GIB, 13 * GIB, 32 * GIB, 32 * GIB, 0, 0),
    Pressure(0.0, 0.0, 0.0, 0.0),
    Cgroup("v2"),
    Limits(Limit(8 * MIB, None), Limit(None, None), Limit(1024, 1 << 20)),
    SharedMemory(60 * GIB, 60 * GIB),
    Disks((Volume("/home/user", "caches and weights", 2000 * GIB),)),
    BuildSettings("8", 8, 1, "nvcc's default", 1),
    Compute(course(*COMPUTED)),
    TritonCompile(course(("import triton", {"version": "3.6.0"}), ("compile for sm_121", {"bytes": 9368}))),
    TritonLaunch(course(*LAUNCHED)),
    ExtensionBuild(course(*BUILT)),
    NvccCompile(course(("compile for sm_121", {"bytes": 989240}))),
    Ninja("/usr/bin/ninja", "1.11.1", None),
    Extensions(place(ROOT), None, ROOT, (EVOFORMER,), uid=1000),
    CacheAccess(place(ROOT), ()),
    TritonCache(None, place("/home/user/.triton/cache"), 12),
    TritonKernels(place("/home/user/.triton/cache"), ("_attn_fwd", "layernorm_kernel", "linear_kernel"), temporary=90 * GIB),
    Deepspeed(
        "0.19.8", "/venv/deepspeed", {NUMBER: Reading("121", bf16=True)}, accepted={12: ("12.8", "12.9")}, comparing=("builder",)
    ),
    BuildFiles({name: f"/usr/include/{name}" for name in (*AIO, *CUDA)}, {}),
    Cutlass("/opt/cutlass/include", "", None),
    Openfold3(
        "0.5.0",
        "/venv/openfold3",
        ("biotite", "rdkit<2026", 'cuequivariance-torch>=0.8; extra == "cuequivariance"'),
        registry_of((0, 5, 0)),
        kernels_of((0, 5, 0)),
        merges=True,
    ),
    RunnerYaml(None, None, None, {}, {}, (), (), kernels_of((0, 5, 0))),
    Network(("enP7s7",), ("wlP9s9",)),
    Weights(
        f"{CACHE}/of3-ob-2025-06-30-174k.pt",
        "of3-ob-2025-06-30-174k.pt",
        CACHE,
        (f"{CACHE} (the default cache): a directory",),
        "a checkpoint",
        2_286_125_420,
        "0.5",
        root=f"{CACHE}/ckpt_root",
        standard=True,
    ),
    Ccd("/venv/biotite/structure/info/components.bcif", 63_283_092, 49_196, 63_283_092),
    QueryFile(
        "/home/user/q.json",
        "0.5.0",
        QuerySet((Query("ubiquitin", (Chain("protein", ("A",), "MQIFVKTLTG"), Chain("ligand", ("B", "C"), component="ATP"))),)),
        Answer(),
    ),
)
ABSENT: dict[type[Fact], Missing] = {
    ArchList: Missing("TORCH_CUDA_ARCH_LIST is not set"),
    DeepspeedBuilder: Missing("read with --deep only"),
    Openfold3Kernels: Missing("read with --deep only"),
    Attention: Missing("OpenFold3 is not installed"),
}
DEFAULTS: dict[type, Any] = {type(fact): fact for fact in HEALTHY} | ABSENT


def but(kind: type[Fact], /, **changes: Any) -> Any:
    """The healthy machine's fact with some of its values changed."""
    return kind(**{**vars(DEFAULTS[kind]), **changes})


def using(version: str) -> Attention:
    """What OpenFold3 of this version uses where nothing is set."""
    return Attention(version, next(iter(switched_on(kernels_of(release_of(version)))), None))


def judge(name: str, *facts: Fact | Profile, **gone: Missing) -> Verdict:
    """A check's verdict on a healthy machine but for these facts; `gpu=Missing(…)` takes one away.

    Whatever it finds, what it says about it must be of use.
    """
    check = CHECKS[name]
    given = DEFAULTS | {type(fact): fact for fact in facts}
    by_name = {need.name: need for need in check.needs}
    assert set(gone) <= {need.name for need in check.needs if need.judges_absence}, "the check does not judge that"
    unused = {type(fact) for fact in facts} - {need.fact or Profile for need in check.needs}
    assert not unused, f"{name} does not look at {unused}"
    profile = next((fact for fact in facts if isinstance(fact, Profile)), SPARK)
    values = {key: gone.get(key) or (profile if need.fact is None else given[need.fact]) for key, need in by_name.items()}
    for key, value in values.items():
        assert not isinstance(value, Missing) or by_name[key].judges_absence, f"{name} would be skipped without {key}"
    verdict: Verdict = check.function(**values)
    useful(verdict)
    return verdict


PLACEHOLDER = re.compile(r"…|<\w+>|\{|\}|\bNone\b|(?<![\w$/={-])[A-Z][A-Z_]{3,}(?![\w=])")


def useful(verdict: Verdict) -> None:
    """Problems have a remedy that is a sentence, with a command that can be pasted; nothing else has one."""
    assert isinstance(verdict, Verdict)
    assert verdict.summary
    texts = [verdict.summary, verdict.expected or "x", verdict.observed or "x", *verdict.evidence]
    assert [text for text in texts if re.search(r"<\w+ object|(?<!\w)\(\)|, $|: $", text)] == []
    assert [text for text in texts if re.search(r"\bNone\b", text) and not text.endswith("cuda = None")] == []
    if verdict.status in (OK, SKIPPED):
        assert verdict.remedy is None
        return
    assert verdict.status in (FAILED, WARNING)
    remedy = verdict.remedy
    assert remedy is not None
    assert remedy.text.endswith(".")
    assert remedy.text[0].isupper() or remedy.text[0] in "`$"
    assert " None" not in remedy.text
    if remedy.command is not None:
        assert remedy.command == remedy.command.strip() != ""
        assert "\n" not in remedy.command
        assert not PLACEHOLDER.search(re.sub(r"unset \w+", "", remedy.command)), f"not to be pasted: {remedy.command}"
        shlex.split(remedy.command)
        assert ("sudo" not in remedy.command) or remedy.needs_root, f"needs_root is not set for {remedy.command}"
        assert ("reboot" not in remedy.command) or remedy.needs_reboot


def assembler(version: str, words: str = "", path: str = "/venv/ptxas") -> Ptxas:
    return Ptxas(path, version, {"sm_121a": words})


def triton(version: str, knob: str, ptxas: Any, *, overridden: bool = False, knobs: dict[str, str] | None = None) -> Any:
    name = "ptxas" if knob == PLAIN else "ptxas-blackwell"
    return but(
        Triton,
        version=version,
        knobs=knobs or {},
        tools={NUMBER: Tool(name, knob)},
        assemblers={NUMBER: ptxas},
        overridden={NUMBER: overridden},
    )


OLD = assembler("12.8.93", "ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'")


def command_of(verdict: Verdict) -> str:
    assert verdict.remedy is not None
    return verdict.remedy.command or ""
