"""Uses one set of arrays from processes and threads that are killed, stopped and forked at random, and checks it.

Every owner (a thread of a process, or its forked child) has cells, names and keys that nobody else changes, though they
share chunks, shards, documents and files with those of others. Before a change, the owner notes its number in a log,
and after it that it is done. Whatever anybody reads must be of the last change that was done before, or of a later one
that was begun. Killed owners begin again with higher numbers.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from soak_owner import FORMATS, NAMES, SCALES, THREADS, Finding, Model, Place, box_of, given, note_finding, work

import bigarrays
from bigarrays import FlatArray, SliceArray

PATIENCE = 120  # seconds without progress after which a process hangs


def prepare(config: dict[str, Any]) -> None:
    """Creates the arrays that all share."""
    root = Path(config["root"])
    for folder in ("logs", "beats"):
        (root / folder).mkdir()
    for url, options in config["places"]:
        for name, spec in FORMATS.items():
            Place(url, options).create(name, config["owners"], **spec)
    FlatArray(root / "flat.npy", "x", shape=(None, 4), dtype="int64")
    SliceArray(root / "slices.npy", "x", shape=(None,), dtype="int64")


class Soak:
    """Starts processes, disturbs them, and checks what they leave."""

    def __init__(self, config: dict[str, Any], seed: int) -> None:
        self.config, self.root, self.seed = config, Path(config["root"]), seed
        self.random, self.started, self.counts = random.Random(seed), 0, Counter[str]()

    def start(self, number: int) -> "subprocess.Popen[bytes]":
        self.started += 1
        (self.root / f"beats/{number}").touch()
        command = [sys.executable, __file__, "--worker", str(number), "--seed", str(self.seed * 1000 + self.started)]
        return subprocess.Popen([*command, "--config", json.dumps(self.config)], start_new_session=True)

    def round(self, until: float, kills: int) -> None:
        """Lets all work until then, or until they have done what they should; then checks everything."""
        (self.root / "stop").unlink(missing_ok=True)
        workers = {number: self.start(number) for number in range(self.config["processes"])}
        while time.monotonic() < until and any(worker.poll() is None for worker in workers.values()):
            time.sleep(self.random.random() * 0.3)
            if kills > 0 and self.disturb(workers):
                kills -= 1
            if self.hangs(workers) or (self.root / "findings").exists():
                break
        (self.root / "stop").touch()
        self.finish(workers)
        self.check()

    def disturb(self, workers: dict[int, "subprocess.Popen[bytes]"]) -> bool:
        """Kills a process and starts it again, or stops it for a while."""
        number = self.random.choice(list(workers))
        worker, what = workers[number], self.random.choice(["kill", "stop", "nothing"])
        if worker.poll() is not None or what == "nothing":
            return False
        self.counts[what] += 1
        if what == "stop":
            worker.send_signal(signal.SIGSTOP)
            time.sleep(self.random.random())
            worker.send_signal(signal.SIGCONT)
            return False
        worker.kill()
        worker.wait()
        workers[number] = self.start(number)
        return True

    def hangs(self, workers: dict[int, "subprocess.Popen[bytes]"]) -> bool:
        """Whether a process has done nothing for long; it is noted, and ended."""
        late = [n for n in workers if time.time() - (self.root / f"beats/{n}").stat().st_mtime > PATIENCE]
        for number in late:
            if workers[number].poll() is None:
                self.note_hang(number, workers[number])
        return bool(late)

    def note_hang(self, number: int, worker: "subprocess.Popen[bytes]") -> None:
        """Notes where a process that hangs, or its forked child, is, and ends both."""
        os.killpg(worker.pid, signal.SIGUSR1)
        time.sleep(1)
        stacks = (self.root / "stacks").read_text()[-4000:]
        note_finding(self.root, f"process {number}, seed {self.seed}, or its child hangs for {PATIENCE} s:\n{stacks}")
        os.killpg(worker.pid, signal.SIGKILL)

    def finish(self, workers: dict[int, "subprocess.Popen[bytes]"]) -> None:
        """Waits until all have ended."""
        for number, worker in workers.items():
            try:
                worker.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.note_hang(number, worker)

    def check(self) -> None:
        """Compares all that is stored with the logs, and verifies it."""
        for check in (self.check_arrays, self.check_flat, self.check_slices, self.verify):
            try:
                check()
            except Exception as error:
                note_finding(self.root, f"{check.__name__}, seed {self.seed}: {error}\n{traceback.format_exc()}")

    def check_arrays(self) -> None:
        model = Model(self.root)
        for at, (url, options) in enumerate(self.config["places"]):
            place = Place(url, options)
            for kind in FORMATS:
                whole = place.open(kind)[...]
                for owner in range(self.config["owners"]):
                    model.check(f"{at}/{kind}/cell{owner}", given(whole[box_of(owner)]), "at the end")
            for kind in ("precomputed", "ome", "n5-scales"):
                self.check_scales(model, place, f"{at}/{kind}", kind)

    def check_scales(self, model: Model, place: Place, name: str, kind: str) -> None:
        added = {line for line in done_lines(self.root) if line[0].startswith(f"{name}/scales")}
        found = {round(scale.resolution[0]) for scale in place.open(kind).scales}
        for of, number in added:
            factor = 2 + int(of.rpartition("scales")[2]) * SCALES + number
            if factor not in found:
                raise Finding(f"{name}: the scale of resolution {factor} was added, and is not there: {sorted(found)}")

    def check_flat(self) -> None:
        rows = np.load(self.root / "flat.npy", mmap_mode="r")
        expected = Counter[tuple[int, int]]()
        for name, _ in done_lines(self.root):
            if name.startswith("flat") and name.count("-") == 2:
                owner, number, count = (int(part) for part in name[4:].split("-"))
                expected[owner, number] = count
        found = Counter[tuple[int, int]]()
        for (owner, number), count in zip(*np.unique(rows[:, :2], axis=0, return_counts=True), strict=True):
            found[int(owner), int(number)] = int(count)
        lost = {key: (found[key], count) for key, count in expected.items() if found[key] != count}
        if lost:
            raise Finding(f"flat.npy: rows found and rows appended, by owner and number: {lost}")

    def check_slices(self) -> None:
        model, slices = Model(self.root), SliceArray(self.root / "slices.npy")
        model.look()
        for owner in range(self.config["owners"]):
            for key in (f"n{owner}-{k}" for k in range(NAMES)):
                found = slices.get(key)
                if found is None:
                    if model.done[f"{key}/put"] > model.begun[f"{key}/deleted"]:
                        raise Finding(f"slices.npy: {key} was written, not deleted, and is not there")
                else:
                    model.check(key, given(found), "slices.npy at the end")
                    if np.unique(found).size != 1:
                        raise Finding(f"slices.npy: {key} is of several writes: {np.unique(found)[:9]}")

    def verify(self) -> None:
        local = self.root / "arrays"
        targets = [(url, options, kind) for url, options in self.config["places"] for kind in FORMATS]
        for url, options, kind in targets:
            report = bigarrays.verify(f"{url}/{kind}", storage_options=options)
            if not report.whole:
                raise Finding(f"verify of {url}/{kind} in {local}: {report}")
        for name in ("flat.npy", "slices.npy"):
            report = bigarrays.verify(self.root / name)
            if not report.whole:
                raise Finding(f"verify of {name}: {report}")


def done_lines(root: Path) -> Iterator[tuple[str, int]]:
    """All changes that were done."""
    for path in (root / "logs").glob("*.log"):
        for line in path.read_text().splitlines():
            what, name, number = line.split()
            if what == "done":
                yield name, int(number)


@contextmanager
def bucket() -> Iterator[tuple[str, dict[str, str]] | None]:
    """A bucket of a server on loopback, where there is one."""
    target = os.environ.get("CARGO_TARGET_DIR", Path(__file__).parents[1] / "target")
    program = Path(target) / "release/testbed"
    if not program.exists():
        yield None
        return
    with subprocess.Popen([program, "serve", "moto"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        line = server.stdout.readline()
        if not line:
            yield None
            return
        ready = json.loads(line)
        yield ready["url"], {key.lower(): value for key, value in ready["env"].items()}


def soak(args: argparse.Namespace) -> int:
    """Soaks for as long as asked; returns the exit status."""
    root = Path(tempfile.mkdtemp(prefix="soak-", dir=args.directory))
    with bucket() as remote:
        places: list[tuple[str, dict[str, str] | None]] = [(str(root / "arrays"), None)]
        if remote and not args.local:
            places.append((f"{remote[0]}/{root.name}", remote[1]))
        config = {"root": str(root), "places": places, "processes": args.processes, "operations": args.operations}
        config["without"] = args.without
        config["owners"] = args.processes * (THREADS + 1)
        prepare(config)
        run, end = Soak(config, args.seed), time.monotonic() + args.minutes * 60
        rounds = 0
        while time.monotonic() < end and not (root / "findings").exists():
            run.round(min(end, time.monotonic() + args.round), args.kills)
            rounds += 1
            if args.operations < 10**9:
                break
    counted = root / "counts"
    counts = run.counts + Counter(counted.read_text().split() if counted.exists() else ())
    found = (root / "findings").read_text() if (root / "findings").exists() else ""
    print(f"seed {args.seed}, {rounds} rounds, {len(places)} places: {dict(sorted(counts.items()))}")
    if found:
        print(f"FINDINGS (all files are in {root}):\n{found}")
        return 1
    shutil.rmtree(root)
    print("nothing found")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=1.0)
    parser.add_argument("seed_given", type=int, nargs="?", metavar="seed")
    parser.add_argument("--operations", type=int, default=10**9, help="of each thread, and one round only")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--kills", type=int, default=10**9, help="most kills in a round")
    parser.add_argument("--round", type=float, default=20.0, help="seconds between two checks of everything")
    parser.add_argument("--directory", help="where the files are")
    parser.add_argument("--without", nargs="*", default=[], help="actions that are left out, such as scale")
    parser.add_argument("--local", action="store_true", help="no bucket")
    for hidden in ("--worker", "--seed"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--config", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        work(args.worker, json.loads(args.config), args.seed)
        return 0
    args.seed = args.seed_given if args.seed_given is not None else random.randrange(10**6)
    return soak(args)


if __name__ == "__main__":
    sys.exit(main())
