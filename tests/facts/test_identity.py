"""What facts make of texts: operating system and identity."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    Identity,
    identity,
    system,
)
from sparkdoctor.model import Missing
from standins.hosts import Paper, machine_of
from texts import TEXT

# NVIDIA Sionna RK documentation, Founders Edition, November 2025.
DGX_RELEASE = """\
DGX_NAME="DGX Spark"
DGX_PRETTY_NAME="NVIDIA DGX Spark"
DGX_SWBUILD_DATE="2025-09-10-13-50-03"
DGX_SWBUILD_VERSION="7.2.3"
DGX_COMMIT_ID="833b4a7"
DGX_PLATFORM="DGX Server for KVM"
DGX_SERIAL_NUMBER="XXXXXXXXXXXX"

DGX_OTA_VERSION="7.3.1"
DGX_OTA_DATE="Wed Nov 19 05:05:30 PM CET 2025"
"""
# The OTA pairs of an ASUS GX10, one with a French date.
FOUR_OTAS = """
DGX_OTA_VERSION="7.4.0"
DGX_OTA_DATE="Mon Feb  2 19:34:58 CET 2026"

DGX_OTA_VERSION="7.5.0"
DGX_OTA_DATE="Sat Apr  4 15:11:50 CEST 2026"

DGX_OTA_VERSION="7.6.0"
DGX_OTA_DATE="mer. 16 sept. 2026 17:08:05 CEST"
"""
# HP ZGX Nano: values without quotes.
UNQUOTED = """\
DGX_NAME=DGX Spark
DGX_PRETTY_NAME=NVIDIA DGX Spark
DGX_SWBUILD_VERSION=7.2.3
DGX_PLATFORM=HP ZGX Nano G1n AI Station
DGX_OTA_VERSION=7.5.0
DGX_OTA_DATE=Fri Jun 19 14:17:10 EDT 2026
"""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (DGX_RELEASE, "7.3.1"),
        (DGX_RELEASE + FOUR_OTAS, "7.6.0"),
        (UNQUOTED, "7.5.0"),
        ('DGX_SWBUILD_VERSION="7.5.0"\nDGX_PLATFORM="DGX Server for KVM"\n', "7.5.0"),  # an ASUS with NVIDIA's image, no OTA yet
        (DGX_RELEASE.replace("\n", "\r\n"), "7.3.1"),
        ("DGX_OTA_VERSION=soon\n", None),
        ("", None),
    ],
)
def test_the_dgx_os_version_is_that_of_the_last_update(text: str, version: str | None) -> None:
    assert identity.dgx_os_version(text) == version


def test_os_release() -> None:
    # Ubuntu 24.04.4 on arm64: wazuh/wazuh #37457.
    text = 'PRETTY_NAME="Ubuntu 24.04.4 LTS"\nNAME="Ubuntu"\nVERSION_CODENAME=noble\nID=ubuntu\n'
    assert system.os_name(text) == "Ubuntu 24.04.4 LTS"
    assert system.shell_values(text)["VERSION_CODENAME"] == "noble"
    # Dell's FastOS file, public capture.
    assert system.shell_values('NAME="DGX SPARK FASTOS"\nVERSION="1.105.17"\n')["NAME"] == "DGX SPARK FASTOS"
    assert system.os_name(Missing("")) is None


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True), st.text("abc 1.=#", max_size=9).map(str.strip)))
def test_shell_values_read_what_was_written(values: dict[str, str]) -> None:
    for quote in ("", '"', "'"):
        text = "\n".join(f"{name}={quote}{value}{quote}" for name, value in values.items())
        assert system.shell_values(text) == values


@given(TEXT)
def test_releases_of_any_text(text: str) -> None:
    version = identity.dgx_os_version(text)
    assert version is None or re.fullmatch(r"\d+(\.\d+)*", version)
    assert all(re.fullmatch(r"\w+", name) for name in system.shell_values(text))


@pytest.mark.parametrize(
    ("vendor", "product", "name"),
    [
        ("NVIDIA", "NVIDIA_DGX_Spark", "NVIDIA DGX Spark"),  # lablup/all-smi #147
        ("ASUSTeK COMPUTER INC.", "GX10", "ASUSTeK COMPUTER INC. GX10"),
        ("Dell  Inc.", "Dell Pro Max with GB10 FCM1253", "Dell Pro Max with GB10 FCM1253"),  # open-mpi/hwloc #766
        ("HP", "HP ZGX Nano G1n AI Station", "HP ZGX Nano G1n AI Station"),
        ("MSI", "MS-C931", "MSI MS-C931"),
        ("LENOVO", "30KL0005GF", "LENOVO 30KL0005GF"),
        ("GIGABYTE", "AI TOP ATOM", "GIGABYTE AI TOP ATOM"),
        ("To Be Filled By O.E.M.", "Default string", "DGX Spark"),
    ],
)
def test_what_a_machine_is_called(vendor: str, product: str, name: str) -> None:
    dmi = "/sys/class/dmi/id/"
    files = {dmi + "sys_vendor": vendor + "\n", dmi + "product_name": product + "\n", dmi + "product_family": "DGX Spark\n"}
    found = machine_of(Paper(files)).get(Identity)
    assert isinstance(found, Identity)
    assert found.name == name
    assert found.family == "DGX Spark"
    assert found.dgx_os is None


def test_a_machine_without_dmi_has_no_name() -> None:
    found = machine_of(Paper()).get(Identity)
    assert isinstance(found, Identity)
    assert found.name is None


@given(TEXT)
def test_dmi_of_any_text_is_one_printable_line(text: str) -> None:
    found = identity.clean(text)
    assert found is None or (found.isprintable() and found == " ".join(found.split()) and found)
    assert found is None or identity.clean(found) == found
