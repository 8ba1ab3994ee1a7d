"""What real programs and files say, word for word unless SOURCES.md tells otherwise."""

PTXAS = {
    "12.8.93": """\
ptxas: NVIDIA (R) Ptx optimizing assembler
Copyright (c) 2005-2025 NVIDIA Corporation
Built on Fri_Feb_21_20:21:21_PST_2025
Cuda compilation tools, release 12.8, V12.8.93
Build cuda_12.8.r12.8/compiler.35583870_0
""",
    "12.9.86": """\
ptxas: NVIDIA (R) Ptx optimizing assembler
Copyright (c) 2005-2025 NVIDIA Corporation
Built on Tue_May_27_02:18:05_PDT_2025
Cuda compilation tools, release 12.9, V12.9.86
Build cuda_12.9.r12.9/compiler.36037853_0
""",
    "13.0.88": """\
ptxas: NVIDIA (R) Ptx optimizing assembler
Copyright (c) 2005-2025 NVIDIA Corporation
Built on Wed_Aug_20_01:55:12_PM_PDT_2025
Cuda compilation tools, release 13.0, V13.0.88
Build cuda_13.0.r13.0/compiler.36424714_0
""",
}
PTXAS_REFUSES = "ptxas fatal   : Value '{}' is not defined for option 'gpu-name'\n"
"""On stderr, with status 255."""

NVCC = {
    "12.8.93": """\
nvcc: NVIDIA (R) Cuda compiler driver
Copyright (c) 2005-2025 NVIDIA Corporation
Built on Fri_Feb_21_20:23:50_PST_2025
Cuda compilation tools, release 12.8, V12.8.93
Build cuda_12.8.r12.8/compiler.35583870_0
""",
    "12.9.86": """\
nvcc: NVIDIA (R) Cuda compiler driver
Copyright (c) 2005-2025 NVIDIA Corporation
Built on Tue_May_27_02:21:03_PDT_2025
Cuda compilation tools, release 12.9, V12.9.86
Build cuda_12.9.r12.9/compiler.36037853_0
""",
    "13.0.88": """\
nvcc: NVIDIA (R) Cuda compiler driver
Copyright (c) 2005-2025 NVIDIA Corporation
Built on Wed_Aug_20_01:57:39_PM_PDT_2025
Cuda compilation tools, release 13.0, V13.0.88
Build cuda_13.0.r13.0/compiler.36424714_0
""",
}
NVCC_REFUSES = "nvcc fatal   : Unsupported gpu architecture '{}'\n"
"""On stderr, with status 1."""
NVCC_PLAN = """\
#$ _NVVM_BRANCH_=nvvm
#$ _SPACE_=\x20
#$ _CUDART_=cudart
#$ _HERE_={here}
#$ _THERE_={here}
#$ _TARGET_SIZE_=
#$ _TARGET_DIR_=
#$ _TARGET_DIR_=targets/sbsa-linux
#$ TOP={here}/..
#$ CICC_PATH={here}/../nvvm/bin
#$ NVVMIR_LIBRARY_DIR={here}/../nvvm/libdevice
#$ LD_LIBRARY_PATH={here}/../lib:
#$ LIBRARIES=  "-L{here}/../targets/sbsa-linux/lib/stubs" "-L{here}/../targets/sbsa-linux/lib"
#$ CUDAFE_FLAGS=
#$ PTXAS_FLAGS=
#$ gcc -D__CUDA_ARCH_LIST__={arch}0 -E -x c++ -D__CUDACC__ -D__NVCC__  "-I{here}/../targets/sbsa-linux/include"    \
-D__CUDACC_VER_MAJOR__={major} -D__CUDACC_VER_MINOR__={minor} -D__CUDACC_VER_BUILD__={build} \
-D__CUDA_API_VER_MAJOR__={major} -D__CUDA_API_VER_MINOR__={minor} -include "cuda_runtime.h" -m64 "/proc/self/fd/3"\x20
"""
"""What `nvcc --dryrun` writes to stderr: its settings and a part of the first command; the other commands are left out."""

GCC = """\
{} (Ubuntu 13.3.0-6ubuntu2~24.04.1) 13.3.0
Copyright (C) 2023 Free Software Foundation, Inc.
This is free software; see the source for copying conditions.  There is NO
warranty; not even for MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.

"""

# The head of each Triton's triton/backends/nvidia/compiler.py that decides which ptxas is taken.
ONE_PTXAS = """\
def get_ptxas() -> knobs.NvidiaTool:
    return knobs.nvidia.ptxas


@functools.lru_cache()
"""
TWO_PTXAS = """\
def get_ptxas(arch: int) -> knobs.NvidiaTool:
    return knobs.nvidia.ptxas_blackwell if arch >= 100 else knobs.nvidia.ptxas


@functools.lru_cache()
"""

TORCH_VERSION = """\
from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']
__version__ = '{version}'
debug = False
cuda: Optional[str] = {cuda!r}
hip: Optional[str] = None
rocm: Optional[str] = None
xpu: Optional[str] = None
"""
TORCH_METADATA = """\
Metadata-Version: 2.4
Name: torch
Version: {version}
Requires-Python: >=3.10
Requires-Dist: filelock
{wants}Requires-Dist: opt-einsum>=3.3; extra == "opt-einsum"
"""

CPP_EXTENSION = """\
    named_arches = collections.OrderedDict([
        ('Turing', '7.5+PTX'),
        ('Ampere+Tegra', '8.7'),
        ('Ampere', '8.0;8.6+PTX'),
        ('Ada', '8.9+PTX'),
        ('Hopper', '9.0+PTX'),
        ('Blackwell+Tegra', '11.0'),
        ('Blackwell', '10.0;10.3;12.0;12.1+PTX'),
    ])

    supported_arches = ['3.5', '3.7', '5.0', '5.2', '5.3', '6.0', '6.1', '6.2',
                        '7.0', '7.2', '7.5', '8.0', '8.6', '8.7', '8.9', '9.0', '9.0a',
                        '10.0', '10.0a', '11.0', '11.0a', '10.3', '10.3a', '12.0',
                        '12.0a', '12.1', '12.1a']
"""
"""The tables of torch/utils/cpp_extension.py, 2.9 to 2.13; the older half of the first is left out."""

OS_RELEASE = """\
PRETTY_NAME="Ubuntu {release} LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="{release} LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
HOME_URL="https://www.ubuntu.com/"
SUPPORT_URL="https://help.ubuntu.com/"
BUG_REPORT_URL="https://bugs.launchpad.net/ubuntu/"
PRIVACY_POLICY_URL="https://www.ubuntu.com/legal/terms-and-policies/privacy-policy"
UBUNTU_CODENAME=noble
LOGO=ubuntu-logo
"""
DGX_RELEASE = """\
DGX_NAME="DGX Spark"
DGX_PRETTY_NAME="NVIDIA DGX Spark"
DGX_SWBUILD_DATE="2025-09-10-13-50-03"
DGX_SWBUILD_VERSION="7.2.3"
DGX_COMMIT_ID="833b4a7"
DGX_PLATFORM="DGX Server for KVM"
DGX_SERIAL_NUMBER="<serial>"

DGX_OTA_VERSION="7.3.1"
DGX_OTA_DATE="Wed Nov 19 05:05:30 PM CET 2025"
"""
DGX_OTA = """
DGX_OTA_VERSION="{version}"
DGX_OTA_DATE="{date}"
"""

NVRM = """\
NVRM version: NVIDIA UNIX Open Kernel Module for {machine}  {version}  Release Build  ({built})  {date}
GCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04.1)\x20
"""
DPKG = """\
Package: libnvidia-common-{branch}
Status: install ok installed
Architecture: all
Version: {version}-0ubuntu0.24.04.1

Package: libnvidia-compute-{branch}
Status: install ok installed
Architecture: arm64
Multi-Arch: same
Source: nvidia-graphics-drivers-{branch}
Version: {version}-0ubuntu0.24.04.1

Package: libnvjpeg-13-0
Status: install ok installed
Architecture: arm64
Version: 13.0.1.86-1
"""

PSI = """\
some avg10=0.00 avg60=0.00 avg300=0.00 total=0
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
"""
MEMORY_EVENTS = "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"
MOUNTS = """\
24 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
"""
DOCKER_MOUNTS = """\
1035 1034 0:71 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
1040 1039 0:30 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot
"""
