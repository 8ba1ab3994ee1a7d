"""Runner YAMLs."""

from shlex import quote

from sparkdoctor.facts import Network, Openfold3, RunnerYaml
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip, warn

SHOWN = 12
SERVER = "sequences go to https://api.colabfold.com"


@check
def runner_yaml_surprise(runner: RunnerYaml | Missing, openfold3: Openfold3, network: Network | Missing) -> Verdict:
    """Runner YAMLs are understood, and none is merged unasked.

    From 0.5.0 on `$OPENFOLD_CACHE/runner.yml` is merged into every prediction, under the file of --runner-yaml and without a
    word: it may turn kernels off, skip queries that have an output, or send sequences to a server. A setting that the version
    does not know ends a prediction at its start, in some tables; in others it is ignored. `inference_ckpt_path` and
    `inference_ckpt_name` are options of the command line, and end it with a TypeError where they stand in the YAML.

    Unless a YAML or `--use_msa_server False` says otherwise, sequences are sent to a server for their alignments. On a machine
    without a network that ends a prediction after half a minute; where packets are dropped, it tries again without end.

    Sources:
    - run_openfold.py and entry_points/validator.py of OpenFold3 0.3.1, 0.4.5 and 0.5.0, with YAMLs of each kind
    """
    if isinstance(runner, Missing):
        if not isinstance(runner, Broken):
            return skip(runner.reason)
        return fail(
            f"every prediction would stop: {runner.reason}",
            expected="a table in YAML",
            remedy="Mend it there, or move it away.",
        )
    files = " and ".join(path for path in (runner.merged, runner.given) if path)
    if runner.rejected:
        return fail(
            f"OpenFold3 {openfold3.version} does not take "
            + (runner.rejected[0] if runner.rejected[0].startswith("/") else f"{files}: {runner.rejected[0]}"),
            expected="settings that it knows",
            observed=f"{len(runner.rejected)} that it rejects" if len(runner.rejected) > 1 else None,
            evidence=runner.rejected[1:SHOWN],
            remedy="Mend or remove these settings: every prediction stops at them with exit status 1.",
        )
    if runner.use_msa_server is not False and not isinstance(network, Missing) and not network.up:
        return warn(
            f"this machine is offline, and a prediction sends its {SERVER} unless told not to: it waits, maybe forever",
            expected="use_msa_server: false",
            observed="true" if runner.use_msa_server else "the default, true",
            evidence=(f"network interfaces: {', '.join(network.down) or 'none'} (none is up)", *runner.settings[:SHOWN]),
            remedy="Predict with --use_msa_server False --use_templates False, or set both in a runner YAML.",
        )
    if runner.merged and runner.settings:
        return warn(
            f"{runner.merged} is merged into every prediction: {', '.join(_telling(runner)[:3])}",
            expected="no such file, or one that is meant",
            observed=f"{len(runner.settings)} settings" if len(runner.settings) > 1 else "1 setting",
            evidence=(*runner.settings[:SHOWN], *_consequences(runner, openfold3), *runner.ignored),
            remedy="Keep it if this is meant for every prediction; else move it away and name it with --runner-yaml where it is.",
            command=f"mv -i {quote(runner.merged)} {quote(runner.merged + '.aside')}",
        )
    if runner.ignored:
        return warn(
            f"OpenFold3 {openfold3.version} ignores a setting: {runner.ignored[0]}",
            evidence=(*runner.ignored[1:SHOWN], *_consequences(runner, openfold3)),
            remedy="Mend or remove it: it has no effect.",
        )
    notes = (f"{runner.unread}: this version does not look at it",) if runner.unread else ()
    consequences = _consequences(runner, openfold3)
    if runner.given:
        return ok(f"{runner.given} is understood", evidence=(*consequences, *notes))
    return ok(
        "no runner YAML is merged" if not runner.merged else f"{runner.merged} is empty of settings",
        evidence=(*consequences, *notes),
    )


def _telling(runner: RunnerYaml) -> list[str]:
    """The settings that change most, first."""
    words = (
        "use_msa_server",
        "skip_existing",
        "use_templates",
        "_kernels",
        "use_deepspeed",
        "use_lma",
        "cache_path",
        "presets",
        "ccd_file",
    )
    return sorted(runner.settings, key=lambda text: next((rank for rank, word in enumerate(words) if word in text), len(words)))


def _consequences(runner: RunnerYaml, openfold3: Openfold3) -> tuple[str, ...]:
    """What they make of a prediction, in words."""
    found = []
    if runner.skip_existing:
        found.append("queries that have an output are skipped: no summary is printed, and an old one stays")
    if runner.kernels != openfold3.kernels:
        on = [name for name, value in runner.kernels.items() if value]
        found.append(f"attention kernels: {', '.join(on) or 'those of PyTorch alone'}")
    if runner.presets is not None and "predict" not in runner.presets:
        found.append("model_update without the preset predict takes the place of the default, which has it")
    if runner.use_msa_server is not False:
        why = "" if runner.use_msa_server is None else " by this YAML"
        found.append(f"{SERVER}{why} unless --use_msa_server False is given: an offline machine waits for it")
    if runner.use_templates:
        found.append("structures of templates are downloaded")
    return tuple(found)
