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


def test_slices_have_histograms_and_percentiles() -> None:
    values = np.random.default_rng(2).integers(0, 256, (12, 40, 30), dtype="uint8")
    lazy = ba.lazy(values)
    counts, edges = lazy.histogram(bins=16, range=(0, 256), axis=(1, 2))
    np.testing.assert_array_equal(counts.compute(), [np.histogram(plane, 16, (0, 256))[0] for plane in values])
    np.testing.assert_array_equal(lazy.quantile([0.01, 0.99], axis=(1, 2)).compute(), np.quantile(values, [0.01, 0.99], axis=(1, 2)))


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
