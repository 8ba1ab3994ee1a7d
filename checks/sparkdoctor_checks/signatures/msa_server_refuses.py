"""The server for alignments, where it answers with an error."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "MMseqs2 API is giving errors",
    "MMseqs2 API is undergoing maintenance",
    "429 Client Error: Too Many Requests for url: {url:path}",
    "Server didn't reply with json: {answer}",
    checks=("query-invalid",),
)
def msa_server_refuses(found: Found) -> Verdict | None:
    """The server for alignments answered with an error.

    It does so for sequences that are none, for those it finds nothing to align with, for addresses that ask too much (an answer
    of 429 is no JSON), and when it is ill itself.

    Sources:
    - core/data/tools/colabfold_msa_server.py of OpenFold3 0.3.1 to 0.5.0
    - sokrypton/ColabFold #488, #721; jwohlwend/boltz #370; aqlaboratory/openfold-3 #61
    - kimjc95/computational-chemistry #4 (an address that is blocked)
    """
    said = " ".join((found.line, *found.before, *found.after))
    if "raise Exception" in found.line or found.line.lstrip().startswith(('"', "f'", 'f"')):  # a traceback shows the source
        return None
    if found["url"] and "colabfold" not in found["url"] and "/ticket/" not in found["url"]:
        return None
    if "maintenance" in said:
        return fail("the MSA server is being maintained", remedy="Try again in some minutes.")
    if "404 page not found" in said:
        return fail(
            "the MSA server has no such address as OpenFold3 asks: a private one needs the paths of the public one",
            remedy="Set msa_computation_settings.server_url to a server that has /ticket/msa.",
        )
    if any(words in said for words in (" 429", "Too Many Requests", "RATELIMIT", "for unblock")):
        return fail(
            "the MSA server refuses this address: it has asked too much",
            remedy="Wait some hours, and submit from one machine at a time.",
        )
    return fail(
        "the MSA server answered with an error: a sequence is none, or the server is ill",
        remedy="Check the query's sequences; if they are sound, try again in an hour, or predict with --use_msa_server=False.",
        command="sparkdoctor check query-invalid --query query.json",
    )
