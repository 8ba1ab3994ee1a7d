"""Made-up machines, each with one ailment for a fix in a small real tree, and stand-ins for the programs that the fix runs.

What a fix rests on is read there for real; what it does not care about is known by hand and healthy.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from by_hand import DEFAULTS, GIB, but, using
from crashing import Tree, tree
from fixes.test_patch_deepspeed import DONE, UNPATCHED, install
from lab import PLAIN, Lab
from remedies import HEALTHY
from sparkdoctor import doctor, profiles
from sparkdoctor.facts import (
    BuildSettings,
    CacheAccess,
    Compilers,
    Cutlass,
    CutlassTrees,
    Deepspeed,
    DeepspeedSource,
    EnvironmentFile,
    EvoformerPlace,
    Exports,
    Extensions,
    Memory,
    Ninja,
    Packages,
    PageCache,
    Python,
    Rebuilds,
    SharedMemory,
    ShmMount,
    Torch,
    TritonCache,
    TritonKernels,
)
from sparkdoctor.facts.page_cache import DROP
from sparkdoctor.facts.python import Distribution
from sparkdoctor.journal import Journal
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing, Report
from sparkdoctor.perform import Surroundings
from sparkdoctor.plan import Plan
from sparkdoctor.profiles import Profile
from sparkdoctor.registry import Registry
from sparkdoctor.treatment import Agree, Doctor, Treated, chosen, plan
from standins.hosts import Elsewhere, script

REGISTRY = Registry.load()
OLD = 1_700_000_000
STANDIN = """\
#!/bin/sh
PATH=/usr/bin:/bin
dies() { if [ -e "$0.dies-$1" ]; then rm "$0.dies-$1"; kill -9 $PPID; exec sleep 600; fi; }
"""
"""What each stand-in begins with: `dies POINT` kills the doctor where a file says so, and goes on for as long as it is let."""
NINJA = """\
case "$*" in --version) echo 1.99; exit;; *-n*) echo 'ninja: no work to do.'; exit;; esac
head -c 100 {library} > "$2/op.so"
dies middle
cp {library} "$2/op.so"; : > "$2/op.o"; : > "$2/.ninja_log"; : > "$2/.ninja_deps"
dies end
"""
WORKER = """\
say() {{ echo "$1" > /proc/self/fd/$SPARKDOCTOR_SAY; }}
say '{{"step": "build evoformer_attn", "at": 0.0}}'
dies begin
mkdir "$3/half"; : > "$3/half/object.o"
if [ -e "$0.dies-middle" ]; then setsid sh -c 'while :; do : > "$1/late.o"; sleep 0.01; done' late "$3" > /dev/null 2>&1 & fi
dies middle
rm -r "$3/half"
sed 's/op[.]/evoformer_attn./; s/=op /=evoformer_attn /' {recipe} > "$3/build.ninja"
cp {library} "$3/evoformer_attn.so"; : > "$3/op.o"; : > "$3/.ninja_log"; : > "$3/.ninja_deps"
dies end
say '{{"done": true, "at": 0.1}}'
"""
PREDICTION = """\
say() { echo "$1" > /proc/self/fd/$SPARKDOCTOR_SAY; }
say '{"step": "predict ubiquitin", "at": 0.0}'
dies begin
mkdir "$3/HASH"; : > "$3/HASH/tmp"
if [ -e "$0.dies-middle" ]; then setsid sh -c 'while :; do mkdir -p "$1/LATE"; : > "$1/LATE/x"; sleep 0.01; done' late "$3" > /dev/null 2>&1 & fi
dies middle
rm "$3/HASH/tmp"
echo '{"target": {"backend": "cuda", "arch": 121, "warp_size": 32}}' > "$3/HASH/_attn_fwd.json"
dies end
say '{"learnt": {"told": "the first prediction compiled 1 kernel"}}'
say '{"done": true, "at": 0.1}'
"""
APT = """\
bin={bin}
program() {{ printf '#!/bin/sh\\necho 13.3.0\\n' > "$bin/$1"; chmod 755 "$bin/$1"; touch -d @{old} "$bin/$1"; }}
case "$*" in
update) dies update;;
install*) program gcc; dies middle; program c++; program ninja; dies end;;
*) exit 100;;
esac
"""
DPKG = """bin={bin}
case "$*" in
--remove*ninja-build*) rm -f "$bin/gcc" "$bin/c++" "$bin/ninja";;
*) exit 2;;
esac
"""
PIP = """\
case "$*" in
"-m pip install ninja") cp -p {ninja} {bin}/ninja; dies middle;;
"-m pip uninstall -y ninja") rm -f {bin}/ninja;;
*) exit 2;;
esac
"""
MOUNT = """\
size=${{2##*size=}}
dies begin
ln -sfn "$size" {place}/shm.new
mv -T {place}/shm.new {size}
dies end
"""
SYNC = "dies begin\n"
SYSCTL = 'dies begin\n[ "$*" = "-w vm.drop_caches=3" ] && : > {dropped}\ndies end\n'


class Known(Machine):
    """A machine of which some facts are known without asking."""

    def __init__(self, host: Elsewhere, profile: Profile, known: Mapping[type[Fact], Any], *, deep: bool) -> None:
        super().__init__(host, profile, deep=deep, timeout=30.0)
        self._known = known

    def get(self, kind: Any) -> Any:
        return self._known[kind] if kind in self._known else super().get(kind)

    def start(self, kinds: Any) -> None:
        super().start(kind for kind in kinds if kind not in self._known)


@dataclass
class Ward:
    """One machine: what is below `tree` is watched, `bin` holds the stand-ins, and the journal is in `state`.

    `reads` are the facts that are read, `known` others that differ from the healthy ones, `answers` are given to questions.
    """

    place: Path
    library: Path
    fix: str = ""
    reads: tuple[type[Fact], ...] = ()
    known: dict[type[Fact], Any] = field(default_factory=dict)
    answers: dict[str, Callable[[], Any]] = field(default_factory=dict)
    deaths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.tree, self.bin, self.state = self.place / "tree", self.place / "bin", self.place / "state"
        self.tree.mkdir(exist_ok=True)
        self.bin.mkdir()
        self.lab = Lab(self.tree, self.library)
        self.home = self.tree / "home"
        self.home.mkdir()
        path = f"{self.bin}:{self.tree}/bin"
        self.environment = {"PATH": path, "HOME": str(self.home), "TORCH_EXTENSIONS_DIR": str(self.lab.root)}
        self.standin("c++", "")
        self.standin("ninja", NINJA.format(library=self.library))
        torch = but(Torch, root=str(self.lab.torch), version="2.13.0+cu130")
        bare = but(Python, distributions={})
        gone = Missing("deepspeed is not installed")
        self.known |= {
            Torch: torch,
            Python: bare,
            Deepspeed: gone,
            Cutlass: gone,
            Ninja: Ninja(f"{self.bin}/ninja", "1.99", None),
        }
        self.answers["self"] = lambda: {**self.itself, "uid": os.geteuid()}
        self.itself = Machine(Elsewhere(), profiles.load("dgx-spark")).itself()

    def standin(self, name: str, text: str) -> Path:
        return script(self.bin / name, STANDIN + text)

    def lives(self, *reads: type[Fact]) -> None:
        self.reads += reads

    def knows(self, *facts: Fact) -> None:
        self.known |= {type(fact): fact for fact in facts}

    def look(self, environment: Mapping[str, str] | None = None, *, deep: bool = False) -> Machine:
        facts = {kind: fact for kind, fact in (HEALTHY | self.known).items() if kind not in self.reads}
        host = Elsewhere({name: give() for name, give in self.answers.items()}, environment=environment or self.environment)
        return Known(host, profiles.load("dgx-spark"), facts, deep=deep)

    def plan(self) -> Plan:
        found = plan(self.look(), REGISTRY.fixes[self.fix])
        assert isinstance(found, Plan), found
        return found

    def report(self, environment: Mapping[str, str] | None = None) -> Report:
        return doctor.diagnose(self.look(environment), REGISTRY, doctor.select(REGISTRY))

    def around(self, environment: Mapping[str, str] | None = None) -> Surroundings:
        return Surroundings(environment or self.environment)

    def treat(
        self, *fixes: str, agree: Agree = lambda _fix, _plan: True, environment: Mapping[str, str] | None = None
    ) -> tuple[list[Treated], Doctor]:
        """`fix FIXES --yes`, or `fix --all --yes`."""
        journal = Journal(str(self.state))
        with journal.locked():
            practice = Doctor(REGISTRY, self.look, journal.begin, self.around(environment))
            before = self.report(environment)
            practice.treat([REGISTRY.fixes[name] for name in fixes] or chosen(REGISTRY, before), before, agree, lambda _: None)
            practice.end()
        return practice.treated, practice

    def seen(self) -> Tree:
        return tree(self.tree)

    def read(self) -> dict[str, str]:
        """What a shell has that has read the file of variables."""
        file = self.look().get(EnvironmentFile)
        assert isinstance(file, EnvironmentFile)
        return {name: export.value for name, export in file.exports.items() if export.value is not None}

    # --- what there is on it

    def extension(self, name: str = "op", text: str = PLAIN) -> Path:
        path = self.lab.add(name, text)
        source = self.tree / "op.cpp"
        source.touch()
        recipe = path / "build.ninja"
        recipe.write_text(recipe.read_text().replace("/src/op.cpp", str(source)))
        return path

    def deepspeed(self, texts: dict[str, str], others: Mapping[str, Distribution] = MappingProxyType({})) -> None:
        """A DeepSpeed 0.15.4 with these texts."""
        self.lives(Deepspeed)
        site = self.tree / "site"
        install(site, texts)
        distributions = {"deepspeed": Distribution("0.15.4", f"{site}/deepspeed-0.15.4.dist-info"), **others}
        modules = {**DEFAULTS[Python].modules, "deepspeed": f"{site}/deepspeed/__init__.py"}
        self.knows(but(Python, modules=modules, distributions=distributions))


def locked(ward: Ward) -> None:
    ward.lives(Extensions)
    lock = ward.extension() / "lock"
    lock.touch()
    os.utime(lock, (OLD, OLD))


def foreign(ward: Ward) -> None:
    ward.lives(Extensions, Rebuilds)
    ward.extension(text=PLAIN.replace("python3.12", "python3.11"))


def damaged(ward: Ward) -> None:
    ward.lives(Extensions, Rebuilds)
    (ward.extension() / "op.so").unlink()
    ward.deaths = ("ninja.dies-middle", "ninja.dies-end")


def damaged_beyond(ward: Ward) -> None:
    damaged(ward)
    (ward.tree / "op.cpp").unlink()
    ward.deaths = ()


def open_to_others(ward: Ward) -> None:
    ward.lives(Extensions, CacheAccess)
    for path in (ward.extension(), ward.lab.root / "op" / "op.so"):
        path.chmod(0o777)


def not_there_yet(ward: Ward) -> None:
    ward.lives(Extensions, CacheAccess)
    shutil.rmtree(ward.lab.root)
    ward.tree.chmod(0o1777)


def unpatched(ward: Ward) -> None:
    ward.lives(DeepspeedSource)
    ward.deepspeed({**DONE, **{name: UNPATCHED[name] for name in ("builder", "ragged_ops")}})
    ward.knows(DEFAULTS[Cutlass])


def cutlass(ward: Ward) -> None:
    ward.lives(Cutlass, CutlassTrees, EnvironmentFile)
    package = Distribution("3.8.0.0", f"{ward.tree}/site/nvidia_cutlass-3.8.0.0.dist-info")
    ward.deepspeed(DONE, {"nvidia-cutlass": package})
    for place in (".local/share/sparkdoctor", ".config/sparkdoctor"):
        (ward.home / place).mkdir(parents=True)
    include = ward.tree / "site" / "cutlass_library" / "source" / "include" / "cutlass"
    include.mkdir(parents=True)
    (include / "cutlass.h").touch()
    (include / "version.h").write_text("#define CUTLASS_MAJOR 3\n#define CUTLASS_MINOR 8\n")
    (ward.tree / "site" / "cutlass").mkdir()
    (ward.tree / "site" / "cutlass" / "__init__.py").touch()


def variables(ward: Ward) -> None:
    ward.lives(EnvironmentFile, Exports, BuildSettings)
    ward.knows(but(Memory, available=40 * GIB, free=20 * GIB, swap_free=0))


def variables_merged(ward: Ward) -> None:
    variables(ward)
    place = ward.home / ".config" / "sparkdoctor"
    place.mkdir(parents=True)
    text = "export MINE=1\nexport MAX_JOBS=900  # sparkdoctor: they fitted\nalias x=y  # no end of line"
    (place / "environment.sh").write_text(text)
    (place / "environment.sh").chmod(0o640)


def cold(ward: Ward) -> None:
    ward.lives(Extensions, EvoformerPlace)
    python = ward.standin("python", WORKER.format(recipe=ward.place / "recipe", library=ward.library))
    (ward.place / "recipe").write_text(PLAIN.replace("TORCH/", f"{ward.lab.torch}/"))
    distributions = {"deepspeed": Distribution("0.19.8", "/x"), "ninja": Distribution("1.13.0", "/x")}
    ward.knows(but(Python, path=str(python), distributions=distributions))
    for kind in (Deepspeed, Cutlass):
        ward.known[kind] = DEFAULTS[kind]
    ward.deaths = ("python.dies-begin", "python.dies-middle", "python.dies-end")


def cold_without_a_cache(ward: Ward) -> None:
    cold(ward)
    ward.lab.root.rmdir()
    ward.environment["TORCH_EXTENSIONS_DIR"] += "/py312_cu130"


def never_predicted(ward: Ward) -> None:
    ward.lives(TritonCache, TritonKernels)
    python = ward.standin("python", PREDICTION)
    ward.knows(but(Python, path=str(python)), using("0.5.0"))
    ward.deaths = ("python.dies-begin", "python.dies-middle", "python.dies-end")


def predicted_with_other_kernels(ward: Ward) -> None:
    """Triton's cache holds what another program has compiled, and OpenFold3's kernels for another GPU."""
    never_predicted(ward)
    for name, number in (("SOFTMAX/softmax_kernel", 121), ("OTHER/_attn_fwd", 90)):
        path = ward.home / ".triton" / "cache" / f"{name}.json"
        path.parent.mkdir(parents=True)
        path.write_text(f'{{"target": {{"backend": "cuda", "arch": {number}, "warp_size": 32}}}}')


def without_tools(ward: Ward) -> None:
    ward.lives(Compilers, Ninja, Packages)
    (ward.bin / "ninja").unlink()
    (ward.bin / "c++").unlink()
    (ward.tree / "bin").mkdir()
    ward.standin("apt-get", APT.format(bin=ward.tree / "bin", old=OLD))
    ward.standin("dpkg", DPKG.format(bin=ward.tree / "bin"))
    ward.answers["entries /var/lib/apt/lists"] = lambda: ["lock", "partial"]
    ward.answers["self"] = lambda: {**ward.itself, "uid": 0}
    ward.knows(but(Python, distributions={"deepspeed": Distribution("0.19.8", "/x")}))
    ward.deaths = ("apt-get.dies-update", "apt-get.dies-middle", "apt-get.dies-end")


def without_ninja(ward: Ward) -> None:
    ward.lives(Ninja, Packages)
    (ward.bin / "ninja").rename(ward.place / "ninja")
    os.utime(ward.place / "ninja", (OLD, OLD))
    site = ward.tree / "lib" / "python3.12" / "site-packages"
    site.mkdir(parents=True)
    (ward.tree / "bin").mkdir()
    (ward.place / "pyvenv.cfg").touch()
    python = ward.standin("python", PIP.format(ninja=ward.place / "ninja", bin=ward.tree / "bin"))
    ward.deaths = ("python.dies-middle",)
    distributions = {"deepspeed": Distribution("0.19.8", "/x"), "pip": Distribution("25.0", f"{site}/pip-25.0.dist-info")}
    ward.knows(but(Python, path=str(python), distributions=distributions))


def small_shm(ward: Ward) -> None:
    ward.lives(SharedMemory, ShmMount)
    size = ward.tree / "shm"
    size.symlink_to("65536k")
    ward.standin("mount", MOUNT.format(size=size, place=ward.place))

    def space() -> dict[str, int]:
        total = int(os.readlink(size).removesuffix("k")) << 10
        return {"total": total, "free": total, "device": 7}

    ward.answers |= {
        "space /dev/shm": space,
        "read /proc/self/mountinfo": lambda: "1 2 0:7 / /dev/shm rw,nosuid,nodev - tmpfs shm rw\n",
        "read /proc/self/status": lambda: "CapEff:\t000001ffffffffff\n",
        "self": lambda: {**ward.itself, "uid": 0},
    }
    ward.deaths = ("mount.dies-begin", "mount.dies-end")


def full_of_page_cache(ward: Ward) -> None:
    ward.lives(Memory, PageCache)
    dropped = ward.place / "dropped"
    ward.standin("sync", SYNC)
    ward.standin("sysctl", SYSCTL.format(dropped=dropped))

    def meminfo() -> str:
        free = 95 if dropped.exists() else 4
        sizes = {
            "MemTotal": 120,
            "MemFree": free,
            "MemAvailable": 96,
            "Cached": 96 - free,
            "Shmem": 0,
            "SwapTotal": 32,
            "SwapFree": 32,
        }
        return "".join(f"{name}: {size << 20} kB\n" for name, size in sizes.items())

    writable = {"kind": "file", "size": 0, "mode": 0o200, "real": DROP, "readable": False, "writable": True, "executable": False}
    ward.answers |= {"read /proc/meminfo": meminfo, f"stat {DROP}": lambda: writable}
    ward.deaths = ("sync.dies-begin", "sysctl.dies-begin", "sysctl.dies-end")


SCENARIOS: dict[str, Callable[[Ward], None]] = {
    "clear-extension-lock": locked,
    "quarantine-foreign-extension": foreign,
    "rebuild-extension": damaged,
    "rebuild-extension, moved aside alone": damaged_beyond,
    "secure-extension-cache": open_to_others,
    "secure-extension-cache, not there yet": not_there_yet,
    "patch-deepspeed": unpatched,
    "find-cutlass": cutlass,
    "set-environment": variables,
    "set-environment, merged": variables_merged,
    "warm-kernels": cold,
    "warm-kernels, no cache yet": cold_without_a_cache,
    "warm-kernels, of Triton": predicted_with_other_kernels,
    "warm-kernels, of Triton, no cache yet": never_predicted,
    "install-build-tools": without_tools,
    "install-build-tools, by pip": without_ninja,
    "grow-shm": small_shm,
    "drop-page-cache": full_of_page_cache,
}
"""Each by the id of its fix, and in which case."""


def admitted(name: str, place: Path, library: Path) -> Ward:
    """A machine with this ailment."""
    ward = Ward(place, library, name.partition(",")[0])
    SCENARIOS[name](ward)
    return ward
