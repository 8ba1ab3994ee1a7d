"""What the firmware and the vendor's release file say this machine is."""

import re
from typing import Self

from sparkdoctor.facts.system import shell_values
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

_DMI = "/sys/class/dmi/id/"


class Identity(Fact):
    """DMI strings (None where they cannot be read), and the DGX OS release of /etc/dgx-release (absent in containers)."""

    family: str | None
    product: str | None
    vendor: str | None
    dgx_os: str | None

    @property
    def name(self) -> str | None:
        """Vendor and product, as a person would say it; the vendor is not said twice."""
        if not self.product:
            return self.family or self.vendor
        vendor = self.vendor or ""
        product = self.product.replace("_", " ")
        return product if product.lower().startswith(vendor.split(" ")[0].lower()) else f"{vendor} {product}"

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Read /sys/class/dmi/id and /etc/dgx-release."""
        release = machine.read("/etc/dgx-release")
        return cls(
            family=clean(machine.read(_DMI + "product_family")),
            product=clean(machine.read(_DMI + "product_name")),
            vendor=clean(machine.read(_DMI + "sys_vendor")),
            dgx_os=None if isinstance(release, Missing) else dgx_os_version(release),
        )


def clean(text: str | Missing) -> str | None:
    """A DMI string without the blanks and placeholders that vendors leave in it (`Dell  Inc.`)."""
    if isinstance(text, Missing):
        return None
    words = " ".join(text.split())
    placeholders = ("", "to be filled by o.e.m.", "default string", "none", "not specified", "system product name")
    return None if words.lower() in placeholders or not words.isprintable() else words


def dgx_os_version(release: str) -> str | None:
    """The version after the last update, else the one from the factory."""
    values = shell_values(release)
    version = values.get("DGX_OTA_VERSION") or values.get("DGX_SWBUILD_VERSION")
    return version if version and re.fullmatch(r"\d+(\.\d+)*", version) else None
