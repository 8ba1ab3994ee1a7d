"""The network, where something is fetched."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_FETCHING = ("openfold3/", "colabfold", "rcsb.org", "botocore", "openfold3-data")
"""What OpenFold3 fetches itself, told for itself."""
_OTHERS = ("colabfold", "openfold3-data", "gai error", "socket.cpp", "c10d", "NCCL")
_HERE = ("localhost", "127.0.0.1", "host='0.", "[::1]")
_GONE_ON = ("Retrying", "connected.", "HTTP request sent", "Successfully installed", "Downloading", "100%")


@signature(
    "Temporary failure in name resolution",
    "Temporary failure resolving '{host}'",
    "[Errno -2] Name or service not known",
    "Could not resolve host: {host:name}",
    "Could not resolve '{host:name}'",
    "unable to resolve host address {host}",
    "dial tcp: lookup {host:name} on",
    "dial tcp: lookup {host:name}: no such host",
    "dial tcp: lookup {host:name}: Temporary failure",
    "dial tcp {address:path}: i/o timeout",
    "dial tcp {address:path}: connect: network is unreachable",
    "dial tcp {address:path}: connect: no route to host",
    "net/http: request canceled while waiting for connection",
    "net/http: TLS handshake timeout",
    "[Errno 101] Network is unreachable",
    "Max retries exceeded with url",
    "port={port:int}): Read timed out.",
    "Failed to connect to {host:name} port {port:int}",
    "Unable to connect to {host:name}:http",
    "Unable to connect to {host:name}:https",
    "CondaHTTPError: HTTP 000 CONNECTION FAILED for url",
    "failed to lookup address information",
    "error sending request for url",
    because=(
        "certificate-rejected",
        "proxy-refuses",
        "msa-server-unreachable",
        "templates-not-fetched",
        "weights-download-failed",
    ),
)
def network_unreachable(found: Found) -> Verdict | None:
    """Something that is fetched cannot be reached from here.

    No name server answers, or no way leads there: the machine or container is offline, or a proxy is needed. docker takes its
    proxy from the daemon's settings, not from the shell.

    Sources:
    - pip 23, git 2.39 and podman 4.3, run without a network; docker/cli docs ("Daemon proxy configuration")
    """
    line = found.line
    if any(words in line for words in (*_OTHERS, *_HERE)):
        return None
    if any(words in one for one in (*found.before, line, *found.after) for words in _FETCHING):
        return None
    if "Retrying (Retry(total=" in line:
        if "Retry(total=0" not in line:
            return None  # it tries again
        if not any("ERROR" in one or "error" in one for one in found.after[:4]):
            return None
    elif any(words in one for one in found.after[:3] for words in _GONE_ON):
        return None
    if any(
        words in line
        for words in ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "Cannot connect to proxy", "ProxyError")
    ):
        return None
    return fail(
        "a server could not be reached: no name server answers, or no way leads there",
        remedy="Look whether this machine (or container) has a network, and whether it needs a proxy.",
        command="resolvectl status | head -20; env | grep -i _proxy",
    )
