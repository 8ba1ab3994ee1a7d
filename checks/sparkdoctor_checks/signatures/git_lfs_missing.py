"""Large files of git's."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "git: 'lfs' is not a git command",
    "git-lfs: command not found",
    "git-lfs: not found",
    "This repository is configured for Git LFS but 'git-lfs' was not found",
    checks=("weights-missing",),
)
def git_lfs_missing(found: Found) -> Verdict:
    """Large files of a git repository were not fetched.

    Without git-lfs a checkout holds, in place of each large file, a text of three lines that begins with `version`.

    Sources:
    - git-lfs, docs/spec.md; git 2.39 without it, run
    """
    del found
    return fail(
        "git-lfs is not installed, and the repository keeps its large files with it",
        remedy="Install it, then fetch the files, in the repository.",
        command="sudo apt install git-lfs && git lfs install && git lfs pull",
        needs_root=True,
    )
