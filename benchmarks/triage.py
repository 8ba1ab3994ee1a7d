"""What reading a log costs: megabytes a second of the processor's time, and the peak of memory, for many kinds of logs.

    python benchmarks/triage.py [--size 100] [--kind NAME]… [--wordings 400]

Each log is eight different megabytes, made in memory, again and again, and is read in a process of its own, whose memory is told
(the eight are in it); making them is not counted. `--wordings` adds made ones where the signatures have fewer. The bounds are
100 MB/s for what real logs are like, and 100 MB of memory for 1 GB (`--size 1000`).
"""

import argparse
import itertools
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sparkdoctor.model import fail
from sparkdoctor.registry import Registry
from sparkdoctor.signature import Signature
from sparkdoctor.triage.reader import Reader

HERE = Path(__file__).parents[1] / "tests" / "logs"
CHUNK, DIFFERENT = 1 << 20, 8
dice = random.Random(1)


def unique(number: int) -> str:
    """A build, an installation and a run: every line is another."""
    tag = f"{dice.getrandbits(64):016x}"
    kind = number % 10
    if kind < 4:
        return (
            f"[{number}/99999] /usr/local/cuda/bin/nvcc --dependency-output attn_{tag}.o.d -I/usr/lib/python3.12/torch/include"
            f" -gencode=arch=compute_121,code=sm_121 -O3 --use_fast_math -c /tmp/build/{tag}/flash_fwd.cu -o build/{tag}.o"
        )
    if kind < 6:
        return f"2026-11-22 13:14:{number % 60:02d},{number % 1000:03d} INFO openfold3: Processing query {tag} chain A"
    if kind == 6:
        return f"Epoch {number}: 100%|##########| 100/100 [00:12<00:00,  8.12it/s, loss={dice.random():.4f}, Error rate: 0.01]"
    if kind == 7:
        return f"WARNING:root:UserWarning: tensor {tag} has non-contiguous layout; falling back to a slower path (harmless)"
    if kind == 8:
        return f"  adding 'torch/include/ATen/ops/{tag}_native.h'"
    return f"Collecting package-{tag}>=1.2 (from -r requirements.txt (line {number % 90})) (3.1 MB)"


WORDS = (
    "the model has been loaded from disk and will now run on each of the queries that were given in this file before any output"
    " is written to the folder with all results"
).split()


def bar_of_pip(number: int) -> str:
    done = number % 40
    return (
        f"\x1b[2K \x1b[90m{'━' * done}\x1b[0m\x1b[91m╸\x1b[0m\x1b[90m{'━' * (39 - done)}\x1b[0m \x1b[32m{dice.random() * 900:.1f}"
        f"/900.1 MB\x1b[0m \x1b[31m{dice.random() * 90:.1f} MB/s\x1b[0m eta \x1b[36m0:00:{number % 60:02d}\x1b[0m\r"
    )


def colours_of_gcc(number: int) -> str:
    return (
        f"\x1b[01m\x1b[Ksrc/a{dice.getrandbits(32):x}.c:12:3:\x1b[m\x1b[K \x1b[01;35m\x1b[Kwarning: \x1b[m\x1b[Kunused variable"
        f" ‘\x1b[01m\x1b[Kx{number}\x1b[m\x1b[K’ [\x1b[01;35m\x1b[K\x1b]8;;https://gcc.gnu.org/Warning-Options.html\x07-Wunused\x1b]8;;"
        f"\x07\x1b[m\x1b[K]\n"
    )


REAL: dict[str, Callable[[int], str]] = {
    "a build and a run, every line another": lambda number: unique(number) + "\n",
    "steps with losses": lambda number: f"step {number} | loss {dice.random():.4f} | lr 1e-4 | {dice.random():.2f} s/it\n",
    "tables of numbers": lambda _: " ".join(f"{dice.randrange(1000)}" for _ in range(12)) + "\n",
    "sentences": lambda _: " ".join(dice.choices(WORDS, k=14)) + ".\n",
    "pip's progress bar, one line": bar_of_pip,
    "tqdm's progress bar, one line": lambda number: (
        f"\rPredicting:  41%|{'█' * (number % 10):10}| {number}/99999 [00:12<00:17, {dice.random() * 9:.2f}it/s]"
    ),
    "gcc's warnings, in colour": colours_of_gcc,
    "nvcc's warnings": lambda number: (
        f'/tmp/{dice.getrandbits(32):x}.cu(18): warning #177-D: variable "x{number}" was declared but never referenced\n'
    ),
    "No such file or directory, each line": lambda _: (
        f"stat: cannot statx '/data/{dice.getrandbits(40):x}.a3m': No such file or directory\n"
    ),
    "docker's JSON": lambda number: (
        f'{{"log":"\\u001b[32mINFO\\u001b[0m: 10.0.0.{number % 256} - \\"POST /{dice.getrandbits(40):x} HTTP/1.1\\" 200 OK\\n"'
        f',"stream":"stderr","time":"2026-11-02T10:14:11.{number % 10**9:09d}Z"}}\n'
    ),
    "Chinese": lambda number: (
        f"[{number}] 正在处理蛋白质序列 {dice.getrandbits(40):x} 的多序列比对，请稍候……完成 {number % 100}%\n"
    ),
    "one line without an end": lambda _: f"word{dice.getrandbits(24):x} ",
}
CORPUS = {
    kind: [path.read_text(encoding="utf-8", errors="replace") for path in sorted((HERE / kind).glob("*.log"))]
    for kind in ("negative", "positive")
}
HARD: dict[str, Callable[[int], str]] = {
    "binary": lambda _: dice.randbytes(4096).decode("latin-1"),
    "hexadecimal": lambda _: dice.randbytes(48).hex(" ", 2) + "\n",
    "empty lines": lambda _: "\n" * 4096,
    "all harmless logs of the tests, again and again": lambda number: CORPUS["negative"][number % len(CORPUS["negative"])],
    "all logs of trouble of the tests, again and again": lambda number: CORPUS["positive"][number % len(CORPUS["positive"])],
    "every word that is known, every 60 kB": lambda number: (
        " ".join(KNOWN) + "\n" if number % 400 == 0 else unique(number) + "\n"
    ),
}
KINDS = REAL | HARD


SUBJECTS = (
    "RuntimeError: CUDA",
    "ImportError: libtorch",
    "nvcc fatal : option",
    "collect2: error: ld",
    "docker: Error response from daemon:",
    "ValueError: kernel",
    "E: Unable",
    "NVRM: Xid",
    "ninja: error:",
    "Failed to",
)
TROUBLES = (
    "driver version is insufficient for the {thing} runtime",
    "was built for another architecture than {arch}",
    "is not a supported device of this build",
    "undefined symbol in extension {symbol:word}",
    "permission denied while trying to connect to {thing}",
    "out of memory while allocating {size:number} GiB on the device",
    "has a mismatch between major versions {found} and {wanted}",
    "did not find the header file {file:path} in any directory",
    "requires at least compute capability {capability:number} of it",
    "checkpoint {file:path} has no weights for the module",
)


def made(count: int) -> list[Signature]:
    """As many wordings more, of words that tools use."""
    texts = [
        f"{subject} {trouble} of sort {sort} at all" for sort in "abcdefghij" for subject in SUBJECTS for trouble in TROUBLES
    ]
    texts = texts[: max(0, count)]
    verdict = fail("it broke", remedy="mend it")
    return [Signature(lambda _: verdict, f"made-{at}", texts[at : at + 3]) for at in range(0, len(texts), 3)]


REGISTERED = list(Registry.load(signatures=True).signatures.values())
KNOWN = sorted({word.decode() for one in REGISTERED for wording in one.wordings for word in wording.words})


def chunks(kind: str) -> list[bytes]:
    """Some different megabytes of a log, which cost time to make."""
    encoding = "latin-1" if kind == "binary" else "utf-8"
    some: list[bytes] = []
    number = 0
    while len(some) < DIFFERENT:
        part = b""
        while len(part) < CHUNK:
            part += "".join(KINDS[kind](more) for more in range(number, number + 100)).encode(encoding)
            number += 100
        some.append(part)
    return some


def measure(kind: str, size: int, wordings: int) -> None:
    signatures = REGISTERED + made(wordings - sum(len(one.wordings) for one in REGISTERED))
    reader, seconds, read = Reader(signatures), 0.0, 0
    some = itertools.cycle(chunks(kind))
    while read < size:
        chunk = next(some)
        began = time.process_time()
        reader.feed(chunk)
        seconds += time.process_time() - began
        read += len(chunk)
    began = time.process_time()
    log = reader.close()
    seconds += time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{kind:52}{read / 1e6 / seconds:8.0f} MB/s{peak:8.0f} MB{log.lines:12,} lines{len(log.findings):5} findings", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100, help="megabytes of each log")
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--wordings", type=int, default=400)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        measure(options.kind[0], options.size * 1_000_000, options.wordings)
        return
    count = sum(len(one.wordings) for one in REGISTERED)
    more = max(0, options.wordings - count)
    print(f"{len(REGISTERED)} signatures with {count} wordings, and {more} made wordings; {options.size} MB each")
    for title, kinds in (("What real logs are like:", REAL), ("What they are not:", HARD)):
        print(title)
        for kind in kinds:
            if not options.kind or kind in options.kind:
                subprocess.run(
                    [
                        sys.executable,
                        __file__,
                        "--here",
                        "--size",
                        str(options.size),
                        "--wordings",
                        str(options.wordings),
                        "--kind",
                        kind,
                    ],
                    check=True,
                )


if __name__ == "__main__":
    main()
