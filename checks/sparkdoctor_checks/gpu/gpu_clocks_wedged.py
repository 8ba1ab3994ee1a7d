"""The GPU's clock under load."""

from sparkdoctor.facts import Compute
from sparkdoctor.plugin import Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile

BUSY, SLOW, THRIFTY = 90, 1400, 40
"""Per cent, MHz and W: a busy GB10 below both of the latter is held down."""


@check
def gpu_clocks_wedged(compute: Compute, profile: Profile) -> Verdict:
    """The GPU runs at its speed under load.

    After some interruptions of power a GB10 stays at 500 to 850 MHz and 10 to 15 W however busy it is, with no reason given;
    healthy under load are about 2400 MHz and 35 to 90 W. A reboot does not cure it. An idle GPU is slow by right, so
    this is judged under load alone.

    Sources:
    - hoesing/spark-gpu-throttle-check; thatcooperguy/NVCheckup (rule gb10-pd-power-wedge)
    """
    if not profile.unified_memory:
        return skip("the rule is known for GB10 only")
    load = compute.course.step("clocks under load")
    name = str(compute.course.learnt("torch.cuda.init").get("name", ""))
    if load is None or not load.learnt:
        return skip("no load could be put on a GPU")
    if "GB10" not in name:
        return skip(f"the rule is known for GB10 only, not for {name}")
    mhz, watts, busy = map(load.number, ("mhz", "watts", "busy"))
    if mhz is None or busy is None or busy < BUSY:
        why = "NVML tells neither clock nor load" if mhz is None or busy is None else f"the GPU was {busy} % busy only"
        return skip(f"could not be judged: {load.learnt.get('refused', why)}")
    seen = f"{mhz} MHz" + ("" if watts is None else f", {watts:.0f} W") + f" at {busy} % load"
    if mhz >= SLOW or (watts is not None and watts >= THRIFTY):
        return ok(seen, observed=f"{mhz} MHz")
    return fail(
        f"the GPU is held down: {seen}",
        expected=f">={SLOW} MHz under load",
        observed=f"{mhz} MHz",
        remedy="Undo clock limits (`sudo nvidia-smi -rgc`); if it stays so, shut down, unplug the power supply for a minute, "
        "and use the original 240 W adapter.",
        command="sudo nvidia-smi -rgc",
        needs_root=True,
    )
