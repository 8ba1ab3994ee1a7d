"""cuDNN's headers."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "fatal error: cudnn.h: No such file or directory",
    "fatal error: cudnn_{part:name}.h: No such file or directory",
    "Could not find cudnn_LIBRARY using the following names",
    "Could NOT find CUDNN (missing",
    checks=("torch-without-cuda",),
)
def cudnn_not_found(found: Found) -> Verdict:
    """A build does not find cuDNN.

    The CUDA toolkit does not bring it. PyTorch's extensions look in $CUDNN_PATH and $CUDNN_HOME; the package nvidia-cudnn-cu13,
    which PyTorch's wheel has brought, holds headers too. cudnn_frontend.h comes with the sources' submodules.

    Sources:
    - NVIDIA/TransformerEngine #171, #918, #954, #1309, #1506
    """
    if "cudnn_frontend" in found.line:
        return fail(
            "the sources were fetched without their submodules: cudnn_frontend.h is missing",
            remedy="Fetch the submodules in the sources' directory, and build again.",
            command="git submodule update --init --recursive",
        )
    return fail(
        "cuDNN's headers are not where this build looks",
        remedy="Lead it to those that came with PyTorch.",
        command='export CUDNN_PATH=$(python3 -c "import nvidia.cudnn as c; print(list(c.__path__)[0])")'
        " && export CPLUS_INCLUDE_PATH=$CUDNN_PATH/include",
    )
