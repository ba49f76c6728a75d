"""Measures flat arrays and named slices against numpy, h5py, bigarray, zarr and LMDB; see README.md.

bench/flat.py [--rows N] [--names N] [--rounds N] [--only TEXT] [--tables NAME …] [--dir FOLDER]
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from flat_contenders import COMPACTING, DENSE, NAMED, Pairs

BLOCK = 256
WIDTH = 8  # float32 a row of a named slice
H5PY_NAMES = 100_000  # h5py takes a minute for these


class Clock:
    """Seconds, and MiB of memory at the peak, of steps."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}
        self.start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def step(self, name: str, seconds: float) -> None:
        self.found[name] = seconds

    def finish(self) -> dict[str, float]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return self.found | {"MiB": (peak - self.start) / 1024}


def timed(work: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def write_dense(name: str, path: Path, rows: int) -> dict[str, float]:
    shape = (rows, 25, 128)
    data = np.random.default_rng(1).random(shape)
    contender = DENSE[name](path)
    clock = Clock()
    seconds, target = timed(lambda: contender.create(shape, "float64"))
    clock.step("create", seconds)

    def write() -> None:
        nonlocal target
        contender.write(target, data)
        target = None  # mappings, too, are given back

    clock.step("write", timed(write)[0])
    return clock.finish()


def read_dense(name: str, path: Path, rows: int) -> dict[str, float]:
    contender = DENSE[name](path)
    clock = Clock()
    seconds, array = timed(contender.open)
    clock.step("open", seconds)

    def slices() -> None:
        for start in range(0, rows, BLOCK):
            array[start : start + BLOCK]

    def epoch() -> float:
        return sum(float(array[start : start + BLOCK].sum()) for start in range(0, rows, BLOCK))

    clock.step("slice", timed(slices)[0])
    first, total = timed(epoch)
    rest = timed(lambda: (epoch(), epoch()))[0]
    clock.step("sum 1 epoch", first)
    clock.step("sum 3 epochs", first + rest)
    clock.step("open + iterate", clock.found["open"] + first + rest)
    return clock.finish() | {"check": total}


def samples(count: int) -> Iterator[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(2)
    pool = rng.random((100, WIDTH), "float32")
    for number, rows in enumerate(rng.integers(10, 101, count).tolist()):
        yield f"speaker{number % 1000:04d}/utterance{number:08d}", pool[:rows]


def write_named(name: str, path: Path, count: int) -> dict[str, float]:
    pairs: Pairs = samples(count)
    contender = NAMED[name](path)
    clock = Clock()
    clock.step("write", timed(lambda: contender.write(pairs, WIDTH))[0])
    return clock.finish()


def read_named(name: str, path: Path, count: int) -> dict[str, float]:
    contender = NAMED[name](path)
    numbers = np.random.default_rng(3).integers(0, count, contender.lookups).tolist()
    names = [f"speaker{number % 1000:04d}/utterance{number:08d}" for number in numbers]
    clock = Clock()
    seconds, opened = timed(contender.open)
    clock.step("open", seconds)

    def one_by_one() -> None:
        for name in names:
            contender.get(opened, name)

    def batches() -> None:
        for start in range(0, len(names), BLOCK):
            contender.get_many(opened, names[start : start + BLOCK])

    clock.step("first pass us", timed(one_by_one)[0] / len(names) * 1e6)
    clock.step("lookup us", timed(one_by_one)[0] / len(names) * 1e6)
    clock.step("batch us", timed(batches)[0] / len(names) * 1e6)
    found = contender.get_many(opened, names[:1000])
    return clock.finish() | {"check": float(sum(np.asarray(rows).sum() for rows in found))}


def occupied(path: Path) -> float:
    """MiB that a contender's files take on the disk, whatever they are called behind its name."""
    files = (file for start in path.parent.glob(f"{path.name}*") for file in [start, *start.rglob("*")])
    return sum(file.stat().st_blocks for file in files if file.is_file()) / 2048


def compact_named(name: str, path: Path, count: int) -> dict[str, float]:
    """Names of one row of 8 bytes, so that the index is what is compacted: all of them, then every second one."""
    names = [f"speaker{number % 1000:04d}/utterance{number:08d}" for number in range(count)]
    contender = NAMED[name](path)
    contender.write(((name, np.full((1, 2), number, "float32")) for number, name in enumerate(names)), 2)
    clock = Clock()
    clock.step("file MiB", occupied(path))
    clock.step("compact", timed(contender.compact)[0])
    clock.step("then MiB", occupied(path))
    clock.step("delete half", timed(lambda: contender.delete(names[::2]))[0])
    clock.step("compact half", timed(contender.compact)[0])
    clock.step("half MiB", occupied(path))
    found = contender.get_many(contender.open(), names[1:2000:2])
    return clock.finish() | {"check": float(sum(np.asarray(rows).sum() for rows in found))}


WORK = {
    "write_dense": write_dense,
    "read_dense": read_dense,
    "write_named": write_named,
    "read_named": read_named,
    "compact_named": compact_named,
}


def remove(path: Path) -> None:
    """Removes a contender's files, whatever they are called behind its name."""
    for file in path.parent.glob(f"{path.name}*"):
        shutil.rmtree(file, ignore_errors=True)
        file.unlink(missing_ok=True)


def run(work: str, name: str, path: Path, count: int, rounds: int, again: bool) -> dict[str, float]:
    """The best of each step, of rounds in processes of their own."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        if again:
            remove(path)
        command = [sys.executable, __file__, "--worker", work, name, str(path), str(count)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        best = {step: min(value, best.get(step, value)) for step, value in found.items()}
    return best


def table(title: str, rows: dict[str, dict[str, float]]) -> None:
    steps = list(dict.fromkeys(step for row in rows.values() for step in row if step != "check"))
    print(f"\n{title}\n\n| | {' | '.join(steps)} |\n|---|{'---|' * len(steps)}")
    for name, row in rows.items():
        cells = (f"{row[step]:.3g}" if step in row else "–" for step in steps)
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    if len({round(row["check"], 1) for row in rows.values() if "check" in row}) > 1:
        print("\nNot all have read the same elements.")


def measure_dense(folder: Path, args: argparse.Namespace) -> None:
    rows = {}
    for name in (name for name in DENSE if args.only in name):
        path = folder / "dense.npy"
        rows[name] = run("write_dense", name, path, args.rows, args.rounds, True)
        rows[name] |= {
            "read MiB" if step == "MiB" else step: value
            for step, value in run("read_dense", name, path, args.rows, args.rounds, False).items()
        }
        remove(path)
    table(f"{args.rows} × 25 × 128 float64, seconds", rows)


def measure_named(folder: Path, args: argparse.Namespace) -> None:
    rows = {}
    for name in (name for name in NAMED if args.only in name):
        count = min(args.names, H5PY_NAMES) if name == "h5py" else args.names
        path = folder / f"named-{len(rows)}.npy"
        row = run("write_named", name, path, count, 1, True)
        row |= {
            "read MiB" if step == "MiB" else step: value
            for step, value in run("read_named", name, path, count, args.rounds, False).items()
        }
        if count < args.names:
            row.pop("check")
        rows[name if count == args.names else f"{name}, {count} names"] = row
        remove(path)
    table(f"{args.names} names of 10 to 100 rows of {WIDTH} float32; writing and opening in seconds", rows)


def measure_compaction(folder: Path, args: argparse.Namespace) -> None:
    rows = {}
    for name in (name for name in COMPACTING if args.only in name):
        path = folder / "compacted.npy"
        rows[name] = run("compact_named", name, path, args.names, args.rounds, True)
        remove(path)
    table(f"{args.names} names of 8 bytes; compacting and deleting in seconds", rows)


MEASURED = {"dense": measure_dense, "named": measure_named, "compaction": measure_compaction}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000, help="rows of 25 × 128 float64 [%(default)s]")
    parser.add_argument("--names", type=int, default=1_000_000, help="named slices [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="contenders whose name contains this")
    parser.add_argument("--tables", nargs="*", choices=MEASURED, default=list(MEASURED), help="[all]")
    parser.add_argument("--dir", type=Path, help="where the files are [a temporary folder]")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work, name, path, count = args.worker
        print(json.dumps(WORK[work](name, Path(path), int(count))))
        return
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        for name in args.tables:
            MEASURED[name](Path(folder), args)


if __name__ == "__main__":
    main()
