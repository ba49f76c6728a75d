"""Opens and unpickles named slices as often as asked, beside two processes that write, replace, rename and delete them.

Nothing that is opened may be an error, and what is read must be what one write has written: scripts/soak_opens.py COUNT.
An open takes some 200 µs of the CPU, and beside writers 1 µs more for each page of the index, of which none is taken for whole
that has changed: hence few names. Writers rest after each change for a multiple of what it took (--rest), or else they
would have half of the processors' time, and the opens that are counted would take twice as long.
"""

import argparse
import multiprocessing
import pickle
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np

import bigarrays
from bigarrays import SliceArray

NAMES = 20  # of each writer
WRITERS = 2


def write(path: Path, own: int, rest: float, stop: Event, found: Any) -> None:
    """Changes names that nobody else changes, until it is told to stop, and rests so many times as long as it works."""
    try:
        chance, slices, number = random.Random(own), SliceArray(path, "r+", replace=True), 0
        took = 0.0
        while not stop.is_set():
            time.sleep(took * rest)
            number, start = number + 1, time.perf_counter()
            name = f"{own}/{chance.randrange(NAMES)}"
            if chance.random() < 0.2 and name in slices:
                slices.delete(name)
            else:
                # Long names have the index grow by many pages.
                slices[name] = np.full((chance.choice([0, 1, 3, 40]), 4), number, "i8")
                long = {f"{name}/{'x' * 300}/{k}": np.full((1, 4), number, "i8") for k in range(chance.randrange(4))}
                slices.write(long)
            took = time.perf_counter() - start
        found.put(("changes", number))
    except BaseException:
        found.put(("writer", traceback.format_exc()))


def check(slices: SliceArray, chance: random.Random) -> None:
    """Reads a slice of every writer: all its elements are of one write."""
    assert len(slices) >= 0
    for own in range(WRITERS):
        rows = slices.get(f"{own}/{chance.randrange(NAMES)}")
        assert rows is None or rows.size == 0 or (rows == rows.flat[0]).all(), rows


def read(path: Path, own: int, count: int, found: Any) -> None:
    """Opens, unpickles and sometimes verifies, so many times."""
    chance, counts, pickled = random.Random(1000 + own), Counter[str](), pickle.dumps(SliceArray(path))
    for number in range(count):
        kind = "verify" if number % 500 == 499 else ("open", "unpickle")[number % 2]
        try:
            if kind == "verify":
                report = bigarrays.verify(path)
                assert report.whole, report
            else:
                slices = SliceArray(path) if kind == "open" else pickle.loads(pickled)
                check(slices, chance)
                if chance.random() < 0.1:
                    pickled = pickle.dumps(slices)
                slices.close()
        except Exception:
            found.put((kind, traceback.format_exc()))
        counts[kind] += 1
    found.put(("done", dict(counts)))


def soak(count: int, processes: int, rest: float, directory: str | None) -> int:
    """Soaks until there were so many; returns the exit status."""
    context = multiprocessing.get_context("spawn")
    found, stop = context.Queue(), context.Event()
    with tempfile.TemporaryDirectory(prefix="soak-opens-", dir=directory) as folder:
        path = Path(folder) / "slices.npy"
        SliceArray(path, "x", shape=(None, 4), dtype="i8").close()
        writers = [context.Process(target=write, args=(path, own, rest, stop, found)) for own in range(WRITERS)]
        each, start = -(-count // processes), time.monotonic()
        readers = [context.Process(target=read, args=(path, own, each, found)) for own in range(processes)]
        for process in [*writers, *readers]:
            process.start()
        errors, counts, left = Counter[str](), Counter[str](), processes
        while left > 0:
            kind, what = found.get()
            if kind == "done":
                counts.update(what)
                left -= 1
                continue
            errors[kind] += 1
            print(f"{kind}: {what}", file=sys.stderr, flush=True)
            if kind == "writer" or sum(errors.values()) > 20:
                break
        stop.set()
        for process in writers if left == 0 else [*writers, *readers]:
            if left > 0:
                process.terminate()
            process.join()
        seconds, changes = time.monotonic() - start, 0
        while not found.empty():
            kind, what = found.get()
            if kind == "changes":
                changes += what
            elif kind != "done":
                errors[kind] += 1
                print(f"{kind}: {what}", file=sys.stderr, flush=True)
        slices = SliceArray(path)
        print(
            f"{dict(counts)} in {seconds:.0f} s beside {WRITERS} writers, {changes} changes, {len(slices)} slices at the end: "
            f"{sum(errors.values())} errors"
        )
        slices.close()
    return 1 if errors else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=1_000_000, help="of opens and unpicklings")
    parser.add_argument("--processes", type=int, default=2, help="that open")
    parser.add_argument("--rest", type=float, default=3, help="of writers, in terms of what a change took [%(default)s]")
    parser.add_argument("--directory", help="where the files are")
    args = parser.parse_args()
    return soak(args.count, args.processes, args.rest, args.directory)


if __name__ == "__main__":
    sys.exit(main())
