"""What a host reads: files of every kind, processes, records, in bounded memory."""

import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sparkdoctor import reading
from sparkdoctor.host import LocalHost, Question
from sparkdoctor.model import Broken, Missing
from standins.hosts import Witness, ask, script

# --- files


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("Größe\r\n".encode() + b"\xff\x00")
    assert ask("read", str(tmp_path / "file")) == "Größe\r\n\\xff\0"


def test_a_huge_file_is_read_in_part(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.write(b"start")
        file.truncate(1 << 40)  # sparse
    started = time.monotonic()
    assert len(ask("read", str(path))) == reading.READ_LIMIT
    assert ask("head", str(path), 5) == b"start".hex()
    assert time.monotonic() - started < 2


def test_files_of_proc_have_no_size_and_are_read_whole() -> None:
    assert "MemTotal:" in ask("read", "/proc/meminfo")
    assert ask("read", "/proc/self/status").startswith("Name:")


@pytest.mark.parametrize("kind", ["read", "head", "records"])
@pytest.mark.parametrize("what", ["fifo", "directory", "device", "socket", "dangling", "loop"])
def test_what_is_no_regular_file_never_makes_us_wait(tmp_path: Path, kind: str, what: str) -> None:
    path = tmp_path / "thing"
    with socket.socket(socket.AF_UNIX) as listening:
        if what == "fifo":
            os.mkfifo(path)
        elif what == "directory":
            path.mkdir()
        elif what == "device":
            path = Path("/dev/zero")
        elif what == "socket":
            listening.bind(str(path))
        else:
            path.symlink_to(path if what == "loop" else tmp_path / "nowhere")
        more: tuple[Any, ...] = {"read": (), "head": (20,), "records": ("a", "\n")}[kind]
        started = time.monotonic()
        answer = ask(kind, str(path), *more)
        assert time.monotonic() - started < 0.5
    assert isinstance(answer, Missing)
    assert isinstance(answer, Broken) is (what != "dangling")
    assert str(path) in answer.reason


def test_a_fifo_with_a_writer_is_not_drunk_from(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "fifo").open("r+b", buffering=0) as writer:
        writer.write(b"secret")
        assert isinstance(ask("read", str(tmp_path / "fifo")), Broken)
        assert os.read(writer.fileno(), 10) == b"secret"


@pytest.mark.parametrize(
    ("kind", "more"),
    [("read", ()), ("entries", ()), ("stat", ()), ("space", ()), ("head", (4,)), ("records", ("a", "b")), ("gpu_code", ())],
)
def test_what_is_not_there_is_missing_and_not_broken(tmp_path: Path, kind: str, more: tuple[Any, ...]) -> None:
    for path in (tmp_path / "nowhere", Path(sys.executable) / "below-a-file"):
        answer = ask(kind, str(path), *more)
        assert answer == Missing(f"{path} does not exist")
    answer = ask(kind, f"{tmp_path}/with\0nul", *more)
    assert isinstance(answer, Broken)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("x")
    path.chmod(0)
    assert ask("read", str(path)) == Broken(f"{path}: Permission denied")
    assert ask("stat", str(path))["readable"] is False


def test_a_file_that_the_kernel_refuses_to_read_is_broken() -> None:
    # For root too: reading address 0 of a process is an input/output error.
    assert ask("read", "/proc/self/mem") == Broken("/proc/self/mem: Input/output error")


def test_entries_are_sorted_printable_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (b"b", b"a", b"\xff"):
        (Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))).touch()
    assert ask("entries", str(tmp_path)) == ["\\xff", "a", "b"]
    monkeypatch.setattr(reading, "ENTRIES_LIMIT", 2)
    assert len(ask("entries", str(tmp_path))) == 2
    assert ask("entries", str(tmp_path / "a")) == Missing(f"{tmp_path / 'a'} does not exist")


def test_stat_follows_links_and_says_what_we_may(tmp_path: Path) -> None:
    path = script(tmp_path / "program", "#!/bin/sh\n")
    path.chmod(0o755)
    (tmp_path / "link").symlink_to("program")
    found = ask("stat", str(tmp_path / "link"))
    assert found == {
        "kind": "file",
        "size": 10,
        "mode": 0o755,
        "real": os.path.realpath(path),
        "readable": True,
        "writable": True,
        "executable": True,
        "uid": os.getuid(),
        "gid": path.stat().st_gid,
        "mtime": int(path.stat().st_mtime),
    }
    os.utime(path, (-5, -5))
    assert ask("stat", str(path))["mtime"] == 0  # before 1970
    path.chmod(0o644)
    assert ask("stat", str(path))["executable"] is False
    assert ask("stat", str(tmp_path))["kind"] == "directory"
    assert ask("stat", "/dev/null")["kind"] == "device"
    os.mkfifo(tmp_path / "fifo")
    assert ask("stat", str(tmp_path / "fifo"))["kind"] == "other"


def test_space_is_that_of_statvfs(tmp_path: Path) -> None:
    found = ask("space", str(tmp_path))
    assert 0 <= found["free"] <= found["total"]
    assert found["device"] == tmp_path.stat().st_dev


def test_what_the_process_is() -> None:
    itself = ask("self")
    assert itself["machine"] == os.uname().machine
    assert itself["executable"] == sys.executable
    assert 1 <= itself["usable_cpus"] <= itself["cpus"]
    assert LocalHost("/opt/python").answer(Question("self", ()), 1)["patient_python"] == "/opt/python"
    named = LocalHost(query="/q.json", runner_yaml="/r.yml").answer(Question("self", ()), 1)
    assert (named["query"], named["runner_yaml"]) == ("/q.json", "/r.yml")
    limits = ask("limits")
    assert set(limits) == {"stack", "memlock", "nofile"}
    assert all(len(pair) == 2 for pair in limits.values())


def test_variables_and_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPARK", "")
    assert ask("env", "SPARK") == ""
    assert ask("env", "SPARK_UNSET") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask("which", "tool") is None
    script(tmp_path / "tool", "#!/bin/sh\n")
    assert ask("which", "tool") == str(tmp_path / "tool")


# --- who is there


def test_who_holds_something_below_a_directory(tmp_path: Path, witness: Witness) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "building").mkdir()
    (tmp_path / "link").symlink_to("build")
    code = "import sys, time; file = open(sys.argv[1], 'w'); print(flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(tmp_path / "build" / "file")]
    with (
        subprocess.Popen(command, cwd=tmp_path / "build", stdout=subprocess.PIPE) as holder,
        subprocess.Popen(["sleep", "60"], cwd=tmp_path / "building") as other,
    ):
        assert holder.stdout is not None
        holder.stdout.readline()
        found = ask("holders", str(tmp_path / "link"))
        holder.kill()
        other.kill()
    real = os.path.realpath(tmp_path / "build")
    assert {(entry["pid"], entry["what"]) for entry in found["processes"]} == {(holder.pid, real), (holder.pid, f"{real}/file")}
    assert found["processes"][0]["name"]
    assert abs(found["now"] - time.time()) < 60
    assert ask("holders", str(tmp_path))["processes"] == []
    assert ask("holders", str(tmp_path / "nowhere"))["processes"] == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may look into every process")
def test_processes_of_others_are_counted() -> None:
    assert ask("holders", "/nowhere")["hidden"] > 0


def test_members_of_a_group_are_counted_and_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/etc/passwd": "root:x:0:0::/:\nme:x:1000:1000::/:\nann:x:1001:1001::/:\nbob:x:1002:1000::/:\n# nonsense\nx:x:y:1:\n",
        "/etc/group": "root:x:0:\nme:x:1000:\nann:x:1001:ann,me,root\nusers:x:100:me,ann,bob,far\nnonsense\n",
    }
    files["/etc/passwd"] = files["/etc/passwd"].replace("x:x:y:1:\n", "")
    monkeypatch.setattr(reading, "read", files.__getitem__)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert [ask("members", gid) for gid in (0, 1000, 1001, 100)] == [0, 1, 1, 3]
    assert ask("members", 7) == Missing("7 does not exist")


# --- records


def naive(data: bytes, needle: bytes, delimiter: bytes) -> list[str]:
    """What `records` is to find where no record is longer than its limit."""
    parts = (part.decode("utf-8", "backslashreplace") for part in data.split(delimiter) if needle in part)
    return list(dict.fromkeys(parts))


RECORDS = st.lists(st.text("sm_0 ", max_size=16).map(str.encode), max_size=60)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@example([b"0" * 15] * 3 + [b"sm_0 sm_0 sm_0"], b"sm_", b"\0")  # across the border of two chunks
@example([b"0" * 14, b"0" * 15, b"0" * 15, b"0" * 15, b"0" * 9, b"sm_00 sm_0"], b"sm_", b"\0")
@given(RECORDS, st.sampled_from([b"sm_", b"0", b"s"]), st.sampled_from([b"\0", b"\n\n"]))
def test_records_are_whole_wherever_a_chunk_ends(tmp_path: Path, records: list[bytes], needle: bytes, delimiter: bytes) -> None:
    path = tmp_path / "binary"
    data = delimiter.join(records)
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "CHUNK", 64)
        patch.setattr(reading, "RECORD_LIMIT", 16)
        patch.setattr(reading, "RECORDS_LIMIT", 1000)
        found = ask("records", str(path), needle.decode(), delimiter.decode())
    assert found == naive(data, needle, delimiter)


@pytest.mark.parametrize("offset", range(-40, 41, 4))
def test_a_record_at_the_border_of_two_real_chunks_is_whole(tmp_path: Path, offset: int) -> None:
    wanted = b"sm_80 sm_90 sm_100 sm_110 sm_120"
    data = b"\0" * ((1 << 20) - len(wanted) + offset) + wanted + b"\0" * (1 << 16)
    (tmp_path / "library").write_bytes(data)
    assert ask("records", str(tmp_path / "library"), "sm_", "\0") == [wanted.decode()]


def test_a_record_without_end_is_cut(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000 + b"needle" + b"y" * 100_000)
    (found,) = ask("records", str(tmp_path / "file"), "needle", "\n")
    assert "needle" in found
    assert len(found) <= reading.RECORD_LIMIT


def test_many_records_are_cut_to_the_limit_and_found_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("\n".join(f"Package: {number % 200}" for number in range(1000)))
    found = ask("records", str(tmp_path / "file"), "Package: ", "\n")
    assert found == [f"Package: {number}" for number in range(reading.RECORDS_LIMIT)]


def test_a_large_library_is_searched_in_little_time(tmp_path: Path) -> None:
    path = tmp_path / "library.so"
    with path.open("wb") as file:
        file.write(os.urandom(1 << 20) * 32)
        file.write(b"\0sm_80 sm_90 sm_120\0")
    started = time.monotonic()
    found = ask("records", str(path), "sm_", "\0")
    assert "sm_80 sm_90 sm_120" in found
    assert time.monotonic() - started < 1


def test_one_section_of_a_real_library_is_searched(tmp_path: Path, compiler: str) -> None:
    source = 'const char *list = "sm_80 sm_90 sm_120";\nint sm_of_a_symbol(void) { return 1; }\n'
    (tmp_path / "library.c").write_text(source)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "library.so", tmp_path / "library.c"], check=True)
    library = str(tmp_path / "library.so")
    assert ask("records", library, "sm_", "\0", ".rodata") == ["sm_80 sm_90 sm_120"]
    assert "sm_of_a_symbol" in ask("records", library, "sm_", "\0", ".dynstr")
    everywhere = ask("records", library, "sm_", "\0")
    assert {"sm_80 sm_90 sm_120", "sm_of_a_symbol"} <= set(everywhere)
    # A file without the section, or that is no ELF file, is searched from end to end.
    assert ask("records", library, "sm_", "\0", ".nothing") == everywhere
    assert ask("records", str(tmp_path / "library.c"), "sm_of", "\n", ".rodata") == [source.splitlines()[1]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@example((1 << 64) - 1, 64, 1, 0, 0, 0)
@example(64, 64, 1, 0, (1 << 64) - 1, 1)
@example(64, 64, 1, 0, 0, (1 << 64) - 1)
@example(64, 64, 0xFFFF, 0xFFFF, 0, 0)
@given(*[st.integers(0, (1 << 64) - 1)], *[st.integers(0, (1 << 16) - 1)] * 3, *[st.integers(0, (1 << 64) - 1)] * 2)
def test_a_library_whose_headers_lie_does_no_harm(  # noqa: PLR0917
    tmp_path: Path, table: int, size: int, count: int, names: int, start: int, length: int
) -> None:
    head = b"\x7fELF\x02\x01" + bytes(34) + struct.pack("<Q10xHHH", table, size, count, names)
    assert len(head) == 64
    (tmp_path / "library.so").write_bytes(head + struct.pack("<I20xQQ24x", 0, start, length) + b".x\0sm_120\0")
    for name in (".x", "", ".rodata"):
        answer = ask("records", str(tmp_path / "library.so"), "sm_", "\0", name)
        assert isinstance(answer, list | Missing)


def test_a_section_that_reaches_beyond_the_file_ends_with_the_file(tmp_path: Path) -> None:
    head = b"\x7fELF\x02\x01" + bytes(34) + struct.pack("<Q10xHHH", 64, 64, 2, 0)
    names = struct.pack("<I20xQQ24x", 3, 192, 4)
    lies = struct.pack("<I20xQQ24x", 0, 192, 1 << 62)
    (tmp_path / "library.so").write_bytes(head + names + lies + b".x\0\0sm_120\0")
    assert ask("records", str(tmp_path / "library.so"), "sm_", "\0", ".x") == ["sm_120"]


# --- checksums


def test_a_digest_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 1_000_000)
    said = subprocess.run(["sha256sum", tmp_path / "file"], check=True, capture_output=True, text=True).stdout
    assert ask("digest", str(tmp_path / "file")) == said.split()[0]
    assert ask("digest", str(tmp_path / "nowhere")) == Missing(f"{tmp_path}/nowhere does not exist")
