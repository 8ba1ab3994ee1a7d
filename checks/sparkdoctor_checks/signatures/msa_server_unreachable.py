"""The server for alignments, where the network does not lead to it."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

OFFLINE = "--use_msa_server=False --use_templates=False"


@signature(
    "Error while fetching result from MSA server.Retrying... (6/5)",
    "Error while fetching result from MSA server. Retrying... (6/5)",
    "Error while fetching result from template server.Retrying... (6/5)",
    "Too many failed attempts for the MSA generation request",
    "Could not get MSA/templates for {query}: {pool:name}(host='{host:name}', port={port:int}): {why}",
    " requests.exceptions.ConnectionError: {pool:name}(host='{host:name}', port={port:int}): {why}",
    " requests.exceptions.ConnectTimeout: {pool:name}(host='{host:name}', port={port:int}): {why}",
    " requests.exceptions.ReadTimeout: {pool:name}(host='{host:name}', port={port:int}): {why}",
    " requests.exceptions.SSLError: {pool:name}(host='{host:name}', port={port:int}): {why}",
    " requests.exceptions.ProxyError: {pool:name}(host='{host:name}', port={port:int}): {why}",
    " urllib3.exceptions.MaxRetryError: {pool:name}(host='{host:name}', port={port:int}): {why}",
    " ConnectionError: {pool:name}(host='{host:name}', port={port:int}): {why}",
    " urllib3.exceptions.NameResolutionError: {connection}: Failed to resolve '{host:name}'",
    checks=("runner-yaml-surprise",),
    because=("proxy-refuses", "certificate-rejected"),
)
def msa_server_unreachable(found: Found) -> Verdict | None:
    """The server for alignments cannot be reached.

    Unless told not to, OpenFold3 sends each sequence to https://api.colabfold.com. Without a network it gives up after six
    attempts; where packets are dropped, it tries again without end.

    Sources:
    - OpenFold3 0.3.1 and 0.5.0, run without a network; core/data/tools/colabfold_msa_server.py
    - sokrypton/ColabFold #495, #618, #664; src/boltz/data/msa/mmseqs2.py of Boltz
    """
    host, path = found["host"], found["why"].partition("url: ")[2].replace("//", "/")
    if host and "colabfold" not in host and not path.startswith(("/ticket/", "/result/", "/template/")):
        return None
    if "raise " in found.line:  # a traceback shows the source
        return None
    return fail(
        "the MSA server cannot be reached: this machine has no network, or no way to it",
        remedy=f"Mend the network or its proxy, or predict without it: run_openfold predict … {OFFLINE}",
        command="curl -sS -o /dev/null -w '%{http_code}\\n' https://api.colabfold.com",
    )
