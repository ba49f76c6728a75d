"""Files that Python's bigarray writes are read and converted."""

import pickle
from pathlib import Path
from typing import Any

import bigarray as old  # type: ignore[import-untyped]
import numpy as np
import pytest

import bigarrays

# bigarray leaves its files open.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def write(path: Path, data: dict[str, np.ndarray[Any, Any]], dtype: str, times: int) -> None:
    first = next(iter(data.values()))
    for part in np.array_split(list(data), times):
        with old.PointerArrayWriter(str(path), shape=(0, *first.shape[1:]), dtype=dtype) as f:
            f.write({str(name): data[str(name)] for name in part})


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "uint8", "bool"])
@pytest.mark.parametrize("times", [1, 3])
def test_pointer_arrays(tmp_path: Path, dtype: str, times: int) -> None:
    rng = np.random.default_rng(8)
    data = {f"name{k}": rng.integers(0, 2, (rng.integers(0, 400), 3, 5)).astype(dtype) for k in range(300)}
    write(tmp_path / "old", data, dtype, times)
    there = np.asarray(old.PointerArray(str(tmp_path / "old")))
    array = bigarrays.open(tmp_path / "old")
    assert array.format == "bigarray" and array.dtype == there.dtype
    np.testing.assert_array_equal(array[...], there)
    assert bigarrays.convert(tmp_path / "old", tmp_path / "new.npy") == 300
    x = bigarrays.SliceArray(tmp_path / "new.npy")
    assert list(x) == list(data)
    for name, expected in data.items():
        np.testing.assert_array_equal(x[name], expected)
    np.testing.assert_array_equal(np.load(tmp_path / "new.npy"), there)


@pytest.mark.parametrize("dtype", ["float64", "float32", ">f8", "uint8"])
def test_mmap_arrays(tmp_path: Path, dtype: str) -> None:
    expected = np.arange(60).reshape(20, 3).astype(dtype)
    with old.MmapArrayWriter(str(tmp_path / "old"), shape=(None, 3), dtype=dtype) as f:
        f.write(expected[:7])
        if dtype != ">f8":  # bigarray forgets the order of bytes when it grows such a file
            f.write(expected[7:])
    expected = expected[: old.MmapArray(str(tmp_path / "old")).shape[0]]
    if dtype == ">f8":
        expected = expected.byteswap().view("f8")
    np.testing.assert_array_equal(bigarrays.open(tmp_path / "old")[...], expected)
    assert bigarrays.convert(tmp_path / "old", tmp_path / "new.npy") == 0
    np.testing.assert_array_equal(np.asarray(bigarrays.FlatArray(tmp_path / "new.npy")), expected)


class Evil:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit",))


@pytest.mark.parametrize("index", [Evil(), {"a": Evil()}, {"a": (0, 1, 2)}, {1: (0, 1)}, {"a": (0, 99)}, [("a", (0, 1))]])
def test_other_pickles_are_refused(tmp_path: Path, index: Any) -> None:
    write(tmp_path / "old", {"a": np.zeros((2, 1))}, "float64", 1)
    for protocol in range(6):
        bytes_ = pickle.dumps(index, protocol)
        with open(tmp_path / "old", "ab") as f:
            f.write(bytes_ + len(bytes_).to_bytes(8, "big"))
        with pytest.raises(bigarrays.InvalidMetadataError):
            bigarrays.convert(tmp_path / "old", tmp_path / "new.npy")
        assert not (tmp_path / "new.npy").exists()
