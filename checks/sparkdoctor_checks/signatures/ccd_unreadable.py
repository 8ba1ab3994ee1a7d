"""The Chemical Component Dictionary as a file."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

STANDARD = frozenset(
    "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL A C G U DA DC DG DT".split()
)
"""The residues of proteins, RNA and DNA, which every dictionary has."""


@signature(
    "Internal CCD not found. Please run",
    "ValueError: Unpack failed: incomplete input",
    " msgpack.exceptions.ExtraData: unpack(b) received extra data",
    " No such file or directory: '{file:path}components.bcif'",
    " No such file or directory: '{file:path}components.cif'",
    "ValueError: CCD component {component:name} not found!",
    checks=("ccd-missing",),
    because=("weights-download-failed", "disk-full"),
)
def ccd_unreadable(found: Found) -> Verdict | None:
    """The dictionary of chemical components is missing or damaged.

    It is `components.bcif` in biotite. `setup_openfold` replaces it in place by a newer one: a download that breaks off leaves
    an empty or truncated file, and every prediction fails from then on.

    Sources:
    - biotite 1.6.0, run with such files; biotite/structure/info/ccd.py of 1.2.0 and 1.6.0
    - aqlaboratory/openfold-3 #118; jwohlwend/boltz #295, #519
    """
    if component := found["component"]:
        if component not in STANDARD:
            return None
        return fail(
            f"Boltz's dictionary of components lacks even {component}: it was not unpacked, or not wholly",
            remedy="Remove it; the next prediction fetches it again.",
            command="rm -rf ~/.boltz/mols ~/.boltz/mols.tar",
        )
    if "CCD" not in found.line and "components." not in found.line:
        around = (*found.before, *found.after)
        if not any("bcif" in line or "ccd" in line for line in around):
            return None
    if found["file"] and "biotite" not in found["file"]:
        return fail(
            f"there is no dictionary of chemical components in {found['file']}",
            remedy="Mend dataset_config_kwargs.ccd_file_path in the runner YAML, or take it out: biotite has one.",
        )
    return fail(
        "the dictionary of chemical components cannot be read: a download broke off, or it is not there",
        remedy="Install biotite again, which brings it.",
        command="python3 -m pip install --force-reinstall --no-deps"
        """ biotite=="$(python3 -c 'from importlib.metadata import version; print(version("biotite"))')\"""",
    )
