"""The keys that sign apt's repositories."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn


@signature(
    "couldn't be verified because the public key is not available: NO_PUBKEY {key:name}",
    "The following signatures were invalid: EXPKEYSIG {key:name}",
    "The following signatures were invalid: KEYEXPIRED {key:name}",
    "The following signatures were invalid: BADSIG {key:name}",
    "Missing key {key:name}, which is needed to verify signature",
    "The repository '{repository}' is not signed",
    "Conflicting values set for option Signed-By regarding source {source:path}",
    checks=("dgx-os-outdated",),
    because=("network-unreachable", "proxy-refuses", "certificate-rejected"),
)
def apt_source_untrusted(found: Found) -> Verdict:
    """Apt does not trust a repository.

    Its signing key is not there or has run out: NVIDIA gave its CUDA repositories another one in 2022, which older images do
    not have. Two entries for one repository that name different keys stop apt altogether.

    Sources:
    - NVIDIA/nvidia-docker #837, #1626, #1631; NVIDIA/libnvidia-container #194
    - NVIDIA/cuda-repo-management #4; nyukat/mammography_metarepository #24; apt, its messages
    """
    if source := found["source"]:
        return fail(
            f"apt has two entries for {source} that name different keys",
            remedy="Keep one of the entries, and remove the file with the other.",
            command=f"grep -rl {_place(source) or 'nvidia'} /etc/apt/sources.list /etc/apt/sources.list.d",
        )
    near = (found.line, *found.before[-2:], *found.after)
    place = next((_place(line) for line in near if "://" in line), "")
    key = found["key"] or next((line.rpartition("NO_PUBKEY ")[2].strip() for line in near if "NO_PUBKEY " in line), "")
    key = f" ({key})" if key else ""
    remedy = "Install the key that it is signed with today (for NVIDIA's CUDA: the package cuda-keyring), or drop its entry."
    command = f"grep -rl {place or 'nvidia'} /etc/apt/sources.list /etc/apt/sources.list.d"
    if any("previous index files will be used" in line for line in near) and not any("is not signed" in line for line in near):
        return warn(
            f"apt goes on with old lists of {place or 'a repository'}: it lacks a key{key} that is good",
            remedy=remedy,
            command=command,
        )
    return fail(
        f"apt does not trust {place or 'a repository'}: it lacks a key{key} that is good",
        remedy=remedy,
        command=command,
    )


def _place(source: str) -> str:
    """The host of a repository's address; empty where it is none, for it stands in a command."""
    host = source.partition("://")[2].partition("/")[0].partition(" ")[0]
    return host if host[:1].isalnum() and all(one.isascii() and (one.isalnum() or one in ".-") for one in host) else ""
