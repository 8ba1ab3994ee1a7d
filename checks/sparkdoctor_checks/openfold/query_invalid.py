"""A query file for OpenFold3."""

from shlex import quote

from sparkdoctor.facts import QueryFile
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, warn

NEWEST = "0.5.0"
"""The release by whose schema we read where there is no OpenFold3."""
SHOWN, QUOTED, NAMED = 8, 3, 3
PASTED = 1 << 15
"""Characters that a terminal takes at once without trouble."""


@check
def query_invalid(query: QueryFile) -> Verdict:
    """The query can be predicted as it is written.

    With `--query FILE` only. OpenFold3 ends on a file that its parser refuses, after seconds of imports; what the parser
    takes can still fail, with exit status 0 (a ligand with two CCD codes), or be predicted as something else (residues in lower
    case or of an unknown letter become unknown ones), and many keys have no effect: `seeds` in a query is read and never used.
    The installed OpenFold3's own parser is asked; without one, the schema of 0.5.0 as we read it. AlphaFold 3's input format,
    which recipes for the DGX Spark show, Boltz's and FASTA are recognised and rewritten.

    Sources:
    - OpenFold3 0.3.0 to 0.5.0: projects/of3_all_atom/config/inference_query_format.py, and predictions with 0.5.0
    - adrian-greenneuron/openfold3-DGX-Spark, README, "Custom Input"
    - google-deepmind/alphafold3, docs/input.md
    """
    accepted = not isinstance(query.answer, Missing) and not query.answer.number
    problems = [problem for problem in query.reading.problems if not (accepted and problem.rejected)]
    said = _said(query)
    if accepted and query.reading.rejected:
        said = (*said, f"our own reading of {_schema(query)} would refuse it, which does not count: {_first(query)}")
    lines = tuple(_line(problem) for problem in problems)
    if query.suggestion and not accepted:
        return _foreign(query, said)
    places = {problem.where for problem in problems if problem.rejected}
    refusals = () if isinstance(query.answer, Missing) else query.answer.refusals
    own = tuple(_refusal(refusal) for refusal in refusals if refusal.where not in places)[:QUOTED]
    fatal = [line for line, problem in zip(lines, problems, strict=True) if problem.fatal]
    if not places:
        fatal = [*own, *fatal]  # what only OpenFold3 itself has to say
    if not isinstance(query.answer, Missing):
        known = {problem.where for problem in problems}
        fatal += [_refusal(refusal) for refusal in query.answer.unknown if refusal.where not in known]
    if not accepted and not isinstance(query.answer, Missing) and not fatal:
        fatal = [said[0]]  # it refused, and what it said was lost
    again = f"sparkdoctor check query-invalid --query {quote(query.path)}"
    if fatal:
        more = f" (and {len(fatal) - 1} more)" if len(fatal) > 1 else ""
        return fail(
            f"{query.path}: {fatal[0]}{more}",
            evidence=tuple(dict.fromkeys((*fatal[:SHOWN], *own, *said))),
            remedy="Correct the file, and check it again.",
            command=again,
        )
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return warn(
            f"{query.path}: {lines[0]}{more}",
            evidence=(*lines[:SHOWN], *said, _described(query)),
            remedy="Leave out what has no effect, and say it where OpenFold3 looks for it.",
            command=again,
        )
    return ok(f"{_described(query)}; read by {_reader(query)}", evidence=said if isinstance(query.answer, Broken) else ())


def _foreign(query: QueryFile, said: tuple[str, ...]) -> Verdict:
    text, lost = query.rewritten or "", query.suggestion.lost if query.suggestion else ()
    stem, dot, kind = query.path.rpartition(".")
    place = f"{stem}.openfold3.json" if dot and "/" not in kind else f"{query.path}.openfold3.json"
    form = query.suggestion.form if query.suggestion else ""
    return fail(
        f"{query.path} is {'in ' if form.endswith('format') else ''}{form}, which OpenFold3 refuses",
        expected='{"queries": {NAME: {"chains": [...]}}}',
        observed=form,
        evidence=(*(f"not carried over: {words}" for words in lost[:SHOWN]), *said),
        remedy=f"Write it as a query of OpenFold3 into {place}, and check that."
        + ("" if len(text) <= PASTED else " It is too long to be pasted."),
        command=f"printf '%s\\n' {quote(text)} > {quote(place)}" if len(text) <= PASTED else None,
    )


def _line(problem: tuple[str, int | None, str, bool, bool]) -> str:
    where, line, text, _, _ = problem
    if not where:
        return (f"line {line}, " if line else "") + text
    return f"{where}" + (f" (line {line})" if line else "") + f": {text}"


def _refusal(refusal: tuple[str, str, str]) -> str:
    where, text, _ = refusal
    return f"{where}: {text}" if where else text


def _first(query: QueryFile) -> str:
    return next(_line(problem) for problem in query.reading.problems if problem.rejected)


def _schema(query: QueryFile) -> str:
    return f"the schema of OpenFold3 {query.version or NEWEST}"


def _reader(query: QueryFile) -> str:
    if not isinstance(query.answer, Missing):
        return f"OpenFold3 {query.version or ''}".rstrip() + "'s own parser"
    return f"our own reading of {_schema(query)}"


def _said(query: QueryFile) -> tuple[str, ...]:
    """Who has read it, where that needs saying."""
    if isinstance(query.answer, Missing):
        return (f"read by {_reader(query)}: {query.answer.reason}",)
    number = query.answer.number
    how = (
        f"refused by {_reader(query)}: {number} error{'' if number == 1 else 's'}" if number else f"accepted by {_reader(query)}"
    )
    return (how,)


def _described(query: QueryFile) -> str:
    queries = query.queries
    shown = [f"{name} ({'; '.join(map(_molecule, chains[:NAMED]))}{_more(chains, NAMED)})" for name, chains in queries[:NAMED]]
    return f"{len(queries)} quer{'y' if len(queries) == 1 else 'ies'}: {', '.join(shown)}{_more(queries, NAMED)}"


def _more(items: tuple[object, ...], shown: int) -> str:
    return f" and {len(items) - shown} more" if len(items) > shown else ""


def _molecule(chain: tuple[str, tuple[str, ...], str, object, str, str]) -> str:
    kind, ids, sequence, _, smiles, component = chain
    names = ", ".join(ids[:NAMED]) + _more(ids, NAMED)
    size = f"{len(sequence)} residue{'' if len(sequence) == 1 else 's'}" if sequence else component or smiles
    return f"{kind} {names}, {size}"
