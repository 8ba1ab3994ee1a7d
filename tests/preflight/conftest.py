from pathlib import Path

import pytest

from doors import Doors


@pytest.fixture
def doors(tmp_path: Path) -> Doors:
    return Doors(tmp_path)
