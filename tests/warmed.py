"""Stand-ins for warming: a DeepSpeed whose evoformer_attn is a small C++ extension, and a PyTorch that is asked for little."""

from pathlib import Path
from typing import Any

from sparkdoctor import process
from sparkdoctor.facts.course import Course, follow
from sparkdoctor.host import PATIENT

BUILDER = """\
import os
from torch.utils.cpp_extension import load

class EvoformerAttnBuilder:
    loaded = {}

    def load(self, verbose=True):
        if "op" not in self.loaded:
            source = os.path.join(os.path.dirname(__file__), "attention.cpp")
            flags = os.environ.get("STANDIN_FLAGS", "").split()
            self.loaded["op"] = load("evoformer_attn", [source], extra_cflags=flags, verbose=verbose)
        return self.loaded["op"]
"""
SOURCE = """\
#include <Python.h>
#include <cstdlib>
static PyObject* factor(PyObject*, PyObject*) {
  const char* given = std::getenv("STANDIN_FACTOR");
  return PyFloat_FromDouble(given ? std::atof(given) : 1.0);
}
static PyMethodDef methods[] = {{"factor", factor, METH_NOARGS, 0}, {0, 0, 0, 0}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "evoformer_attn", 0, -1, methods, 0, 0, 0, 0};
PyMODINIT_FUNC PyInit_evoformer_attn(void) { return PyModule_Create(&definition); }
"""
OPERATOR = """\
from deepspeed.ops.op_builder import EvoformerAttnBuilder

def DS4Sci_EvoformerAttention(Q, K, V, biases):
    q, k, v = (value.float().transpose(2, 3) for value in (Q, K, V))
    weights = (q @ k.mT / q.shape[-1] ** 0.5 + biases[0].float() + biases[1].float()).softmax(-1)
    return ((weights @ v).transpose(2, 3) * EvoformerAttnBuilder().load().factor()).to(Q.dtype)
"""
FILES = {
    "deepspeed/__init__.py": "__version__ = '0.0.0'\nprint('a word of DeepSpeed')\n",
    "deepspeed/ops/__init__.py": "",
    "deepspeed/ops/op_builder/__init__.py": BUILDER,
    "deepspeed/ops/op_builder/attention.cpp": SOURCE,
    "deepspeed/ops/deepspeed4science/__init__.py": OPERATOR,
}
TORCH = {
    "torch/__init__.py": "__version__ = '2.11.0'\n",
    "torch/utils/__init__.py": "",
    "torch/utils/cpp_extension.py": """\
import os

def _get_build_directory(name, verbose):
    place = os.path.join(os.environ["TORCH_EXTENSIONS_DIR"], name)
    os.makedirs(place, exist_ok=True)
    return place
""",
}


def written(place: Path, files: dict[str, str]) -> Path:
    """These files, below a directory."""
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return place


def warm(python: Path | str, directory: Path, env: dict[str, str]) -> Course:
    """What patient/warm.py reports on the CPU."""
    argv = [str(python), "-B", f"{PATIENT}/warm.py", str(directory), "cpu"]
    return follow(process.work(argv, timeout=120, env=env, hear=lambda _: None))


def troubles(course: Course) -> dict[str, Any]:
    """The steps that went wrong, each with its words."""
    return {step.name: step.trouble for step in course.steps if step.trouble}
