"""The dictionary of chemical components."""

from sparkdoctor.facts import Ccd, Openfold3, Python
from sparkdoctor.facts.ccd import LEAST
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip


@check
def ccd_missing(ccd: Ccd | Missing, openfold3: Openfold3, python: Python) -> Verdict:
    """The dictionary of chemical components is whole.

    OpenFold3 takes residues and ligands from `components.bcif`, which comes with biotite. `setup_openfold` replaces it in
    place by a newer one: a download that breaks off leaves an empty or truncated file, and every prediction fails from then
    on.

    Sources:
    - biotite/structure/info/ccd.py of 1.2.0 and 1.6.0; setup_openfold.py of OpenFold3 0.3.1 to 0.5.0
    - aqlaboratory/openfold-3 #118
    """
    again = python.pip_install("--force-reinstall --no-deps biotite")
    if isinstance(ccd, Missing):
        if python.distribution("biotite") is not None:
            return skip(ccd.reason)
        return fail(
            f"OpenFold3 {openfold3.version} cannot start: {ccd.reason}",
            expected="biotite",
            observed="none",
            remedy="Install it.",
            command=python.pip_install("biotite"),
        )
    trouble = ""
    if isinstance(ccd.components, Missing):
        trouble = ccd.components.reason.removeprefix(f"{ccd.path}: ")
    elif ccd.components < LEAST:
        trouble = f"it has {ccd.components:,} components"
    if not trouble:
        return ok(f"{ccd.components:,} components", observed=f"{ccd.components:,}", evidence=(ccd.path,))
    biotite = python.distribution("biotite")
    release = f"=={biotite.version}" if biotite else ""
    sizes = "" if ccd.size is None else f"{ccd.size:,} bytes"
    if ccd.installed:
        sizes = f"{sizes or 'no file'}; {ccd.installed:,} when it was installed"
    if ccd.own:
        remedy, command = "Mend dataset_config_kwargs.ccd_file_path in the runner YAML, or take it out: biotite has one.", None
    else:
        remedy, command = "Install biotite again, which brings it.", again.replace(" biotite", f" 'biotite{release}'")
    return fail(
        f"{ccd.path} is of no use: {trouble}",
        expected=f">={LEAST:,} components",
        observed=sizes or "no file",
        remedy=remedy,
        command=command,
    )
