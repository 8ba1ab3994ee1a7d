"""GPUs in Kubernetes."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "{nodes:int} Insufficient nvidia.com/gpu",
    "Incompatible strategy detected auto",
    "If this is a GPU node, did you configure the NVIDIA Container Toolkit?",
    "No devices found. Waiting indefinitely.",
    checks=("gpu-not-visible", "driver-missing"),
    because=("container-without-driver", "nvidia-runtime-missing", "cdi-device-unknown", "driver-library-missing"),
)
def kubernetes_without_gpu(found: Found) -> Verdict:
    """No node of the cluster offers a free GPU.

    Another pod holds it (a Spark has one), or the device plugin does not run. Plugins before 0.17.4 stop on a GB10, whose
    memory NVML does not tell.

    Sources:
    - NVIDIA/k8s-device-plugin #1482 (GB10)
    """
    if found["nodes"]:
        return fail(
            "no node has a free GPU: another pod holds it, or the device plugin does not offer it",
            remedy="Look what the nodes offer, and who holds it.",
            command="kubectl describe nodes | grep -E 'Name:|nvidia.com/gpu'",
        )
    return fail(
        "NVIDIA's device plugin finds no GPU on its node",
        remedy="Take the plugin 0.17.4 or later (a GB10 needs it), and make nvidia containerd's runtime on the node.",
        command="sudo nvidia-ctk runtime configure --runtime=containerd --set-as-default && sudo systemctl restart containerd",
        needs_root=True,
    )
