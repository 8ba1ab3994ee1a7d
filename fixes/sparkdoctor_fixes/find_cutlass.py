"""CUTLASS for DeepSpeed."""

from collections.abc import Mapping

from sparkdoctor.facts import Cutlass, CutlassTrees, Deepspeed, EnvironmentFile, Python
from sparkdoctor.facts.cutlass import BINDINGS, DETECTED_SINCE, IGNORE, VALUES_SINCE, VARIABLE
from sparkdoctor.facts.cutlass_trees import Tree
from sparkdoctor.facts.environment import merged
from sparkdoctor.plugin import Answer, MakeDirectory, NotNeeded, Plan, Refused, Step, WriteFile, fix

_LEAST = (3, 1)
_PATHS_WORK_SINCE = (0, 18, 7)
"""0.18.5 and 0.18.6 hand on paths in a form that they cannot use (deepspeedai/DeepSpeed #7760)."""
_SEARCHED = "CPATH"
_TITLE = "# CUTLASS, for DeepSpeed up to 0.18.4\n"


@fix(cures=("deepspeed-cutlass-missing",), after=("set-environment",))
def find_cutlass(
    cutlass: Cutlass, trees: CutlassTrees, deepspeed: Deepspeed, environment: EnvironmentFile, python: Python
) -> Answer:
    """DeepSpeed takes the CUTLASS that is here.

    Leads the installed DeepSpeed to the headers of a checkout ($CUTLASS_PATH, $CUTLASS_ROOT, $CUTLASS_HOME, ~/cutlass,
    /usr/local/cutlass, /opt/cutlass) or of the package nvidia-cutlass, by variables in ~/.config/sparkdoctor/environment.sh, a
    file that shells read. A line of your own in it is not changed. It installs nothing: where there are no headers of CUTLASS
    3.1 or later, it says how to get them.

    Which variables depends on the version. DeepSpeed up to 0.18.4 wants a CHANGELOG.md that mentions 3.1.0 beside the headers,
    which the package does not have: then CUTLASS_PATH names a small directory of ours with such a file, and CPATH the headers.
    0.18.5 and 0.18.6 fail on any path, and get DS_IGNORE_CUTLASS_DETECTION with CPATH. From 0.18.7 on CUTLASS_PATH names the
    checkout, or says DS_USE_CUTLASS_PYTHON_BINDINGS for the package.

    Sources:
    - op_builder/evoformer_attn.py of DeepSpeed 0.15.4, 0.18.5, 0.18.9, 0.19.1 and 0.19.8, run with nvidia-cutlass 3.8 and 4.2
    """
    name = f"DeepSpeed {deepspeed.version}"
    if not cutlass.refusal:
        return NotNeeded(f"{name} takes the CUTLASS in {cutlass.headers}")
    if trees.served:
        return NotNeeded(f"{environment.path} leads {name} to CUTLASS already; this shell has not read it", environment.read)
    # What is named first is what a user wants; what is too old is passed over.
    tree = next((tree for tree in trees.trees if tree.listed or (tree.version and tree.version >= _LEAST)), None)
    if tree is None:
        seen = "; ".join(f"{tree.includes[0]} is {_version(tree)}" for tree in trees.trees)
        openfold3 = python.distribution("openfold3")
        package = "'nvidia-cutlass<4'" if openfold3 and openfold3.release < (0, 4, 3) else "nvidia-cutlass"
        seen = f" ({seen})" if seen else ""
        again = "" if deepspeed.release >= DETECTED_SINCE and not cutlass.setting else "; install them, and fix this again"
        return Refused(f"there are no headers of CUTLASS 3.1 or later here{seen}{again}", python.pip_install(package))
    settings, changelog = _settings(deepspeed.release or DETECTED_SINCE, tree, trees)
    if obstacle := _obstacle(settings, changelog, environment, trees):
        return Refused(obstacle)
    steps: list[Step] = []
    if changelog is not None and changelog != trees.changelog:
        steps += [MakeDirectory(path, 0o700) for path in trees.new]
        steps += [WriteFile(f"{trees.place}/CHANGELOG.md", changelog, trees.changelog)]
    reason = f"{_version(tree)} in {tree.includes[0]}, as {name} looks for it"
    text = merged(environment.text, {variable: (value, reason) for variable, value in settings.items()})
    if text != environment.text:
        steps += environment.steps(text)
    if not steps:
        return NotNeeded(
            f"{environment.path} leads {name} to {tree.includes[0]} already; this shell has not read it", environment.read
        )
    said = () if cutlass.setting is None else (f"{VARIABLE}={cutlass.setting} is set here, and does not do: {cutlass.refusal}",)
    return Plan(
        f"{name} finds {_version(tree)} in {tree.includes[0]}",
        tuple(steps),
        notes=(*said, "each shell that builds or runs it has to read that file first"),
        environment=tuple(settings.items()),
        then=environment.read,
    )


def _settings(release: tuple[int, ...], tree: Tree, trees: CutlassTrees) -> tuple[dict[str, str], str | None]:
    """The variables that lead a DeepSpeed to these headers, and the CHANGELOG.md that they need, if any."""
    before = [place for place in (trees.searched or "").split(":") if place and place not in tree.includes]
    by_compiler = {_SEARCHED: ":".join((*tree.includes, *before))}
    if release >= _PATHS_WORK_SINCE:
        return {VARIABLE: BINDINGS if tree.packaged else tree.root}, None
    if release >= VALUES_SINCE:
        return {VARIABLE: IGNORE, **by_compiler}, None
    if tree.listed:
        return {VARIABLE: tree.root}, None
    text = f"""\
{_TITLE}
It looks for a CHANGELOG.md that mentions 3.1.0 where {VARIABLE} leads, to see that CUTLASS is no older, and this is one.
The headers are those of {_version(tree)}, which compilers find by {_SEARCHED}:

{"".join(f"- {place}{chr(10)}" for place in tree.includes)}
Written by `sparkdoctor fix find-cutlass`.
"""
    return {VARIABLE: trees.place, **by_compiler}, text


def _obstacle(settings: Mapping[str, str], changelog: str | None, environment: EnvironmentFile, trees: CutlassTrees) -> str:
    """What keeps these files from being written; empty where nothing does."""
    if environment.obstacle:
        return environment.obstacle
    for variable, value in settings.items():
        export = environment.exports.get(variable)
        if export and not export.ours and export.value != value:
            said = "" if export.value is None else f" to {export.value}"
            return f"a line of your own in {environment.path} sets {variable}{said}, where {value} is needed"
    if changelog in (None, trees.changelog):
        return ""
    if trees.changelog is not None and not trees.changelog.startswith(_TITLE):
        return f"{trees.place}/CHANGELOG.md was not written by sparkdoctor"
    return trees.obstacle


def _version(tree: Tree) -> str:
    return "CUTLASS {}.{}".format(*tree.version) if tree.version else "CUTLASS of unknown version"
