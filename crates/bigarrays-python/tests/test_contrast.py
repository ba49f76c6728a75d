"""Contrast of volumes, and where they have anything, compared with NumPy and scipy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage  # type: ignore[import-untyped]

import bigarrays as ba


def reference(values: Any, low: Any, high: Any, dtype: str) -> Any:
    """Elements between `low` and `high`, stretched."""
    with np.errstate(all="ignore"):
        share = (values.astype("f8") - low) / (high - low)
    share = np.where(np.isnan(share) & ~np.isnan(values), 0, np.clip(share, 0, 1))
    if np.dtype(dtype).kind == "f":
        return share.astype(dtype)
    info = np.iinfo(dtype)
    placed = np.where(np.isnan(values), info.min, share * float(info.max - info.min) + info.min)
    return np.rint(placed).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
@pytest.mark.parametrize("target", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("by", [None, 2, "x"])
def test_elements_are_stretched_between_percentiles(dtype: str, target: str, by: Any) -> None:
    rng = np.random.default_rng(5)
    values = (rng.gamma(2, 20, (31, 17, 9)) - (0 if dtype[0] == "u" else 60)).astype(dtype)
    values[:, :, 3] = 7
    if np.dtype(dtype).kind == "f":
        values[4, 5, 6] = np.nan
    array = ba.create(f"memory://contrast/{dtype}/{target}/{by}", shape=values.shape, dtype=dtype, format="zarr3", chunk_shape=(8, 8, 8), dimension_names=("x", "y", "z"))
    array[...] = values
    axes = None if by is None else tuple(axis for axis in range(3) if axis != {"x": 0}.get(by, by))
    low, high = np.nanpercentile(values.astype("f8"), [2, 97], axis=axes, keepdims=True)
    found = ba.normalize(array, contrast="2%,97%", by=by, dtype=target)
    assert found.dtype == target
    expected = reference(values, low, high, target)
    computed = found.compute()
    if target == "float32":
        np.testing.assert_allclose(computed, expected, rtol=1e-5, atol=1e-6)
    else:
        # float32 has its percentiles in float32, as NumPy has.
        assert np.abs(computed.astype(int) - expected).max() <= (1 if dtype == "float32" or target == "int16" else 0)
    numbers = ba.normalize(array, contrast=(-10, 30.5), dtype=target).compute()
    np.testing.assert_allclose(numbers, reference(values, -10, 30.5, target), rtol=1e-6, atol=1e-6)


def test_a_value_may_be_left_out_of_percentiles() -> None:
    values = np.random.default_rng(1).integers(50, 200, (40, 30, 8), dtype="uint8")
    values[:20] = 0
    low, high = np.percentile(values[20:], [1, 99])
    found = ba.normalize(values, contrast="1%,99%", ignore=0).compute()
    np.testing.assert_array_equal(found, reference(values, low, high, "uint8"))
    whole = ba.normalize(values, contrast="type", dtype="uint16").compute()
    np.testing.assert_array_equal(whole, values.astype("uint16") * 257)
    wrong: Any = ({"contrast": (3, 3)}, {"contrast": "9%,1%"}, {"by": "q"}, {"contrast": "low"})
    for options in wrong:
        with pytest.raises(ba.InvalidArgumentError):
            ba.normalize(values, **options)
    with pytest.raises(ba.UnsupportedError):
        ba.normalize(values, dtype="bool")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("by", [None, 0])
def test_infinities_are_clipped_and_no_contrast(dtype: str, by: Any) -> None:
    values = np.arange(1000.0).reshape(2, 500).astype(dtype)
    values[:, :30], values[:, 30:60], values[:, 60] = np.inf, -np.inf, np.nan
    finite = np.where(np.isfinite(values), values, np.nan)
    low, high = np.nanpercentile(finite.astype("f8"), [1, 99], axis=None if by is None else 1, keepdims=True)
    found = ba.normalize(values, by=by, dtype="uint8").compute()
    assert (found[:, :30] == 255).all() and (found[:, 30:61] == 0).all()
    assert np.abs(found.astype(int) - reference(values, low, high, "uint8")).max() <= (0 if dtype == "float64" else 1)
    # Nothing but infinities, and those beside one value.
    assert ba.normalize(np.array([np.inf, -np.inf, np.nan], dtype), dtype="uint8").compute().tolist() == [255, 0, 0]
    assert ba.normalize(np.array([np.inf, 3, 3, -np.inf], dtype), dtype="uint8").compute().tolist() == [255, 0, 0, 0]
    assert ba.normalize(np.array([np.inf, 3, 1, -np.inf], dtype), ignore=1, contrast="0%,100%", dtype="uint8").compute().tolist() == [255, 0, 0, 0]


@pytest.mark.parametrize("dtype", ["uint64", "int64"])
@pytest.mark.parametrize("base", [0, 1 << 53, 1 << 60, -(1 << 62), (1 << 63) - 200, (1 << 64) - 200])
def test_narrow_contrasts_of_large_numbers_are_exact(dtype: str, base: int) -> None:
    info = np.iinfo(dtype)
    if not info.min <= base <= info.max - 100:
        pytest.skip("not of the type")
    steps = np.random.default_rng(3).integers(0, 101, (3, 40))
    steps[:, :2] = [0, 100]
    values = np.array([[base + int(step) for step in row] for row in steps], dtype)
    low, high = np.percentile(steps.astype("f8"), [5, 95])
    np.testing.assert_array_equal(ba.normalize(values, contrast="5%,95%", dtype="uint8").compute(), reference(steps, low, high, "uint8"))
    low, high = np.percentile(steps.astype("f8"), [5, 95], axis=1, keepdims=True)
    found = ba.normalize(values, contrast="5%,95%", by=0, dtype="float64").compute()
    np.testing.assert_allclose(found, reference(steps, low, high, "float64"), rtol=1e-12)
    # A value far away that counts in no percentile.
    other = 5 if base > 1000 or base < 0 else 1 << 40
    padded = np.concatenate([values.ravel(), np.full(50, other, dtype)])
    low, high = np.percentile(steps.astype("f8"), [5, 95])
    found = ba.normalize(padded, contrast="5%,95%", ignore=other, dtype="uint8").compute()
    np.testing.assert_array_equal(found[:-50], reference(steps, low, high, "uint8").ravel())
    assert (found[-50:] == (255 if other > base else 0)).all()
    start = base - base % 4096
    found = ba.normalize(values, contrast=(start, start + 4096), dtype="uint8").compute()
    np.testing.assert_array_equal(found, reference(steps + base % 4096, 0, 4096, "uint8"))


def test_contrasts_that_are_no_numbers_of_64_bits_are_refused() -> None:
    values = np.array([1 << 60, (1 << 60) + 100], "uint64")
    with pytest.raises(ba.InvalidArgumentError, match="nearest"):
        ba.normalize(values, contrast=(1 << 60, (1 << 60) + 100))
    with pytest.raises(ba.InvalidArgumentError, match="contrast 50%,50%: expected a lower and a higher percentile"):
        ba.normalize(values, contrast="50%,50%")
    assert ba.normalize(np.zeros((0, 3), "uint64"), contrast="type").compute().shape == (0, 3)


def test_slices_have_histograms_and_percentiles() -> None:
    values = np.random.default_rng(2).integers(0, 256, (12, 40, 30), dtype="uint8")
    lazy = ba.lazy(values)
    counts, edges = lazy.histogram(bins=16, range=(0, 256), axis=(1, 2))
    np.testing.assert_array_equal(counts.compute(), [np.histogram(plane, 16, (0, 256))[0] for plane in values])
    np.testing.assert_array_equal(lazy.quantile([0.01, 0.99], axis=(1, 2)).compute(), np.quantile(values, [0.01, 0.99], axis=(1, 2)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("fill", [0.0, -0.0])
def test_a_zero_is_a_zero_whatever_its_sign(dtype: str, fill: float) -> None:
    array = ba.create(f"memory://roi/{dtype}/{fill}", shape=(6, 5), dtype=dtype, format="zarr3", fill_value=fill, chunk_shape=(3, 5))
    values = np.zeros((6, 5), dtype)
    values[1, 1] = values[2, 3] = -0.0
    array[...] = values
    assert ba.roi(array) is None
    values[4, 2] = -1e-3
    array[...] = values
    assert str(ba.roi(array)) == "4:5,2:3"


@pytest.mark.parametrize("origin", [(0, 0, 0), (-21, -7, 5)])
@pytest.mark.parametrize("share", [0.3, 0.001, 0.0])
def test_the_region_of_interest_is_that_of_numpy(tmp_path: Path, origin: tuple[int, ...], share: float) -> None:
    rng = np.random.default_rng(4)
    kinds: list[dict[str, Any]] = [{}, {"encoding": "compressed_segmentation"}, {"format": "zarr3", "fill_value": 9}, {"format": "ome-zarr"}]
    for number, options in enumerate(kinds):
        fill = options.get("fill_value", 0)
        values = np.full((50, 41, 33), fill, "uint32")
        values[9:44, 17:31, 2:30][rng.random((35, 14, 28)) < share] = 5
        first = (0, 0, 0) if options.get("format") == "zarr3" else origin
        place = tmp_path / f"{number}"
        array = ba.create(place, shape=values.shape, origin=None if options.get("format") == "zarr3" else first, dtype="uint32", chunk_shape=(16, 8, 12), **options)
        # Stored, and nothing but fill.
        array[...] = values
        found = ndimage.find_objects((values != fill).astype(int))
        due = None if not found else tuple((at.start + o, at.stop + o) for at, o in zip(found[0], first, strict=True))
        box = ba.roi(ba.open(place))
        assert (None if box is None else box.ranges) == due
        part = tuple((o + 20, o + 40) for o in first)
        inside = np.argwhere(values[20:40, 20:40, 20:40] != fill)
        box = ba.roi(array, box=part)
        due = None if not len(inside) else tuple(zip(inside.min(0) + np.add(first, 20), inside.max(0) + np.add(first, 21), strict=True))
        assert (None if box is None else box.ranges) == due
        view = array.view[::2, ::-1].transpose(2, 0, 1)
        shown = np.argwhere(view[...] != fill)
        box = ba.roi(view)
        due = None if not len(shown) else tuple(zip(shown.min(0) + view.origin, shown.max(0) + np.add(view.origin, 1), strict=True))
        assert (None if box is None else box.ranges) == due


def test_huge_sparse_layers_cost_what_is_stored(tmp_path: Path) -> None:
    array = ba.create(tmp_path / "a", shape=(200_000, 200_000, 20_000), origin=(-5, 0, 0), dtype="uint64", chunk_shape=(64, 64, 64))
    for x, y, z in [(1000, 150_000, 3), (70_001, 9, 19_999), (-5, 100, 100)]:
        array[x, y, z] = 1
    assert str(ba.roi(array)) == "-5:70002,9:150001,3:20000"
    with pytest.raises(ba.MemoryBudgetError):
        ba.roi(array, memory=1 << 20)
