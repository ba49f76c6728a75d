"""Uses one set of arrays from processes and threads that are killed, stopped and forked at random, and checks it.

Every owner (a thread of a process, or its forked child) has cells, names and keys that nobody else changes, though they
share chunks, shards, documents and files with those of others. Before a change, the owner notes its number in a log,
and after it that it is done. Whatever anybody reads must be of the last change that was done before, or of a later one
that was begun. Killed owners begin again with higher numbers.
"""

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import bigarrays
from bigarrays import FlatArray, SliceArray

THREADS = 2  # of each process; a forked child is one more owner
CELL = (5, 7, 6)  # elements of an owner, across the borders of chunks
CHUNK = (4, 4, 4)
PATIENCE = 120  # seconds without progress after which a process hangs
FORMATS: dict[str, dict[str, Any]] = {
    "precomputed": {"format": "precomputed", "encoding": "raw"},
    "precomputed-sharded": {"format": "precomputed", "encoding": "raw", "sharding": True},
    "ome": {"format": "ome-zarr"},
    "zarr3": {"format": "zarr3"},
    "zarr3-sharded": {"format": "zarr3", "sharding": (8, 8, 8)},
    "zarr2": {"format": "zarr2"},
    "n5": {"format": "n5"},
    "n5-scales": {"format": "n5", "key": "s0"},
}
NAMES = 4  # of slices of each owner
SCALES = 5  # that each owner adds


class Model:
    """What the logs of all owners say was begun and done, by a name of what was changed."""

    def __init__(self, root: Path) -> None:
        self.root, self.read = root, Counter[str]()
        self.begun: dict[str, int] = Counter()
        self.done: dict[str, int] = Counter()

    def look(self) -> None:
        """Reads the lines that were added to the logs."""
        for path in (self.root / "logs").glob("*.log"):
            with path.open("rb") as log:
                log.seek(self.read[path.name])
                text = log.read()
            text = text[: text.rfind(b"\n") + 1]
            self.read[path.name] += len(text)
            for line in text.decode().splitlines():
                what, name, number = line.split()
                of = self.begun if what == "begin" else self.done
                of[name] = max(of[name], int(number))

    def check(self, name: str, values: Callable[[], Any], where: str) -> None:
        """Reads the numbers of `name` and compares them with what may be there."""
        self.look()
        least = self.done[name]
        found = np.asarray(values())
        self.look()
        most = self.begun[name]
        if found.size and (found.min() < least or found.max() > most):
            message = f"{where}: {name} has numbers {np.unique(found)[:9]}; {least} was done, {most} begun"
            raise Finding(message)


class Finding(Exception):
    """Something that must never be read."""


class Place:
    """Where the arrays of a kind of storage are."""

    def __init__(self, url: str, options: dict[str, str] | None) -> None:
        self.url, self.options = url, options

    def open(self, name: str, **options: Any) -> bigarrays.Array:
        return bigarrays.open(f"{self.url}/{name}", storage_options=self.options, **options)

    def create(self, name: str, owners: int, **options: Any) -> bigarrays.Array:
        if options["format"] in ("zarr3", "zarr2", "n5"):
            options.setdefault("dimension_names", ("x", "y", "z"))
        shape = (CELL[0] * owners, CELL[1], CELL[2])
        given = {"shape": shape, "chunks": CHUNK, "dtype": "uint32", **options}
        return bigarrays.create(f"{self.url}/{name}", storage_options=self.options, **given)


def box_of(owner: int) -> tuple[slice, slice, slice]:
    """The coordinates of an owner's cell."""
    return slice(CELL[0] * owner, CELL[0] * (owner + 1)), slice(0, CELL[1]), slice(0, CELL[2])


class Owner:
    """One who changes what is its own, and reads what is of others."""

    def __init__(self, number: int, config: dict[str, Any], seed: int) -> None:
        self.number, self.owners = number, config["owners"]
        self.root, self.without = Path(config["root"]), config["without"]
        self.places = [Place(url, options) for url, options in config["places"]]
        self.random = random.Random(seed)
        self.model = Model(self.root)
        self.log = os.open(self.root / f"logs/{number}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.model.look()

    def change(self, name: str, make: Callable[[int], Any]) -> bool:
        """Makes a change under a new number; whether it was done."""
        number = self.model.begun[name] + 1
        self.model.begun[name] = number
        os.write(self.log, f"begin {name} {number}\n".encode())
        try:
            make(number)
        except bigarrays.Error as error:
            if not is_passing(error):
                raise
            self.count("refused")
            return False
        os.write(self.log, f"done {name} {number}\n".encode())
        self.model.done[name] = number
        return True

    def count(self, what: str) -> None:
        """Adds to the counts of the soak."""
        counts = os.open(self.root / "counts", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(counts, f"{what}\n".encode())
        os.close(counts)

    def step(self) -> None:
        """Does one thing, chosen at random."""
        actions = [self.write] * 4 + [self.read] * 3 + [self.append] * 2 + [self.name] * 3
        actions += [self.attributes, self.resize, self.scale, self.copy, self.replace, self.lookup, self.compact]
        action = self.random.choice([action for action in actions if action.__name__ not in self.without])
        try:
            action()
        except bigarrays.Error as error:
            if not is_passing(error):
                raise
            self.count("refused")
        self.count(action.__name__)

    def place(self) -> tuple[int, Place]:
        """One of the places, and its number."""
        return self.random.choice(list(enumerate(self.places)))

    def write(self) -> None:
        (at, place), kind = self.place(), self.random.choice(list(FORMATS))
        array = place.open(kind, mode="r+")

        def put(number: int) -> None:
            array[box_of(self.number)] = np.full(CELL, number, np.uint32)

        self.change(f"{at}/{kind}/cell{self.number}", put)

    def read(self) -> None:
        (at, place), kind = self.place(), self.random.choice(list(FORMATS))
        array, other = place.open(kind), self.random.randrange(self.owners)
        self.model.check(f"{at}/{kind}/cell{other}", lambda: array[box_of(other)], "read")

    def attributes(self) -> None:
        (at, place), kind = self.place(), self.random.choice(["zarr3", "zarr2", "n5"])
        url, key = f"{place.url}/{kind}", f"key{self.number}"

        def put(number: int) -> None:
            bigarrays.update_attributes(url, {key: number}, storage_options=place.options)

        def get() -> int:
            return int(bigarrays.attributes(url, storage_options=place.options).get(key, 0))

        self.change(f"{at}/{kind}/{key}", put)
        self.model.check(f"{at}/{kind}/{key}", get, "attributes")

    def resize(self) -> None:
        (at, place), kind = self.place(), self.random.choice(["zarr3", "zarr2"])
        name = f"own{self.number}-{kind}"
        url = f"{place.url}/{name}"
        if not exists(place, name):
            place.create(name, 1, format=kind)

        def put(number: int) -> None:
            # The number of a change says how many planes there are.
            shape = (CELL[0] + number % 13, CELL[1], CELL[2])
            bigarrays.resize(url, shape, storage_options=place.options)

        if self.change(f"{at}/{name}/shape", put):
            expected = CELL[0] + self.model.done[f"{at}/{name}/shape"] % 13
            if place.open(name).shape[0] != expected:
                raise Finding(f"resize: {url} has shape {place.open(name).shape}, not {expected} planes")

    def scale(self) -> None:
        (at, place), kind = self.place(), self.random.choice(["precomputed", "ome", "n5-scales"])
        name = f"{at}/{kind}/scales{self.number}"
        if self.model.begun[name] >= SCALES:
            return
        url, size = f"{place.url}/{kind}", (CELL[0] * self.owners, CELL[1], CELL[2])

        def put(number: int) -> None:
            factor = float(2 + self.number * SCALES + number)
            bigarrays.add_scale(
                url, shape=size, dtype="uint32", resolution=(factor,) * 3, storage_options=place.options
            )

        self.change(name, put)

    def copy(self) -> None:
        (at, place), kind = self.place(), self.random.choice(["zarr3", "precomputed", "zarr3-sharded"])
        name = f"copy{self.number}"
        if not exists(place, name):
            place.create(name, self.owners, format="zarr2")
        self.model.look()
        least = dict(self.model.done)
        bigarrays.copy(place.open(kind), place.open(name, mode="r+"))
        copied = place.open(name)[...]
        self.model.look()
        for owner in range(self.owners):
            of, cell = f"{at}/{kind}/cell{owner}", copied[box_of(owner)]
            if cell.min() < least.get(of, 0) or cell.max() > self.model.begun[of]:
                raise Finding(f"copy: {of} has {np.unique(cell)}; {least.get(of, 0)} was done, {self.model.begun[of]} begun")

    def replace(self) -> None:
        """Removes an array and creates it anew, empty."""
        (at, place), kind = self.place(), self.random.choice(list(FORMATS))
        name = f"mine{self.number}-{kind}"
        if exists(place, name):
            bigarrays.remove(f"{place.url}/{name}", recursive=True, storage_options=place.options)
            if exists(place, name):
                raise Finding(f"replace: {name} exists after it was removed")
        array = place.create(name, 1, **FORMATS[kind])
        if array[...].any():
            raise Finding(f"replace: what was removed shows in the new {name} at place {at}")
        array[...] = self.random.randrange(1, 1000)

    def append(self) -> None:
        """Appends rows of owner and number; few, or so many that they are written without the guard."""
        flat = FlatArray(self.root / "flat.npy", "r+")
        rows = self.random.choice([0, 1, 3, 100, 40_000])

        def put(number: int) -> None:
            block = np.zeros((rows, 4), np.int64)
            block[:] = self.number, number, rows, 0
            block[:, 3] = np.arange(rows)
            at = flat.append(block)
            found = np.array(FlatArray(self.root / "flat.npy")[at.start : at.stop])
            if not np.array_equal(found, block):
                raise Finding(f"append: rows {at} are not those of {self.number} {number}")
            if rows:
                os.write(self.log, f"done flat{self.number}-{number}-{rows} {at.start}\n".encode())

        self.change(f"flat{self.number}", put)

    def name(self) -> None:
        slices = SliceArray(self.root / "slices.npy", "r+", replace=True)
        key = f"n{self.number}-{self.random.randrange(NAMES)}"
        if self.random.random() < 0.2:

            def take(number: int) -> None:
                os.write(self.log, f"begin {key}/deleted {number}\n".encode())
                if key in slices:
                    del slices[key]

            self.change(key, take)
            return

        def put(number: int) -> None:
            slices[key] = np.full(self.random.randrange(1, 3000), number, np.int64)
            os.write(self.log, f"done {key}/put {number}\n".encode())

        self.change(key, put)

    def lookup(self) -> None:
        slices = SliceArray(self.root / "slices.npy")
        key = f"n{self.random.randrange(self.owners)}-{self.random.randrange(NAMES)}"
        found = slices.get(key)
        # Rows move when others delete: what is read is of one name, but maybe of a name before.
        if found is not None and found.size and found.min() < 1:
            raise Finding(f"lookup: {key} has rows that nobody wrote: {np.unique(found)[:9]}")

    def compact(self) -> None:
        SliceArray(self.root / "slices.npy", "r+").compact()


def exists(place: Place, name: str) -> bool:
    """Whether an array can be opened."""
    try:
        place.open(name)
    except bigarrays.NotFoundError:
        return False
    return True


def is_passing(error: bigarrays.Error) -> bool:
    """Whether an operation may be refused so, and tried again."""
    return error.retryable or any(sign in str(error) for sign in ("have it open", "open it again", "others have"))


def work(number: int, config: dict[str, Any], seed: int) -> None:
    """The life of a process: threads that work, and forked children that do so, too."""
    first = number * (THREADS + 1)

    def live(owner: Owner) -> None:
        try:
            for _ in range(config["operations"]):
                if (owner.root / "stop").exists():
                    return
                owner.step()
                (owner.root / f"beats/{number}").touch()
        except BaseException as error:
            note_finding(owner.root, f"owner {owner.number}, seed {seed}: {error}\n{traceback.format_exc()}")

    owners = [Owner(first + thread, config, seed + thread) for thread in range(THREADS)]
    threads = [threading.Thread(target=live, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    chance = random.Random(seed)
    while any(thread.is_alive() for thread in threads):
        time.sleep(chance.random())
        owners[0].count("fork")
        if (child := os.fork()) == 0:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            if os.getppid() != 1:
                live(Owner(first + THREADS, config | {"operations": 3}, seed + chance.randrange(1000)))
            os._exit(0)
        os.waitpid(child, 0)


def note_finding(root: Path, text: str) -> None:
    """Adds to what was found."""
    with (root / "findings").open("a") as findings:
        findings.write(text.rstrip() + "\n\n")


def prepare(config: dict[str, Any]) -> None:
    """Creates the arrays that all share."""
    root = Path(config["root"])
    for folder in ("logs", "beats"):
        (root / folder).mkdir()
    for url, options in config["places"]:
        for name, given in FORMATS.items():
            Place(url, options).create(name, config["owners"], **given)
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
        return subprocess.Popen([*command, "--config", json.dumps(self.config)])

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
                note_finding(self.root, f"process {number} has done nothing for {PATIENCE} s")
                workers[number].kill()
        return bool(late)

    def finish(self, workers: dict[int, "subprocess.Popen[bytes]"]) -> None:
        """Waits until all have ended."""
        for number, worker in workers.items():
            try:
                worker.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                note_finding(self.root, f"process {number} did not end")
                worker.kill()

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
                    model.check(f"{at}/{kind}/cell{owner}", lambda cell=whole[box_of(owner)]: cell, "at the end")
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
                    model.check(key, lambda found=found: found, "slices.npy at the end")
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
    program = Path(target) / "debug/testbed"
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
