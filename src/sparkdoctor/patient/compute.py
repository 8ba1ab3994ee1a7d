"""What the patient's PyTorch can do: reach the GPU, compute what the CPU computes. A branch of pytorch.py."""

import os
import sys

from steps import attempt, learnt

LOAD_SECONDS, QUEUED, SAMPLES = 2.0, 0.05, 5
"""How long the GPU is kept busy at most and the work that it is given ahead, in seconds; how many of the last samples count."""


def work(torch):
    with attempt("torch.cuda.is_available"):
        import warnings

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            available = bool(torch.cuda.is_available())
        built = torch.version.cuda
        learnt(available=available, built=built, warnings=[str(warning.message)[:500] for warning in caught][:3])
    if not available and built is None:
        return
    with attempt("torch.cuda.init"):
        torch.cuda.init()
        torch.zeros(1, device="cuda")
        torch.cuda.synchronize()
        count = torch.cuda.device_count()
        learnt(name=torch.cuda.get_device_name(0), capability=list(torch.cuda.get_device_capability(0)), count=count)
    with attempt("matmul float32", vital=False):
        matmul(torch, torch.float32)
    with attempt("matmul bfloat16", vital=False):
        matmul(torch, torch.bfloat16)
    attention(torch)
    with attempt("clocks under load", vital=False):
        load(torch)


def random(torch, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(76), dtype=torch.float64)


def compare(torch, found, reference):
    """The relative error in the Frobenius norm, against float64 on the CPU."""
    found = found.detach().cpu().double()
    finite = bool(torch.isfinite(found).all())
    learnt(error=float((found - reference).norm() / reference.norm()), finite=finite)


def matmul(torch, dtype):
    a, b = (random(torch, 512, 512).to(dtype), random(torch, 512, 512).t().to(dtype))
    compare(torch, a.cuda() @ b.cuda(), a.double() @ b.double())


def attention(torch):
    """As OpenFold3 calls it: 4 heads of 32 over ubiquitin's 76 residues; by PyTorch's own choice and by each backend."""
    call = torch.nn.functional.scaled_dot_product_attention
    for dtype in (torch.float32, torch.bfloat16):
        short = str(dtype).replace("torch.", "")
        q, k, v = (random(torch, 3, 1, 4, 76, 32) * torch.ones(1)).to(dtype)
        k, v = k.flip(-1), v.flip(-2)
        reference = (q.double() @ k.double().transpose(-1, -2) / 32**0.5).softmax(-1) @ v.double()
        with attempt("scaled_dot_product_attention " + short, vital=False):
            compare(torch, call(q.cuda(), k.cuda(), v.cuda()), reference)
        for backend in ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION"):
            with attempt("%s %s" % (backend, short), vital=False):
                one_backend(torch, backend, q, k, v, reference)


def one_backend(torch, backend, q, k, v, reference):
    import warnings

    from torch.nn.attention import SDPBackend, sdpa_kernel

    if not hasattr(SDPBackend, backend):
        learnt(refused="this PyTorch has none")
        return
    try:
        with warnings.catch_warnings(), sdpa_kernel(getattr(SDPBackend, backend)):
            warnings.simplefilter("ignore")
            found = torch.nn.functional.scaled_dot_product_attention(q.cuda(), k.cuda(), v.cuda())
            torch.cuda.synchronize()
    except RuntimeError as error:
        if "No available kernel" not in str(error):
            raise
        learnt(refused="No available kernel")
        return
    compare(torch, found, reference)


def load(torch):
    """Keep the GPU busy for a moment and read its clock, power and load meanwhile."""
    import time

    place = os.environ.get("SPARKDOCTOR_PYNVML")
    if not place:
        learnt(refused="pynvml is not installed")
        return
    sys.path.append(place)
    import pynvml

    pynvml.nvmlInit()
    handle = handle_of(torch, pynvml)
    if handle is None:
        learnt(refused="NVML cannot tell which GPU this is")
        return
    a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    for _ in range(3):
        a @ a
    torch.cuda.synchronize()
    began = time.monotonic()
    for _ in range(3):
        a @ a
    torch.cuda.synchronize()
    enough = 1 + int(QUEUED * 3 / (time.monotonic() - began))
    samples, queue = [], []
    # NVML looks back over up to a second: go on until it has seen the load.
    while time.monotonic() - began < LOAD_SECONDS and not seen(samples):
        for _ in range(enough):
            a @ a
        queue.append(torch.cuda.Event())
        queue[-1].record()
        samples.append(sample(pynvml, handle))
        if len(queue) > 1:
            queue.pop(0).synchronize()
    names = ("mhz", "watts", "busy")
    columns = [sorted(value for value in column if value is not None) for column in zip(*samples[-SAMPLES:])]
    learnt(samples=len(samples), **{name: column[len(column) // 2] for name, column in zip(names, columns) if column})


def seen(samples):
    """Whether the last samples show a busy GPU."""
    last = [busy or 0 for _, _, busy in samples[-SAMPLES:]]
    return len(last) == SAMPLES and min(last) >= 90


def handle_of(torch, pynvml):
    uuid = getattr(torch.cuda.get_device_properties(0), "uuid", None)
    if uuid is not None:
        return pynvml.nvmlDeviceGetHandleByUUID("GPU-%s" % uuid)
    return pynvml.nvmlDeviceGetHandleByIndex(0) if pynvml.nvmlDeviceGetCount() == 1 else None


def sample(pynvml, handle):
    def ask(call, *args):
        try:
            return call(handle, *args)
        except pynvml.NVMLError:
            return None

    watts, busy = ask(pynvml.nvmlDeviceGetPowerUsage), ask(pynvml.nvmlDeviceGetUtilizationRates)
    return (
        ask(pynvml.nvmlDeviceGetClockInfo, pynvml.NVML_CLOCK_SM),
        None if watts is None else watts / 1000,
        None if busy is None else busy.gpu,
    )
