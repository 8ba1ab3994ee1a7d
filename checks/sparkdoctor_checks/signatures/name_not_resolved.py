"""Names of the network."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    " socket.gaierror: [Errno {number}] Name or service not known",
    " socket.gaierror: [Errno {number}] Temporary failure in name resolution",
    " requests.exceptions.ConnectionError: {pool} Failed to resolve '{host:name}'",
    because=(ANYTHING, "msa-server-unreachable", "templates-not-fetched", "weights-download-failed"),
)
def name_not_resolved(found: Found) -> Verdict | None:
    """A name of the network could not be resolved.

    The machine is offline, or asks a name server that does not answer; in a container, docker's own.

    Sources:
    - OpenFold3 0.5.0, run without a network; requests, socket
    """
    host = found["host"]
    if any(name in host for name in ("colabfold", "rcsb.org", "openfold")):
        return None
    return fail(
        f"the name {host} cannot be resolved: no network, or no name server" if host else "a name cannot be resolved: no network",
        remedy="See whether names are resolved here, and in the container.",
        command=f"getent hosts {host or 'github.com'}",
    )
