"""What facts make of texts: driver."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    Nvml,
    driver,
)
from texts import TEXT

# NVIDIA/k8s-device-plugin #1482 and public captures of GB10 machines (MSI EdgeXpert, Gigabyte AI TOP ATOM), a GB300 node, a
# GH200 with DKMS, and the x86 text of zzzhouuu/truenas-nvidia-drivers #19. The blank at the end of the second line is theirs.
BANNERS = [
    (
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.126.09  Release Build  (dvs-builder@U22-I3-AF04-07-5)"
            "  Wed Jan  7 22:35:57 UTC 2026\nGCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04.1)\n"
        ),
        "580.126.09",
    ),
    (
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.142  Release Build  (dvs-builder@U22-I3-H10-02-1)"
            "  Tue Mar  3 19:08:06 UTC 2026\n"
        ),
        "580.142",
    ),
    (
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.173.02  Release Build  (dvs-builder@U22-A24-5-4)"
            "  Tue Jun 23 08:34:19 UTC 2026\nGCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04.1) \n"
        ),
        "580.173.02",
    ),
    ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  595.71.05  Release Build  (root@host)\n", "595.71.05"),
    ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.173.02  Tue Jun 23 08:38:17 UTC 2026\n", "580.173.02"),
    ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  59", None),  # cut
    ("GCC version:  gcc version 580.95.05 (Ubuntu)\n", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "version"), BANNERS)
def test_the_version_in_the_banner_of_the_kernel_module(text: str, version: str | None) -> None:
    assert driver.parse_banner(text) == version


@given(TEXT)
def test_driver_versions_of_any_text(text: str) -> None:
    for found in (driver.parse_banner(text), driver.parse_version(text), driver.parse_stanzas((text,))):
        assert found is None or re.fullmatch(r"\d{3}\.\d+(\.\d+)?", found)


VERSIONS = st.builds("{}.{}{}".format, st.integers(100, 999), st.integers(0, 999), st.sampled_from(["", ".02", ".178"]))


@given(VERSIONS)
def test_a_driver_version_is_read_wherever_it_stands(version: str) -> None:
    assert driver.parse_version(f"{version}\n") == version
    assert driver.parse_banner(f"NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  {version}  Release Build\n") == version
    assert driver.library_version(Nvml({"file": f"/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.{version}"})) == version
    assert driver.library_version(Nvml({"nvmlSystemGetNVMLVersion": f"13.{version}"})) == version


@pytest.mark.parametrize(
    ("number", "version"),
    [(13000, (13, 0)), (12080, (12, 8)), (13020, (13, 2)), (9020, (9, 2)), (0, None), (-42, None), (10**9, None), (None, None)],
)
def test_cuda_versions(number: int | None, version: tuple[int, int] | None) -> None:
    assert driver.cuda_version(number) == version


@given(st.integers(1, 99), st.integers(0, 99))
def test_a_cuda_version_survives_its_number(major: int, minor: int) -> None:
    assert driver.cuda_version(major * 1000 + minor * 10) == (major, minor)


# A GB10 (DGX OS): libnvidia-compute-580:arm64, install ok installed, 580.173.02-0ubuntu0.24.04.1.
STANZA = """\
Package: libnvidia-compute-580
Status: install ok installed
Priority: optional
Section: non-free/libs
Architecture: arm64
Multi-Arch: same
Source: nvidia-graphics-drivers-580
Version: 580.173.02-0ubuntu0.24.04.1
Depends: libc6 (>= 2.39)"""
REMOVED = STANZA.replace("install ok installed", "deinstall ok config-files").replace("580", "550").replace("173.02", "90.07")


@pytest.mark.parametrize(
    ("stanzas", "version"),
    [
        ((STANZA,), "580.173.02"),
        ((REMOVED, STANZA), "580.173.02"),
        ((REMOVED,), None),
        ((STANZA.replace("580.173.02-0", "1:610.43.02-1"),), "610.43.02"),  # with an epoch
        ((STANZA.replace("-580\n", "-580-server\n", 1),), "580.173.02"),
        ((STANZA.replace("libnvidia-compute-580", "libnvidia-compute-utils-580"),), None),
        ((STANZA.replace("Version: 580.173.02", "Version: banana"),), None),
        ((), None),
    ],
)
def test_the_installed_driver_package(stanzas: tuple[str, ...], version: str | None) -> None:
    assert driver.parse_stanzas(stanzas) == version
