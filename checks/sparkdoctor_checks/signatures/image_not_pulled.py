"""Images that Kubernetes did not get."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    'Back-off pulling image "{image:path}"',
    'Failed to pull image "{image:path}"',
    "Error: ImagePullBackOff ",
    "Error: ErrImagePull ",
    " ImagePullBackOff ",
    " ErrImagePull ",
    " Init:ImagePullBackOff ",
    because=(
        "image-refused",
        "image-missing",
        "image-for-other-platform",
        "network-unreachable",
        "certificate-rejected",
        ANYTHING,
    ),
)
def image_not_pulled(found: Found) -> Verdict:
    """Kubernetes could not get a container's image.

    The pod's events say why: a name or tag that does not exist, a registry that wants a login (imagePullSecrets), no image for
    linux/arm64, or no network.

    Sources:
    - kubernetes.io, "Images" (ImagePullBackOff)
    """
    del found
    return fail(
        "Kubernetes could not get the image of a container",
        remedy="Look at the pod's events for the registry's words.",
        command="kubectl get events --sort-by=.lastTimestamp | grep -i pull | tail",
    )
