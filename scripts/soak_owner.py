"""What each process of the soak does, and the model of what may be read; see soak.py."""

import ctypes
import faulthandler
import os
import random
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import bigarrays
from bigarrays import FlatArray, SliceArray

THREADS = 2  # of each process; a forked child is one more owner
CELL = (5, 7, 6)  # elements of an owner, across the borders of chunks
CHUNK = (4, 4, 4)
FORMATS: dict[str, dict[str, Any]] = {
    "precomputed": {"format": "precomputed", "encoding": "raw"},
    "precomputed-sharded": {"format": "precomputed", "encoding": "raw", "sharding": True},
    "ome": {"format": "ome-zarr"},
    "zarr3": {"format": "zarr3"},
    "zarr3-sharded": {"format": "zarr3", "shard_shape": (8, 8, 8)},
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


def given(values: Any) -> Callable[[], Any]:
    """Values that were read before, for Model.check."""
    return lambda: values


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
        spec = {"shape": shape, "chunk_shape": CHUNK, "dtype": "uint32", **options}
        return bigarrays.create(f"{self.url}/{name}", storage_options=self.options, **spec)


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

        try:
            self.change(name, put)
        except bigarrays.AlreadyExistsError:
            # Another one takes the next key, or was killed while it did.
            self.count("refused")

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
        try:
            array = place.create(name, 1, **FORMATS[kind])
        except bigarrays.AlreadyExistsError:
            # Left by one that was killed while it removed or created: it can be removed.
            bigarrays.remove(f"{place.url}/{name}", recursive=True, storage_options=place.options)
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
    stacks = (Path(config["root"]) / "stacks").open("a")
    faulthandler.register(signal.SIGUSR1, stacks, all_threads=True)

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
