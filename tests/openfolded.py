"""An OpenFold3 0.5.0 as far as anybody reads its files, for machines that are described; and the files that it reads.

The lines are those of the wheel, without what lies between them.
"""

import io
import struct
import zipfile

from world import World

VERSION = "0.5.0"
FILE = "of3-ob-2025-06-30-174k.pt"
COMPONENTS = 49_196
CCD_SIZE = 63_283_092
WEIGHTS_SIZE = 2_286_125_420
TEXT_5 = "sample_diffusion.diffusion_module.diffusion_transformer.layer_norm_z.weight"
TEXT_4 = "input_embedder.atom_attn_enc.atom_transformer.layer_norm_z.weight"
TEXT_3 = "input_embedder.atom_attn_enc.atom_transformer.blocks.0.attention_pair_bias.layer_norm_z.weight"
NAMES = {"0.3": (TEXT_3,), "0.4": (TEXT_4, "version_tensor"), "0.5": (TEXT_4, TEXT_5, "version_tensor")}

METADATA = """\
Metadata-Version: 2.4
Name: openfold3
Version: 0.5.0
Requires-Python: >=3.10
Requires-Dist: numpy
Requires-Dist: torch
Requires-Dist: pytorch-lightning>=2.1
Requires-Dist: biotite
Requires-Dist: rdkit<2026
Requires-Dist: kalign-python
Provides-Extra: cuequivariance
Requires-Dist: cuequivariance>=0.8; extra == "cuequivariance"
Requires-Dist: cuequivariance-ops-torch-cu12>=0.8; extra == "cuequivariance"
Requires-Dist: cuequivariance-torch>=0.8; extra == "cuequivariance"
Provides-Extra: deepspeed
Requires-Dist: deepspeed>=0.18.7; extra == "deepspeed"
"""
PARAMETERS = """\
OPENFOLD_BUCKET = "openfold3-data"

OPENFOLD_MODEL_CHECKPOINT_REGISTRY = {
    "openbind-2025-06-30-174k": CheckpointEntry(
        file_name="of3-ob-2025-06-30-174k.pt",
        version_compatibility=">=0.5.0",
    ),
    "openfold3-p2-145k": CheckpointEntry(
        file_name="of3-p2-145k.pt", version_compatibility=">=0.4,<0.4.4dev0"
    ),
    "openfold3-p2-155k": CheckpointEntry(
        file_name="of3-p2-155k.pt", version_compatibility=">=0.4,<0.4.4dev0"
    ),
    "openfold3-p1": CheckpointEntry(  # legacy
        file_name="of3_ft3_v1.pt", version_compatibility="<0.4"
    ),
}

DEFAULT_CHECKPOINT_NAME = "openbind-2025-06-30-174k"

    checkpoint_s3_key = f"openfold3-parameters/{checkpoint_file_name}"
"""
MODEL_CONFIG = """\
                "train": {
                    "use_deepspeed_evo_attention": False,
                },
                "eval": {
                    "chunk_size": None,
                    "tune_chunk_size": tune_chunk_size,
                    "use_deepspeed_evo_attention": False,
                    "use_cueq_triangle_kernels": False,
                    "use_triton_triangle_kernels": True,
                    "use_lma": False,
                    "msa_module": {
"""
RUN = """\
    default_yml = (
        Path(os.environ.get("OPENFOLD_CACHE") or DEFAULT_CACHE_PATH) / "runner.yml"
    )
"""
PRESETS = """\
train: {settings: {blocks_per_ckpt: 1}}
predict: {settings: {memory: {eval: {chunk_size: 1024}}}}
low_mem: {settings: {clear_cache_between_steps: True}}
mps: {settings: {memory: {eval: {use_triton_triangle_kernels: false}}}}
"""
FORBIDDING = '    model_config = PydanticConfigDict(extra="forbid")\n'


def model(name: str, base: str, fields: str, extra: str = "") -> str:
    """A class of pydantic's."""
    return f"class {name}({base}):\n{extra}" + "".join(f"    {field}: Any = None\n" for field in fields.split())


VALIDATOR = "\n\n".join(
    (
        "import pydantic\n",
        model("DataModuleArgs", "BaseModel", "batch_size data_seed num_workers prefetch_factor epoch_len", FORBIDDING),
        model("PlTrainerArgs", "BaseModel", "accelerator precision devices", FORBIDDING.replace("forbid", "allow")),
        model("OutputWritingSettings", "BaseModel", "structure_format full_confidence_output_format"),
        model("ExperimentSettings", "BaseModel", "mode output_dir log_dir"),
        model("ProfilerConfig", "BaseModel", "enabled dirpath"),
        model("MemorySnapshotConfig", "BaseModel", "enabled output_path"),
        model("InferenceExperimentSettings", "ExperimentSettings", "seeds num_seeds use_msa_server use_templates skip_existing"),
        model(
            "ExperimentConfig",
            "BaseModel",
            "experiment_settings pl_trainer_args model_update user_default_runner_yaml_path memory_snapshot profiler",
        ),
        model(
            "InferenceExperimentConfig",
            "ExperimentConfig",
            "inference_ckpt_path inference_ckpt_name cache_path experiment_settings model_update data_module_args "
            "dataset_config_kwargs output_writer_settings msa_computation_settings template_preprocessor_settings",
            FORBIDDING,
        ),
    )
)
ROOT_FILES = {
    "__init__.py": "",
    "run_openfold.py": RUN,
    "entry_points/parameters.py": PARAMETERS,
    "entry_points/validator.py": VALIDATOR,
    "projects/of3_all_atom/config/model_config.py": MODEL_CONFIG,
    "projects/of3_all_atom/config/model_setting_presets.yml": PRESETS,
    "projects/of3_all_atom/project_entry.py": model("ModelUpdate", "BaseModel", "presets custom", FORBIDDING),
    "projects/of3_all_atom/config/dataset_configs.py": model(
        "InferenceDatasetConfigKwargs", "BaseModel", "ccd_file_path msa template pocket_sampling"
    ),
    "core/data/tools/colabfold_msa_server.py": model(
        "MsaComputationSettings", "BaseModel", "msa_file_format server_user_agent server_url", FORBIDDING
    ),
    "core/data/pipelines/preprocessing/template.py": model(
        "TemplatePreprocessorSettings", "BaseModel", "mode max_templates structure_directory ccd_file_path", FORBIDDING
    ),
}


def checkpoint(*names: str, wrapped: str = "") -> bytes:
    """A checkpoint's archive with these names of tensors, as torch.save lays it out; the tensors left out."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        pickled = b"\x80\x02}" + b"".join(b"X" + struct.pack("<I", len(name)) + name.encode() for name in (wrapped, *names))
        for name, content in (("data.pkl", pickled), ("version", b"3\n"), ("data/0", bytes(64))):
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)  # of no time: tapes hold it
    return file.getvalue()


def packed(value: object) -> bytes:
    """MessagePack."""
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(packed(part) for item in value.items() for part in item)
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(packed, value))
    if isinstance(value, str):
        return b"\xd9" + bytes([len(value.encode())]) + value.encode()
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    assert isinstance(value, int)
    return bytes([value]) if 0 <= value < 0x80 else b"\xce" + struct.pack(">I", value)


def dictionary(components: int = COMPONENTS, data: int = 3000) -> bytes:
    """A BinaryCIF file as biotite writes it: three categories, whose columns are data that nobody need read."""
    columns = [{"name": "id", "data": {"data": bytes(data), "encoding": [{"kind": "StringArray", "stringData": "A" * 200}]}}]
    categories = [
        {"rowCount": rows, "columns": columns, "name": name}
        for name, rows in (("_chem_comp", components), ("_chem_comp_atom", 40 * components), ("_chem_comp_bond", 7))
    ]
    block = {"categories": categories, "header": "components"}
    return packed({"dataBlocks": [block], "encoder": "biotite", "version": "0.3.0"})


def install(world: World, site: str, cache: str) -> None:
    """OpenFold3 0.5.0 with what it needs, its weights in `cache`."""
    world.files |= {f"{site}/openfold3/{name}": text for name, text in ROOT_FILES.items()}
    world.files[f"{site}/openfold3-{VERSION}.dist-info/METADATA"] = METADATA
    for name, version in (
        ("pydantic", "2.14.3"),
        ("kalign_python", "3.6.0"),
        ("rdkit", "2025.9.6"),
        ("numpy", "2.4.0"),
        ("pytorch_lightning", "2.6.0"),
    ):
        world.files[f"{site}/{name}-{version}.dist-info/METADATA"] = f"Name: {name}\nVersion: {version}\n"
    ccd = "biotite/structure/info/components.bcif"
    world.files |= {
        f"{site}/biotite-1.6.0.dist-info/RECORD": f"{ccd},sha256=3_2zoZYA1RhUBY2uz7yb0blKq0E6BOev7Y1LdnBiHUc,{CCD_SIZE}\n",
        f"{site}/{ccd}": dictionary(),
        f"{cache}/ckpt_root": cache,
        f"{cache}/{FILE}": checkpoint(*NAMES["0.5"]),
    }
    # What a prediction has left in Triton's cache, or kernels-not-warm would speak.
    kernel = "/home/user/.triton/cache/5A7VXOHK3X4GD2SIRRDFZOKDDFZTWQZU5M7MZ4JJS7RBWUAQYRQA/_attn_fwd.json"
    world.files[kernel] = '{"hash": "5a7v", "target": {"backend": "cuda", "arch": 121, "warp_size": 32}, "num_warps": 4}'
    world.sizes |= {f"{site}/{ccd}": CCD_SIZE, f"{cache}/{FILE}": WEIGHTS_SIZE}
