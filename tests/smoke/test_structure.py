"""mmCIF and PDB, read strictly."""

import gzip
import math
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predicted import cif, crystal, pdb, recorded
from sparkdoctor.smoke import structure
from sparkdoctor.smoke.structure import Atom, StructureError, parse_cif, parse_pdb, read

LEAST = "label_atom_id label_comp_id auth_asym_id label_seq_id type_symbol Cartn_x Cartn_y Cartn_z B_iso_or_equiv".split()
VALUES = {
    "label_atom_id": "CA",
    "label_comp_id": "GLY",
    "auth_asym_id": "A",
    "label_seq_id": "7",
    "type_symbol": "C",
    "Cartn_x": "1.5",
    "Cartn_y": "-2",
    "Cartn_z": "1e1",
    "B_iso_or_equiv": "88.25",
}
GLYCINE = Atom("A", 7, "GLY", "CA", "C", 1.5, -2.0, 10.0, 88.25)


def loop(names: list[str], *rows: str) -> str:
    return "data_x\nloop_\n" + "".join(f"_atom_site.{name}\n" for name in names) + "\n".join(rows) + "\n"


def table(**changed: str) -> str:
    values = {**VALUES, **changed}
    return loop(list(values), " ".join(values.values()))


@settings(max_examples=30)
@given(st.permutations(list(VALUES)))
def test_columns_in_any_order_as_a_loop_and_as_pairs(names: list[str]) -> None:
    assert parse_cif(loop(names, " ".join(VALUES[name] for name in names))) == [GLYCINE]
    assert parse_cif("data_x\n" + "".join(f"_atom_site.{name}\t{VALUES[name]}\n" for name in names)) == [GLYCINE]
    assert parse_cif(loop(names, *(VALUES[name] for name in names))) == [GLYCINE]  # a row over many lines


def test_what_cif_allows() -> None:
    text = """# a comment
data_x  _entry.id 'it''s _not a name' # another
_struct.title
;a text field
loop_
_atom_site.id
; _struct.more "say ""x"" # no comment"
LOOP_ _Other.a _other.b 1 'loop_' "_other.c" ?
loop_
_ATOM_SITE.label_atom_id _atom_site.label_comp_id _atom_site.auth_asym_id _atom_site.label_seq_id _atom_site.auth_seq_id
_atom_site.type_symbol _atom_site.Cartn_x _atom_site.Cartn_y _atom_site.Cartn_z
_atom_site.B_iso_or_equiv _atom_site.pdbx_PDB_model_num
"O5'" A "long chain" 1 1 O nan -inf NaN inf 1  # here
O3' 'DA' data 2 3 o 1 2
3 4 2
;C1
; LIG L . 12 C 1 2 3 4 2
_last.one .
"""
    atoms = parse_cif(text.replace("''s", "'s").replace('""x""', '"x"'))
    assert [(atom.chain, atom.number, atom.residue, atom.name, atom.element, atom.model) for atom in atoms] == [
        ("long chain", 1, "A", "O5'", "O", 1),
        ("data", 2, "DA", "O3'", "O", 2),
        ("L", 12, "LIG", "C1", "C", 2),
    ]
    assert math.isnan(atoms[0].x)
    assert (atoms[0].y, atoms[0].b) == (-math.inf, math.inf)
    assert not atoms[0].finite
    assert atoms[1].finite


def test_line_ends_of_other_systems() -> None:
    for end in ("\r\n", "\r"):
        assert parse_cif(table().replace("\n", end)) == [GLYCINE]
        assert parse_pdb(pdb([GLYCINE]).replace("\n", end)) == [GLYCINE]


WRONG = {
    "": "no data block",
    "data_x\n": "no atoms",
    "hello\n": "line 1: 'hello' is a value without a name",
    "_a.b 1\n": "line 1: '_a.b' before any data block",
    "data_x\n_a.b 1 2\n": "line 2: '2' is a value without a name",
    "data_x\n_a.b\n": "line 2: '_a.b' has no value",
    "data_x\n_a.b\n_a.c 1\n": "line 2: '_a.b' has no value",
    "data_x\n_a.b 1\n_A.B 1\n": "line 3: '_A.B' is there twice",
    "data_x\nloop_\n": "line 2: a loop without names",
    "data_x\nloop_\n_a.b\n#\n": "line 2: a loop without values",
    "data_x\nloop_\n_a.b _a.c\n1 2 3\nloop_\n_b.a\n1": "line 5: the loop of line 2 ends within a row (1 values too many)",
    "data_x\nloop_\n1 2\n": "line 3: '1' is a value without a name",
    "data_x\n_a.b 'open\n": """line 2: "'open" is neither a value nor a name""",
    'data_x\n_a.b "open" "x"y\n': """line 2: '"x"y' is neither a value nor a name""",
    "data_x\n_a.b\n;open\n": "line 3: a text field that does not end",
    "data_x\n_a.b $frame\n": "line 2: '$frame' is neither a value nor a name",
    "data_x\n_a.b [1\n": "line 2: '[1' is neither a value nor a name",
    "data_x\nsave_frame\n": "line 2: 'save_frame' has no place in a structure",
    "data_x\ndata_y\n": "line 2: a second data block",
    "data_x\n_a.b \0\n": "line 2: not text (character 0x00)",
    "data_x\n_a.b \x7f\n": "line 2: not text (character 0x7f)",
    table(Cartn_x="?"): "not all of '7', '1', '?', '-2', '1e1', '88.25' are numbers",
    table(Cartn_x="1_0"): "'711_0-21e188.25' is no number",
    table(Cartn_x="١"): "is no number",
    table(Cartn_x="1,5"): "are numbers",
    table(label_seq_id="."): "are numbers",
    table(label_seq_id="9" * 5000): "are numbers",
    table(label_atom_id="."): "line 12: an atom without chain, residue or name",
    table(auth_asym_id="''"): "line 12: an atom without chain, residue or name",
    table() + "loop_ _atom_site.id 1\n": "line 13: a second table of atoms",
    table() + "_atom_site.id 1\n": "line 13: a second table of atoms",
    "data_x\nloop_\n_atom_site.id\n1\n": "line 2: the table of atoms has no _atom_site.auth_asym_id",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_structure_is_told_with_its_line(text: str) -> None:
    with pytest.raises(StructureError) as error:
        parse_cif(text)
    assert WRONG[text] in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", LEAST)
def test_no_column_can_be_done_without(name: str) -> None:
    with pytest.raises(StructureError, match=rf"has no _atom_site\.{name.lower()}"):
        parse_cif(loop([one for one in VALUES if one != name], " ".join(value for one, value in VALUES.items() if one != name)))


TOKEN = st.sampled_from(
    [
        "data_x",
        "loop_",
        "_a.b",
        "_atom_site.id",
        "_atom_site.Cartn_x",
        "'a b'",
        '"',
        ";",
        "#",
        "\n",
        "\n;",
        "1.5",
        "nan",
        "$",
        "A",
        "\t",
        ".",
    ]
)


@given(st.lists(TOKEN, max_size=30).map(" ".join) | st.text() | st.lists(TOKEN).map("".join))
def test_any_text_is_atoms_or_a_structure_error(text: str) -> None:
    for parse in (parse_cif, parse_pdb):
        try:
            said = f"{len(parse(text))} atoms"
        except StructureError as error:
            said = str(error)
        assert 5 < len(said) < 600


@settings(max_examples=30)
@given(st.data())
def test_a_structure_that_was_damaged_is_atoms_or_a_structure_error(data: st.DataObject) -> None:
    for parse, write in ((parse_cif, cif), (parse_pdb, pdb)):
        text = write(crystal()[:12])
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 80))
        try:
            assert len(parse(text[:at] + data.draw(st.text(max_size=3)) + text[at + cut :])) <= 13
        except StructureError:
            continue


FLOATS = st.floats(-999, 999).map(lambda value: round(value, 3))
ATOMS = st.lists(
    st.builds(
        Atom,
        st.sampled_from("ABz"),
        st.integers(-99, 999),
        st.sampled_from(["MET", "GLY", "SEP", "ATP"]),
        st.sampled_from(["CA", "N", "CD1"]),
        st.sampled_from(["C", "N", "MG"]),
        FLOATS | st.just(math.inf),
        FLOATS,
        FLOATS,
        st.integers(0, 100).map(float),
        st.just(1),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=30)
@given(ATOMS)
def test_what_is_written_is_read(atoms: list[Atom]) -> None:
    assert parse_cif(cif(atoms)) == atoms
    assert parse_pdb(pdb(atoms)) == atoms


def test_pdb_models_and_records() -> None:
    row = pdb([GLYCINE])
    text = f"HEADER    X\nMODEL        1\n{row}ENDMDL\nMODEL        2\n{row}ENDMDL\nCONECT    1    2\nTER\nEND\n\n"
    assert [atom.model for atom in parse_pdb(text)] == [1, 2]
    assert parse_pdb(row.rstrip()[:-1].rstrip() + "\n") == [GLYCINE]  # without an element: by its name
    for wrong, said in {
        "": "no atoms",
        "END\n": "no atoms",
        "data_x\n": "line 1: 'data_x' is no record",
        row[:60] + "\n": "line 1: 'ATOM      1  CA  GLY A   7       1.500  …' is too short",
        row.replace("   1.500", "********"): "line 1: not all of",
        row.replace(" A ", "   "): "line 1: an atom without chain",
        "MODEL  x\n" + row: "line 2: not all of",
    }.items():
        with pytest.raises(StructureError) as error:
            parse_pdb(wrong)
        assert said in str(error.value)


def test_files_and_what_only_looks_like_one(tmp_path: Path) -> None:
    text = cif(crystal())
    plain, packed = tmp_path / "a.cif", tmp_path / "b.cif.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    assert read(str(plain)) == read(str(packed)) == parse_cif(text)

    def refused(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StructureError) as error:
            read(str(tmp_path / name))
        return str(error.value)

    assert refused("cut.cif.gz", packed.read_bytes()[:-20]) == "the gzip file ends too early"
    assert refused("plain.cif.gz", text.encode()).startswith("not gzip")
    assert refused("binary.cif", b"data_x\n\xff\xfe") == "line 2: not text (byte 0xff)"
    assert refused("bomb.cif.gz", gzip.compress(b"\n" * (structure.SIZE_LIMIT + 1), 1)) == "larger than 64 MiB"
    with (tmp_path / "huge.cif").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(StructureError, match="larger than 64 MiB"):
        read(str(tmp_path / "huge.cif"))
    os.mkfifo(tmp_path / "fifo.cif")
    (tmp_path / "zero.cif").symlink_to("/dev/zero")
    (tmp_path / "directory.cif").mkdir()
    for name in ("fifo.cif", "zero.cif", "directory.cif", "nothing.cif"):
        with pytest.raises(OSError, match=r"regular|[Nn]o such"):
            read(str(tmp_path / name))


def test_ten_thousand_atoms_are_read_in_no_time() -> None:
    text = cif([atom._replace(name="O5'", number=k) for k, atom in enumerate(crystal() * 17)])
    began = time.process_time()
    assert len(parse_cif(text)) > 10_000
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("case", "atoms"), [("random-weights", 601), ("cif-gz", 601), ("pdb", 601), ("nan-weights", 601), ("complex", 362)]
)
def test_what_openfold3_wrote(tmp_path: Path, case: str, atoms: int) -> None:
    (found,) = (path for path in recorded(case, tmp_path).rglob("*_model.*"))
    assert len(read(str(found))) == atoms
