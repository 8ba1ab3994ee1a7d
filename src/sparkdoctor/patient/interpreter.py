"""What this interpreter is and which packages it would import, found without importing any of them.

Run by the patient's own interpreter (Python 3.9 or later) with -S, so that no line of its .pth files and no
sitecustomize runs: they may import anything. The search path is then built here by the interpreter's own site module,
so that its virtual environment, user site, PYTHONPATH and .pth directories are the ones that count. Names of modules to
look for are the arguments. Prints one marked JSON line.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)  # PYTHONSAFEPATH leaves it out
from wire import dumps  # noqa: E402

MARK = "sparkdoctor-interpreter:"
FINDERS = {}


def add_package(directory, name, known):
    """Stands in for site.addpackage: takes the directories of a .pth file, runs none of its import lines.

    The finders of editable installs are import lines; the table in the module that they name is read instead.
    """
    try:
        with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return known
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith(("import ", "import\t")):
            finder = line.split(";")[0][len("import") :].strip()
            if finder.startswith("__editable__"):
                FINDERS.update(mapping(os.path.join(directory, finder + ".py")))
            continue
        path = os.path.join(directory, line)
        if path not in known and os.path.isdir(path):
            known.add(path)
            sys.path.append(path)
    return known


def mapping(path):
    """The table of package names and directories in the finder of an editable install."""
    import ast

    try:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if getattr(targets[0], "id", None) == "MAPPING":
                table = ast.literal_eval(node.value)
                return {name: place for name, place in table.items() if isinstance(place, str)}
    except Exception:  # whatever a file that is no finder of setuptools' holds
        return {}
    return {}


def build_path():
    """Do what site.main does to sys.path, and nothing else of it."""
    import site

    site.addpackage = add_package
    known = site.venv(site.removeduppaths())
    if site.ENABLE_USER_SITE is None:
        site.ENABLE_USER_SITE = site.check_enableusersite()
    known = site.addusersitepackages(known)
    site.addsitepackages(known)


def find(name):
    """Where `import name` would come from, or None."""
    from importlib.machinery import PathFinder

    try:
        spec = PathFinder.find_spec(name)
    except Exception as error:
        return {"error": "%s: %s" % (type(error).__name__, error)}
    if spec is None:
        # The finders of editable installs come after the path finder.
        place = FINDERS.get(name)
        return None if place is None else {"origin": os.path.realpath(os.path.join(place, "__init__.py"))}
    if spec.origin:
        return {"origin": os.path.realpath(spec.origin)}
    # A directory without __init__.py: Python would import it as an empty namespace.
    return {"namespace": [str(path) for path in spec.submodule_search_locations or ()]}


def distributions():
    """(name, version, metadata directory) of what is installed, in import order, from directory names alone."""
    found = []
    for place in sys.path:
        try:
            names = sorted(os.listdir(place or "."))
        except OSError:
            continue
        for name in names:
            stem, dot, kind = name.rpartition(".")
            if dot and kind in ("dist-info", "egg-info"):
                project, _, version = stem.partition("-")
                found.append([project, version.split("-")[0], os.path.join(place, name)])
    return found


def main():
    # The directory of this file is not on the path of the user's own programs.
    here = os.path.realpath(HERE)
    sys.path[:] = [place for place in sys.path if os.path.realpath(place or ".") != here]
    build_path()
    import sysconfig

    managed = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    answer = {
        "executable": sys.executable,
        "version": "%d.%d.%d" % sys.version_info[:3],
        "abiflags": getattr(sys, "abiflags", ""),
        "implementation": sys.implementation.name,
        "prefix": sys.prefix,
        "managed": sys.prefix == sys.base_prefix and os.path.exists(managed),
        "include": sysconfig.get_path("include"),
        "path": list(sys.path),
        "modules": {name: find(name) for name in sys.argv[1:]},
        "distributions": distributions(),
    }
    # A line of its own, whatever the environment has printed before us.
    sys.stdout.write("\n" + MARK + dumps(answer) + "\n")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # a seventh of the time of this script would go into taking it apart
