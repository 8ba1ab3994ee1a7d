"""Facts that checks can ask for by naming their types. Each module holds one subject; this is the list."""

from sparkdoctor.facts.archlist import ArchList
from sparkdoctor.facts.attention import Attention
from sparkdoctor.facts.build import BuildSettings
from sparkdoctor.facts.build_files import BuildFiles
from sparkdoctor.facts.cache_access import CacheAccess
from sparkdoctor.facts.ccd import Ccd
from sparkdoctor.facts.cgroup import Cgroup
from sparkdoctor.facts.compilers import Compilers
from sparkdoctor.facts.container import Container
from sparkdoctor.facts.cutlass import Cutlass
from sparkdoctor.facts.cutlass_trees import CutlassTrees
from sparkdoctor.facts.deepspeed import Deepspeed
from sparkdoctor.facts.deepspeed_builder import DeepspeedBuilder
from sparkdoctor.facts.deepspeed_source import DeepspeedSource
from sparkdoctor.facts.devices import Devices
from sparkdoctor.facts.driver import Driver
from sparkdoctor.facts.environment import EnvironmentFile
from sparkdoctor.facts.evoformer import EvoformerPlace
from sparkdoctor.facts.exports import Exports
from sparkdoctor.facts.extensions import Extensions
from sparkdoctor.facts.gpu import Gpu, target
from sparkdoctor.facts.identity import Identity
from sparkdoctor.facts.limits import Disks, Limits, SharedMemory
from sparkdoctor.facts.memory import Memory, Pressure, gib
from sparkdoctor.facts.network import Network
from sparkdoctor.facts.ninja import Ninja
from sparkdoctor.facts.nvcc import CudaHome, Nvcc
from sparkdoctor.facts.nvml import Nvml
from sparkdoctor.facts.openfold3 import Openfold3
from sparkdoctor.facts.openfold3_kernels import Openfold3Kernels
from sparkdoctor.facts.packages import Packages
from sparkdoctor.facts.page_cache import PageCache
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.query import QueryFile
from sparkdoctor.facts.rebuilds import Rebuilds
from sparkdoctor.facts.runner_yaml import RunnerYaml
from sparkdoctor.facts.shm_mount import ShmMount
from sparkdoctor.facts.system import System
from sparkdoctor.facts.torch import Torch
from sparkdoctor.facts.triton import Triton
from sparkdoctor.facts.triton_cache import TritonCache
from sparkdoctor.facts.triton_kernels import TritonKernels
from sparkdoctor.facts.weights import Weights
from sparkdoctor.facts.work import Compute, ExtensionBuild, NvccCompile, TritonCompile, TritonLaunch

__all__ = [
    "ArchList",
    "Attention",
    "BuildFiles",
    "BuildSettings",
    "CacheAccess",
    "Ccd",
    "Cgroup",
    "Compilers",
    "Compute",
    "Container",
    "CudaHome",
    "Cutlass",
    "CutlassTrees",
    "Deepspeed",
    "DeepspeedBuilder",
    "DeepspeedSource",
    "Devices",
    "Disks",
    "Driver",
    "EnvironmentFile",
    "EvoformerPlace",
    "Exports",
    "ExtensionBuild",
    "Extensions",
    "Gpu",
    "Identity",
    "Limits",
    "Memory",
    "Network",
    "Ninja",
    "Nvcc",
    "NvccCompile",
    "Nvml",
    "Openfold3",
    "Openfold3Kernels",
    "Packages",
    "PageCache",
    "Pressure",
    "Python",
    "QueryFile",
    "Rebuilds",
    "RunnerYaml",
    "SharedMemory",
    "ShmMount",
    "System",
    "Torch",
    "Triton",
    "TritonCache",
    "TritonCompile",
    "TritonKernels",
    "TritonLaunch",
    "Weights",
    "gib",
    "target",
]
