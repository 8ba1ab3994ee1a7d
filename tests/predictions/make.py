"""Records the trees in this directory: runs the real OpenFold3 on the CPU, with random weights of a model of one block.

    python tests/predictions/make.py --work DIR 0.5.0=VENV/bin 0.4.5=VENV/bin 0.3.1=VENV/bin [--only CASE …]

Each run takes 10 to 20 seconds, weights as long once a version. A case becomes CASE.tar.gz: `out/`, what was written, with its
times, and `log`, what was printed. The matrices of the confidences (pae, pde) and the alignments are left out, and paths of the
machine are replaced.
"""

import argparse
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from sparkdoctor.host import PATIENT
from sparkdoctor.query import UBIQUITIN

HERE = Path(__file__).resolve().parent
WITHOUT_NUMBERS = """
import sys, torch
values = torch.load(sys.argv[1])
torch.save({name: value * float("nan") if value.is_floating_point() and "version" not in name else value
            for name, value in values.items()}, sys.argv[2])
"""


def protein(sequence: str, ids: str = "A", **more: Any) -> dict[str, Any]:
    return {"molecule_type": "protein", "chain_ids": list(ids), "sequence": sequence, **more}


def ligand(ids: str, **more: Any) -> dict[str, Any]:
    return {"molecule_type": "ligand", "chain_ids": list(ids), **more}


SEQUENCE = UBIQUITIN.chains[0].sequence
GOOD: dict[str, Any] = {"chains": [protein(SEQUENCE)]}
BAD: dict[str, Any] = {"chains": [protein(SEQUENCE), ligand("L", ccd_codes=["ZZZZZ"])]}
COMPLEX: dict[str, Any] = {
    "chains": [
        protein("MQSFVKTLTG", "AB", non_canonical_residues={"3": "SEP"}),
        {"molecule_type": "rna", "chain_ids": ["R"], "sequence": "GAUC"},
        {"molecule_type": "dna", "chain_ids": ["D"], "sequence": "GATC"},
        ligand("L", ccd_codes=["ATP"]),
        ligand("M", smiles="CC(=O)O"),
    ]
}


class Case(NamedTuple):
    """A run: queries and what differs from the plain one. `again` is a second run into the same directory, with these settings."""

    version: str = "0.5.0"
    queries: Mapping[str, Any] = MappingProxyType({"ubiquitin": GOOD})
    kernels: Mapping[str, bool] = MappingProxyType({"use_triton_triangle_kernels": False})
    settings: Mapping[str, Any] = MappingProxyType({})
    steps: int = 2
    samples: int = 1
    weights: str = ".pt"
    again: dict[str, Any] | None = None


OLD_KERNELS = {"use_deepspeed_evo_attention": False}
CASES = {
    "random-weights": Case(),
    "nan-weights": Case(weights="-nan.pt"),
    "deepspeed-missing": Case(kernels={"use_triton_triangle_kernels": False, "use_deepspeed_evo_attention": True}),
    "cuequivariance-missing": Case(kernels={"use_triton_triangle_kernels": False, "use_cueq_triangle_kernels": True}),
    "triton-missing": Case(kernels={}),
    "unknown-ligand": Case(queries={"ubiquitin": BAD}),
    "good-and-bad": Case(queries={"ubiquitin": GOOD, "unknown": BAD}),
    "skip-existing": Case(again={"experiment_settings": {"skip_existing": True}}),
    "pdb": Case(settings={"output_writer_settings": {"structure_format": "pdb"}}, steps=200),
    "pdb-too-far": Case(settings={"output_writer_settings": {"structure_format": "pdb"}}),
    "cif-gz": Case(settings={"output_writer_settings": {"structure_format": "cif.gz"}}),
    "two-samples": Case(samples=2, settings={"experiment_settings": {"seeds": [7, 8]}}),
    "complex": Case(queries={"a complex": COMPLEX}),
    "openfold3-0.4.5": Case("0.4.5"),
    "openfold3-0.3.1": Case("0.3.1", kernels=OLD_KERNELS),
    "deepspeed-missing-0.3.1": Case("0.3.1", kernels={}),
}


def merged(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    both = dict(a)
    for key, value in b.items():
        both[key] = merged(a[key], value) if isinstance(a.get(key), dict) and isinstance(value, dict) else value
    return both


def weights(work: Path, version: str, bin_: Path) -> str:
    path = work / f"weights-{version}"
    if not path.with_name(path.name + ".json").exists():
        for argv in (("-B", f"{PATIENT}/small_model.py", path), ("-c", WITHOUT_NUMBERS, f"{path}.pt", f"{path}-nan.pt")):
            subprocess.run([bin_ / "python", *argv], check=True, cwd=work, env=environment(work))
    return str(path)


def environment(work: Path) -> dict[str, str]:
    (work / "tmp").mkdir(parents=True, exist_ok=True)
    return {**os.environ, "OPENFOLD_CACHE": str(work / "cache"), "OMP_NUM_THREADS": "1", "TMPDIR": str(work / "tmp")}


def runner(stem: str, case: Case) -> dict[str, Any]:
    """The runner YAML for a case, with the weights of this name."""
    custom = json.loads(Path(stem + ".json").read_text())
    custom = merged(custom, {"architecture": {"shared": {"diffusion": {"no_full_rollout_steps": case.steps}}}})
    custom["settings"] = {"memory": {"eval": dict(case.kernels)}}
    return {
        "pl_trainer_args": {"accelerator": "cpu"},
        "data_module_args": {"num_workers": 0},
        "model_update": {"presets": ["predict"], "custom": custom},
        **case.settings,
    }


def record(name: str, case: Case, work: Path, bin_: Path) -> None:
    stem = weights(work, case.version, bin_)
    place = work / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    settings = runner(stem, case)
    (place / "query.json").write_text(json.dumps({"queries": dict(case.queries)}))
    log = ""
    for more in ({}, case.again):
        if more is None:
            break
        (place / "runner.yml").write_text(json.dumps(merged(settings, more)))  # JSON is YAML
        command = [bin_ / "python", "-m", "openfold3.run_openfold", "predict", "--query_json", place / "query.json"]
        command += [
            "--inference_ckpt_path",
            stem + case.weights,
            "--runner_yaml",
            place / "runner.yml",
            "--use_msa_server",
            "False",
        ]
        command += ["--use_templates", "False", "--num_diffusion_samples", str(case.samples), "--output_dir", place / "out"]
        ran = subprocess.run(
            [str(part) for part in command],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=place,
            env=environment(work),
        )
        print(f"{name}: {ran.returncode}", flush=True)
        log = ran.stdout + f"\nexit status {ran.returncode}\n"
    (place / "log").write_text(log)
    pack(place, HERE / f"{name}.tar.gz", redaction(work, bin_))


def redaction(work: Path, bin_: Path) -> list[tuple[str, str]]:
    return [
        (re.escape(str(bin_.parent)), "/home/user/venv"),
        (re.escape(str(work)) + r"/weights-[0-9.]+", "/home/user/weights"),
        (re.escape(str(work)) + r"/tmp/of3-of-\w+", "/tmp/of3-of-user"),
        (re.escape(str(work)) + r"/cache", "/home/user/.openfold3"),
        (re.escape(str(work)) + r"/[\w.-]+/out", "/home/user/out"),
        (re.escape(str(work)), "/home/user"),
        (re.escape(str(Path(sys.base_prefix).resolve())), "/usr"),
        (r"of3-of-root", "of3-of-user"),
    ]


def pack(place: Path, target: Path, replaced: list[tuple[str, str]]) -> None:
    files = sorted(path for path in place.rglob("*") if path.is_file())
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for path in files:
            name = str(path.relative_to(place))
            if name not in ("log", "query.json") and not name.startswith("out/"):
                continue
            if "/msas/" in name or name.endswith("_confidences.json"):
                continue
            content = path.read_bytes()
            if path.suffix in (".json", ".log", ".txt", "") or name == "log":
                text = content.decode()
                for pattern, instead in replaced:
                    text = re.sub(pattern, instead, text)
                content = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), int(path.stat().st_mtime)
            tar.addfile(entry, io.BytesIO(content))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environments", nargs="+", metavar="VERSION=BIN")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=CASES)
    given = parser.parse_args()
    bins = {version: Path(path).absolute() for version, _, path in (one.partition("=") for one in given.environments)}
    for name, case in CASES.items():
        if case.version in bins and (given.only is None or name in given.only):
            record(name, case, given.work.resolve(), bins[case.version])


if __name__ == "__main__":
    main()
