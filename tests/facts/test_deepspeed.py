"""What facts make of texts: DeepSpeed's op_builder.

The excerpts are of DeepSpeed 0.16.3, 0.16.4 and 0.19.8 (Apache-2.0, Copyright Microsoft Corporation and the DeepSpeed team).
"""

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.architecture import Capability
from sparkdoctor.facts import BuildFiles, Cutlass, Deepspeed
from sparkdoctor.facts.builder_source import Reading, parse_accepted, read
from sparkdoctor.facts.course import Course, follow
from sparkdoctor.facts.cutlass import BINDINGS, IGNORE
from sparkdoctor.facts.deepspeed import FILTERING, MARK, nvcc_threads, parse_prebuilt, parse_version
from sparkdoctor.facts.deepspeed_builder import Flags, understand
from sparkdoctor.model import Broken, Missing
from sparkdoctor.process import Worked
from standins.hosts import Paper, machine_of
from texts import TEXT, lines_of

HEAD = """\
compute_capability_args(self, cross_compile_archs=None):
        ccs = []
        if self.jit_mode:
            for i in range(torch.cuda.device_count()):
                CC_MAJOR, CC_MINOR = torch.cuda.get_device_capability(i)
                cc = f"{CC_MAJOR}.{CC_MINOR}"
                if cc not in ccs:
                    ccs.append(cc)
            ccs = sorted(ccs)
            ccs[-1] += '+PTX'

        ccs = self.filter_ccs(ccs)
        if len(ccs) == 0:
            raise RuntimeError(
                f"Unable to load {self.name} op due to no compute capabilities remaining after filtering")

"""
LOOP = """\
        args = []
        self.enable_bf16 = True
        for cc in ccs:
            num = cc[0] + cc[2]
            args.append(f'-gencode=arch=compute_{num},code=sm_{num}')
            if cc.endswith('+PTX'):
                args.append(f'-gencode=arch=compute_{num},code=compute_{num}')

            if int(cc[0]) <= 7:
                self.enable_bf16 = False

        return args
"""
OLD = HEAD + LOOP
NUM = "            num = cc[0] + cc[2]\n"
TWO_DIGITS = HEAD + LOOP.replace("cc[0] + cc[2]", "cc[0] + cc[1].split('+')[0]").replace("if cc.endswith", "if cc[1].endswith")
CANONICAL = (
    HEAD
    + """\
        canonical = {}
        for cc in ccs:
            major = int(cc[0])
            minor_part = cc[1]
            has_ptx = minor_part.endswith('+PTX')
            minor = int(minor_part.split('+')[0])
            key = (major, minor)
            canonical[key] = canonical.get(key, False) or has_ptx
        canonical_archs = sorted(canonical.items())

        self.enable_bf16 = True
        for (major, _minor), _has_ptx in canonical_archs:
            if major <= 7:
                self.enable_bf16 = False

        if self.jit_mode:
            return []

        args = []
        for (major, minor), has_ptx in canonical_archs:
            num = f"{major}{minor}"
            args.append(f'-gencode=arch=compute_{num},code=sm_{num}')
            if has_ptx:
                args.append(f'-gencode=arch=compute_{num},code=compute_{num}')

        return args

    @staticmethod
"""
)
KEEPS_TEXT = "filter_ccs(self, ccs: List[str]):\n        return ccs\n"
SPLITS = "filter_ccs(self, ccs: List[str]):\n        return [cc.split('.') for cc in ccs]\n"
FILTER = """\
filter_ccs(self, ccs):
        ccs_retained = []
        ccs_pruned = []
        for cc in ccs:
            if int(cc[0]) >= 8:
                ccs_retained.append(cc)
            else:
                ccs_pruned.append(cc)
        return ccs_retained
"""
NEW_FILTER = FILTER.replace("for cc in ccs:", "for cc in [cc.split('.') for cc in ccs]:")
OUR_NUM = f"            num = cc.split('+')[0].replace('.', '')  {MARK}\n"
BY_TEXT = """\
            num = cc.replace("+PTX", "").replace(".", "")
            if num == "121":
                num = "120"
"""
"""The replacement that is passed around for 0.15.4."""
WANTED = {text: Capability.parse(text) for text in ("8.0", "9.0", "10.0", "12.0", "12.1", "7.5")}


@pytest.mark.parametrize(
    ("arguments", "base", "readings"),
    [
        (OLD, KEEPS_TEXT, {"9.0": ("90", True), "7.5": ("75", False), "10.0": ("1.", False), "12.1": ("1.", False)}),
        (OLD.replace(NUM, BY_TEXT), KEEPS_TEXT, {"12.1": ("120", False), "12.0": ("120", False), "9.0": ("90", True)}),
        (
            OLD.replace(NUM, OUR_NUM).replace("int(cc[0]) <=", "int(cc.split('.')[0]) <="),
            KEEPS_TEXT,
            {"12.1": ("121", True), "9.0": ("90", True), "7.5": ("75", False)},
        ),
        (TWO_DIGITS, SPLITS, {"12.1": ("121", True), "10.0": ("100", True), "7.5": ("75", False)}),
        (CANONICAL, SPLITS, {"12.1": ("121", True), "10.0": ("100", True), "7.5": ("75", False)}),
        # The new function over the old filter, and shapes that nobody knows.
        (TWO_DIGITS, KEEPS_TEXT, {"12.1": ("12", False)}),
        (OLD.replace(NUM, "            num = digits_of(cc)\n"), KEEPS_TEXT, {"12.1": (None, False)}),
        (OLD.replace("self.filter_ccs(ccs)", "keep(ccs)"), KEEPS_TEXT, {"12.1": (None, None)}),
        (OLD, "filter_ccs(self, ccs):\n        return chosen(ccs)\n", {"12.1": (None, None)}),
        ("compute_capability_args(self, x):\n  what is this", KEEPS_TEXT, {"12.1": (None, None)}),
        ("", "", {"12.1": (None, None)}),
    ],
)
def test_what_a_builder_makes_of_an_architecture(
    arguments: str, base: str, readings: dict[str, tuple[str | None, bool | None]]
) -> None:
    for text, (number, bf16) in readings.items():
        assert read(arguments, base, {}, WANTED[text]) == Reading(number, bf16)


def test_operators_that_are_filtered_away() -> None:
    filters = {"old": FILTER, "new": NEW_FILTER, "unknown": "filter_ccs(self, ccs):\n        return ccs\n", "none": ""}
    filters["ours"] = FILTER.replace("int(cc[0])", "int(cc.split('.')[0])")
    assert read(OLD, KEEPS_TEXT, filters, WANTED["12.1"]).pruned == ("old",)
    assert read(OLD, KEEPS_TEXT, filters, WANTED["9.0"]).pruned == ()
    assert read(OLD, KEEPS_TEXT, filters, WANTED["7.5"]).pruned == ("old", "new", "ours")


@given(TEXT, TEXT, TEXT)
def test_any_builder_is_read_or_not(arguments: str, base: str, filtering: str) -> None:
    for text in (arguments, HEAD + arguments, OLD.replace("cc[0] + cc[2]", arguments)):
        for kept in (base, KEEPS_TEXT, SPLITS):
            found = read(text, kept, {"x": filtering, "y": FILTER.replace("int(cc[0]) >= 8", filtering)}, WANTED["12.1"])
            assert found.number is None or isinstance(found.number, str)
            assert found.bf16 in (None, True, False)


@given(st.integers(1, 60))
def test_a_text_that_grows_without_end_is_not_followed(times: int) -> None:
    growing = NUM + "            num = num.replace('', num) + num\n" * times
    found = read(OLD.replace(NUM, growing), KEEPS_TEXT, {}, WANTED["12.1"])
    assert found.number is None or len(found.number) < 300
    assert read(OLD.replace("cc[0] + cc[2]", "(" * times * 90 + "cc" + ")" * times * 90), KEEPS_TEXT, {}, WANTED["12.1"])


TABLE = """\
cuda_minor_mismatch_ok = {
    11: ["11.0", "11.8"],
    12: ["12.0", "12.8", "12.9"],  # There is no CUDATk 12.7
}
"""


def test_the_table_of_cuda_versions() -> None:
    assert parse_accepted(TABLE) == {11: ("11.0", "11.8"), 12: ("12.0", "12.8", "12.9")}
    for text in ("", "cuda_minor_mismatch_ok = {x}", "cuda_minor_mismatch_ok = {12: 12}", 'cuda_minor_mismatch_ok = {"x": []}'):
        assert parse_accepted(text) is None


@given(TEXT)
def test_any_table(text: str) -> None:
    for shown in (text, f"cuda_minor_mismatch_ok = {{{text}}}", f"cuda_minor_mismatch_ok = {{12: {text}}}"):
        found = parse_accepted(shown)
        assert found is None or all(isinstance(major, int) for major in found)


# --- the fact

SITE = "/venv/lib/python3.12/site-packages"
ROOT = f"{SITE}/deepspeed"
BUILDER = f"""\
import os

{TABLE}

def assert_no_cuda_mismatch(name=""):
    pass


class OpBuilder(ABC):

    def get_cuda_compile_flag(self):
        assert_no_cuda_mismatch(self.name)

    def load(self, verbose=False):
        pass


class CUDAOpBuilder(OpBuilder):

    def {OLD}
    def {KEEPS_TEXT}
    def builder(self):
        assert_no_cuda_mismatch(self.name)
"""


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def paper(builder: str = BUILDER, env: dict[str, str] | None = None, **files: str) -> Paper:
    modules = {"deepspeed": {"origin": f"{ROOT}/__init__.py"}, "torch": None, "triton": None, "openfold3": None}
    installed = [["deepspeed", "0.16.3", f"{SITE}/deepspeed-0.16.3.dist-info"]]
    installed += [["openfold3", "0.4.0", f"{SITE}/openfold3-0.4.0.dist-info"]]
    said = {"version": "3.12.3", "include": "/usr/include", "modules": modules, "distributions": installed}
    answers = {
        "self": {
            "executable": "/venv/bin/python",
            "path": [],
            "patient_python": "/venv/bin/python",
            "cwd": "/",
            "machine": "aarch64",
            "release": "6.17",
            "page_size": 4096,
            "cpus": 20,
            "usable_cpus": 20,
        },
        "script /venv/bin/python": {"code": 0, "stdout": f"sparkdoctor-interpreter:{json.dumps(said)}\n", "stderr": ""},
        f"digest {ROOT}/ops/op_builder/builder.py": digest_of(builder),
    }
    record = base64.urlsafe_b64encode(hashlib.sha256(BUILDER.encode()).digest()).decode().rstrip("=")
    found = {
        f"{ROOT}/ops/op_builder/builder.py": builder,
        **{f"{ROOT}/ops/op_builder/{name}.py": f"class X(Y):\n\n    def {FILTER}" for name in FILTERING},
        f"{SITE}/deepspeed-0.16.3.dist-info/RECORD": f"deepspeed/ops/op_builder/builder.py,sha256={record},{len(BUILDER)}\n",
        f"{SITE}/openfold3-0.4.0.dist-info/METADATA": "Name: openfold3\nRequires-Dist: deepspeed>=0.15\nRequires-Dist: mkl\n",
    }
    return Paper({**found, **files}, env=env, answers=answers)


def deepspeed_of(host: Paper) -> Deepspeed:
    found = machine_of(host).get(Deepspeed)
    assert isinstance(found, Deepspeed), found
    return found


def test_an_installed_deepspeed_is_read() -> None:
    found = deepspeed_of(paper(env={"DS_BUILD_OPS": "1", "CUTLASS_PATH": "/opt/cutlass"}))
    assert (found.version, found.root, found.release) == ("0.16.3", ROOT, (0, 16, 3))
    assert found.readings == {121: Reading("1.", False, FILTERING)}
    assert (found.pristine, found.ours, found.comparing) == (True, False, ("get_cuda_compile_flag", "builder"))
    assert found.accepted == {11: ("11.0", "11.8"), 12: ("12.0", "12.8", "12.9")}
    assert found.settings == {"DS_BUILD_OPS": "1", "CUTLASS_PATH": "/opt/cutlass"}
    assert (found.builds_ahead, found.asked) == ("DS_BUILD_OPS=1", "deepspeed>=0.15")


def test_a_patched_builder_is_told() -> None:
    by_text = deepspeed_of(paper(BUILDER.replace(NUM, BY_TEXT)))
    assert (by_text.readings[121].number, by_text.pristine, by_text.ours) == ("120", False, False)
    ours = deepspeed_of(paper(BUILDER.replace(NUM, OUR_NUM)))
    assert (ours.readings[121].number, ours.pristine, ours.ours) == ("121", False, True)


def test_a_deepspeed_of_which_little_is_there() -> None:
    without = paper()
    without.files = {f"{ROOT}/git_version_info_installed.py": "version='0.17.0'\ngit_hash='x'\n"}
    found = deepspeed_of(without)
    # Of an upgrade that broke off, the files are what would be imported.
    assert (found.version, found.readings) == ("0.17.0", {121: Reading(None, None)})
    assert (found.pristine, found.accepted, found.comparing, found.asked) == (None, None, (), None)
    said = json.loads(str(without.answers["script /venv/bin/python"]["stdout"]).partition(":")[2])
    said["distributions"] = []
    without.answers["script /venv/bin/python"]["stdout"] = f"sparkdoctor-interpreter:{json.dumps(said)}\n"
    assert deepspeed_of(without).version == "0.17.0"
    without.files = {}
    assert deepspeed_of(without).version == "unknown"


def test_nothing_is_asked_where_there_is_no_deepspeed() -> None:
    host = paper()
    said = json.loads(str(host.answers["script /venv/bin/python"]["stdout"]).partition(":")[2])
    said["modules"]["deepspeed"] = None
    host.answers["script /venv/bin/python"]["stdout"] = f"sparkdoctor-interpreter:{json.dumps(said)}\n"
    machine = machine_of(host)
    for kind in (Deepspeed, BuildFiles, Cutlass):
        found = machine.get(kind)
        assert isinstance(found, Missing)
        assert not isinstance(found, Broken)


# --- what a worker said


def test_the_flags_that_a_builder_made() -> None:
    lines = [
        {"step": "import deepspeed", "at": 1},
        {"step": "evoformer_attn at first use", "at": 2},
        {"learnt": {"flags": ["-gencode=arch=compute_1.,code=sm_1.", "-std=c++17", 7], "bf16": False}},
        {"step": "ragged_ops at first use", "at": 2},
        {
            "error": "RuntimeError",
            "text": "Unable to load it due to no compute capabilities remaining after filtering",
            "place": "",
        },
        {"step": "fp_quantizer at first use", "at": 2},
        {"error": "RuntimeError", "text": "something else", "place": ""},
        {"step": "evoformer_attn ahead of time", "at": 3},
        {"error": "ValueError", "text": "invalid literal for int() with base 10: '1a'", "place": ""},
        {"done": True, "at": 3},
    ]
    first, ahead, filtered = understand(follow(Worked(0, "\n".join(map(json.dumps, lines)), "", "")))
    assert first == Flags(("-gencode=arch=compute_1.,code=sm_1.",), False)
    assert first.codes == first.nonsense == ("compute_1.",)
    assert not first.old
    assert ahead is not None
    assert ahead.trouble == "raised ValueError: invalid literal for int() with base 10: '1a'"
    assert list(filtered) == ["ragged_ops"]
    assert understand(Course(())) == (None, None, {})


def test_what_flags_ask_for() -> None:
    made = Flags(("-gencode=arch=compute_121a,code=sm_121a", "-gencode=arch=compute_121a,code=compute_121a"), True)
    assert (made.codes, made.nonsense, made.old) == (("compute_121a",), (), False)
    assert Flags(("-gencode=arch=compute_75,code=sm_75",), False).old
    assert Flags(("-gencode=arch=compute_12,code=sm_12", "-gencode=arch=compute_20,code=sm_20"), False).nonsense == (
        "compute_12",
    )


@given(lines_of('{"step": "evoformer_attn at first use", "at": 1}', '{"learnt": {"flags": ', "[", '"-gencode=x"', "]", "}}"))
def test_any_report(text: str) -> None:
    understand(follow(Worked(0, text, "", "")))


# --- CUTLASS


def cutlass_of(
    version: str, env: dict[str, str] | None = None, package: str | None = None, files: tuple[str, ...] = ()
) -> Cutlass:
    """What a DeepSpeed of this version finds; `files` of checkouts, and those of the package nvidia-cutlass."""
    host = paper(env=env)
    host.files |= dict.fromkeys(files, "3.1.0\n")
    said = json.loads(str(host.answers["script /venv/bin/python"]["stdout"]).partition(":")[2])
    said["distributions"] = [["deepspeed", version, f"{SITE}/deepspeed-{version}.dist-info"]]
    if package:
        said["distributions"].append(["nvidia-cutlass", package, f"{SITE}/nvidia_cutlass-{package}.dist-info"])
        host.files[f"{SITE}/cutlass_library/source/include/cutlass/cutlass.h"] = ""
        host.files[f"{SITE}/{'cutlass' if package < '4.2' else 'cutlass_cppgen'}/__init__.py"] = ""
    host.answers["script /venv/bin/python"]["stdout"] = f"sparkdoctor-interpreter:{json.dumps(said)}\n"
    found = machine_of(host).get(Cutlass)
    assert isinstance(found, Cutlass), found
    return found


CHECKOUT = ("/c/CHANGELOG.md", "/c/include/cutlass/cutlass.h")
NAMED = {"CUTLASS_PATH": "/c"}
BUNDLED = f"{SITE}/cutlass_library/source/include"


@pytest.mark.parametrize(
    ("version", "env", "package", "files", "headers", "refusal"),
    [
        ("0.15.4", None, None, CHECKOUT, None, "Please specify the CUTLASS repo directory"),
        ("0.15.4", NAMED, None, CHECKOUT, "/c/include", ""),
        ("0.18.3", NAMED, None, ("/c/CHANGELOG.md",), None, "/c/include/cutlass/cutlass.h does not exist"),
        ("0.15.4", NAMED, None, CHECKOUT[1:], None, "Please pip install nvidia-cutlass"),
        ("0.15.4", NAMED, "4.2.0", CHECKOUT[1:], None, "Please pip install nvidia-cutlass"),
        ("0.15.4", NAMED, "4.0.0", CHECKOUT[1:], None, "Please use CUTLASS version >= 3.1.0"),
        ("0.15.4", {"CUTLASS_PATH": "placeholder", "CPATH": BUNDLED}, "3.9.2", (), BUNDLED, ""),
        ("0.15.4", None, "3.9.2", (), None, "Please specify"),
        ("0.18.5", None, "4.2.0", (), None, "Please specify CUTLASS location"),
        ("0.18.9", {"CUTLASS_PATH": BINDINGS}, "4.2.0", (), BUNDLED, ""),
        ("0.18.9", {"CUTLASS_PATH": BINDINGS}, None, (), None, "Please pip install nvidia-cutlass"),
        ("0.18.9", {"CUTLASS_PATH": IGNORE, "CPATH": "/c/include"}, None, CHECKOUT, "/c/include", ""),
        ("0.19.8", {"CUTLASS_PATH": IGNORE}, None, (), None, "no include path has cutlass/cutlass.h"),
        ("0.18.9", {"CUTLASS_PATH": "/d"}, None, CHECKOUT, None, "CUTLASS_PATH /d does not contain CUTLASS headers"),
        ("0.19.1", None, "4.2.0", (), BUNDLED, ""),
        ("0.19.1", None, None, ("/opt/cutlass/include/cutlass/cutlass.h",), "/opt/cutlass/include", ""),
        ("0.19.8", NAMED, None, CHECKOUT, "/c/include", ""),
        ("0.19.8", {"CUTLASS_HOME": "/c"}, None, CHECKOUT, "/c/include", ""),
        ("0.19.8", None, None, (), None, "Unable to locate CUTLASS"),
    ],
)
def test_the_cutlass_that_a_deepspeed_finds(
    version: str, env: dict[str, str] | None, package: str | None, files: tuple[str, ...], headers: str | None, refusal: str
) -> None:
    found = cutlass_of(version, env, package, files)
    assert found.headers == headers
    assert refusal in found.refusal
    assert bool(found.refusal) is bool(refusal)


# --- headers and libraries


def test_where_compilers_and_linkers_look() -> None:
    host = paper(env={"CUDA_HOME": "/cuda", "LIBRARY_PATH": "/lp", "CPATH": "/inc"})
    host.files |= dict.fromkeys(
        (
            "/usr/include/libaio.h",
            "/usr/lib/aarch64-linux-gnu/libaio.so",
            "/cuda/include/cusparse.h",
            "/cuda/targets/sbsa-linux/include/cublas_v2.h",
            "/cuda/targets/sbsa-linux/lib/libcurand.so",
            "/inc/cusolverDn.h",
        ),
        "",
    )
    found = machine_of(host).get(BuildFiles)
    assert isinstance(found, BuildFiles), found
    assert found.found == {
        "libaio.h": "/usr/include/libaio.h",
        "libaio.so": "/usr/lib/aarch64-linux-gnu/libaio.so",
        "cusparse.h": "/cuda/include/cusparse.h",
        "cublas_v2.h": "/cuda/targets/sbsa-linux/include/cublas_v2.h",
        "cusolverDn.h": "/inc/cusolverDn.h",
        "curand_kernel.h": None,
        "libcurand.so": None,
    }
    assert found.aside == {"libcurand.so": "/cuda/targets/sbsa-linux/lib"}
    assert found.lacking(("libaio.h", "libcurand.so")) == ("libcurand.so",)
    host.files["/lp/libcurand.so"] = ""
    again = machine_of(host).get(BuildFiles)
    assert isinstance(again, BuildFiles)
    assert (again.found["libcurand.so"], again.aside) == ("/lp/libcurand.so", {})


@pytest.mark.parametrize(
    ("written", "version", "prebuilt"),
    [
        (
            "version='0.17.0'\ngit_hash='x'\ninstalled_ops={'async_io': False, 'evoformer_attn': True}\n",
            "0.17.0",
            ("evoformer_attn",),
        ),
        ("version='0.15.4'\ninstalled_ops={}\n", "0.15.4", ()),
        ("", "", ()),
        ("installed_ops={'a': True\n", "", ()),
    ],
)
def test_what_its_setup_has_written_down(written: str, version: str, prebuilt: tuple[str, ...]) -> None:
    assert (parse_version(written), parse_prebuilt(written)) == (version, prebuilt)


@pytest.mark.parametrize(
    ("asked", "cpus", "threads"),
    [(None, 20, 8), (None, 2, 2), ("4", 20, 4), ("+04 ", 20, 4), ("0", 20, 8), ("-1", 4, 4), ("", 20, 8), ("many", 20, 8)],
)
def test_the_threads_of_each_nvcc(asked: str | None, cpus: int, threads: int) -> None:
    assert nvcc_threads(asked, cpus) == threads
