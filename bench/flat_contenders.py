"""Who is measured by flat.py: each class writes, opens and reads one file or folder in its own way."""

import importlib
import os
import pickle
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Pairs = Iterable[tuple[str, np.ndarray]]

BATCH = 10_000  # names that are written together


class Dense:
    """One array, written whole and read by blocks of rows."""

    module = "numpy"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lib = importlib.import_module(self.module)

    def create(self, shape: tuple[int, ...], dtype: str) -> Any:
        return None

    def write(self, target: Any, data: np.ndarray) -> None: ...
    def open(self) -> Any: ...


class BigarraysDense(Dense):
    module = "bigarrays"

    def create(self, shape, dtype):
        return self.lib.FlatArray(self.path, "w", shape=(None, *shape[1:]), dtype=dtype)

    def write(self, target, data):
        target.append(data)

    def open(self):
        return self.lib.FlatArray(self.path)


class NumpyDense(Dense):
    def write(self, target, data):
        with open(self.path, "wb") as file:
            np.save(file, data)

    def open(self):
        with open(self.path, "rb") as file:
            return np.load(file)


class MemmapDense(Dense):
    def create(self, shape, dtype):
        return np.lib.format.open_memmap(self.path, "w+", shape=shape, dtype=dtype)

    def write(self, target, data):
        target[:] = data

    def open(self):
        return np.lib.format.open_memmap(self.path, "r")


class H5pyDense(Dense):
    module = "h5py"

    def create(self, shape, dtype):
        return self.lib.File(self.path, "w").create_dataset("x", shape, dtype)

    def write(self, target, data):
        target[:] = data
        target.file.close()

    def open(self):
        return self.lib.File(self.path, "r")["x"]


class BigarrayDense(Dense):
    module = "bigarray"

    def create(self, shape, dtype):
        return self.lib.MmapArrayWriter(str(self.path), (0, *shape[1:]), dtype, remove_exist=True)

    def write(self, target, data):
        target.write(data)

    def open(self):
        return self.lib.MmapArray(str(self.path), "r")


class ZarrDense(Dense):
    module = "zarr"

    def create(self, shape, dtype):
        return self.lib.create_array(self.path, shape=shape, dtype=dtype, chunks=(256, *shape[1:]), compressors=None)

    def write(self, target, data):
        target[:] = data

    def open(self):
        return self.lib.open_array(self.path, mode="r")


class Named:
    """Arrays by name."""

    module = "numpy"
    lookups = 100_000

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lib = importlib.import_module(self.module)

    def write(self, pairs: Pairs, width: int) -> None: ...
    def open(self) -> Any: ...

    def get(self, opened: Any, name: str) -> np.ndarray:
        return opened[name]

    def get_many(self, opened: Any, names: Sequence[str]) -> list[np.ndarray]:
        return [self.get(opened, name) for name in names]

    def delete(self, names: Sequence[str]) -> None: ...
    def compact(self) -> None: ...


class BigarraysNamed(Named):
    module = "bigarrays"

    def write(self, pairs, width):
        with self.lib.SliceArray(self.path, "w", shape=(None, width), dtype="float32") as w:
            w.write(pairs)

    def open(self):
        return self.lib.SliceArray(self.path)

    def get_many(self, opened, names):
        return opened[names]

    def delete(self, names):
        with self.lib.SliceArray(self.path, "r+") as w:
            w.delete(names)

    def compact(self):
        with self.lib.SliceArray(self.path, "r+") as w:
            w.compact()


class H5pyNamed(Named):
    module = "h5py"
    lookups = 10_000

    def write(self, pairs, width):
        with self.lib.File(self.path, "w", libver="latest") as file:
            for name, rows in pairs:
                file.create_dataset(name, data=rows)

    def open(self):
        return self.lib.File(self.path, "r")

    def get(self, opened, name):
        return opened[name][:]


class LmdbNamed(Named):
    module = "lmdb"

    def write(self, pairs, width):
        env = self.lib.open(os.fspath(self.path), map_size=1 << 36)
        batch = []
        for name, rows in pairs:
            batch.append((name.encode(), pickle.dumps(rows, 5)))
            if len(batch) == BATCH:
                self.put(env, batch)
        self.put(env, batch)
        env.close()

    def put(self, env, batch):
        with env.begin(write=True) as txn:
            txn.cursor().putmulti(batch)
        batch.clear()

    def open(self):
        return self.lib.open(os.fspath(self.path), map_size=1 << 36, readonly=True).begin(buffers=True)

    def delete(self, names):
        with self.lib.open(os.fspath(self.path), map_size=1 << 36) as env, env.begin(write=True) as txn:
            for name in names:
                txn.delete(name.encode())

    def compact(self):
        copy = self.path.with_suffix(".compact")
        copy.mkdir()
        with self.lib.open(os.fspath(self.path), map_size=1 << 36) as env:
            env.copy(os.fspath(copy), compact=True)
        shutil.rmtree(self.path)
        copy.rename(self.path)

    def get(self, opened, name):
        return pickle.loads(opened.get(name.encode()))


class MemmapNamed(Named):
    """All rows in a .npy file, and a pickled dict of names beside it."""

    def write(self, pairs, width):
        names, parts, end = {}, [], 0
        for name, rows in pairs:
            names[name] = (end, end + len(rows))
            end += len(rows)
            parts.append(rows)
        np.save(self.path, np.concatenate(parts))
        with open(f"{self.path}.names", "wb") as file:
            pickle.dump(names, file, 5)

    def open(self):
        with open(f"{self.path}.names", "rb") as file:
            return np.load(self.path, mmap_mode="r").view(np.ndarray), pickle.load(file)

    def get(self, opened, name):
        rows, names = opened
        start, end = names[name]
        return rows[start:end]


class BigarrayNamed(Named):
    module = "bigarray"

    def write(self, pairs, width):
        with self.lib.PointerArrayWriter(str(self.path), (0, width), "float32", remove_exist=True) as w:
            batch = {}
            for name, rows in pairs:
                batch[name] = rows
                if len(batch) == BATCH:
                    w.write(batch)
                    batch = {}
            if batch:
                w.write(batch)

    def open(self):
        return self.lib.PointerArray(str(self.path), "r")


DENSE: dict[str, type[Dense]] = {
    "bigarrays": BigarraysDense,
    "numpy.save": NumpyDense,
    "numpy.memmap": MemmapDense,
    "h5py": H5pyDense,
    "bigarray": BigarrayDense,
    "zarr": ZarrDense,
}
NAMED: dict[str, type[Named]] = {
    "bigarrays": BigarraysNamed,
    "h5py": H5pyNamed,
    "lmdb + pickle": LmdbNamed,
    "memmap + pickle": MemmapNamed,
    "bigarray": BigarrayNamed,
}
# Those that give room back.
COMPACTING = ["bigarrays", "lmdb + pickle"]
