"""Checks on facts made by hand: openfold."""

from typing import Any

import pytest

from by_hand import CACHE, DEAD, FAILED, GONE, OK, SKIPPED, SPARK, WARNING, but, command_of, course, judge
from sparkdoctor.facts import (
    Ccd,
    Deepspeed,
    Network,
    Openfold3,
    Openfold3Kernels,
    Python,
    RunnerYaml,
    System,
    Torch,
    Triton,
    Weights,
)
from sparkdoctor.facts.openfold3 import CUEQUIVARIANCE, DEEPSPEED, LMA, TRITON, Damaged, Program, kernels_of, registry_of
from sparkdoctor.facts.openfold3_kernels import IMPORT
from sparkdoctor.facts.python import Distribution
from sparkdoctor.model import Missing, Verdict
from sparkdoctor.profiles import Profile, Requirement

OF3 = Missing("openfold3 is not installed in /venv/bin/python")


def openfold3(version: str, **changes: Any) -> Any:
    release = tuple(map(int, version.split(".")))
    values = {"registry": registry_of(release), "kernels": kernels_of(release), "merges": release >= (0, 5)} | changes
    return but(Openfold3, version=version, **values)


def python(*without: str, **versions: str) -> Any:
    found = {name: one for name, one in but(Python).distributions.items() if name not in without}
    return but(Python, distributions=found | {name: Distribution(version, "/x") for name, version in versions.items()})


def runner(default: dict[str, Any] | None = None, **changes: Any) -> Any:
    """What a runner.yml that is merged makes of it."""
    if default is not None:
        changes = {"merged": f"{CACHE}/runner.yml", "values": default, "default_values": default} | changes
    return but(RunnerYaml, **changes)


def text_of(verdict: Verdict) -> str:
    return " ".join((verdict.summary, *verdict.evidence, verdict.remedy.text if verdict.remedy else ""))


# --- openfold3-missing, openfold3-version


def test_openfold3_missing() -> None:
    required = SPARK._replace(openfold3=SPARK.openfold3._replace(required=True, fresh=Requirement(">=0.5.0")))
    assert judge("openfold3-missing").status is OK
    assert judge("openfold3-missing", openfold3=OF3) == Verdict(SKIPPED, OF3.reason)
    assert judge("openfold3-missing", openfold3=DEAD).status is FAILED
    verdict = judge("openfold3-missing", required, openfold3=OF3)
    assert verdict.status is FAILED
    assert command_of(verdict) == "/venv/bin/python -m pip install 'openfold3>=0.5.0'"
    assert "kalign-python have no wheel for aarch64" in text_of(verdict)
    assert "aarch64" not in text_of(judge("openfold3-missing", required, but(System, architecture="x86_64"), openfold3=OF3))


def test_openfold3_version() -> None:
    assert judge("openfold3-version").status is OK
    assert judge("openfold3-version", openfold3("0.4.5")).evidence == ("since 0.5.0: new weights (of3-ob-2025-06-30-174k.pt)",)
    assert len(judge("openfold3-version", openfold3("0.3.1")).evidence) == 3
    bounded = Profile(name="rack", openfold3=SPARK.openfold3._replace(version=Requirement(">=0.5")))
    assert judge("openfold3-version", openfold3("0.4.5"), bounded).status is FAILED
    assert judge("openfold3-version", openfold3("0.5.0"), bounded).status is OK


@pytest.mark.parametrize(
    ("requires", "installed", "conflict"),
    [
        ("biotite<1.3,>=1.1.0", {"biotite": "1.6.0"}, "'biotite<1.3,>=1.1.0'"),
        ("biotite<1.3,>=1.1.0", {"biotite": "1.2.0"}, ""),
        ("rdkit<2026", {"rdkit": "2026.9.1"}, "'rdkit<2026'"),
        ('rdkit<2026; extra == "dev"', {"rdkit": "2026.9.1"}, ""),
        ("rdkit-stubs<2", {"rdkit": "2026.9.1"}, ""),
        ("rdkit<<2", {"rdkit": "2026.9.1"}, ""),
        ("rdkit<2026", {"rdkit": "of mine"}, ""),
        ("biotite", {"pydantic": "1.10.2"}, "'pydantic>=2'"),
    ],
)
def test_what_its_metadata_forbids(requires: str, installed: dict[str, str], conflict: str) -> None:
    verdict = judge("openfold3-version", openfold3("0.5.0", requires=(requires,)), python(**installed))
    assert verdict.status is (FAILED if conflict else OK)
    assert conflict in (command_of(verdict) if conflict else "")


def test_a_run_openfold_of_another_environment() -> None:
    assert judge("openfold3-version", python("pydantic")).status is FAILED
    ours = Program("/venv/bin/run_openfold", "/venv/bin/python3", ours=True)
    assert judge("openfold3-version", openfold3("0.5.0", program=ours)).status is OK
    theirs = Program("/usr/local/bin/run_openfold", "/opt/of 3/bin/python", ours=False)
    verdict = judge("openfold3-version", openfold3("0.5.0", program=theirs))
    assert verdict.status is WARNING
    assert command_of(verdict) == "sparkdoctor check --python '/opt/of 3/bin/python'"


# --- weights-missing


def weights(path: str | None = "there", version: str = "0.5.0", **changes: Any) -> Any:
    file = openfold3(version).weights.file
    return but(Weights, path=path and f"{CACHE}/{file}", name=file, **changes)


@pytest.mark.parametrize(
    ("version", "source", "tool"),
    [
        (
            "0.5.0",
            "s3://openfold3-data/openfold3-parameters/of3-ob-2025-06-30-174k.pt",
            "-m openfold3.setup_openfold --non-interactive",
        ),
        ("0.4.5", "s3://openfold3-data/openfold3-parameters/of3-p2-155k.pt", "-m openfold3.setup_openfold --non-interactive"),
        ("0.4.0", "s3://openfold3-data/openfold3-parameters/of3-p2-155k.pt", "-m openfold3.setup_openfold"),
        ("0.3.1", "s3://openfold/openfold3_params/of3_ft3_v1.pt", "awscli s3 cp --no-sign-request"),
    ],
)
def test_no_weights(version: str, source: str, tool: str) -> None:
    verdict = judge("weights-missing", weights(None, version), openfold3(version))
    assert verdict.status is FAILED
    assert verdict.expected == source.rpartition("/")[2]
    assert source in text_of(verdict)
    assert tool in command_of(verdict)
    assert command_of(verdict).endswith(("--non-interactive", "setup_openfold", f"{CACHE}/{verdict.expected}"))


def test_setup_openfold_knows_one_cache_and_leaves_a_broken_file_alone() -> None:
    elsewhere = judge("weights-missing", weights(None, directory="/data/of 3"))
    assert command_of(elsewhere).startswith("/venv/bin/python -m awscli s3 cp --no-sign-request s3://openfold3-data/")
    assert command_of(elsewhere).endswith(" '/data/of 3/of3-ob-2025-06-30-174k.pt'")
    broken = judge("weights-missing", weights(trouble="it is empty", kind="an empty file", generation="", size=0))
    assert broken.status is FAILED
    assert broken.observed == "an empty file"
    assert "awscli s3 cp" in command_of(broken)
    closed = judge("weights-missing", weights(None, directory="/opt/weights", writable=False))
    assert "cannot write /opt/weights" in text_of(closed)
    assert command_of(closed).startswith("export OPENFOLD_CACHE=~/openfold3 && /venv/bin/python -m awscli s3 cp ")
    assert command_of(closed).endswith(" ~/openfold3/of3-ob-2025-06-30-174k.pt")
    in_the_way = judge("weights-missing", weights(trouble="it leads nowhere", kind="a broken link", generation="", size=0))
    assert command_of(in_the_way).startswith(f"mv -n {CACHE}/of3-ob-2025-06-30-174k.pt ")


def test_weights_that_do_not_fit() -> None:
    assert judge("weights-missing").status is OK
    other = judge("weights-missing", weights(trouble="weights of the generation 0.3; …", generation="0.3"))
    assert (other.status, other.observed) == (FAILED, "weights of 0.3")
    small = judge("weights-missing", weights(size=81_874_006))
    assert (small.status, small.observed) == (WARNING, "0.08 GB")
    legacy = judge("weights-missing", weights(size=10, kind="a checkpoint of PyTorch before 1.6", generation=""))
    assert (legacy.status, legacy.observed) == (WARNING, "10 bytes")
    beside = judge("weights-missing", weights(None, others=("of3-p2-155k.pt",)))
    assert f"{CACHE}/of3-p2-155k.pt: by its name, weights of OpenFold3 0.4" in beside.evidence


def test_ckpt_root() -> None:
    nowhere = judge("weights-missing", weights(None, dangling="ckpt_root leads to /gone, and there is none", directory="/gone"))
    assert nowhere.status is FAILED
    assert "/gone, and there is none" in nowhere.summary
    relative = judge("weights-missing", weights(dangling="it holds the relative path 'x'", directory="/home/user/x"))
    assert relative.status is WARNING
    assert command_of(relative) == f"printf %s /home/user/x > {CACHE}/ckpt_root"


# --- ccd-missing


@pytest.mark.parametrize(
    ("size", "components", "status"),
    [
        (63_283_092, 49_196, OK),
        (59_077_222, 40_000, OK),
        (5_000_000, 39_999, FAILED),
        (0, Missing("it is empty"), FAILED),
        (None, Missing("it is not there"), FAILED),
        (20 << 20, Missing("a truncated file: it ends before its data do"), FAILED),
    ],
)
def test_ccd_missing(size: int | None, components: Any, status: Any) -> None:
    verdict = judge("ccd-missing", but(Ccd, size=size, components=components))
    assert verdict.status is status
    if status is FAILED:
        assert command_of(verdict) == "/venv/bin/python -m pip install --force-reinstall --no-deps 'biotite==1.6.0'"
        assert "63,283,092" in (verdict.observed or "")


def test_a_dictionary_of_the_users_own_and_no_biotite() -> None:
    verdict = judge("ccd-missing", but(Ccd, path="/x.bcif", size=None, installed=None, components=GONE, own=True))
    assert verdict.status is FAILED
    assert "ccd_file_path" in text_of(verdict)
    assert judge("ccd-missing", ccd=GONE).status is SKIPPED
    assert judge("ccd-missing", python("biotite"), ccd=GONE).status is FAILED


# --- alignment-tools-missing, openmm-missing


def test_alignment_tools_missing() -> None:
    assert judge("alignment-tools-missing").status is OK
    assert judge("alignment-tools-missing", python("kalign-python")).status is WARNING
    old = judge("alignment-tools-missing", openfold3("0.3.1"))
    assert old.status is WARNING
    assert command_of(old) == "sudo apt install kalign"
    assert judge("alignment-tools-missing", openfold3("0.3.1", kalign="/usr/bin/kalign"), python("kalign-python")).status is OK


def test_openmm_missing() -> None:
    assert judge("openmm-missing").status is OK
    assert judge("openmm-missing", openfold3=OF3) == Verdict(SKIPPED, OF3.reason)
    assert judge("openmm-missing", python(openfold="2.2.0")).status is FAILED
    half = judge("openmm-missing", python(openfold="2.2.0", openmm="8.1"), openfold3=OF3)
    assert half.status is FAILED
    assert half.expected == "pdbfixer"
    assert judge("openmm-missing", python(openfold="2.2.0", openmm="8.1", pdbfixer="1.9")).status is OK


# --- cuequivariance-too-old


def test_cuequivariance_too_old() -> None:
    assert judge("cuequivariance-too-old").status is OK
    assert judge("cuequivariance-too-old", python("cuequivariance-torch")).status is SKIPPED
    old = judge("cuequivariance-too-old", python(**{"cuequivariance-torch": "0.6.1"}))
    assert (old.status, old.expected, old.observed) == (FAILED, ">=0.8", "0.6.1")
    assert "'cuequivariance-torch>=0.8'" in command_of(old)
    bound = 'cuequivariance-torch<0.8,>=0.6.1; extra == "cuequivariance"'
    new = judge("cuequivariance-too-old", openfold3("0.4.3", requires=(bound,)))
    assert (new.status, new.expected) == (FAILED, "<0.8,>=0.6.1")
    assert judge("cuequivariance-too-old", openfold3("0.4.0", requires=())).status is OK  # >=0.6.1
    assert judge("cuequivariance-too-old", python(**{"cuequivariance-torch": "mine"})).status is OK


@pytest.mark.parametrize("operators", [(), ("cuequivariance-ops-torch-cu12",)])
def test_operators_of_another_cuda(operators: tuple[str, ...]) -> None:
    found = python("cuequivariance-ops-torch-cu13", **dict.fromkeys(operators, "0.13.0"))
    verdict = judge("cuequivariance-too-old", found)
    assert (verdict.status, verdict.expected) == (FAILED, "cuequivariance-ops-torch-cu13")
    assert command_of(verdict).endswith("pip install 'cuequivariance-ops-torch-cu13>=0.8'")
    on_12 = judge("cuequivariance-too-old", found, but(Torch, cuda="12.8"))
    assert on_12.status is (OK if operators else FAILED)
    on_the_cpu = judge("cuequivariance-too-old", found, but(Torch, cuda=None))
    assert on_the_cpu.status is (OK if operators else FAILED)


# --- runner-yaml-surprise


def test_no_runner_yaml() -> None:
    verdict = judge("runner-yaml-surprise")
    assert verdict.status is OK
    assert "api.colabfold.com unless --use_msa_server False" in text_of(verdict)
    assert judge("runner-yaml-surprise", runner=OF3).status is SKIPPED
    unread = judge("runner-yaml-surprise", openfold3("0.4.5"), runner(unread=f"{CACHE}/runner.yml"))
    assert unread.status is OK
    assert "does not look at it" in text_of(unread)
    assert judge("runner-yaml-surprise", runner({})).status is OK


def test_a_runner_yaml_that_is_merged_unasked() -> None:
    off = {"model_update": {"custom": {"settings": {"memory": {"eval": {TRITON: False}}}}}}
    settings = {"experiment_settings": {"skip_existing": True, "use_msa_server": True}, **off}
    verdict = judge("runner-yaml-surprise", runner(settings, kernels={**kernels_of((0, 5)), TRITON: False}, presets=()))
    assert verdict.status is WARNING
    assert verdict.summary.endswith(
        "experiment_settings.use_msa_server: true, experiment_settings.skip_existing: true, "
        f"model_update.custom.settings.memory.eval.{TRITON}: false"
    )
    assert verdict.observed == "3 settings"
    for words in ("an old one stays", "PyTorch alone", "without the preset predict", "colabfold.com by this YAML"):
        assert words in text_of(verdict)
    assert command_of(verdict) == f"mv -i {CACHE}/runner.yml {CACHE}/runner.yml.aside"


def test_a_runner_yaml_that_is_given() -> None:
    given = runner(given="/x.yml", values={"experiment_settings": {"use_msa_server": False, "use_templates": True}})
    verdict = judge("runner-yaml-surprise", given)
    assert verdict.status is OK
    assert "colabfold" not in text_of(verdict)
    assert "templates are downloaded" in text_of(verdict)
    ignored = judge("runner-yaml-surprise", runner(given="/x.yml", values={"a": 1}, ignored=("experiment_settings.seed: …",)))
    assert ignored.status is WARNING
    rejected = judge("runner-yaml-surprise", runner({"a": 1}, rejected=("a: this version has no such setting", "b: the same")))
    assert (rejected.status, rejected.evidence) == (FAILED, ("b: the same",))
    assert judge("runner-yaml-surprise", runner=DEAD).status is FAILED


# --- kernel-backend-unavailable


def using(*switches: str) -> Any:
    return runner(kernels={name: name in switches for name in (DEEPSPEED, TRITON, CUEQUIVARIANCE, LMA)})


def test_the_default_kernels_by_version() -> None:
    judged = {}
    for version in ("0.3.1", "0.4.0", "0.4.2", "0.4.3", "0.4.4", "0.5.0"):
        it = openfold3(version)
        judged[version] = judge("kernel-backend-unavailable", it, runner(kernels=it.kernels)).observed
    old = dict.fromkeys(("0.3.1", "0.4.0", "0.4.2"), DEEPSPEED)
    assert judged == {**old, "0.4.3": None, "0.4.4": TRITON, "0.5.0": TRITON}


@pytest.mark.parametrize(
    ("switch", "gone", "words"),
    [(TRITON, "triton", "pip install 'triton>=3.6'"), (DEEPSPEED, "deepspeed", "pip install deepspeed")],
)
def test_a_kernel_whose_package_is_not_there(switch: str, gone: str, words: str) -> None:
    verdict = judge("kernel-backend-unavailable", using(switch), **{gone: GONE})
    assert verdict.status is FAILED
    assert "exit status 0" in verdict.summary
    assert words in command_of(verdict).replace("'deepspeed'", "deepspeed")
    assert judge("kernel-backend-unavailable", using(), **{gone: GONE}).status is OK
    assert judge("kernel-backend-unavailable", using(LMA), **{gone: GONE}).status is OK


def test_the_kernels_of_cuequivariance() -> None:
    assert judge("kernel-backend-unavailable", using(CUEQUIVARIANCE)).status is OK
    verdict = judge("kernel-backend-unavailable", using(CUEQUIVARIANCE, TRITON), python("cuequivariance-torch"))
    assert verdict.status is FAILED
    assert "cuequivariance-ops-torch-cu13" in command_of(verdict)
    # It goes before Triton, which then need not be there.
    assert judge("kernel-backend-unavailable", using(CUEQUIVARIANCE, TRITON), triton=GONE).status is OK


def test_kernels_that_exclude_each_other() -> None:
    assert judge("kernel-backend-unavailable", using(DEEPSPEED, TRITON)).observed == DEEPSPEED
    verdict = judge("kernel-backend-unavailable", using(LMA, TRITON))
    assert verdict.status is FAILED
    assert "refuses" in verdict.summary


def test_a_triton_that_cannot_assemble() -> None:
    verdict = judge("kernel-backend-unavailable", but(Triton, assemblers={121: Missing("there is no ptxas")}))
    assert verdict.status is FAILED
    assert command_of(verdict) == "sparkdoctor check triton-ptxas-too-old"


def test_a_runner_yaml_that_is_broken_is_judged_elsewhere() -> None:
    assert judge("kernel-backend-unavailable", runner=DEAD).status is SKIPPED


def found(**switches: bool) -> Openfold3Kernels:
    return Openfold3Kernels(course(("import torch", {"available": True}), ("import openfold3", {}), (IMPORT, switches)))


def test_what_openfold3_says_itself() -> None:
    assert judge("kernel-backend-unavailable", found(**{TRITON: True})).summary.endswith("OpenFold3 has found them")
    assert judge("kernel-backend-unavailable", found(**{TRITON: False})).status is FAILED
    assert judge("kernel-backend-unavailable", found(), but(Deepspeed)).status is OK
    assert judge("kernel-backend-unavailable", using(CUEQUIVARIANCE), found(**{CUEQUIVARIANCE: False})).status is FAILED
    blind = Openfold3Kernels(course(("import torch", {"available": False}), (IMPORT, {CUEQUIVARIANCE: False})))
    assert judge("kernel-backend-unavailable", using(CUEQUIVARIANCE), blind).status is OK
    died = course(("import torch", {}), ("import openfold3", {}), ended="raised ImportError: No module named 'biotraj'")
    verdict = judge("kernel-backend-unavailable", using(), Openfold3Kernels(died))
    assert verdict.status is FAILED
    assert command_of(verdict) == "/venv/bin/python -m pip install biotraj"


def test_an_offline_machine_and_the_server() -> None:
    offline = Network((), ("enP7s7",))
    verdict = judge("runner-yaml-surprise", offline)
    assert verdict.status is WARNING
    assert "offline" in verdict.summary
    assert "--use_msa_server False" in text_of(verdict)
    off = runner(values={"experiment_settings": {"use_msa_server": False}})
    assert judge("runner-yaml-surprise", off, offline).status is OK
    assert judge("runner-yaml-surprise", network=GONE).status is OK


def test_what_else_keeps_openfold3_from_starting() -> None:
    lacking = judge("openfold3-version", openfold3("0.5.0", lacking=("rdkit<2026", "lmdb")))
    assert lacking.status is FAILED
    assert command_of(lacking).endswith("pip install 'rdkit<2026' 'lmdb'")
    gone = Program("/usr/local/bin/run_openfold", "/gone/bin/python", ours=False, starts=False)
    moved = judge("openfold3-version", openfold3("0.5.0", program=gone))
    assert moved.status is FAILED
    assert command_of(moved) == "/venv/bin/python -m openfold3.run_openfold --help"
    double = judge("openfold3-version", openfold3("0.5.0", leftover=Distribution("0.4.5", "/x y/openfold3-0.4.5.dist-info")))
    assert double.status is WARNING
    assert command_of(double) == "rm -r '/x y/openfold3-0.4.5.dist-info'"
    damaged = judge("openfold3-missing", openfold3=Damaged("OpenFold3 0.5.0 in /x is not whole"))
    assert damaged.status is FAILED
    assert "--force-reinstall --no-deps 'openfold3" in command_of(damaged)
