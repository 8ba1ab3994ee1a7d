"""YAML that is none."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    " yaml.scanner.ScannerError: {what}",
    " yaml.parser.ParserError: {what}",
    " yaml.reader.ReaderError: {what}",
    " yaml.composer.ComposerError: {what}",
    " yaml.constructor.ConstructorError: {what}",
    checks=("runner-yaml-surprise",),
)
def yaml_unreadable(found: Found) -> Verdict:
    """A file of settings is no YAML.

    Tabs, a colon without a blank behind it, and brackets that are not closed are the usual reasons.

    Sources:
    - OpenFold3 0.5.0, run with such runner YAMLs; PyYAML
    """
    places = [line.strip() for line in found.after[:4] if ' in "' in f" {line}" and ", line " in line]
    place = places[-1].partition(' in "')[2] if places and ' in "' in places[-1] else places[-1][4:] if places else ""
    file, _, rest = place.partition('", ')
    words = next((line.strip() for line in found.after[:2] if line.strip().startswith(("found", "expected"))), found["what"])
    ours = "runner" in file or any("openfold" in line for line in (*found.before, *found.after))
    return fail(
        f"{file}, {rest.partition(', column')[0]}, is no YAML: {words}" if file else f"the settings are no YAML: {words}",
        remedy="Correct it there: blanks instead of tabs, a blank behind each colon, every bracket closed.",
        command="sparkdoctor check runner-yaml-surprise --runner-yaml runner.yml" if ours else None,
    )
