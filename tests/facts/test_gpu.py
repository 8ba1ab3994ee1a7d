"""What facts make of texts: GPUs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    Gpu,
    Nvml,
)
from sparkdoctor.facts import gpu as gpus
from sparkdoctor.model import Missing
from texts import JSON, TEXT, lines_of

# A GB10: NVIDIA/k8s-device-plugin #1482, lablup/all-smi #80; GB200: public capture.
SMI = [
    ("NVIDIA GB10, 12.1\n", [("NVIDIA GB10", "12.1")]),
    ("NVIDIA GB200, 10.0\n" * 4, [("NVIDIA GB200", "10.0")] * 4),
    (
        "NVIDIA H100 80GB HBM3, 9.0\nNVIDIA A100-SXM4-40GB, 8.0\n",
        [("NVIDIA H100 80GB HBM3", "9.0"), ("NVIDIA A100-SXM4-40GB", "8.0")],
    ),
    ("No devices were found\n", []),
    ("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.178\n", []),
    (
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is"
            " installed and running.\n"
        ),
        [],
    ),
    ("Failed to initialize NVML: Unknown Error\n", []),
    ("NVIDIA GB10, [N/A]\n", []),
    ("name, compute_cap\nNVIDIA GB10, 12.1\n", [("NVIDIA GB10", "12.1")]),
    ("NVIDIA \x1b[2JGB10, 12.1\n", []),
    ("X, 1234.5\n", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "devices"), SMI)
def test_the_gpus_that_nvidia_smi_lists(text: str, devices: list[tuple[str, str]]) -> None:
    found = gpus.parse_nvidia_smi(text)
    assert [(device.name, str(device.capability)) for device in found] == devices
    assert all(device.memory is None for device in found)


@given(st.one_of(TEXT, lines_of("NVIDIA GB10", ", ", "12.1", "9.0")))
def test_gpus_of_any_text(text: str) -> None:
    for device in gpus.parse_nvidia_smi(text):
        assert device.name.strip()
        assert 0 <= device.capability.minor < 10
        assert device.capability.major < 1000


CALLS = [
    "nvmlInit",
    "nvmlDeviceGetCount",
    "nvmlDeviceGetHandleByIndex",
    "nvmlDeviceGetName",
    "nvmlDeviceGetCudaComputeCapability",
]


@given(
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"ask": st.sampled_from(CALLS)}, optional={"device": st.one_of(JSON, st.integers(0, 2))}),
            st.fixed_dictionaries({"answer": st.one_of(JSON, st.integers(0, 40), st.just([12, 1]), st.just("NVIDIA GB10"))}),
            st.fixed_dictionaries({"error": JSON}, optional={"code": JSON, "text": JSON}),
            JSON,
        ),
        max_size=20,
    ),
    TEXT,
)
def test_gpus_of_any_answers(said: list[Any], noise: str) -> None:
    nvml = Nvml.parse("\n".join(map(json.dumps, said)) + "\n" + noise)
    found = Gpu.of(nvml)
    assert isinstance(found, Gpu | Missing)
    if isinstance(found, Gpu):
        assert found.devices
        assert found.name.isprintable()
        assert all(0 < device.capability.major < 100 and 0 <= device.capability.minor < 10 for device in found.devices)


def test_nvml_that_stops_in_a_call_leaves_it_as_asking() -> None:
    nvml = Nvml.parse('{"ask": "load"}\n{"answer": null}\n\n[]\nnoise {\n{"ask": "nvmlDeviceGetName", "device": 3}\n')
    assert nvml.answers == {"load": None, "asking": "nvmlDeviceGetName[3]"}
    assert not nvml.errors
