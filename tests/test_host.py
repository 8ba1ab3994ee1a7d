"""The local host: files of every kind, commands, and bounded memory."""

import importlib.util
import json
import os
import socket
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sparkdoctor import host, reading, scratch
from sparkdoctor.facts.python import parse as parse_interpreter
from sparkdoctor.host import LocalHost, Question
from sparkdoctor.model import Broken, Missing
from standins.hosts import Witness, nothing_written, script


def ask(kind: str, *args: Any, timeout: float = 5.0) -> Any:
    answer = LocalHost().answer(Question(kind, args), timeout)
    if not isinstance(answer, Missing):
        assert json.loads(json.dumps(answer)) == answer  # plain JSON data, or it could not be taped
    return answer


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


# --- a stand-in for a build directory


def test_ninja_writes_into_a_mirror_and_not_into_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "build"
    (place / "sub").mkdir(parents=True)
    for name in (".ninja_log", ".ninja_deps", "build.ninja", "op.so"):
        (place / name).write_text(f"real {name}")
    (place / "dangling").symlink_to("nowhere")
    code = 'cd "$1"; cat .ninja_log op.so; ls -A; pwd; for f in .ninja_log .ninja_deps build.ninja; do echo x > $f; rm $f; done'
    with nothing_written(tmp_path):
        ran = ask("run", ["/bin/sh", "-c", code, "sh", "{mirror}"], {"mirror": str(place)})
    assert ran["stderr"] == ""
    seen, *names, where = ran["stdout"].split("\n")[:-1]
    assert [seen, *names] == ["real .ninja_logreal op.so.ninja_deps", ".ninja_log", "build.ninja", "dangling", "op.so"]
    assert not Path(where).exists()
    assert sorted((path.name, path.read_text()) for path in place.iterdir() if path.is_file()) == [
        (name, f"real {name}") for name in (".ninja_deps", ".ninja_log", "build.ninja", "op.so")
    ]
    monkeypatch.setattr(scratch, "MIRROR_LIMIT", 4)
    assert isinstance(ask("run", ["/bin/true", "{mirror}"], {"mirror": str(place)}), Broken)
    assert isinstance(ask("run", ["/bin/true", "{mirror}"], {"mirror": str(tmp_path / "nowhere")}), Missing)


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


# --- commands


def test_a_command_gets_the_locale_c_and_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert ask("run", ["/bin/sh", "-c", "echo $LC_ALL"], {})["stdout"] == "C\n"
    assert ask("run", ["/bin/echo", "$HOME; *"], {})["stdout"] == "$HOME; *\n"


def test_input_and_output_are_files_in_memory() -> None:
    code = "cat < $1 > $2; cat $2; echo $1 $2"
    said = ask("run", ["/bin/echo", "--in={input}", "--out={output}"], {"input": ""})
    assert said["stdout"].startswith("--in=/proc/self/fd/")
    assert " --out=/proc/self/fd/" in said["stdout"]
    said = ask("run", ["/bin/sh", "-c", code, "sh", "{input}", "{output}"], {"input": "käse\n"})
    assert said["stdout"].startswith("käse\n/proc/self/fd/")
    assert said["code"] == 0


def test_text_that_looks_like_a_placeholder_is_left_alone() -> None:
    assert ask("run", ["/bin/echo", "{inputs} {x}"], {})["stdout"] == "{inputs} {x}\n"


def test_a_scratch_directory_is_private_and_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with nothing_written(tmp_path):
        said = ask("run", ["/bin/sh", "-c", "touch $TMPDIR/x; stat -c %a $TMPDIR; echo $TMPDIR"], {"scratch": True})
        mode, path = said["stdout"].split()
    assert mode == "700"
    assert not Path(path).exists()


def test_a_scratch_directory_goes_when_its_user_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, witness: Witness) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with nothing_written(tmp_path):
        said = ask("run", ["/bin/sh", "-c", "touch $TMPDIR/x; sleep 60"], {"scratch": True}, timeout=0.2)
    assert said["code"] is None
    assert witness.alive() == []


def test_no_place_for_a_scratch_directory_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    original = os.mkdir

    def full(path: str, mode: int = 0o777) -> None:
        if path.startswith("/dev/shm"):
            raise OSError(28, "No space left on device")
        original(path, mode)

    monkeypatch.setattr(os, "mkdir", full)
    assert isinstance(ask("run", ["/bin/true"], {"scratch": True}), Broken)


@pytest.mark.parametrize("what", ["absent", "not executable", "directory", "no program"])
def test_a_command_that_cannot_be_started_is_missing(tmp_path: Path, what: str) -> None:
    path = tmp_path / "program"
    if what == "directory":
        path.mkdir()
    elif what == "not executable":
        path.write_text("#!/bin/sh\n")
    elif what == "no program":
        script(path, "\x01\x02\n")
    answer = ask("run", [str(path), "--version"], {})
    if what == "absent":
        assert answer == Missing(f"{path} does not exist")
    else:
        assert isinstance(answer, Broken)
        assert answer.reason.startswith(f"{path}: ")
        assert answer.reason.endswith("Exec format error" if what == "no program" else "Permission denied")


def test_a_program_for_another_processor_is_broken(tmp_path: Path) -> None:
    head = bytearray(Path(sys.executable).read_bytes()[:4096])
    head[18:20] = (183 if os.uname().machine != "aarch64" else 62).to_bytes(2, "little")
    path = tmp_path / "python"
    path.write_bytes(head)
    path.chmod(0o755)
    assert ask("run", [str(path)], {}) == Broken(f"{path}: Exec format error")


def test_an_argument_that_no_command_can_have_is_broken() -> None:
    assert isinstance(ask("run", ["/bin/echo", "a\0b"], {}), Broken)


def test_what_cannot_be_utf8_is_still_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"\xff"))
    monkeypatch.setenv("SPARK", odd)
    monkeypatch.setenv("PATH", odd)
    os.mkdir(odd)
    script(Path(odd) / "tool", "#!/bin/sh\necho here\n")
    found = ask("which", "tool")
    assert found is not None
    assert ask("run", [found], {})["stdout"] == "here\n"
    real = ask("stat", odd)["real"]
    real.encode()
    assert isinstance(ask("env", "SPARK"), str)


def test_asking_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, witness: Witness) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with nothing_written(tmp_path):
        ask("read", "/etc/passwd")
        ask("script", sys.executable, "interpreter", "torch")
        ask("nvml")
        ask("run", ["/bin/sh", "-c", "cat {input}"], {"input": "x"})
    assert witness.alive() == []
    assert stat.S_ISDIR(tmp_path.stat().st_mode)


# --- checksums


def test_a_digest_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 1_000_000)
    said = subprocess.run(["sha256sum", tmp_path / "file"], check=True, capture_output=True, text=True).stdout
    assert ask("digest", str(tmp_path / "file")) == said.split()[0]
    assert ask("digest", str(tmp_path / "nowhere")) == Missing(f"{tmp_path}/nowhere does not exist")


# --- work


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for scripts of a test, where ours are looked for."""
    place = tmp_path / "patient"
    place.mkdir()
    monkeypatch.setattr(host, "PATIENT", str(place))
    return place


def test_work_has_a_place_and_caches_of_its_own(scripts: Path, witness: Witness) -> None:
    names = ("TMPDIR", "TRITON_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH")
    code = "import json, os, sys\nopen(os.environ['TMPDIR'] + '/file', 'w').close()\n"
    (scripts / "task.py").write_text(code + f"print(json.dumps([sys.argv[1:], *map(os.environ.get, {names})]))\n")
    worked = ask("work", sys.executable, "task", "one", "two")
    assert set(worked) == {"code", "said", "stdout", "stderr", "flooded", "left"}
    args, place, *caches = json.loads(worked["stdout"])
    assert args == ["one", "two"]
    assert all(cache.startswith(f"{place}/") for cache in caches)
    assert len(set(caches)) == len(caches)
    assert not Path(place).exists()
    assert witness.alive() == []


@pytest.mark.parametrize("how", ["os._exit(1)", "os.abort()", "while True: print('x' * 1000)", "import time; time.sleep(60)"])
def test_the_place_of_work_goes_however_it_ends(
    scripts: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    place = scripts / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    (scripts / "task.py").write_text(f"import os\nopen(os.environ['TMPDIR'] + '/file', 'w').close()\n{how}\n")
    with nothing_written(place):
        ask("work", sys.executable, "task", timeout=0.5)
    assert witness.alive() == []


def test_who_watches_is_told_of_each_step_and_of_the_end(scripts: Path) -> None:
    lines = [
        b'{"step": "import torch", "at": 0.1}',
        b'{"learnt": {"a": 1}}',
        b'{"step": ',
        b'{"step": 1}',
        b'{"step": "\\u001b[2J", "at": 1}',
        b'{"step": "\x1b[2J", "at": 1}',
        b"\xff\xfe",
        b'{"step": "' + b"x" * 10_000 + b'", "at": 1}',
        b"[" * 10_000,
        b'{"step": "matmul float32", "at": 0.2}',
    ]
    code = f"import os\nfor line in {lines!r}:\n    os.write(int(os.environ['SPARKDOCTOR_SAY']), line + b'\\n')\n"
    (scripts / "task.py").write_text(code)
    told: list[tuple[str, str | None]] = []
    watched = LocalHost(watch=lambda worker, step: told.append((worker, step)))
    watched.answer(Question("work", (sys.executable, "task")), 5.0)
    assert told == [("task", "import torch"), ("task", "matmul float32"), ("task", None)]
    told.clear()
    assert watched.answer(Question("work", ("/nowhere/python", "task")), 5.0) == Missing("/nowhere/python does not exist")
    assert told == [("task", None)]


def test_work_is_done_where_there_is_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert scratch.cramped("/nowhere") > scratch.cramped(str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for cramped, place in (({"/dev/shm": (True, False)}, tmp_path), ({str(tmp_path): (False, True)}, "/dev/shm")):
        monkeypatch.setattr(scratch, "cramped", lambda base, cramped=cramped: cramped.get(base, (False, False)))
        with scratch.scratch(roomy=True) as found:
            assert os.path.dirname(found) == str(place)


# --- the patient's interpreter


def interpreters() -> list[Path]:
    """Every Python from 3.9 on that pyenv keeps here, and ours."""
    kept = (Path.home() / ".pyenv" / "versions").glob("3.*/bin/python")
    known = {".".join(path.parents[1].name.split(".")[:2]): path for path in kept}
    known[f"{sys.version_info[0]}.{sys.version_info[1]}"] = Path(sys.executable)
    return [known[name] for name in sorted(known, key=lambda name: int(name.split(".")[1])) if int(name.split(".")[1]) >= 9]


BOMB = "import os\nos.abort()\n"


class Patient:
    """A virtual environment, its site-packages and a place for what lies outside of it."""

    def __init__(self, base: Path, home: Path) -> None:
        subprocess.run([base, "-m", "venv", "--without-pip", "--symlinks", home / "venv"], check=True)
        self.python = home / "venv" / "bin" / "python"
        (self.site,) = (home / "venv" / "lib").glob("python*/site-packages")
        self.outside = home / "outside"
        self.outside.mkdir()

    def said(self, *names: str) -> dict[str, Any]:
        """What interpreter.py says of the modules."""
        answer = ask("script", str(self.python), "interpreter", *names)
        assert answer["code"] == 0, answer["stderr"]
        said = parse_interpreter(answer["stdout"])
        assert said is not None
        return said

    def origin(self, name: str) -> str | None:
        """Where the interpreter itself would import a module from, as it says in its own words."""
        code = f"import importlib.util as u; s = u.find_spec({name!r}); print(s.origin if s else None)"
        ran = subprocess.run([self.python, "-c", code], check=True, capture_output=True, text=True, cwd=self.outside)
        said = ran.stdout.strip()
        return None if said == "None" else os.path.realpath(said)


def package(place: Path, name: str, code: str = "") -> str:
    (place / name).mkdir(parents=True)
    (place / name / "__init__.py").write_text(code)
    return os.path.realpath(place / name / "__init__.py")


@pytest.fixture(params=interpreters(), ids=lambda path: path.parents[1].name)
def patient(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    for variable in ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONNOUSERSITE"):
        monkeypatch.delenv(variable, raising=False)
    return Patient(request.param, tmp_path)


def test_an_interpreter_tells_what_it_is(patient: Patient) -> None:
    said = patient.said("torch")
    assert said["executable"] == str(patient.python)
    assert said["prefix"] == str(patient.python.parents[1])
    assert said["version"].startswith("3.")
    assert said["implementation"] == "cpython"
    assert said["modules"] == {"torch": None}
    assert str(patient.site) in said["path"]
    assert str(host.PATIENT) not in said["path"]


@pytest.mark.parametrize(
    "code",
    [
        BOMB,
        "raise RuntimeError('at import')\n",
        "import ctypes\nctypes.string_at(0)\n",
        "import time\ntime.sleep(60)\n",
        "this is no Python\n",
        "print('loaded')\n",
    ],
)
def test_a_package_is_found_and_never_imported(patient: Patient, code: str) -> None:
    where = package(patient.site, "torch", code)
    said = patient.said("torch")
    assert said["modules"]["torch"] == {"origin": where}


def test_directories_in_pth_files_count_and_import_lines_do_not_run(patient: Patient, tmp_path: Path) -> None:
    where = package(patient.outside, "torch", BOMB)
    (patient.site / "a.pth").write_text("# a comment\nimport os; os.abort()\n\n")
    (patient.site / "b.pth").write_text(f"{patient.outside}\n{patient.outside}\n/nowhere/at/all\n")
    (patient.site / "c.pth").write_text("import sys;exec('raise SystemExit(3)')\nimport\tos; os._exit(4)\n")
    (patient.site / "d.pth").write_bytes(b"\xff\xfe\x00 no text\n")
    (patient.site / "sitecustomize.py").write_text(BOMB)
    (patient.site / "usercustomize.py").write_text(BOMB)
    said = patient.said("torch")
    assert said["modules"]["torch"] == {"origin": where}
    assert said["path"].count(str(patient.outside)) == 1


@pytest.mark.parametrize("line", ["import ;", "import , ;", "import\t;x", "import __editable__;", "import __editable___x_finder"])
def test_a_pth_line_that_makes_no_sense_does_no_harm(patient: Patient, line: str) -> None:
    (patient.site / "odd.pth").write_text(line + "\n")
    where = package(patient.site, "torch")
    assert patient.said("torch")["modules"]["torch"] == {"origin": where}


def test_relative_pth_lines_and_pythonpath_count(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = package(patient.site / "vendored", "torch", BOMB)
    package(patient.site, "triton", BOMB)
    first = package(tmp_path / "first", "triton", BOMB)
    (patient.site / "vendored.pth").write_text("vendored\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "first"))
    said = patient.said("torch", "triton")
    assert said["modules"] == {"torch": {"origin": torch}, "triton": {"origin": first}}
    assert (patient.origin("torch"), patient.origin("triton")) == (torch, first)


MAPPINGS = {
    # As setuptools 64 and 75 write it (setuptools/command/editable_wheel.py, _FINDER_TEMPLATE).
    "plain": "import sys\nMAPPING = {mapping!r}\nNAMESPACES = {{}}\n",
    "annotated": "from __future__ import annotations\nMAPPING: dict[str, str] = {mapping!r}\nNAMESPACES: dict[str, list[str]] = {{}}\n",
}


def editable(patient: Patient, mapping: dict[str, str], kind: str = "annotated", more: str = "") -> None:
    name = "__editable___torch_2_11_0_finder"
    (patient.site / "__editable__.torch-2.11.0.pth").write_text(f"import {name}; {name}.install()")
    (patient.site / f"{name}.py").write_text(MAPPINGS[kind].format(mapping=mapping) + more)


@pytest.mark.parametrize("kind", MAPPINGS)
def test_an_editable_install_is_found_by_its_table_and_its_finder_never_runs(patient: Patient, kind: str) -> None:
    where = package(patient.outside, "torch", BOMB)
    editable(patient, {"torch": str(patient.outside / "torch")}, kind, "import os\nos.abort()\n")
    said = patient.said("torch", "triton")
    assert said["modules"] == {"torch": {"origin": where}, "triton": None}


INSTALL = """
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location

class _EditableFinder:
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname in MAPPING:
            return spec_from_file_location(fullname, MAPPING[fullname] + "/__init__.py")

def install():
    sys.meta_path.append(_EditableFinder)
"""


@pytest.mark.parametrize("rival", ["package", "namespace"])
def test_what_lies_on_the_path_goes_before_an_editable_install(patient: Patient, rival: str) -> None:
    # setuptools appends its finder to sys.meta_path: the path finder is asked first.
    package(patient.outside / "src", "torch")
    editable(patient, {"torch": str(patient.outside / "src" / "torch")}, more=INSTALL)
    if rival == "package":
        where = package(patient.site, "torch")
        assert patient.origin("torch") == where
        assert patient.said("torch")["modules"]["torch"] == {"origin": where}
    else:
        (patient.site / "torch").mkdir()
        assert patient.origin("torch") is None
        assert patient.said("torch")["modules"]["torch"] == {"namespace": [str(patient.site / "torch")]}


@pytest.mark.parametrize("table", ["None", "7", "[1]", "{'torch': None}", "{1: 2}", "f()", "{", "{'torch': '/nowhere'}"])
def test_a_table_that_makes_no_sense_does_no_harm(patient: Patient, table: str) -> None:
    editable(patient, {})
    (patient.site / "__editable___torch_2_11_0_finder.py").write_text(f"MAPPING = {table}\n")
    where = package(patient.site, "triton")
    assert patient.said("torch", "triton")["modules"]["triton"] == {"origin": where}


def test_a_folder_without_code_is_no_package(patient: Patient) -> None:
    (patient.site / "torch").mkdir()
    assert patient.said("torch")["modules"]["torch"] == {"namespace": [str(patient.site / "torch")]}


def test_distributions_are_read_from_directory_names(patient: Patient) -> None:
    for name in ("torch-2.11.0+cu130.dist-info", "old-1.2-py3.9.egg-info", "developed.egg-info", "no_dist", "x.dist-info.bak"):
        (patient.site / name).mkdir()
    found = {(name, version) for name, version, path in patient.said()["distributions"] if path.startswith(str(patient.site))}
    assert found == {("torch", "2.11.0+cu130"), ("old", "1.2"), ("developed", "")}


def test_the_first_of_two_installations_comes_first(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (patient.site / "torch-2.11.0.dist-info").mkdir()
    (tmp_path / "first" / "torch-2.5.1.dist-info").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "first"))
    versions = [version for name, version, _ in patient.said()["distributions"] if name == "torch"]
    assert versions == ["2.5.1", "2.11.0"]


def test_a_broken_environment_is_told_by_its_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    answer = ask("script", sys.executable, "interpreter", "torch")
    assert answer["code"] != 0
    assert parse_interpreter(answer["stdout"]) is None


@pytest.mark.parametrize(
    "variable", ["PYTHONSAFEPATH", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE", "PYTHONOPTIMIZE", "PYTHONUTF8"]
)
def test_settings_of_the_interpreter_do_no_harm(patient: Patient, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    where = package(patient.site, "torch", BOMB)
    monkeypatch.setenv(variable, "1")
    said = patient.said("torch", "wire", "interpreter")
    # The directory of our own scripts is no part of the patient.
    assert said["modules"] == {"torch": {"origin": where}, "wire": None, "interpreter": None}


PLAIN_DATA = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters())
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=10,
)


def wire() -> Any:
    spec = importlib.util.spec_from_file_location("wire", Path(host.PATIENT) / "wire.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(PLAIN_DATA)
def test_what_the_scripts_write_is_json(data: Any) -> None:
    text = wire().dumps(data)
    assert json.loads(text) == data
    assert text.isascii()
    assert "\n" not in text


def test_numbers_that_json_has_not_are_null() -> None:
    assert wire().dumps([float("nan"), float("inf"), float("-inf"), (1, True)]) == "[null, null, null, [1, true]]"


def test_an_interpreter_that_chatters_is_still_understood(tmp_path: Path) -> None:
    chatty = script(tmp_path / "python", f'#!/bin/sh\necho Loading modules...\nprintf "no newline"\nexec {sys.executable} "$@"\n')
    said = parse_interpreter(ask("script", str(chatty), "interpreter", "json")["stdout"])
    assert said is not None
    assert said["modules"]["json"]["origin"].endswith("json/__init__.py")
