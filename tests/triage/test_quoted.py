"""Whether a line speaks of a message or is where it was printed."""

import time

import pytest

from sparkdoctor.triage.quoted import quoted

SPOKEN_OF = (
    '    raise RuntimeError("⟨Ninja is required to load C++ extensions⟩")',
    "[rank0]:     raise RuntimeError('⟨CUDA error: no kernel image is available⟩')",
    '>       raise RuntimeError(f"⟨CUDA_HOME does not exist⟩, unable to compile CUDA op(s) {self.name}")',
    '    throw std::runtime_error("⟨no CUDA-capable device is detected⟩");',
    '        return False, "⟨Device compute capability 8.9 or higher required for FP8 execution.⟩"',
    '    msg = f"{link.filename} ⟨is not a supported wheel on this platform.⟩"',
    '            "⟨Could not find a version that satisfies the requirement⟩ %s "',
    '    message = "⟨Max retries exceeded with url⟩: %s (Caused by %r)" % (url, reason)',
    '    e = ProxyError("⟨Cannot connect to proxy.⟩", e)',
    'self.warning("⟨Please use CUTLASS version >= 3.1.0⟩")',
    '            logger.error(f"⟨Server didn\'t reply with json⟩: {res.text}")',
    '  LOG(WARNING) << "⟨Not enough memory to allocate⟩ " << size << " on device "',
    'with pytest.raises(Exception, match="⟨MMseqs2 API is giving errors⟩"):',
    'if strings.Contains(err.Error(), "⟨x509: certificate signed by unknown authority⟩") {',
    "        ), '⟨DeepSpeed backend not set⟩, please initialize it using init_process_group()'",
    'assert.Check(t, is.Error(err, "⟨Bind for :::10000 failed⟩: port is already allocated"))',
    's := "⟨x509: certificate signed by unknown authority⟩"',
    '    expErr:       "⟨failed to bind host port⟩ 0.0.0.0:8080/tcp: address already in use",',
    '    assert "⟨Could not find a version that satisfies the requirement⟩ B" in result.stderr',
    '        == "OOMKilled (⟨exit code 137⟩)"',
    "DOCA_ERROR_NO_MEMORY = 7,              /**< ⟨Memory allocation failure⟩ */",
    "lightning_fabric/utilities/testing/_runif.py:88:    # AssertionError: ⟨Torch not compiled with CUDA enabled⟩",
    "+    # RuntimeError: ⟨CUDA error: an illegal memory access was encountered⟩",
    "$ grep -c '⟨No space left on device⟩' train.log",
    'anna@spark-7a2c:~/fold$ git commit -m "⟨CUDA out of memory⟩ is told by its size"',
    "+ trap 'echo \"⟨WARNING: The NVIDIA Driver was not detected.⟩\"' ERR",
    "+ echo '⟨WARNING: The NVIDIA Driver was not detected.⟩'",
    '    echo "⟨WARNING: The NVIDIA Driver was not detected.⟩  GPU functionality will not be available."',
    "(e.getCudnnStatus() == ⟨CUDNN_STATUS_ARCH_MISMATCH⟩ ||",
    "} catch (const ⟨std::bad_alloc⟩ &e) {",
    "# RuntimeError: ⟨CUDA error: an illegal memory access was encountered⟩",
    "    #   RuntimeError: ⟨CUDA error: an illegal memory access was encountered⟩",
    "#assert cdb is not None, '⟨DeepSpeed backend not set⟩, please initialize it'",
    "// ⟨CUDA error: an illegal memory access was encountered⟩ is lost here",
    "assert np.lexsort((xs,)).shape[0] == 0  # Was: ⟨MemoryError⟩",
    "    case ENOSPC:  // ⟨No space left on device⟩",
    "#define\tENOSPC\t\t28\t/* ⟨No space left on device⟩ */",
    '\t{28, "ENOSPC", "⟨no space left on device⟩"},',
    "28 ⟨No space left on device⟩",
    "ENOSPC          ⟨No space left on device⟩ (POSIX.1-2001).",
    "* `EMFILE` (⟨Too many open files in system⟩): Maximum number of",
    "### Error during installation: ⟨fatal error: pyconfig.h: No such file or directory⟩",
    "  137 | #error -- ⟨unsupported GNU version! gcc versions later than 15 are not supported!⟩",
    "| NCCL test failures (libnccl.so.2: ⟨cannot open shared object file⟩) | NCCL is missing | Follow the guide|",
    "a947cb1 Handle ⟨CUDA out of memory⟩ in the sampler",
    "* 5f3ba90 (HEAD -> main) ⟨CUDA out of memory⟩ is told with what holds the memory",
    "HEAD is now at 5f3ba90 Retry after ⟨CUDA out of memory⟩",
    "[main 5f3ba90] Retry after ⟨CUDA out of memory⟩",
    "- Fix for issue 26 (⟨CUDA error: misaligned address⟩ after a scan)",
    "* fix(loader): ⟨Too many open files⟩ with many workers",
    'Fix "⟨no kernel image is available⟩" on sm_121',
    "To fix '⟨CUDA out of memory⟩', use a smaller batch.",
    "To fix ‘⟨CUDA out of memory⟩’, use a smaller batch.",
    "If you see `RuntimeError: ⟨CUDA out of memory⟩`, lower the batch size.",
    "If it prints “⟨No devices were found⟩”, restart the machine.",
    'reaching these limits results in a "⟨too many open files⟩" error.',
    "* You may encounter this `pynvml.NVMLError_NotSupported: ⟨Not Supported⟩`. This is expected.",
    '- A subscriber with the "⟨Too many open files⟩" problem',
    "This indicates that the provided ⟨PTX was compiled with an unsupported toolchain.⟩",
)

PRINTED = (
    "RuntimeError: ⟨CUDA error: no kernel image is available⟩ for execution on the device",
    '{"log":"RuntimeError: ⟨CUDA out of memory⟩. kwargs={}\\n","stream":"stderr","time":"2026-04-01T12:00:00.2Z"}',
    '{"level": "error", "message": "⟨no space left on device⟩ {}", "pod": "fold-0"}',
    'time="2026-04-01T12:00:00Z" level=error msg="⟨no space left on device⟩"',
    'level=error error="write /var/lib/x: ⟨no space left on device⟩" unit={}',
    'err="failed to write {}: ⟨no space left on device⟩"',
    "2026-04-01 12:00:00 ERROR app: RuntimeError('⟨CUDA out of memory⟩. {}')",
    'Exception: BrokenProcessPool("⟨CUDA out of memory⟩")',
    "ERROR:openfold3.core.data.tools.colabfold_msa_server:⟨Server didn't reply with json⟩: 404 page not found",
    "  message: '⟨no space left on device⟩',",
    "kernel.cu:10:5: error: ⟨unsupported GNU version! gcc versions later than 15⟩ are not supported!",
    "loader.py:160: RuntimeError: ⟨CUDA out of memory⟩",
    "anna@spark-7a2c:~$ bash: line 1: 3120 ⟨Killed⟩ python train.py",
    "$ [1]+  ⟨Killed⟩                 python train.py",
    '{"msg":"exec container process `/usr/local/bin/python⟨`: Exec format error⟩","level":"error"}',
    "E   RuntimeError: ⟨CUDA out of memory⟩",
    "E           torch.AcceleratorError: ⟨CUDA error: invalid device ordinal⟩",
    "##[error]⟨No space left on device⟩",
    "#14 70.22 ⟨ninja: build stopped⟩: subcommand failed.",
    "> RuntimeError: ⟨Too many open files⟩. Communication with the workers is no longer possible.",
    "> > nvcc fatal   : ⟨Unsupported gpu architecture⟩ 'compute_121'",
    "terminate called after throwing an instance of '⟨std::bad_alloc⟩'",
    "* ⟨Could not resolve host⟩: example.org",
    "# docker run --rm nvcr.io/x nvidia-smi: ⟨No devices were found⟩",
    "root@spark-7a2c:/# [  812.3] ⟨Out of memory: Killed process⟩ 3120 (python)",
    "/ # [  812.3] ⟨Out of memory: Killed process⟩ 3120 (python)",
    "# [  812.3] ⟨Out of memory: Killed process⟩ 3120 (python)",
    "# There is ⟨insufficient memory⟩ for the Java Runtime Environment to continue.",
    "web-1  | RuntimeError: ⟨CUDA out of memory⟩",
    "3: ⟨No space left on device⟩",
    "OSError: [Errno 28] ⟨No space left on device⟩",
    "Error: ENOSPC: ⟨no space left on device⟩, write",
    "gcc: error: ENOSPC ⟨No space left on device⟩",
    "Error: crun: cannot stat `/usr/lib/libcuda.so.580`: ⟨No such file or directory⟩: OCI runtime",
    "Error: crun: cannot stat `⟨/usr/lib/libcuda.so.580⟩`: No such file or directory: OCI runtime",
    "/lib/libc.so.6: version `⟨GLIBC_2.38' not found⟩ (required by ./x)",
    "nvcc fatal   : Value '⟨sm_121⟩' is not defined for option 'gpu-name'",
    'e13422806e16   openfold3:0.4.3   "run_openfold predic…"   14 minutes ago   ⟨Exited (137)⟩ 2 minutes ago   fold-dev',
    "1763791200 ⟨CUDA out of memory⟩",
    'docker: Error response from daemon: ⟨could not select device driver⟩ "" with capabilities: [[gpu]].',
    'rpc error: code = Unknown desc = "⟨no space left on device⟩"',
    "  stderr: b'⟨nvcc fatal   : Unsupported gpu architecture⟩'",
    "The engine doesn't start: ⟨CUDA out of memory⟩, it's said",
    "make: *** [Makefile:12: all] Error 1 ⟨No space left on device⟩",
    '    "stderr_lines": ["⟨nvcc fatal   : Unsupported gpu architecture⟩ \'compute_121\'"]',
    '      "RuntimeError: ⟨CUDA out of memory⟩\\n",',
)


def _taken_apart(text: str) -> tuple[str, int]:
    at = text.index("⟨")
    return text.replace("⟨", "").replace("⟩", ""), at


@pytest.mark.parametrize("text", SPOKEN_OF)
def test_what_is_spoken_of_is_quoted(text: str) -> None:
    assert quoted(*_taken_apart(text))


@pytest.mark.parametrize("text", PRINTED)
def test_what_is_printed_is_not(text: str) -> None:
    assert not quoted(*_taken_apart(text))


@pytest.mark.parametrize("text", SPOKEN_OF)
def test_blanks_before_it_do_not_matter(text: str) -> None:
    line, at = _taken_apart(text)
    assert quoted("\t  " + line, at + 3)


@pytest.mark.parametrize(
    "piece", ["'", '"', "`", "\\", ".a(", "raise ", "(", "if ", " # ", "x'y ", "{", "# ", "an error ", "|", "%s", "f'"]
)
def test_the_longest_line_takes_no_time(piece: str) -> None:
    line = piece * (1_000_000 // len(piece))
    begin = time.perf_counter()
    for at in (0, 1000, len(line) // 2, len(line)):
        quoted(line, at)
    assert time.perf_counter() - begin < 1
