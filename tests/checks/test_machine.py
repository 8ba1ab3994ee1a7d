"""Checks on facts made by hand: machine."""

import pytest

from by_hand import DEFAULTS, FAILED, GIB, GONE, HOPPER, OK, SKIPPED, WARNING, but, judge
from sparkdoctor.architecture import Capability
from sparkdoctor.facts import (
    Container,
    Driver,
    Gpu,
    Identity,
    System,
)
from sparkdoctor.facts.gpu import Device
from sparkdoctor.model import Status


def test_machine_not_spark() -> None:
    assert judge("machine-not-spark").status is OK
    assert judge("machine-not-spark", gpu=GONE).status is OK
    assert judge("machine-not-spark", but(Identity, family=None, product=None, vendor=None)).status is OK
    oem = judge("machine-not-spark", but(Identity, product="GX10", vendor="ASUSTeK COMPUTER INC."))
    assert oem.status is OK
    assert "ASUSTeK" in oem.summary
    other = judge("machine-not-spark", but(System, architecture="x86_64"), but(Identity, family="ThinkPad"))
    assert other.status is WARNING
    assert "x86_64" in other.summary
    assert "ThinkPad" in other.summary
    h100 = Gpu((Device("NVIDIA H100 80GB HBM3", Capability(9, 0), 80 * GIB),))
    assert judge("machine-not-spark", h100).status is WARNING
    assert judge("machine-not-spark", h100, HOPPER).status is OK
    mixed = Gpu((DEFAULTS[Gpu].devices[0], h100.devices[0]))
    assert judge("machine-not-spark", mixed).status is WARNING


@pytest.mark.parametrize(
    ("version", "status"), [("7.5.0", OK), ("7.10.1", OK), ("7.6", OK), ("7.4.0", WARNING), ("7.2.3", WARNING), (None, SKIPPED)]
)
def test_dgx_os_outdated(version: str | None, status: Status) -> None:
    verdict = judge("dgx-os-outdated", but(Identity, dgx_os=version))
    assert verdict.status is status
    if status is WARNING:
        assert verdict.observed == version
    if status is SKIPPED:
        assert "container" in judge("dgx-os-outdated", but(Identity, dgx_os=None), Container("docker")).summary
    assert judge("dgx-os-outdated", HOPPER).status is SKIPPED


def test_reboot_pending() -> None:
    assert judge("reboot-pending").status is OK
    assert judge("reboot-pending", but(Driver, installed=None, library=None, firmware=None)).status is OK
    updated = judge("reboot-pending", but(Driver, library="580.173.02", installed="580.173.02"))
    assert updated.status is FAILED
    assert (updated.expected, updated.observed) == ("580.173.02", "580.159.03")
    assert updated.remedy is not None
    assert updated.remedy.needs_reboot
    assert "einstall" not in updated.remedy.text
    assert judge("reboot-pending", but(Driver, library=None, installed="580.173.02", firmware=None)).status is FAILED
    assert judge("reboot-pending", but(Driver, loaded=None)).status is OK
