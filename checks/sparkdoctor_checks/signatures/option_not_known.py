"""Options of run_openfold."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Error: No such option: {option:word}",
    "Error: No such option '{option:path}'",
    "Error: Missing option '{missing:path}'",
    "Error: Invalid value for '{name:path}' / '{other:path}': {what}",
    "Error: Invalid value for '{name:path}': {what}",
    "Error: No such command '{order:path}'",
    "Error: Got unexpected extra argument",
    checks=("openfold3-version",),
)
def option_not_known(found: Found) -> Verdict | None:
    """OpenFold3 was called with an option or a file that there is not.

    0.3 knows options with underscores alone (`--query_json`), 0.4 and later those with hyphens too.

    Sources:
    - run_openfold of OpenFold3 0.3.1 and 0.5.0; click
    """
    if not any("run_openfold" in line or "setup_openfold" in line for line in (*found.before, found.line)):
        return None
    option = found["option"].rstrip(".,'\"")
    if option:
        underscores = "--" + option[2:].replace("-", "_")
        if "-" in option[2:]:
            return fail(
                f"this OpenFold3 does not know {option}: 0.3 writes {underscores}, with underscores",
                remedy=f"Write {underscores}, which all versions know, where there is such an option.",
                command="run_openfold predict --help",
            )
        return fail(
            f"this OpenFold3 does not know the option {option}",
            remedy="See which options this version has.",
            command="run_openfold predict --help",
        )
    if "does not exist" in found["what"]:
        return fail(
            f"{found['what'].rstrip('.')} ({found['name']})",
            remedy="Give the path of a file that is there; in a container, one that is mounted.",
        )
    return fail(
        f"run_openfold was called in a way that it does not understand: {found.line.partition('Error: ')[2]}",
        remedy="See how it is called.",
        command="run_openfold predict --help",
    )
