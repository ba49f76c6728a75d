"""Labels that are any whole numbers, compared with NumPy's of the elements of each."""

import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_groups import expected_of
from test_lazy import TYPES, elements, stored
from test_ways import bytes_read

import bigarrays as ba

NAMES = ["sum", "prod", "mean", "min", "max", "any", "all", "count_nonzero", "nansum", "nanmean", "nanmin", "nanmax"]
#: More groups than have cells before they are met.
MANY = (1 << 22) + 3


def ids(rng: np.random.Generator, shape: Any, dtype: str, count: int) -> NDArray[Any]:
    """Labels in runs, as those of segments are, of some numbers among all that the type has."""
    info = np.iinfo(dtype)
    low = max(int(info.min), -(1 << 62))
    known = rng.integers(low, int(info.max), count, dtype=dtype, endpoint=True)
    numbers = np.repeat(rng.integers(0, count, max(int(np.prod(shape)) // 3, 1)), 3)
    return known[np.resize(numbers, shape)]


def of_each(values: NDArray[Any], labels: NDArray[Any], name: str) -> NDArray[Any]:
    there = np.unique(labels[labels >= 0] if labels.dtype.kind == "i" else labels)
    return np.array([expected_of(name, values[labels == label]) for label in there])


def agree(found: NDArray[Any], expected: NDArray[Any], name: str, dtype: Any) -> None:
    if name in ("min", "max", "nanmin", "nanmax", "any", "all", "count_nonzero"):
        np.testing.assert_array_equal(found, expected)
    elif dtype.kind == "f":
        rtol = {"float16": 2e-3, "float32": 3e-7}.get(str(expected.dtype), 1e-12)
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=6e-8 if expected.dtype.itemsize == 2 else 1e-15)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_statistics_of_labels_are_those_of_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ndim = int(rng.integers(1, 4))
    shape = rng.integers(1, [0, 90, 20, 12][ndim], ndim).tolist()
    dtype = TYPES[seed % len(TYPES)]
    values = elements(rng, shape, dtype)
    if values.dtype.kind == "f":
        small = rng.normal(size=shape).astype(dtype)
        values = np.where(rng.random(shape) < 0.05, rng.choice([np.nan, np.inf, -0.0], shape), small).astype(dtype)
    labels = ids(rng, shape, ["uint64", "int64", "int8", "uint32"][seed % 4], int(rng.integers(1, 30)))
    chunk = [int(rng.integers(1, length + 1)) for length in shape]
    origin = rng.integers(-9, 9, ndim).tolist()
    x = stored(values, chunk, origin)
    beside = stored(labels, [max(one // 2, 1) for one in chunk], origin)

    there, found = ba.label_statistics(x, beside, ["size", "count", *NAMES], memory=64 << 20)
    names = np.unique(labels[labels >= 0] if labels.dtype.kind == "i" else labels)
    np.testing.assert_array_equal(there, names)
    assert list(found) == ["size", "count", *NAMES]
    np.testing.assert_array_equal(found["size"], [(labels == name).sum() for name in names])
    np.testing.assert_array_equal(found["count"], [(values[labels == name] == values[labels == name]).sum() for name in names])
    is_float = values.dtype.kind == "f"
    for name in NAMES:
        expected = of_each(values, labels, name if is_float else name.removeprefix("nan"))
        assert len(names) == 0 or found[name].dtype == expected.dtype
        if len(names):
            agree(found[name], expected, name, values.dtype)


def test_bits_of_statistics_are_the_same_for_all_chunks_and_budgets() -> None:
    rng = np.random.default_rng(100)
    # Two segments along the first axis.
    shape = (2200, 2048)
    values = rng.normal(size=shape).astype("float32")
    labels = ids(rng, shape, "uint64", 5000)
    want = None
    for chunk, memory in (((64, 2048), 1 << 30), ((370, 700), 96 << 20)):
        x, beside = stored(values, list(chunk), [0, 0]), stored(labels, list(chunk), [0, 0])
        there, found = ba.label_statistics(x, beside, ["sum", "mean"], memory=memory)
        got = (there.tobytes(), *(one.tobytes() for one in found.values()))
        want = want or got
        assert got == want
    expected = np.array([values[labels == name].astype("float64").sum() for name in there[:20]])
    np.testing.assert_allclose(found["sum"][:20], expected, rtol=1e-5, atol=1e-4)
    # Groups of numbers in memory are folded in the same order.
    numbers = np.searchsorted(there, labels)
    sums = ba.lazy(values).groupby(numbers).sum().compute()
    assert sums.tobytes() == found["sum"].tobytes()


def test_labels_lie_along_axes_and_the_others_are_reduced() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(6, 5, 7))
    zones = rng.integers(-1, 4, (5, 7)) * 1000
    there, found = ba.label_statistics(values, zones, ["mean", "std", "first"], axis=(1, 2))
    assert there.tolist() == [0, 1000, 2000, 3000]
    for at, zone in enumerate(there):
        own = values[:, zones == zone]
        np.testing.assert_allclose([found["mean"][at], found["std"][at]], [own.mean(), own.std()])
        assert found["first"][at] == own[0, 0]
    turned = ba.label_statistics(values, zones.T, "sum", axis=(2, 1))[1]["sum"]
    np.testing.assert_allclose(turned, found["mean"] * 6 * [(zones == zone).sum() for zone in there])


class Other:
    """What another library reads."""

    def __init__(self, of: NDArray[Any]) -> None:
        self.of, self.shape, self.dtype = of, of.shape, of.dtype

    def __getitem__(self, key: Any) -> Any:
        return self.of[key]


def test_labels_of_another_library_are_read_as_they_lie() -> None:
    values, labels = np.arange(24.0).reshape(4, 6), np.arange(24).reshape(4, 6) % 5 + (1 << 40)
    there, found = ba.label_statistics(stored(values, [2, 3], [7, -7]), Other(labels), "sum")
    np.testing.assert_array_equal(there, np.arange(5) + (1 << 40))
    np.testing.assert_array_equal(found["sum"], np.bincount(labels.ravel() - (1 << 40), values.ravel()))


def test_what_labels_cannot_be_is_said() -> None:
    x = ba.lazy([1, 2, 3])
    for labels, of, message in (
        ([0.5, 1, 2], "sum", "no whole numbers"),
        ([1, 2], "sum", "labels of shape"),
        ([1, 2, 3], "argmin", "unknown of="),
        ([1, 2, 3], [], "unknown of="),
    ):
        with pytest.raises(ba.InvalidArgumentError, match=message):
            ba.label_statistics(x, labels, of)
    there, found = ba.label_statistics(x, [-1, -1, -2], ["sum", "size"])
    assert there.shape == found["sum"].shape == found["size"].shape == (0,)


def test_more_labels_than_the_memory_has_room_for_are_refused_with_the_figure(tmp_path: Path) -> None:
    labels = ba.create(tmp_path / "labels.zarr", shape=(1 << 21,), dtype="uint64", chunk_shape=(1 << 16,), format="zarr3")
    labels[...] = np.arange(1 << 21, dtype="uint64") * 977
    with pytest.raises(ba.MemoryBudgetError, match="cells of labels take [0-9]+ bytes"):
        ba.label_statistics(labels, labels, "sum", memory=64 << 20)
    there, found = ba.label_statistics(labels, labels, "sum", memory=2 << 30)
    np.testing.assert_array_equal(there, found["sum"])


@pytest.mark.parametrize("seed", range(8))
def test_labels_that_are_stored_are_found_in_a_list(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (30, 17)
    values = rng.normal(size=shape)
    labels = ids(rng, shape, ["uint64", "int64"][seed % 2], 12)
    if labels.dtype.kind == "i":
        labels[:2] = -5
    there = np.unique(labels[labels >= 0] if labels.dtype.kind == "i" else labels)
    names = rng.permutation(there)
    x = ba.lazy(values)
    grouped = x.groupby(stored(labels, [7, 9], [0, 0]).lazy.positional, expected=names)
    assert grouped.labels.tolist() == names.tolist()
    sums = np.array([values[labels == name].sum() for name in names])
    np.testing.assert_allclose(grouped.sum().compute(), sums)
    medians = np.array([np.median(values[labels == name]) for name in names])
    np.testing.assert_allclose(grouped.median().compute(), medians)
    back = (grouped - grouped.mean()).compute(memory=8 << 20)
    expected = values - sum((labels == name) * values[labels == name].mean() for name in names)
    expected[~np.isin(labels, names)] = np.nan
    np.testing.assert_allclose(back, expected, atol=1e-12)
    some = x.groupby(stored(labels, [7, 9], [0, 0]).lazy.positional, expected=names[1:])
    with pytest.raises(ba.InvalidArgumentError, match="a label is none of the"):
        some.sum().compute()
    dropped = x.groupby(stored(labels, [7, 9], [0, 0]).lazy.positional, expected=names[1:], drop=True)
    np.testing.assert_allclose(dropped.sum().compute(), sums[1:])


def test_many_groups_have_cells_once_they_are_met(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(40, 3, 50))
    labels = np.repeat(rng.integers(0, MANY, (40, 10)), 5, axis=1)
    labels[rng.random(labels.shape) < 0.1] = -1
    x = stored(values, [16, 2, 50], [0, 0, 0])
    grouped = x.lazy.groupby(labels, axis=(0, 2), expected=MANY)
    assert "labels up to" in grouped.sum().explain(memory=1 << 30)
    there = np.unique(labels[labels >= 0])
    sums, means, largest = ba.compute(grouped.sum(), grouped.mean(), grouped.max(), memory=2 << 30)
    assert sums.shape == (MANY, 3)
    for at, label in enumerate(there):
        own = values.transpose(0, 2, 1)[labels == label]
        np.testing.assert_allclose(sums[label], own.sum(0))
        np.testing.assert_allclose(means[label], own.mean(0))
        np.testing.assert_array_equal(largest[label], own.max(0))
        if at > 20:
            break
    others = np.setdiff1d(np.arange(100_000), there)
    assert not sums[others].any() and np.isnan(means[others]).all() and np.isnan(largest[others]).all()
    whole = grouped._of.astype("int64", out_of_range="clip").groupby(labels, axis=(0, 2), expected=MANY)
    empty = int(np.setdiff1d(np.arange(10_000), there)[0])
    with pytest.raises(ba.InvalidArgumentError, match=f"min of group {empty}, which has no elements"):
        whole.min().compute(memory=2 << 30)
    with pytest.raises(ba.InvalidArgumentError, match=f"the label {labels.max()} is none"):
        x.lazy.groupby(ba.lazy(labels), axis=(0, 2), expected=int(labels.max())).sum().compute(memory=2 << 30)


def test_many_groups_are_saved_and_resumed(tmp_path: Path) -> None:
    labels = np.random.default_rng(3).integers(0, MANY, (300, 40))
    x = stored(np.ones((300, 40), "float32"), [50, 40], [0, 0])
    counts = x.lazy.groupby(labels, expected=MANY).sum()
    for resume in (False, str(tmp_path / "journal")):
        out = tmp_path / f"out-{bool(resume)}.zarr"
        saved = counts.save(out, format="zarr3", chunk_shape=(1 << 20,), memory=1 << 30, resume=resume)
        with warnings.catch_warnings():
            expected = np.bincount(labels.ravel(), minlength=MANY)
        np.testing.assert_array_equal(saved[...], expected)


def on_disk(folder: Path) -> tuple[ba.Array, ba.Array]:
    """Elements and labels of 64 segments."""
    rng = np.random.default_rng(3)
    shape, arrays = (64 * 32, 96), []
    for name, values in (("x", rng.normal(size=shape).astype("float32")), ("labels", ids(rng, shape, "uint64", 500))):
        array = ba.create(folder / name, shape=shape, dtype=values.dtype, chunk_shape=(32, 96), format="zarr3")
        array[...] = values
        arrays.append(array)
    return arrays[0], arrays[1]


OF = ["size", "count", "sum", "mean", "std", "first"]


def same_table(found: tuple[NDArray[Any], dict[str, NDArray[Any]]], expected: tuple[NDArray[Any], dict[str, NDArray[Any]]]) -> None:
    np.testing.assert_array_equal(found[0], expected[0], strict=True)
    for name in OF:
        np.testing.assert_array_equal(found[1][name], expected[1][name], strict=True, err_msg=name)


KILLED = """
import os, signal, sys
import bigarrays as ba
sys.path.insert(0, sys.argv[1])
from test_labels import OF
x, labels, share = ba.open(sys.argv[2] + "/x"), ba.open(sys.argv[2] + "/labels"), float(sys.argv[3])
def end(done, total):
    if done >= share * total:
        os.kill(os.getpid(), signal.SIGKILL)
ba.label_statistics(x, labels, OF, resume=sys.argv[2] + "/journal", progress=end)
"""


def test_label_statistics_go_on_where_they_were_killed(tmp_path: Path) -> None:
    on_disk(tmp_path)
    x, labels = (ba.open(tmp_path / name) for name in ("x", "labels"))
    expected = ba.label_statistics(x, labels, OF)
    of_all = bytes_read()
    ba.label_statistics(x, labels, OF)
    of_all = bytes_read() - of_all
    for share in ("0.3", "0.6"):
        command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path), share]
        assert subprocess.run(command).returncode == -signal.SIGKILL
    before = bytes_read()
    found = ba.label_statistics(x, labels, OF, resume=tmp_path / "journal", memory=64 << 20)
    taken = bytes_read() - before
    same_table(found, expected)
    # Tables of what was folded are read instead of elements.
    assert taken < 0.8 * of_all, (taken, of_all)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "x"]


def test_label_statistics_of_what_has_changed_are_made_again(tmp_path: Path) -> None:
    x, labels = on_disk(tmp_path)

    def stop(done: int, total: int) -> None:
        if done >= total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ba.label_statistics(x, labels, OF, resume=tmp_path / "journal", progress=stop)
    x[3, 5], labels[40, 7] = 1e6, 7
    with pytest.warns(UserWarning, match="done again"):
        found = ba.label_statistics(x, labels, OF, resume=tmp_path / "journal")
    same_table(found, ba.label_statistics(x, labels, OF))
    with pytest.raises(KeyboardInterrupt):
        ba.label_statistics(x, labels, OF, resume=tmp_path / "journal", progress=stop)
    with pytest.raises(ba.InvalidArgumentError, match="the journal of another job"):
        ba.label_statistics(x, labels, ["sum"], resume=tmp_path / "journal")
