"""LMDB files of NumPy arrays, as py-lmdb writes them, become named slices."""

import io
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays
from bigarrays import SliceArray

lmdb = pytest.importorskip("lmdb")


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def arrays(seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    count, lengths = chance.choice([1, 20, 3000]), [0, 1, 3, 90, 1500]
    names = {f"{chance.choice(['', 'train/', 'ä' * 100])}{chance.randrange(10**6)}" for _ in range(count)}
    return {name: np.full((chance.choice(lengths), 4), k, "f4") for k, name in enumerate(sorted(names))}


@pytest.mark.parametrize("seed", range(6))
def test_values_become_slices_in_the_order_of_their_keys(tmp_path: Path, seed: int) -> None:
    expected, is_folder = arrays(seed), seed % 2 == 0
    path = tmp_path / "db"
    with lmdb.open(str(path), subdir=is_folder, map_size=1 << 30) as env:
        names = list(expected)
        random.Random(seed).shuffle(names)
        for start in range(0, len(names), 500):
            with env.begin(write=True) as txn:
                for name in names[start : start + 500]:
                    txn.put(name.encode(), npy(expected[name]))
        with env.begin(write=True) as txn:
            txn.put(b"gone", npy(np.zeros((5, 4), "f4")))
        with env.begin(write=True) as txn:
            txn.delete(b"gone")
    before = sorted(os.listdir(path)) if is_folder else None
    assert bigarrays.convert(path, tmp_path / "a.npy") == len(expected)
    assert before is None or sorted(os.listdir(path)) == before
    slices = SliceArray(tmp_path / "a.npy")
    assert list(slices) == sorted(expected, key=str.encode)
    for name, array in expected.items():
        np.testing.assert_array_equal(slices[name], array)
    slices.close()


def test_tables_come_below_their_names(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "db"), max_dbs=4) as env:
        for table in ("train", "val"):
            with env.begin(write=True, db=env.open_db(table.encode())) as txn:
                for k in range(300):
                    txn.put(f"{k:03}".encode(), npy(np.full((k % 3, 2), k)))
    assert bigarrays.convert(tmp_path / "db", tmp_path / "a.npy") == 600
    slices = SliceArray(tmp_path / "a.npy")
    np.testing.assert_array_equal(slices["val/002"], np.full((2, 2), 2))
    slices.close()
    assert bigarrays.convert(tmp_path / "db", tmp_path / "b.npy", key="val") == 300
    assert list(SliceArray(tmp_path / "b.npy"))[:2] == ["000", "001"]


def test_what_is_no_array_or_damaged_is_an_error_that_names_it(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "db"), max_dbs=4) as env:
        with env.begin(write=True) as txn:
            txn.put(b"good", npy(np.zeros((2000, 4))))
            txn.put(b"words", b"no array")
        with pytest.raises(bigarrays.Error, match='db/data.mdb.*"words".*not a .npy file'):
            bigarrays.convert(tmp_path / "db", tmp_path / "a.npy")
        with env.begin(write=True) as txn:
            txn.put(b"words", npy(np.zeros((2, 4)))[:-1])
        with pytest.raises(bigarrays.Error, match='"words".*expected'):
            bigarrays.convert(tmp_path / "db", tmp_path / "a.npy")
        with env.begin(write=True) as txn:
            txn.put(b"words", npy(np.zeros((2, 4))))
    path = tmp_path / "db/data.mdb"
    good = path.read_bytes()
    chance = random.Random(1)
    for _ in range(60):
        damaged = bytearray(good)
        for _ in range(chance.choice([1, 5, 40])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged[: len(damaged) if chance.random() < 0.8 else chance.randrange(len(damaged))])
        try:
            bigarrays.convert(tmp_path / "db", tmp_path / "a.npy", overwrite=True)
        except bigarrays.Error as error:
            assert "db" in str(error)
