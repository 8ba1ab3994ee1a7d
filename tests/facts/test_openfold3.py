"""OpenFold3's files, read: its source, its weights, its dictionary, its runner YAMLs."""

import contextlib
import gzip
import io
import json
import os
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import openfolded
from machines.make_tapes import CACHE, with_openfold3
from machines.parts import SITE
from openfolded import COMPONENTS, FILE, NAMES, checkpoint, dictionary
from releases import RELEASES, releases
from sparkdoctor import profiles, reading
from sparkdoctor.facts import Ccd, Network, Openfold3, Openfold3Kernels, Python, RunnerYaml, Weights
from sparkdoctor.facts.openfold3 import (
    CUEQUIVARIANCE,
    DEEPSPEED,
    TRITON,
    Damaged,
    Registry,
    kernels_of,
    parse_kernels,
    parse_registry,
    parse_shebang,
    registry_of,
)
from sparkdoctor.facts.runner_settings import applied, deep_update, judged, load, tree, unfit
from sparkdoctor.facts.runner_yaml import Model, flat, parse_model
from sparkdoctor.facts.weights import GENERATIONS, describe, parse_head
from sparkdoctor.host import LocalHost, Question
from sparkdoctor.machine import Machine
from sparkdoctor.model import Broken, Missing
from world import World, says

SPARK = profiles.load("openfold3-spark")
ROOT = f"{SITE}/openfold3"


def machine(world: World) -> Machine:
    return Machine(world, SPARK)


def fact(world: World, kind: Any) -> Any:
    return machine(world).get(kind)


def local() -> Machine:
    return Machine(LocalHost(), SPARK)


# --- the source


def test_what_is_installed() -> None:
    it = fact(with_openfold3(), Openfold3)
    assert (it.version, it.release, it.generation, it.merges) == ("0.5.0", (0, 5, 0), "0.5", True)
    assert it.registry == registry_of((0, 5, 0))
    assert it.kernels == kernels_of((0, 5, 0))
    assert it.weights.file == FILE
    assert "rdkit<2026" in it.requires


def test_a_source_that_cannot_be_read_is_known_by_its_version() -> None:
    world = with_openfold3()
    world.without(*(f"{ROOT}/{name}" for name in openfolded.ROOT_FILES if name not in ("__init__.py", "run_openfold.py")))
    it = fact(world, Openfold3)
    assert (it.registry, it.kernels, it.merges) == (registry_of((0, 5, 0)), kernels_of((0, 5, 0)), True)


def test_a_version_that_comes_next_is_read_from_its_source() -> None:
    text = openfolded.PARAMETERS.replace("openbind-2025-06-30-174k", "openbind-2").replace(FILE, "of3-ob-2.pt")
    found = parse_registry(text.replace("openfold3-parameters/", "v2/parameters/"), registry_of((0, 5)))
    assert found.default == "openbind-2"
    assert found.checkpoints["openbind-2"] == ("of3-ob-2.pt", ">=0.5.0")
    assert found.source == "s3://openfold3-data/v2/parameters"


@given(st.text() | st.builds(lambda text, at: openfolded.PARAMETERS[:at] + text, st.text(), st.integers(0, 1000)))
def test_any_registry(text: str) -> None:
    found = parse_registry(text, registry_of(()))
    assert isinstance(found, Registry)
    assert found.default in found.checkpoints


def test_switches_of_releases_that_ask_for_rocm() -> None:
    lines = f'"{DEEPSPEED}": not _is_rocm,\n"{CUEQUIVARIANCE}": False,\n"{TRITON}": _is_rocm,\n"x": {{\n"use_more": True,\n'
    assert parse_kernels(("train", lines)) == {DEEPSPEED: True, CUEQUIVARIANCE: False, TRITON: False}
    assert parse_kernels(()) == parse_kernels(("nothing",)) == {}


@given(st.lists(st.text()))
def test_any_switches(parts: list[str]) -> None:
    parse_kernels(tuple(parts))


@pytest.mark.parametrize(
    ("head", "interpreter"),
    [
        (b"#!/venv/bin/python3.12\nimport sys\n", "/venv/bin/python3.12"),
        (b"#!/usr/bin/env python3\n", ""),
        (b"#!/bin/sh\n'''exec' /a/long/path/python \"$0\" \"$@\"\n' '''\n", "/a/long/path/python"),
        (b'#!/bin/sh\n\'\'\'exec\' "/a long path/python" "$0" "$@"\n', "/a long path/python"),
        (b"#!/bin/sh\necho\n", ""),
        (b"\x7fELF", ""),
        (b"", ""),
    ],
)
def test_the_first_lines_of_a_program(head: bytes, interpreter: str) -> None:
    assert parse_shebang(head) == interpreter


@given(st.binary())
def test_any_first_lines(head: bytes) -> None:
    parse_shebang(head)


def test_the_program_on_path() -> None:
    world = with_openfold3()
    place = "/home/user/venv/bin/run_openfold"
    world.programs[place] = says("")
    world.files[place] = "#!/home/user/venv/bin/python3\n"
    assert fact(world, Openfold3).program.ours
    world.files[place] = "#!/opt/other/bin/python3\n"
    assert not fact(world, Openfold3).program.ours
    world.links["/opt/other"] = "/home/user/venv"
    assert fact(world, Openfold3).program.ours


# --- weights


def of(world: World) -> Weights:
    found = fact(world, Weights)
    assert isinstance(found, Weights)
    return found


def test_weights_that_a_prediction_would_take() -> None:
    it = of(with_openfold3())
    assert (it.path, it.kind, it.generation, it.trouble) == (f"{CACHE}/{FILE}", "a checkpoint", "0.5", "")
    assert it.looked == (
        f"{CACHE} (the default cache): a directory",
        f"{CACHE}/ckpt_root: leads to {CACHE} (a directory)",
        f"{CACHE}/{FILE}: a checkpoint",
    )


@pytest.mark.parametrize(
    ("root", "directory", "dangling"),
    [
        ("/data\n", "/data", ""),
        (" /data \n", "/data", ""),
        ("/gone", "/gone", "leads to /gone, and there is none"),
        (f"/data/{FILE}", f"/data/{FILE}", "where there is a file"),
        ("", "/home/user", "holds the relative path ''"),
        ("sub", "/home/user/sub", "and there is none"),
    ],
)
def test_ckpt_root(root: str, directory: str, dangling: str) -> None:
    world = with_openfold3()
    world.files |= {f"{CACHE}/ckpt_root": root, f"/data/{FILE}": checkpoint(*NAMES["0.5"])}
    it = of(world)
    assert it.directory == directory
    assert (it.path == f"/data/{FILE}") == (directory == "/data")
    assert dangling in it.dangling
    assert bool(dangling) == bool(it.dangling)


def test_the_cache_is_where_the_variable_or_a_runner_yaml_says() -> None:
    world = with_openfold3()
    world.files[f"/data/{FILE}"] = checkpoint(*NAMES["0.4"])
    world.env["OPENFOLD_CACHE"] = "/data"
    it = of(world)
    assert (it.path, it.trouble) == (
        f"/data/{FILE}",
        "weights of the generation 0.4; OpenFold3 0.5.0 takes those of 0.5",
    )
    world.files["/data/runner.yml"] = f"cache_path: {CACHE}\n"
    assert of(world).path == f"{CACHE}/{FILE}"
    world.env["OPENFOLD_CACHE"] = "~/of"  # nobody expands it
    assert of(world).directory == "/home/user/~/of"


HTML = b"\xef\xbb\xbf \n<!DOCTYPE html><html><body>404</body></html>"
S3 = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>'
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 2286125420\n"


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pt"))
    return file.getvalue()


WHOLE = checkpoint(*NAMES["0.5"])
KINDS = [
    (WHOLE, "a checkpoint", ""),
    (WHOLE[: len(WHOLE) // 2], "a truncated checkpoint", "did not come to its end"),
    (WHOLE[:-1], "a truncated checkpoint", "truncated"),
    (checkpoint("encoder.weight"), "a checkpoint", "none of the names"),
    (HTML, "an HTML page", "web site"),
    (LFS, "a git-lfs pointer", "git-lfs"),
    (S3, "an XML message", "server"),
    (b"", "an empty file", "empty"),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a checkpoint of PyTorch before 1.6", ""),
    (struct.pack("<Q", 20) + b'{"__metadata__": {}}', "safetensors", "torch.save"),
    (gzip.compress(WHOLE), "a gzip file", "unpacked"),
    (tarred(), "a tar file", "unpacked"),
    (bytes(4096), "a file of zeroes", "never written"),
    (b"hello", "a text", "begins 'hello'"),
]


@pytest.mark.parametrize(("content", "kind", "trouble"), KINDS, ids=[kind for _, kind, _ in KINDS])
def test_what_a_file_of_weights_is(tmp_path: Path, content: bytes, kind: str, trouble: str) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    it = describe(local(), str(path))
    assert not isinstance(it, Missing)
    assert (it.kind, it.size) == (kind, len(content))
    assert trouble in it.trouble
    assert bool(trouble) == bool(it.trouble)


def test_weights_that_are_no_file(tmp_path: Path) -> None:
    assert isinstance(describe(local(), str(tmp_path / "gone")), Missing)
    plain = describe(local(), str(tmp_path))
    assert not isinstance(plain, Missing)
    assert plain.trouble
    (tmp_path / "latest").write_text("global_step1\n")
    half = describe(local(), str(tmp_path))
    assert not isinstance(half, Missing)
    assert "names 'global_step1', which is not in it" in half.trouble
    (tmp_path / "global_step1").mkdir()
    sharded = describe(local(), str(tmp_path))
    assert not isinstance(sharded, Missing)
    assert (sharded.kind, sharded.trouble) == ("a directory", "")
    world = with_openfold3()
    world.denied.add(f"{CACHE}/{FILE}")
    assert of(world).kind == "unreadable"


@pytest.mark.parametrize("generation", NAMES)
@pytest.mark.parametrize("wrapped", ["", "state_dict", "module"])
def test_the_generation_of_a_checkpoint(tmp_path: Path, generation: str, wrapped: str) -> None:
    path = tmp_path / "weights.pt"
    names = [f"model.{name}" if wrapped else name for name in NAMES[generation]]
    path.write_bytes(checkpoint(*names, wrapped=wrapped))
    it = describe(local(), str(path))
    assert not isinstance(it, Missing)
    assert it.generation == generation


@given(st.binary(max_size=600))
def test_any_beginning(head: bytes) -> None:
    kind, _ = parse_head(head)
    assert kind


# --- archives

TEXTS = [text for _, text in GENERATIONS]


def asked(path: Path) -> Any:
    return LocalHost().answer(Question("archived", (str(path), "data.pkl", TEXTS)), 5.0)


def test_a_text_that_lies_across_two_chunks(tmp_path: Path) -> None:
    from sparkdoctor import archive as module

    path = tmp_path / "a.pt"
    for before in (module.CHUNK - 3, module.CHUNK - len(TEXTS[0]) + 1, module.CHUNK):
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            with zipfile.ZipFile(path, "w", method) as archive:
                archive.writestr("x/data.pkl", b"\0" * before + TEXTS[0].encode() + b"\0" * 99)
            assert asked(path) == [TEXTS[0]]


def test_archives_of_all_kinds(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:  # many members, the wanted one last, with a comment
        for number in range(8000):
            archive.writestr(f"x/data/{number}", b"")
        archive.writestr("x/not_data.pkl", TEXTS[0])
        archive.writestr("x/data.pkl", TEXTS[1])
        archive.comment = b"PK\5\6 a comment that looks like an end"
    assert asked(path) == [TEXTS[1]]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("y/other", b"")
    assert asked(path) == Broken(f"{path}: an archive without data.pkl")
    path.write_bytes(b"PK\5\6" + bytes(18))
    assert asked(path) == Broken(f"{path}: an archive without data.pkl")
    assert isinstance(asked(tmp_path / "gone"), Missing)


def test_an_archive_of_more_members_than_fit_the_old_format(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        archive.writestr("x/data.pkl", TEXTS[2])
        for number in range(66_000):
            archive.writestr(zipfile.ZipInfo(f"x/{number}"), b"")
    assert asked(path) == [TEXTS[2]]


def test_an_archive_beyond_four_gigabytes(tmp_path: Path) -> None:
    """A hole of 5 GiB before the wanted member: its place needs 64 bits."""
    path = tmp_path / "a.pt"
    with path.open("wb") as file:
        file.seek(5 << 30)
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x/data.pkl", TEXTS[0])
    assert asked(path) == [TEXTS[0]]


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE) - 1), st.binary(max_size=8))
def test_any_damage_to_an_archive_or_a_dictionary_is_a_word_on_it(cut: int, at: int, noise: bytes) -> None:
    with_damage = [(WHOLE, "archived", ("data.pkl", TEXTS)), (dictionary(data=100), "rows", ("chem_comp",))]
    for content, kind, args in with_damage:
        at = min(at, len(content) - 1)
        damaged = (content[:at] + noise + content[at + len(noise) :])[: cut if noise else None]
        descriptor = os.memfd_create("damaged")
        try:
            os.write(descriptor, damaged)
            answer = LocalHost().answer(Question(kind, (f"/proc/self/fd/{descriptor}", *args)), 5.0)
        finally:
            os.close(descriptor)
        assert isinstance(answer, Broken | list | int)


# --- the dictionary


def test_the_dictionary(tmp_path: Path) -> None:
    it = fact(with_openfold3(), Ccd)
    assert (it.components, it.size, it.installed) == (49_196, 63_283_092, 63_283_092)
    path = tmp_path / "components.bcif"
    for cut in (1, 100, 1000, 4000, 7000):
        path.write_bytes(dictionary()[:-cut])
        answer = LocalHost().answer(Question("rows", (str(path), "chem_comp")), 5.0)
        assert answer == Broken(f"{path}: a truncated file: it ends before its data do"), cut
    path.write_bytes(dictionary())
    assert reading.rows(str(path), "chem_comp_bond") == 7
    assert isinstance(LocalHost().answer(Question("rows", (str(path), "atom_site")), 5.0), Broken)
    path.write_bytes(b"data_components\n")
    assert LocalHost().answer(Question("rows", (str(path), "chem_comp")), 5.0) == Broken(f"{path}: not a BinaryCIF file")
    path.write_bytes(b"\xdd\xff\xff\xff\xff" * 9)
    assert isinstance(LocalHost().answer(Question("rows", (str(path), "chem_comp")), 5.0), Broken)


def test_the_dictionary_that_a_runner_yaml_names() -> None:
    world = with_openfold3()
    world.files |= {f"{CACHE}/runner.yml": "dataset_config_kwargs: {ccd_file_path: mine.bcif}\n"}
    it = fact(world, Ccd)
    assert (it.path, it.size, it.own) == ("/home/user/mine.bcif", None, True)
    world.without(f"{SITE}/biotite-1.6.0.dist-info")
    world.without(f"{CACHE}/runner.yml")
    assert fact(world, Ccd) == Missing("biotite is not installed in /home/user/venv/bin/python")


# --- runner YAMLs


def merged(text: str) -> Any:
    world = with_openfold3()
    world.files[f"{CACHE}/runner.yml"] = text
    return fact(world, RunnerYaml)


def test_two_files_are_merged_as_openfold3_does() -> None:
    world = with_openfold3()
    world.itself["runner_yaml"] = "/x.yml"
    world.files |= {
        f"{CACHE}/runner.yml": "experiment_settings: {skip_existing: true, use_msa_server: on}\ndata_module_args: {num_workers: 4}\n",
        "/x.yml": "experiment_settings: {use_msa_server: 'no', use_templates: false}\npl_trainer_args: {accelerator: cpu}\n",
    }
    it = fact(world, RunnerYaml)
    assert (it.skip_existing, it.use_msa_server, it.use_templates) == (True, False, False)
    assert it.setting("data_module_args", "num_workers") == 4
    assert it.setting("pl_trainer_args", "accelerator") == "cpu"
    assert it.settings == (
        "experiment_settings.skip_existing: true",
        "experiment_settings.use_msa_server: true",
        "data_module_args.num_workers: 4",
    )
    assert (it.rejected, it.ignored, it.kernels) == ((), (), kernels_of((0, 5)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [1\nb: 2\n", "line 2: not YAML"),
        ("a: !!python/object:os.system x\n", "line 1: not YAML"),
        ("a: 2024-99-99\n", "not YAML: "),
        ("a: !!bool x\n", "not YAML: "),
        ("[" * 1500, "not YAML: "),
        ("\x01", "not YAML: "),
        ("a: " + "x" * (1 << 20), "larger than 1 MiB"),
    ],
)
def test_what_is_no_yaml(text: str, reason: str) -> None:
    it = merged(text)
    assert isinstance(it, Broken)
    assert f"{CACHE}/runner.yml" in it.reason
    assert reason in it.reason
    assert isinstance(fact(with_openfold3(), Weights), Weights)


def test_aliases_end() -> None:
    bomb = "a: &a {x: 1}\n" + "".join(
        f"{name}: &{name} {{l: *{last}, r: *{last}}}\n" for last, name in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    assert len(merged(bomb).settings) == 40
    itself = load("a: &a {b: *a}\n")
    deep_update(itself, load("a: &a {b: *a}\n"))
    assert list(flat(itself))


REJECTED = [
    ("inference_ckpt_path: /x.pt\n", "give --inference-ckpt-path instead"),
    (
        "output_writing_settings: {}\n",
        f"{CACHE}/runner.yml:1: output_writing_settings: this version has no such setting; did you mean output_writer",
    ),
    ("experiment_settings:\n", "experiment_settings: a table is due"),
    (
        "# x\ndata_module_args:\n  num_worker: 0\n",
        "runner.yml:3: data_module_args.num_worker: this version has no such setting; did you mean num_workers?",
    ),
    ("model_update: {preset: [predict]}\n", "did you mean presets?"),
    ("model_update: {presets: [lowmem]}\n", "no preset lowmem; did you mean low_mem?"),
    ("model_update: {presets: [x]}\n", "it has train, predict, low_mem, mps"),
    ("model_update: {presets: predict}\n", "a list of names is due"),
    ("model_update: {custom: }\n", "model_update.custom: a table is due"),
    (
        "model_update: {custom: {settings: {memory: {eval: {use_triton_kernels: true}}}}}\n",
        "no such switch; did you mean use_triton_triangle",
    ),
    ("model_update: {custom: {settings: {memory: {eval: {use_lma: 'no'}}}}}\n", "true or false is due"),
    ("", "holds nothing"),
    ("- a\n", "holds no table"),
    ("1: 2\n", "keys are texts"),
]


@pytest.mark.parametrize(("text", "words"), REJECTED)
def test_settings_that_are_rejected(text: str, words: str) -> None:
    it = merged(text)
    assert len(it.rejected) == 1
    assert words in it.rejected[0]


def test_settings_without_effect() -> None:
    it = merged("experiment_settings: {seed: [1]}\npl_trainer_args: {whatever: 1}\n")
    assert it.rejected == ()
    assert it.ignored == (
        f"{CACHE}/runner.yml:1: experiment_settings.seed: this version has no such setting; did you mean seeds?",
    )


def test_presets_and_switches() -> None:
    assert merged("model_update: {presets: [predict, mps]}\n").kernels[TRITON] is False
    assert merged("model_update: {presets: [predict, pae_enabled]}\n").rejected == ()
    again = merged(f"model_update: {{presets: [mps], custom: {{settings: {{memory: {{eval: {{{TRITON}: true}}}}}}}}}}\n")
    assert again.kernels[TRITON] is True
    assert again.presets == ("mps",)


def test_a_version_that_merges_none() -> None:
    world = with_openfold3()
    world.files[f"{CACHE}/runner.yml"] = "a: 1\n"
    world.files[f"{ROOT}/run_openfold.py"] = ""
    it = fact(world, RunnerYaml)
    assert (it.merged, it.unread, it.rejected) == (None, f"{CACHE}/runner.yml", ())


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats()
YAML = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3), max_leaves=10
)
MODELS = {"": Model(("model_update", "experiment_settings"), "forbid"), "experiment_settings": Model(("seeds",), "ignore")}


@given(
    st.dictionaries(
        st.sampled_from(["model_update", "experiment_settings", "x"]),
        YAML | st.dictionaries(st.sampled_from(["presets", "custom"]), YAML),
    )
)
def test_any_settings(values: dict[str, Any]) -> None:
    judged(values, MODELS, (openfolded.PRESETS, CONFIG), kernels_of((0, 5)), ("inference_ckpt_path",), "pae_enabled")
    applied(values, openfolded.PRESETS, kernels_of((0, 5)))
    list(flat(values))


@given(st.text())
def test_any_yaml(text: str) -> None:
    with contextlib.suppress(ValueError):
        load(text)


@given(st.text())
def test_any_class(text: str) -> None:
    parse_model(text, "X")
    parse_model(f"class X(BaseModel):\n{text}", "X")


# --- the real ones

CASES = [
    *(text for text, _ in REJECTED),
    *("{}", "inference_ckpt_name: openfold3-p2-155k\n", "memory_snapshot: {enabled: false}\n", "cache_path: /nowhere\n"),
    *("output_writer_settings: {structure_format: cif, bogus: 1}\n", "dataset_config_kwargs: {bogus: 1}\n"),
    *("msa_computation_settings: {bogus: 1}\n", "template_preprocessor_settings: {bogus: 1}\n", "model_update: {bogus: 1}\n"),
    *("experiment_settings: {skip_existing: true, seed: 1}\n", "model_update: {presets: [pae_enabled, predict]}\n"),
    *("model_update: {presets: [mps]}\n", "pl_trainer_args: {bogus: 1}\n", "user_default_runner_yaml_path: /x\n"),
    *(
        f"model_update: {{custom: {{settings: {{memory: {{eval: {{{name}: true}}}}}}}}}}\n"
        for name in (TRITON, DEEPSPEED, CUEQUIVARIANCE)
    ),
    "template_preprocessor_settings: {max_templates: 4, ccd_file_path: null, preprocess_timeout: 5}\n",
    "msa_computation_settings: {msa_file_format: a3m, server_user_agent: me}\n",
]


@releases(*RELEASES)
def test_what_a_real_openfold3_rejects_is_what_is_said(
    version: str, openfold3: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = openfold3(version)
    script = Path(__file__).parent.parent / "standins" / "openfold3_config.py"
    ran = subprocess.run(
        [f"{place}/python", str(script)], input=json.dumps(CASES), capture_output=True, text=True, check=True, timeout=300
    )
    monkeypatch.setenv("OPENFOLD_CACHE", str(tmp_path))
    for number, (text, (error, kernels)) in enumerate(zip(CASES, json.loads(ran.stdout), strict=True)):
        path = tmp_path / f"{number}.yml"
        path.write_text(text)
        it = Machine(LocalHost(f"{place}/python", runner_yaml=str(path)), SPARK).get(RunnerYaml)
        assert isinstance(it, RunnerYaml), it
        assert bool(it.rejected) == bool(error), (text, error, it.rejected)
        if not error:
            assert it.kernels == {name: value for name, value in kernels.items() if name in it.kernels}, text
            assert set(it.kernels) == set(kernels), text


@releases(*RELEASES)
def test_a_real_openfold3_is_read(version: str, openfold3: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    place = openfold3(version)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    asking = Machine(LocalHost(f"{place}/python"), SPARK, timeout=200, deep=True)
    it, ccd, kernels = asking.get(Openfold3), asking.get(Ccd), asking.get(Openfold3Kernels)
    assert isinstance(it, Openfold3)
    assert isinstance(asking.get(Python), Python)
    numbers = tuple(map(int, version.split(".")))
    assert (it.version, it.registry, it.merges) == (version, registry_of(numbers), numbers >= (0, 5))
    assert it.kernels == kernels_of(numbers)
    assert it.program is not None
    assert it.program.ours
    assert isinstance(ccd, Ccd)
    assert (ccd.components, ccd.size) == (46_071 if version == "0.3.1" else COMPONENTS, ccd.installed)
    assert isinstance(kernels, Openfold3Kernels)
    assert kernels.course.trouble is None, kernels.course
    assert kernels.has(DEEPSPEED) is (numbers < (0, 4, 2))


# --- what was found wanting: installations, downloads and YAMLs that went wrong


def test_metadata_that_lies_twice() -> None:
    world = with_openfold3()
    world.files[f"{SITE}/openfold3-0.4.5.dist-info/METADATA"] = "Name: openfold3\n"
    it = fact(world, Openfold3)
    assert it.version == "0.5.0"
    assert it.leftover is not None
    assert it.leftover.version == "0.4.5"
    assert fact(with_openfold3(), Openfold3).leftover is None


def test_an_installation_that_is_not_whole() -> None:
    world = with_openfold3()
    world.without(f"{ROOT}/run_openfold.py")
    it = fact(world, Openfold3)
    assert isinstance(it, Damaged)
    assert "run_openfold.py is not there" in it.reason


def test_a_requirement_that_is_nowhere(tmp_path: Path) -> None:
    world = with_openfold3()
    whole = fact(world, Openfold3)
    world.files[f"{SITE}/openfold3-0.5.0.dist-info/METADATA"] = (
        openfolded.METADATA + "Requires-Dist: lmdb >=1 ; python_version>'3'\n"
    )
    assert fact(world, Openfold3).lacking == (*whole.lacking, "lmdb>=1")
    world.files[f"{SITE}/lmdb/__init__.py"] = ""
    assert fact(world, Openfold3).lacking == whole.lacking


def test_holes_in_an_archive_and_what_follows_it(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"

    def trouble() -> str:
        it = describe(local(), str(path))
        assert not isinstance(it, Missing)
        return it.trouble

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", NAMES["0.5"][1])
        for number in range(200):
            archive.writestr(f"a/data/{number}", bytes(1000))
    whole = path.read_bytes()
    path.write_bytes(whole + b"more")  # which PyTorch reads
    assert trouble() == ""
    half = len(whole) // 2
    path.write_bytes(whole[:half] + bytes(len(whole) // 4) + whole[half + len(whole) // 4 :])
    assert "members looked at are not where" in trouble()


@pytest.mark.parametrize("root", ["/x\0y", "/x\ny", "\x1b[2J", "/x" * 2000, "\ufeff/x"])
def test_a_ckpt_root_that_holds_no_path(root: str) -> None:
    world = with_openfold3()
    world.files[f"{CACHE}/ckpt_root"] = root
    it = of(world)
    assert it.path is None
    assert "holds no path" in it.dangling
    assert it.dangling.isprintable()


def test_a_link_to_weights_that_leads_nowhere(tmp_path: Path) -> None:
    world = with_openfold3()
    world.links[f"{CACHE}/{FILE}"] = "/gone"
    world.without(f"{CACHE}/{FILE}")
    it = of(world)
    assert (it.kind, it.path) in {("a broken link", f"{CACHE}/{FILE}"), ("", None)}


CONFIG = """\
import ml_collections as mlc
chunk = mlc.FieldReference(None, field_type=int)
clear = mlc.FieldReference(False, field_type=bool)
model_config = mlc.ConfigDict({
    "settings": {"clear": clear, "memory": {"eval": {"chunk_size": chunk, "use_lma": False}}},
    "architecture": {"shared": {"num_recycles": 3, "eps": 1e-8, "name": "x"}},
})
"""


@pytest.mark.parametrize(
    ("custom", "words"),
    [
        ({"architecture": {"shared": {"num_recycles": 1, "eps": 1, "name": "y"}}}, ""),
        ({"architecture": {"shared": {"num_recycles": None}}, "settings": {"clear": True}}, ""),
        (
            {"architecture": {"shared": {"num_recycle": 1}}},
            "shared.num_recycle: this version has no such setting; did you mean num_",
        ),
        ({"architecture": {"shared": {"num_recycles": 2.5}}}, "2.5 stands where a whole number is due"),
        ({"architecture": {"shared": {"num_recycles": "3"}}}, "3 stands where a whole number is due"),
        ({"settings": {"clear": 0}}, "0 stands where true or false is due"),
        ({"settings": {"memory": 5}}, "5 stands where a table is due"),
        ({"settings": {"memory": {"eval": {"use_lma": 0}}}}, "use_lma: true or false is due"),
        ({"settings": {"memory": {"eval": {"use_lma": None}}}}, ""),
        ({"setings": {}}, "did you mean settings?"),
    ],
)
def test_the_model_s_own_settings(custom: Any, words: str) -> None:
    values = {"model_update": {"presets": [], "custom": custom}}
    rejected, _ = judged(values, {}, ("", CONFIG), {"use_lma": False}, (), "")
    assert (words in " ".join(text for _, text in rejected)) if words else rejected == []


@pytest.mark.parametrize(
    ("annotation", "value", "due"),
    [
        ("int", "many", "a whole number"),
        ("int", "0", ""),
        ("int | None", None, ""),
        ("bool", "nope", "true or false"),
        ("bool", "Yes", ""),
        ("Path | None", 5, "a path or null"),
        ('Literal["pdb", "cif", "cif.gz"]', "mmcif", "one of pdb, cif, cif.gz"),
        ("int | list[int]", [1, "x"], "a whole number or a list of whole numbers"),
        ("Any", object(), ""),
        ("dict[str, Any] | None", 5, ""),
        ("Literal[", 5, ""),
    ],
)
def test_values_that_pydantic_refuses(annotation: str, value: Any, due: str) -> None:
    assert unfit(annotation, value) == due


@given(st.text(alphabet="int|bolstrLeaPh[],\"' None", max_size=30), st.none() | st.integers() | st.text(max_size=5))
def test_any_annotation(annotation: str, value: Any) -> None:
    assert isinstance(unfit(annotation, value), str)


@given(st.text(max_size=80) | st.just(CONFIG).map(lambda text: text[: len(text) // 2]))
def test_any_model_configuration(text: str) -> None:
    assert tree(text) == {}


def test_one_seed_keys_that_stand_twice_and_what_is_no_utf_8() -> None:
    one = merged("experiment_settings: {seeds: 42}\n")
    assert "num_seeds beside it, or brackets: [42]" in one.rejected[0]
    twice = merged("experiment_settings: {seeds: [1]}\nexperiment_settings: {use_msa_server: false}\n")
    assert "runner.yml:2: experiment_settings stands here again" in twice.ignored[0]
    assert "train" in merged("dataset_paths: {}\n").rejected[0]
    world = with_openfold3()
    world.files[f"{CACHE}/runner.yml"] = b"experiment_settings: {output_dir: caf\xe9}\n"
    assert "not UTF-8" in fact(world, RunnerYaml).reason


@pytest.mark.parametrize(
    ("states", "up"),
    [
        ({"lo": "unknown", "enP7s7": "down", "docker0": "up", "veth1a": "up"}, ()),
        ({"lo": "unknown"}, ()),
        ({"lo": "unknown", "enP7s7": "up", "wlP9s9": "down"}, ("enP7s7",)),
        ({"lo": "unknown", "tun0": "unknown"}, ("tun0",)),
    ],
)
def test_a_network(states: dict[str, str], up: tuple[str, ...]) -> None:
    world = with_openfold3()
    world.files |= {f"/sys/class/net/{name}/operstate": f"{state}\n" for name, state in states.items()}
    assert fact(world, Network).up == up
