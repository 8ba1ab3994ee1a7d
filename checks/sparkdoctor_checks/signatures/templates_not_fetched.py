"""Structures of templates."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Failed to fetch chain ID mappings from RCSB for {entries:int} entries",
    " requests.exceptions.ConnectionError: {pool:name}(host='{host:name}.rcsb.org', port={port:int}): {why}",
    " requests.exceptions.ConnectTimeout: {pool:name}(host='{host:name}.rcsb.org', port={port:int}): {why}",
    " requests.exceptions.ReadTimeout: {pool:name}(host='{host:name}.rcsb.org', port={port:int}): {why}",
    " requests.exceptions.SSLError: {pool:name}(host='{host:name}.rcsb.org', port={port:int}): {why}",
    " requests.exceptions.ProxyError: {pool:name}(host='{host:name}.rcsb.org', port={port:int}): {why}",
    " urllib.error.URLError: <urlopen error {why}>",
    "Error while fetching result from template server",
    checks=("runner-yaml-surprise",),
    because=("msa-server-unreachable",),
)
def templates_not_fetched(found: Found) -> Verdict | None:
    """The structures of templates could not be fetched.

    With templates on (the default from 0.4 on), OpenFold3 asks data.rcsb.org for their chains and downloads their structures.

    Sources:
    - core/data/tools/rscb.py of OpenFold3 0.4.5 and 0.5.0
    """
    if "urlopen" in found.line and not any("rcsb" in line or "template" in line for line in found.before):
        return None
    if "template server" in found.line and "(6/5)" not in found.line:
        return None
    return fail(
        "the structures of templates cannot be fetched: this machine does not reach rcsb.org",
        remedy="Mend the network or its proxy, or predict without templates: run_openfold predict … --use_templates=False",
        command="curl -sS -o /dev/null -w '%{http_code}\\n' https://data.rcsb.org",
    )
