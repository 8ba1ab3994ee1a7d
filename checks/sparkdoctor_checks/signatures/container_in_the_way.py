"""Containers that run already."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    'The container name "{name:path}" is already in use by container',
    'the container name "{name:path}" is already in use by',
    "Bind for {address:path} failed: port is already allocated",
    "failed to bind host port for {address:path}: address already in use",
    "failed to bind host port {address:path}: address already in use",
)
def container_in_the_way(found: Found) -> Verdict:
    """Another container has the name or the port that this one is to have.

    A container that has ended keeps its name until it is removed; `--rm` removes it at its end.

    Sources:
    - the words of docker 28 and podman
    """
    if found["name"]:
        return fail(
            f"there is a container of the name {found['name'].lstrip('/')} already",
            remedy="Remove it, or give this one another name.",
            command="docker ps --all --format '{{.Names}}: {{.Status}}'",
        )
    return fail(
        f"another program has the port of {found['address']}",
        remedy="Stop it, or give this container another port (-p).",
        command="docker ps --format '{{.Names}}: {{.Ports}}'; sudo ss -ltnp",
        needs_root=True,
    )
