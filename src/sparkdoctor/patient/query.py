"""Asks the installed OpenFold3's own parser what it thinks of a query file, which is the argument.

What the parser does not look at and the prediction then fails on is asked of those whom OpenFold3 asks: components of biotite's
dictionary, SMILES of RDKit.

The schema is imported without the packages around it, whose __init__ would import DeepSpeed and gemmi: seconds, and what may
end badly for reasons of its own. Where that does not work in a version to come, the whole is imported.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from steps import attempt, learnt, main, words

SCHEMA = "openfold3.projects.of3_all_atom.config.inference_query_format"
ERRORS, LENGTH = 20, 300
CHAINS = 2000
"""Chains that are looked at more closely."""


def work(path):
    with attempt("import OpenFold3's query schema"):
        schema = alone() or whole()
    with attempt("InferenceQuerySet.from_json"):
        queries, errors, number = parse(schema.InferenceQuerySet, path)
        learnt(accepted=queries is not None, number=number)
        for error in errors:
            learnt(**error)
    chains = list(of(queries))[:CHAINS]
    for name, given, known in (("biotite's components", components, dictionary), ("RDKit's SMILES", smiles, chemistry)):
        if places := list(given(chains)):
            with attempt(name, vital=False):
                know = known()
                found = {text: know(text) for _, text in places}
                unknown = [[place, text[:LENGTH]] for place, text in places if not found[text]]
                learnt(number=len(found))
                for number, place in enumerate(unknown[:ERRORS]):
                    learnt(**{"unknown%d" % number: place})


def of(queries):
    """The chains of accepted queries, with their paths."""
    for name, query in queries.queries.items() if queries else ():
        for number, chain in enumerate(query.chains):
            yield ["queries", name, "chains", str(number)], chain


def components(chains):
    """Paths and codes."""
    for place, chain in chains:
        if chain.molecule_type.name == "LIGAND":
            for code in chain.ccd_codes or () if chain.smiles is None else ():
                yield [*place, "ccd_codes"], code
        else:
            for position, code in (chain.non_canonical_residues or {}).items():
                if 0 < position <= len(chain.sequence or ""):
                    yield [*place, "non_canonical_residues", str(position)], code


def dictionary():
    from biotite.structure import info

    return lambda code: info.get_from_ccd("chem_comp_atom", code, "atom_id") is not None


def smiles(chains):
    """Paths and SMILES."""
    for place, chain in chains:
        if chain.molecule_type.name == "LIGAND" and chain.smiles:
            yield [*place, "smiles"], chain.smiles


def chemistry():
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")
    return lambda text: Chem.MolFromSmiles(text) is not None


def alone():
    """The schema's module by itself; None where it needs more."""
    from importlib import import_module, util

    spec = util.find_spec("openfold3")
    if spec is None or not spec.submodule_search_locations:
        return None
    sys.modules["openfold3"] = util.module_from_spec(spec)
    try:
        return import_module(SCHEMA)
    except Exception:  # it is imported as a whole then, and that may fail as it does for its user
        for name in [name for name in sys.modules if name.partition(".")[0] == "openfold3"]:
            del sys.modules[name]
        return None


def whole():
    from importlib import import_module

    return import_module(SCHEMA)


def parse(schema, path):
    """The queries, None where they are refused; what is wrong, each with its place; how many things are."""
    try:
        return schema.from_json(path), [], 0
    except Exception as error:
        if not callable(getattr(error, "errors", None)):  # from a converter: OpenFold3 ends with it
            return None, [{"error0": [[], words(error)[:LENGTH], type(error).__name__]}], 1
        found = error.errors(include_url=False, include_context=False, include_input=False)
        lines = [[list(map(str, item["loc"]))[:20], str(item["msg"])[:LENGTH], str(item["type"])[:LENGTH]] for item in found]
        return None, [{"error%d" % number: line} for number, line in enumerate(lines[:ERRORS])], len(lines)


if __name__ == "__main__":
    main(work)
