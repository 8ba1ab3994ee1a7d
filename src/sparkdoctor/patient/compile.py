"""Whether the patient's Triton can compile for the architecture given as argument (121): no GPU is needed for that."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from steps import attempt, learnt, main

POINTERS = ("x_ptr", "y_ptr", "out_ptr")


def work(number):
    with attempt("import triton"):
        import triton

        learnt(version=str(triton.__version__))
    kernel = kernel_module().muladd
    with attempt("compile for sm_" + number):
        from triton.backends.compiler import GPUTarget

        compiled = triton.compile(source(kernel), target=GPUTarget("cuda", int(number), 32))
        learnt(bytes=len(compiled.asm["cubin"]))


def kernel_module():
    """The file with the kernel: Triton reads a kernel's source from there."""
    import importlib.util

    path = os.path.join(os.path.dirname(os.path.realpath(__file__)), "kernel.py")
    spec = importlib.util.spec_from_file_location("sparkdoctor_kernel", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def source(kernel):
    """What to compile; how that is said has changed with 3.2 and 3.3."""
    import inspect

    from triton.compiler import ASTSource

    signature = {**dict.fromkeys(POINTERS, "*fp32"), "n": "i32"}
    if "constants" in inspect.signature(ASTSource).parameters:  # 3.0 to 3.1
        return ASTSource(kernel, signature=dict(enumerate(signature.values())), constants={4: 1024})
    if "constexpr" in inspect.getsource(ASTSource.__init__):
        return ASTSource(kernel, signature={**signature, "BLOCK": "constexpr"}, constexprs={"BLOCK": 1024})
    return ASTSource(kernel, signature=signature, constexprs={"BLOCK": 1024})


if __name__ == "__main__":
    main(work)
