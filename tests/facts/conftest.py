"""The laboratory of extensions."""

from pathlib import Path

import pytest

from lab import Lab, built
from standins.hosts import script


@pytest.fixture(scope="session")
def library(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(compiler, tmp_path_factory.mktemp("library") / "op.so", "int op;\n")


@pytest.fixture
def lab(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    for name in ("XDG_CACHE_HOME", "TRITON_CACHE_DIR", "TRITON_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPARKDOCTOR_PYTHON", "/lab/python")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "root"))
    # A ninja that is content, and that writes as badly as one could where it is sent to.
    ninja = 'case "$*" in --version) echo 1.99; exit;; esac\necho x > "$2/.ninja_log"; rm -f "$2/.ninja_deps"\n'
    script(tmp_path / "bin" / "ninja", f"#!/bin/sh\n{ninja}echo 'ninja: no work to do.'\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    (tmp_path / "lab").mkdir()
    return Lab(tmp_path, library)
