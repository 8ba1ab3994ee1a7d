"""Predictions without alignments."""

from sparkdoctor.plugin import Found, Verdict, ok, signature


@signature("Expected MSA file for chain {chain} of type {kind:name} in query {query:name}, but no MSA files found.")
def dummy_alignment_used(found: Found) -> Verdict:
    """A chain is predicted without an alignment.

    With `--use_msa_server False` and no files of one's own that is what is asked for. The structure is less certain for it.

    Sources:
    - core/data/framework/data_module.py of OpenFold3 0.4.5 and 0.5.0
    """
    return ok(f"{found['query']} is predicted from its sequence alone, as it should be where no alignment is wanted")
