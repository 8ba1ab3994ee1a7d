"""Whether the patient's PyTorch can build an extension: headers, compiler, linker and ninja, as its own loader calls them.

A branch of pytorch.py.
"""

import os

from steps import attempt

SOURCE = r"""
#include <Python.h>
#include <c10/util/Exception.h>
#if !__has_include(<torch/extension.h>)
#error "torch/extension.h: No such file or directory"
#endif

static PyObject* half(PyObject*, PyObject* number) {
  try {
    TORCH_CHECK(PyLong_AsLong(number) % 2 == 0, "odd");
  } catch (const c10::Error& error) {
    PyErr_SetString(PyExc_ValueError, error.what_without_backtrace());
    return nullptr;
  }
  return PyLong_FromLong(PyLong_AsLong(number) / 2);
}

static PyMethodDef methods[] = {{"half", half, METH_O, nullptr}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "sparkdoctor_extension", nullptr, -1, methods};

PyMODINIT_FUNC PyInit_sparkdoctor_extension() { return PyModule_Create(&definition); }
"""


def work(_torch):
    with attempt("import torch.utils.cpp_extension"):
        from torch.utils import cpp_extension
    with attempt("build an extension"):
        place = os.environ["TMPDIR"]
        source = os.path.join(place, "sparkdoctor_extension.cpp")
        with open(source, "w", encoding="utf-8") as file:
            file.write(SOURCE)
        module = cpp_extension.load("sparkdoctor_extension", [source], build_directory=place)
    with attempt("call the extension"):
        if module.half(12) != 6:
            raise ArithmeticError("12 / 2 = %d" % module.half(12))
        try:
            module.half(1)
        except ValueError:
            pass
        else:
            raise ArithmeticError("the exception that it throws did not arrive")
