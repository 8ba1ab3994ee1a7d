"""Daemons that end programs before memory runs out."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Killed {unit:word} due to memory {reason}",
    "Marked {unit:word} for killing due to memory {reason}",
    "systemd-oomd killed {count:int} process(es) in this unit",
    'sending SIG{signal:name} to process {pid:int} uid {uid:int} "{program}": ',
    'sending SIG{signal:name} to process {pid:int} "{program}": badness',
    'killing process {pid:int} "{program}" with signal {signal:int}: badness',
    "killed due to the node running low on memory",
    "killed due to memory pressure (OOM)",
    checks=("memory-pressure", "memory-low"),
)
def killed_by_daemon(found: Found) -> Verdict | None:
    """A daemon ended a program because memory ran low.

    systemd-oomd, earlyoom and Ray's monitor act before the kernel does: on pressure, or on a share of the machine's memory
    in use. On a GB10 that share holds what the GPU uses, so a model that fits is in their way.

    Sources:
    - systemd/systemd #23606, #32304; rfjakob/earlyoom #121, #131, #309, #354
    - MiaAI-Lab/GLM-5.3-Flash-NVFP4-Dual-DGX-Spark #2 (Ray's monitor on a Spark)
    """
    line = found.line
    if found["unit"]:
        if "oomd" not in line:
            return None
        who, whom = "systemd-oomd", found["unit"].rpartition("/")[2]
    elif found["count"]:
        if any("due to memory" in near for near in found.before):
            return None
        who, whom = "systemd-oomd", f"{found['count']} processes"
    elif found["program"]:
        who, whom = "earlyoom", f"{found['program']} (process {found['pid']})"
    else:
        return fail(
            "Ray ended a worker because more than 95% of the machine's memory was in use",
            remedy="Start Ray without its memory monitor, which counts what the GPU holds.",
            command="export RAY_memory_monitor_refresh_ms=0",
        )
    return fail(
        f"{who} ended {whom} because memory ran low",
        remedy="End programs that hold memory (models that are still loaded, notebooks), and start it again.",
        command="ps aux --sort=-rss | head",
    )
