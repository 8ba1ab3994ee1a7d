"""`sparkdoctor record`."""

import json

import click

from sparkdoctor import doctor
from sparkdoctor.cli import Broke, emit, say
from sparkdoctor.cli.options import examination, find_python, know_severities, load_profile, seconds, watching
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.redact import Redactor
from sparkdoctor.registry import Registry
from sparkdoctor.tape import Recorder


@click.command("record", epilog="Example: sparkdoctor record spark.tape.json && sparkdoctor check --replay spark.tape.json")
@click.argument("file", type=click.Path())
@examination
@click.option("--notes", default="", metavar="TEXT", help="A remark to put on the tape.")
def command(file: str, profile: str | None, python: str | None, deep: bool, timeout: float | None, notes: str) -> int:
    """Write what this machine says to FILE (- for stdout), to be replayed elsewhere.

    Names of users and hosts, home directories, addresses, serials, UUIDs and secrets are taken out. Look the file over
    before you publish it all the same.
    """
    rules = load_profile(profile)
    registry = Registry.load()
    know_severities(registry, rules)
    with watching(deep=deep) as watch:
        recorder = Recorder(LocalHost(find_python(python), watch))
        machine = Machine(recorder, rules, timeout=seconds(timeout, deep=deep), deep=deep, thorough=True)
        report = doctor.diagnose(machine, registry, doctor.select(registry))
    tape = recorder.tape(Redactor.local(), profile=rules.name, deep=deep, notes=notes)
    text = json.dumps(tape, indent=1, sort_keys=True) + "\n"
    if file == "-":
        emit(text)
    else:
        try:
            with open(file, "w", encoding="utf-8") as target:
                target.write(text)
        except OSError as error:
            raise Broke(f"{file}: {error.strerror}") from None
        say(f"{file}: {len(tape['answers'])} answers, {len(text) // 1024 + 1} KiB; the verdict here is {report.verdict}")
    return 0
