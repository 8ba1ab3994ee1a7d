"""Releases of OpenFold3 that tests really run; the fixture `openfold3` installs them."""

import pytest

NEWEST = "0.5.0"
RELEASES = (NEWEST, "0.4.5", "0.4.0", "0.3.1")


def releases(*versions: str) -> pytest.MarkDecorator:
    """The test is for each of these versions: marked `openfold3` with the newest, `older` with the others."""
    mark = {version: pytest.mark.openfold3 if version == NEWEST else pytest.mark.older for version in versions}
    return pytest.mark.parametrize("version", [pytest.param(version, marks=mark[version]) for version in versions])
