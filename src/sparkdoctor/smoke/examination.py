"""A whole smoke test: what it needs, the prediction, the judgement, and what both say."""

import errno
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sparkdoctor import doctor
from sparkdoctor.facts import Gpu, Openfold3, Python, Weights
from sparkdoctor.facts.course import START, follow
from sparkdoctor.facts.weights import describe, misfit
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing, Status
from sparkdoctor.query import UBIQUITIN, Query, document
from sparkdoctor.registry import Registry
from sparkdoctor.smoke import causes, history, judge
from sparkdoctor.smoke.criterion import Criterion, verdict
from sparkdoctor.smoke.findings import Finding, findings, remembered
from sparkdoctor.smoke.judge import Judgement
from sparkdoctor.smoke.run import LOG, OWN, STAGES, Order, Run, Show, ends, predict

POST_MORTEM = 300.0
"""Seconds for a look into the weights after a prediction that cannot be believed."""
_OF_RUN = ("summary", "error-log", "structures")


class Wish(NamedTuple):
    """What the user asked for: where to write, the weights and settings, how many samples, and the seconds for it.

    `python` is the interpreter that was named, for a further look at the same one.
    """

    output: str
    weights: str | None = None
    runner: str | None = None
    samples: int = 1
    seconds: float = 1800.0
    python: str | None = None


class Outcome(NamedTuple):
    """How a smoke test ended. `reason` says why nothing could be judged, with what was seen and what to do about it."""

    criteria: tuple[Criterion, ...] = ()
    seen: tuple[Finding, ...] = ()
    judgement: Judgement | None = None
    cause: causes.Cause | None = None
    output: str | None = None
    reason: str = ""
    evidence: tuple[str, ...] = ()
    command: str | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """`believed`, `refused` or `unknown`."""
        return "unknown" if self.reason else verdict(self.criteria)


def weights(machine: Machine, wish: Wish) -> str | Outcome:
    """The file of the weights that is taken; where no prediction can be tried, why, and what to do about it."""
    python = machine.get(Python)
    if isinstance(python, Missing):
        return Outcome(reason=python.reason)
    if isinstance(missing := machine.get(Openfold3), Missing):
        return _advised(machine, "openfold3-missing", missing.reason)
    if wish.weights is not None:
        return wish.weights
    found = machine.get(Weights)
    if isinstance(found, Missing):
        return Outcome(reason=found.reason)
    if found.path is None:
        return _advised(machine, "weights-missing", f"there is no {found.name} in {found.directory}", found.looked)
    return found.path


def _advised(machine: Machine, name: str, reason: str, evidence: tuple[str, ...] = ()) -> Outcome:
    """What a check has to say of what is missing."""
    check = Registry.load().checks.get(name)
    verdict = doctor.examine(machine, check) if check else None
    if verdict is None or verdict.remedy is None:
        return Outcome(reason=reason, evidence=evidence)
    return Outcome(
        reason=f"{verdict.summary}. {verdict.remedy.text}", evidence=verdict.evidence or evidence, command=verdict.remedy.command
    )


def examine(machine: Machine, wish: Wish, show: Show | None = None) -> Outcome:
    """Predict ubiquitin with the installed OpenFold3 and judge what comes out.

    `wish.output` is an empty directory, or none yet.

    Raises:
        OSError: it cannot be written to, or is not empty, or the interpreter cannot be started.
    """
    if isinstance(file := weights(machine, wish), Outcome):
        return file
    python = machine.need(Python)
    own = os.path.join(wish.output, OWN)
    os.makedirs(own)
    if os.listdir(wish.output) != [OWN]:
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), wish.output)
    query = os.path.join(own, "query.json")
    with open(query, "w", encoding="utf-8") as stream:
        stream.write(document([UBIQUITIN]))
    run = predict(Order(python.path, wish.output, query, file, wish.runner, wish.samples, wish.seconds), show)
    judged = judge.judge(wish.output, [UBIQUITIN], reference=True, fresh=True, samples=wish.samples)
    criteria = (_ended(run), *judged.criteria)
    about_run, about_structure = _causes(machine, wish, criteria, run, file)
    explained = causes.explained(criteria, about_run, about_structure)
    about = {"gpu": _gpu(machine), "samples": wish.samples, "weights": os.path.basename(file)}
    kept = remembered(run, judged.seconds, verdict(criteria), about)
    seen = tuple(findings(run, wish.output, judged.seconds, history.last(kept)))
    note = history.keep(kept) or ""
    main = next((cause for cause in (about_run, about_structure) if cause and verdict(criteria) == "refused"), None)
    return Outcome(explained, seen, judged, main, wish.output, note=note)


def examine_output(directory: str, queries: Sequence[Query] | None) -> Outcome:
    """Judge what a prediction has written before, here or elsewhere; without `queries`, of ubiquitin."""
    judged = judge.judge(directory, queries or [UBIQUITIN], reference=queries is None)
    if verdict(judged.criteria) == "unknown":
        return Outcome(reason=judged.criteria[0].observed, output=directory)
    text = ends(os.path.join(directory, OWN, LOG)) + errors(directory)
    about_run = _said(text) if _failed(judged.criteria, _OF_RUN) else None
    if about_run is None and _failed(judged.criteria, ("structures",)):
        about_run = causes.Cause("what OpenFold3 printed says why, the directory does not")
    about_structure = causes.of_structure(judged.criteria, None, known=False)
    explained = causes.explained(judged.criteria, about_run, about_structure)
    main = next((cause for cause in (about_run, about_structure) if cause and verdict(explained) == "refused"), None)
    return Outcome(explained, (), judged, main, directory)


def errors(output: str) -> str:
    """What OpenFold3 has written of its failed queries."""
    place = os.path.join(output, "logs")
    try:
        names = sorted(os.listdir(place))
    except OSError:
        return ""
    return "\n".join(ends(os.path.join(place, name)) for name in names if name.startswith("predict_err"))


def _ended(run: Run) -> Criterion:
    status = Status.OK if run.code == 0 and not run.stopped else Status.FAILED
    return Criterion("exit-status", "OpenFold3 ends without an error", status, "status 0", run.ended, _last_words(run))


def _last_words(run: Run) -> tuple[str, ...]:
    if run.code == 0 and not run.stopped:
        return ()
    lines = [line.strip()[: judge.WIDTH] for line in run.log.replace("\r", "\n").splitlines() if line.strip(" \t^~")]
    return tuple(lines[-3:])


def _said(log: str) -> causes.Cause | None:
    """The likely cause by what was printed, which the signatures of all plugins are asked for."""
    return causes.of_log(log, Registry.load(signatures=True).signatures.values())


def _failed(criteria: Sequence[Criterion], ids: Sequence[str]) -> bool:
    return any(criterion.status is Status.FAILED and criterion.id in ids for criterion in criteria)


def _causes(
    machine: Machine, wish: Wish, criteria: Sequence[Criterion], run: Run, file: str
) -> tuple[causes.Cause | None, causes.Cause | None]:
    """The likely causes for the run and for the structure; where these may be the weights, they are looked into."""
    about_run = about_structure = None
    steps = [step.name for step in run.course.steps if step.name != "end" or not run.code]
    stage = STAGES.get(steps[-1], steps[-1]) if steps else START
    if failed := _failed(criteria, causes.ABOUT_RUN):
        about_run = causes.of_end(run.code, run.stopped, stage) or _said(run.log + errors(wish.output))
    loading = bool(run.code and run.code > 0 and steps[-1:] == ["load the weights"])
    wrong = any(one.status is Status.FAILED and one.id not in causes.ABOUT_RUN for one in criteria)
    about = about_run.about if about_run else ""
    if wrong or loading or about:
        seen = _look(machine, run, file)
        cause = causes.of_weights(seen)
        about_structure = causes.of_structure(criteria, cause, known=bool(seen))
        if about == "structure":
            about_run = cause or about_run
        elif loading or about:
            useless = causes.of_file(file, _trouble(machine, file), about_run)
            about_run = useless or (cause if cause and cause.about == "weights" else about_run)
    if failed:
        about_run = about_run or causes.silent(run.ended, stage)
    return _completed(about_run, wish), _completed(about_structure, wish)


def _look(machine: Machine, run: Run, file: str) -> Mapping[str, Any]:
    """What the run has seen of its weights; where it did not come to that, what their file shows."""
    seen = run.course.learnt("summarise").get("weights")
    if isinstance(seen, Mapping):
        return seen
    looked = machine.work(machine.need(Python).path, "weights", file, timeout=POST_MORTEM)
    return {} if isinstance(looked, Missing) else follow(looked).learnt("look at the weights")


def _trouble(machine: Machine, file: str) -> str:
    """What speaks against a file of weights; empty where nothing does."""
    found = describe(machine, file)
    return found.reason if isinstance(found, Missing) else found.trouble or misfit(found, machine.need(Openfold3))


def _completed(cause: causes.Cause | None, wish: Wish) -> causes.Cause | None:
    """With a command that looks at what was tried: the same interpreter and settings."""
    if cause is None or cause.command is None or not cause.command.startswith("sparkdoctor "):
        return cause
    words = cause.command.split()
    if wish.weights is not None and "weights-missing" in words:
        return cause._replace(command=None)  # it looks at the weights that are found unasked
    words += ["--python", wish.python] if wish.python else []
    words += ["--runner-yaml", wish.runner] if wish.runner and words[1] == "check" else []
    return cause._replace(command=shlex.join(words))


def _gpu(machine: Machine) -> str | None:
    gpu = machine.get(Gpu)
    return None if isinstance(gpu, Missing) else gpu.name
