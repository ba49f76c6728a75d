"""HDF5 files, as h5py writes them, become named slices."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays
from bigarrays import FlatArray, SliceArray

h5py = pytest.importorskip("h5py")

KINDS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", ">i4", ">f8"]
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"chunks": (7, 3)},
    {"chunks": (5, 2), "compression": "gzip", "shuffle": True},
    {"chunks": (100, 3), "fletcher32": True, "maxshape": (None, 3)},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_datasets_become_slices_by_their_paths(tmp_path: Path, kind: str, libver: str) -> None:
    chance, numbers, expected = random.Random(kind), np.random.default_rng(1), {}
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        for k in range(60):
            array = numbers.integers(0, 99, (chance.choice([0, 1, 3, 40, 500]), 3)).astype(kind)
            name = f"{chance.choice(['', 'b/', 'b/c/', 'ä/'])}{k}"
            file.create_dataset(name, data=array, **(chance.choice(LAYOUTS) if len(array) >= 100 else {}))
            expected[name] = array
        file["again"] = h5py.SoftLink("/b")
    assert bigarrays.convert(tmp_path / "a.h5", tmp_path / "a.npy") >= 60
    slices = SliceArray(tmp_path / "a.npy")
    assert [name for name in slices if not name.startswith("again")] == sorted(expected, key=str.encode)
    for name, array in expected.items():
        np.testing.assert_array_equal(slices[name], array)
    slices.close()


def test_a_large_dataset_is_streamed_and_can_be_one_array(tmp_path: Path) -> None:
    array = np.arange(3_000_000, dtype="f8").reshape(-1, 10)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("train/x", data=array, chunks=(1000, 10), compression="gzip")
        file.create_dataset("train/labels", data=np.arange(5))
    with pytest.raises(bigarrays.InvalidArgumentError, match="train/labels.*train/x|train/x.*train/labels"):
        bigarrays.convert(tmp_path / "a.h5", tmp_path / "a.npy")
    assert bigarrays.convert(tmp_path / "a.h5", tmp_path / "a.npy", key="train/x") == 0
    flat = FlatArray(tmp_path / "a.npy")
    np.testing.assert_array_equal(flat[...], array)


def test_what_is_no_array_of_numbers_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["words"] = ["a", "b"]
    with pytest.raises(bigarrays.Error, match="a.h5.*words"):
        bigarrays.convert(tmp_path / "a.h5", tmp_path / "a.npy")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"] = 1.0
    with pytest.raises(bigarrays.Error, match="a.h5.*one.*single value"):
        bigarrays.convert(tmp_path / "a.h5", tmp_path / "a.npy")


def test_damaged_files_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for k in range(20):
            file.create_dataset(f"b/{k}", data=np.full((50, 3), k), chunks=(10, 3), compression="gzip")
    good, chance = path.read_bytes(), random.Random(1)
    for _ in range(60):
        damaged = bytearray(good)
        for _ in range(chance.choice([1, 5, 40])):
            damaged[chance.randrange(8, len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged[: len(damaged) if chance.random() < 0.8 else chance.randrange(8, len(damaged))])
        try:
            bigarrays.convert(path, tmp_path / "a.npy", overwrite=True)
        except bigarrays.Error as error:
            assert "a.h5" in str(error)
