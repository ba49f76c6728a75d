"""Objects of others as operands, read box by box."""

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bigarrays as ba

SHAPE = (23, 31, 19)
ROOM = 300 << 10


def made(kind: str, values: NDArray[Any], path: Path, chunk: tuple[int, ...] | None = (8, 9, 10)) -> Any:
    """An object of that kind that has these elements."""
    if kind == "h5py":
        h5py = pytest.importorskip("h5py")
        return h5py.File(path / "a.h5", "w").create_dataset("x", data=values, chunks=chunk)
    if kind == "zarr":
        zarr = pytest.importorskip("zarr")
        array = zarr.create_array(str(path / "a.zarr"), shape=values.shape, dtype=values.dtype, chunks=chunk or values.shape)
        array[...] = values
        return array
    if kind == "memmap":
        mapped = np.memmap(path / "a.raw", values.dtype, "w+", shape=values.shape)
        mapped[...] = values
        return mapped
    if kind == "flat":
        array = ba.FlatArray(path / "a.npy", "x", shape=(None, *values.shape[1:]), dtype=values.dtype)
        array.append(values)
        return array
    return Like(values, chunk)


class Like:
    """Nothing but what an array has to have."""

    def __init__(self, values: NDArray[Any], chunks: tuple[int, ...] | None = None) -> None:
        self.values, self.chunks, self.reads = values, chunks, []  # type: ignore[var-annotated]
        self.under_way = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def dtype(self) -> Any:
        return self.values.dtype

    def __getitem__(self, key: Any) -> Any:
        self.under_way += 1
        assert self.under_way == 1
        found = self.values[key].copy()
        self.reads.append(found.shape)
        threading.Event().wait(0.0005)
        self.under_way -= 1
        return found


def elements(seed: int, dtype: str, shape: tuple[int, ...] = SHAPE) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 2, shape) if dtype == "bool" else rng.integers(-100, 100, shape)).astype(dtype)


def view_of(rng: np.random.Generator, x: Any) -> Any:
    """A random view, with functions that NumPy's arrays and expressions share."""
    for _ in range(int(rng.integers(1, 4))):
        axis = int(rng.integers(0, x.ndim))
        key: list[Any] = [slice(None)] * x.ndim
        choice = rng.integers(0, 5)
        if choice == 0:
            start, step = int(rng.integers(0, max(x.shape[axis] // 2, 1))), int(rng.integers(1, 5))
            key[axis] = slice(start, None, step)
            x = x[tuple(key)]
        elif choice == 1:
            x = np.flip(x, axis)
        elif choice == 2:
            x = np.transpose(x, rng.permutation(x.ndim).tolist())
        elif choice == 3:
            x = np.take(x, rng.integers(0, x.shape[axis], 12).tolist(), axis=axis)
        elif x.ndim > 1:
            key[axis] = int(rng.integers(0, x.shape[axis]))
            x = x[tuple(key)]
    return x


@pytest.mark.parametrize("kind", ["h5py", "zarr", "memmap", "flat", "like"])
@pytest.mark.parametrize("seed", range(6))
def test_views_and_reductions_are_those_of_numpy(
    seed: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bigarrays._expressions._COPIED", 0)
    dtype = ["int16", "float32", "uint8", "bool", "float64", ">i4"][seed]
    if kind == "flat" and dtype == ">i4":
        dtype = "int32"
    values = elements(seed, dtype)
    # h5py keeps decoded chunks.
    room = ROOM + (values.nbytes * 2 if kind == "h5py" else 0)
    x = ba.lazy(made(kind, values, tmp_path, None if seed == 3 else (8, 9, 10)))
    assert x.shape == values.shape and x.dtype == np.dtype(dtype).newbyteorder("=")
    for one in range(3):
        found, expected = (view_of(np.random.default_rng(10 * seed + one), of) for of in (x, values))
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found.compute(memory=expected.nbytes + room), expected)
        sums = (found.astype("int64") + 1).sum(axis=0)
        np.testing.assert_array_equal(sums.compute(memory=sums.nbytes + room), (expected.astype("int64") + 1).sum(axis=0))
    both = x.astype("float64") * np.arange(values.shape[-1])
    expected = values.astype("float64") * np.arange(values.shape[-1])
    np.testing.assert_allclose(both.mean(axis=(0, 2)).compute(memory=room), expected.mean(axis=(0, 2)), rtol=1e-12)


def test_only_what_is_needed_is_read_in_boxes_within_the_budget() -> None:
    values = elements(0, "float64", (64, 64, 64))
    like = Like(values, (16, 16, 16))
    x = ba.lazy(like)
    assert not like.reads
    assert ba.lazy(like)[3:5, 7].positional.sum().compute() == values[3:5, 7].sum()
    assert sum(np.prod(shape) for shape in like.reads) == 2 * 64
    like.reads.clear()
    plan = (x * 2).sum(axis=0).explain(memory=700 << 10, show="dict")
    assert not like.reads and plan["peak_memory"] <= 700 << 10
    np.testing.assert_array_equal((x * 2).sum(axis=0).compute(memory=700 << 10), (values * 2).sum(axis=0))
    assert len(like.reads) > 8 and sum(np.prod(shape) for shape in like.reads) == values.size
    assert all(shape[1] % 16 == 0 or shape[1] < 16 for shape in like.reads)
    like.reads.clear()
    least, most = ba.compute(x.min(), x.max())
    assert (least, most) == (values.min(), values.max())
    assert sum(np.prod(shape) for shape in like.reads) == values.size


def test_what_a_library_keeps_of_chunks_counts(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    values = elements(0, "float32", (40, 256, 256))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=(4, 64, 64), compression="gzip")
    peaks = []
    for kept in (0, 1 << 20, 5 << 20):
        with h5py.File(tmp_path / "a.h5", "r", rdcc_nbytes=kept) as file:
            # Another name for the same dataset is not counted again.
            x = ba.lazy(file["x"])
            plan = (x * x + x[::-1]).sum(axis=0).explain(memory=32 << 20, show="dict")
            peaks.append(plan["peak_memory"])
            assert plan["peak_memory"] <= 32 << 20
    assert [peak - peaks[0] for peak in peaks] == [0, 1 << 20, 5 << 20]


def test_objects_may_compute_while_they_are_read(tmp_path: Path) -> None:
    inner = Like(elements(1, "int32", (30, 30)), (10, 10))

    class Outer(Like):
        def __getitem__(self, key: Any) -> Any:
            return (ba.lazy(inner)[key] + 1).compute(memory=200 << 10) + super().__getitem__(key)

    outer = Outer(elements(2, "int32", (30, 30)), (10, 10))
    # As it is read by several threads, its own reads are under way in more than one.
    type(outer).under_way = property(lambda _: 1, lambda *_: None)  # type: ignore[assignment]
    found = ba.lazy(outer).sum(axis=0).compute(memory=200 << 10)
    np.testing.assert_array_equal(found, (inner.values + 1 + outer.values).sum(axis=0))


def test_what_is_large_is_not_copied(tmp_path: Path) -> None:
    values = np.zeros((300, 1000))
    x = ba.lazy(values) + 0
    small = ba.lazy(values[0]) + 0
    values[...] = 7
    assert x.sum().compute() == 7 * values.size and small.sum().compute() == 0
    turned = np.asfortranarray(elements(3, "float64", (400, 500)))[::-2, 3:].T
    np.testing.assert_array_equal((ba.lazy(turned) * 2).compute(memory=1 << 20), turned * 2)
    flat = ba.FlatArray(tmp_path / "f.npy", "x", shape=(None, 3), dtype="int16")
    flat.append(np.ones((5, 3), "int16"))
    x = ba.lazy(flat)
    flat.append(np.ones((4, 3), "int16"))
    flat.refresh()
    assert x.shape == (5, 3) and x.sum().compute() == 15 and ba.lazy(flat).shape == (9, 3)
    assert pickle.loads(pickle.dumps(x)).shape == (5, 3)


def test_what_an_object_gives_has_to_be_what_it_says() -> None:
    class Odd(Like):
        def __getitem__(self, key: Any) -> Any:
            return odd(super().__getitem__(key))

    odd: Callable[[Any], Any]

    def failing(x: Any) -> Any:
        raise KeyError("lost")

    cases: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
        (lambda x: x[1:], ba.StorageError, "shape"),
        (lambda x: x.astype("float64"), ba.StorageError, "float64 elements"),
        (lambda x: np.ma.masked_greater(x, 3), ba.StorageError, "masked"),
        (failing, ba.StorageError, "lost"),
    ]
    for odd, error, message in cases:
        with pytest.raises(error, match=message) as raised:
            ba.lazy(Odd(np.arange(10, dtype="int32"))).sum().compute()
        assert isinstance(raised.value.__cause__, Exception) and "reading 0:10 of Odd" in str(raised.value)
    odd = partial(np.ma.masked_greater, value=30)
    assert ba.lazy(Odd(np.arange(10, dtype="int32"))).sum().compute() == 45

    def interrupted(x: Any) -> Any:
        raise KeyboardInterrupt

    odd = interrupted
    with pytest.raises(KeyboardInterrupt):
        ba.lazy(Odd(np.arange(10, dtype="int32"))).sum().compute()


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "S3", "U2", [("a", "i4")]])
def test_types_that_are_not_computed_with_are_refused_by_name(dtype: Any) -> None:
    name = str(np.dtype(dtype))
    for x in (Like(np.zeros(4, dtype)), np.zeros(1 << 20, dtype)):
        with pytest.raises(ba.UnsupportedError) as raised:
            ba.lazy(x)
        assert name in str(raised.value)


def test_objects_are_pickled_as_they_pickle(tmp_path: Path) -> None:
    values = elements(4, "float32")
    x = ba.lazy(made("zarr", values, tmp_path)).sum(axis=1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)).compute(), x.compute())
    with pytest.raises(TypeError, match="h5py"):
        pickle.dumps(ba.lazy(made("h5py", values, tmp_path)))


def test_threads_of_others_and_one_thread_of_ours(tmp_path: Path) -> None:
    """No two threads wait for each other, whoever has the interpreter."""
    made("h5py", elements(5, "int32"), tmp_path).file.close()
    code = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import h5py, numpy as np
import bigarrays as ba
x = h5py.File(sys.argv[1])["x"]
whole = x[...]
def work(k):
    return int((ba.lazy(x) * k).sum().compute(memory=500 << 10)) == int(whole.sum()) * k
with ThreadPoolExecutor(4) as pool:
    assert all(pool.map(work, range(12)))
bits = ba.lazy(x).astype("float64").std(axis=(0, 1)).compute(memory=900 << 10).tobytes()
print(bits.hex())
"""
    path = str(tmp_path / "a.h5")
    ran = []
    for threads in ("1", "2", "5"):
        command = [sys.executable, "-c", code, path]
        done = subprocess.run(command, env={"BIGARRAYS_THREADS": threads}, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        ran.append(done.stdout)
    assert len(set(ran)) == 1
