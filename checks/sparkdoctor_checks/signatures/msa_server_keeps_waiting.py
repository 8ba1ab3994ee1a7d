"""The server for alignments, where it lets one wait."""

from sparkdoctor.plugin import Found, Verdict, signature, warn


@signature(
    "Timeout while submitting to {kind:name} server. Retrying...",
    "Timeout while fetching {what:name} from MSA server. Retrying...",
    "Error while fetching result from MSA server.Retrying... ({attempt:int}/{of:int})",
    "Error while fetching result from MSA server. Retrying... ({attempt:int}/{of:int})",
    "Sleeping for {seconds:int}s. Reason: {reason:name}",
    checks=("runner-yaml-surprise",),
    because=("msa-server-unreachable", "msa-server-refuses"),
    at_end=True,
)
def msa_server_keeps_waiting(found: Found) -> Verdict | None:
    """The last that was heard is that it waits for the MSA server.

    A timeout is tried again without a count, and 0.3 counts no error either: where a firewall drops packets, for ever.
    `RATELIMIT` means that the public server has had enough from this address; it goes on by itself when it may.

    Sources:
    - core/data/tools/colabfold_msa_server.py of OpenFold3 0.3.1 to 0.5.0
    - sokrypton/ColabFold #495, #618, #836; YoshitakaMo/localcolabfold #325
    """
    if found["reason"] in ("PENDING", "RUNNING") or any("COMPLETE" in line for line in found.after):
        return None
    if found["reason"]:
        return warn(
            "the MSA server limits how much one address may ask: it waits until it may go on",
            remedy="Wait, and submit from one machine at a time; or make the alignments yourself, with colabfold_search.",
        )
    return warn(
        "the MSA server does not answer, and is asked again without end: a firewall may drop the packets",
        remedy="Stop it, and predict without the server: run_openfold predict … --use_msa_server=False --use_templates=False",
        command="curl -sS -m 20 -o /dev/null -w '%{http_code}\\n' https://api.colabfold.com",
    )
