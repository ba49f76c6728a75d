"""Histograms, counts, distinct elements and the largest ones, compared with NumPy's."""

import pickle
from typing import Any

import numpy as np
import pytest
from test_lazy import TYPES, elements, same, stored

import bigarrays as ba

AXES: list[Any] = [None, 0, 1, (0, 2), (1, 2)]


def a_case(seed: int) -> tuple[Any, ba.Array]:
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 12, 3).tolist()
    values = elements(rng, shape, TYPES[seed % len(TYPES)])
    if values.dtype.kind == "f":
        values = np.where(np.abs(values) < 1e4, values, np.nan).astype(values.dtype)
    chunk = [int(rng.integers(1, length + 1)) for length in shape]
    return values, stored(values, chunk, rng.integers(-5, 6, 3).tolist())


def along(values: Any, axis: Any, f: Any) -> Any:
    """What `f` gives of the elements along the axes, whose result stands where the first of them was."""
    axes = list(range(values.ndim)) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    kept = [one for one in range(values.ndim) if one not in axes]
    flat = values.transpose(*kept, *axes).reshape(*[values.shape[one] for one in kept], -1)
    made = np.stack([f(flat[index]) for index in np.ndindex(flat.shape[:-1])])
    made = made.reshape(*flat.shape[:-1], -1)
    return np.moveaxis(made, -1, min(axes))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("seed", range(12))
def test_histograms_are_those_of_numpy(seed: int, axis: Any) -> None:
    values, array = a_case(seed)
    wide = values.astype("float64")
    for edges in ([-3.0, -1, 0, 0.25, 1, 4], np.linspace(-2, 3, 18).tolist(), [0.0, 1.0]):
        counts, found_edges = array.lazy.histogram(edges, axis=axis)
        assert np.asarray(found_edges).tolist() == edges
        same(counts.compute(memory=2 << 20), along(wide, axis, lambda one, edges=edges: np.histogram(one, edges)[0]))
        weights = np.random.default_rng(seed).integers(0, 9, values.shape)
        weighted, _ = array.lazy.histogram(edges, axis=axis, weights=weights)
        if axis is None:
            expected = np.histogram(wide, edges, weights=weights)[0]
            np.testing.assert_array_equal(weighted.compute(), expected)
    counts, edges = array.lazy.histogram(7, (-1.5, 2.5), axis)
    np.testing.assert_array_equal(edges, np.linspace(-1.5, 2.5, 8))
    same(counts.compute(), along(wide, axis, lambda one: np.histogram(one, 7, (-1.5, 2.5))[0]))


@pytest.mark.parametrize("seed", range(12))
def test_automatic_bins_are_those_of_numpy(seed: int) -> None:
    values, array = a_case(seed)
    # Of numbers that are far apart, rules make more bins than anybody has room for.
    values = np.nan_to_num(values) if values.dtype.kind == "f" else (values if values.dtype == bool else values % 100)
    x = stored(values, array.chunk_shape, array.domain.origin).lazy
    wide = values.astype("float64")
    for bins in (1, 10, "sqrt", "sturges", "rice", "scott", "fd", "auto"):
        counts, edges = x.histogram(bins)
        of = values if values.dtype.kind in "iu" and isinstance(bins, str) else wide
        if isinstance(bins, str) and not np.isfinite(np.ptp(of)):
            continue
        expected_edges = np.histogram_bin_edges(of, bins)
        assert np.asarray(edges).shape == expected_edges.shape, bins
        expected = np.histogram(wide, expected_edges)[0]
        np.testing.assert_allclose(np.asarray(edges), expected_edges, rtol=1e-15, atol=1e-300)
        # An element that an edge is rounded past may lie in the next bin.
        assert np.abs(counts.compute() - expected).sum() <= 2 and counts.sum().compute() == expected.sum()
    for bins in ("sturges", "auto", "fd", "scott"):
        counts, edges = x.histogram(bins, (-2, 3))
        expected, expected_edges = np.histogram(wide, bins, (-2, 3))
        np.testing.assert_allclose(edges, expected_edges, rtol=1e-15)
        np.testing.assert_array_equal(counts.compute(), expected)
    with pytest.raises(ba.InvalidArgumentError, match="unknown bins"):
        x.histogram("some")
    with pytest.raises(ba.UnsupportedError, match="bins='doane', for which more"):
        x.histogram("doane")
    with pytest.raises(ba.InvalidArgumentError, match="which have weights"):
        x.histogram("auto", weights=values)
    with pytest.raises(ba.InvalidArgumentError, match="goes by all elements"):
        x.histogram("fd", axis=0)
    with pytest.raises(ba.InvalidArgumentError, match="ascending"):
        x.histogram([1, 0])


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint64", "bool"])
def test_counts_are_those_of_numpy(dtype: str, axis: Any) -> None:
    rng = np.random.default_rng(7)
    values = rng.integers(0, 2 if dtype == "bool" else 9, (6, 7, 8)).astype(dtype)
    x = stored(values, (2, 3, 8), (1, -2, 0)).lazy
    same(x.bincount(9, axis).compute(), along(values.astype("int64"), axis, lambda one: np.bincount(one, minlength=9)))
    weights = rng.normal(size=values.shape)
    if axis is None:
        expected = np.bincount(values.reshape(-1).astype("int64"), weights.reshape(-1), 9)
        np.testing.assert_allclose(x.bincount(9, weights=weights).compute(), expected, rtol=1e-12)
    if dtype != "bool":
        with pytest.raises(ba.InvalidArgumentError, match="none of the 5"):
            x.bincount(5, axis).compute()
        dropped = along(values.astype("int64"), axis, lambda one: np.bincount(one, minlength=9)[:5])
        same(x.bincount(5, axis, drop=True).compute(memory=2 << 20), dropped)
    with pytest.raises(ba.InvalidArgumentError, match="whole numbers"):
        (x * 1.0).bincount(3)


@pytest.mark.parametrize("seed", range(24))
def test_distinct_elements_are_those_of_numpy(seed: int) -> None:
    values, array = a_case(seed)
    names, counts = ba.unique(array, return_counts=True)
    expected, expected_counts = np.unique(values, return_counts=True)
    np.testing.assert_array_equal(names, expected)
    assert names.dtype == values.dtype
    np.testing.assert_array_equal(counts, expected_counts)
    np.testing.assert_array_equal(ba.unique(array.lazy), expected)


def test_distinct_elements_of_whole_numbers_are_counted_if_they_are_near() -> None:
    large = np.array([2**63 + 5, 2**63 + 7, 2**63 + 5], "uint64")
    names, counts = ba.unique(large, return_counts=True)
    assert names.tolist() == [2**63 + 5, 2**63 + 7] and counts.tolist() == [2, 1] and names.dtype == np.uint64
    assert ba.unique(np.array([-(2**62), 2**62, 0])).tolist() == [-(2**62), 0, 2**62]
    assert ba.unique(np.zeros((0, 3), "int32")).tolist() == []


@pytest.mark.parametrize("seed", range(12))
def test_the_largest_elements_are_those_of_numpy(seed: int) -> None:
    values, array = a_case(seed)
    for axis in range(3):
        k = max(1, values.shape[axis] // 2)
        ordered = np.sort(values, axis=axis)
        found = array.lazy.topk(k, axis, least=True)
        np.testing.assert_array_equal(found.compute(), np.take(ordered, range(k), axis))
        if values.dtype.kind == "f":
            ordered = -np.sort(-values, axis=axis)
        else:
            ordered = np.flip(ordered, axis)
        np.testing.assert_array_equal(array.lazy.topk(k, axis).compute(memory=2 << 20), np.take(ordered, range(k), axis))
    with pytest.raises(ba.InvalidArgumentError, match="elements along"):
        array.lazy.topk(values.shape[0] + 1, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "float16"])
@pytest.mark.parametrize("axis", [None, 0])
def test_approximate_quantiles_are_as_near_as_they_say(axis: Any, dtype: str) -> None:
    rng = np.random.default_rng(4)
    values = (rng.lognormal(3, 2, (3000, 3)) * rng.choice([-1, 1], (3000, 3))).clip(-3e4, 3e4).astype(dtype)
    x = stored(values, (500, 2), (0, 0)).lazy
    q = [0.0, 0.01, 0.3, 0.5, 0.77, 1.0]
    found = x.approx_quantile(q, axis)
    ranks = np.round(np.array(q) * (values.size if axis is None else 3000) - np.array(q)).astype(int)
    ordered = np.sort(values.astype("float64"), axis=axis) if axis is not None else np.sort(values.astype("float64").reshape(-1))
    expected = ordered[ranks]
    near = np.abs(found.compute() - expected) <= np.abs(expected) / 256 * (1.001 if dtype != "float16" else 1.3)
    assert near.all()
    one = x.approx_quantile(0.5, axis)
    same(one.compute(), found.compute()[3])
    assert one.compute(memory=64 << 20).tobytes() == one.compute().tobytes()
    if values.dtype.kind == "f":
        values[5, 1] = np.nan
        y = stored(values, (500, 2), (0, 0)).lazy
        assert np.isnan(np.asarray(y.approx_quantile(0.5, axis).compute())).any()
        assert not np.isnan(np.asarray(y.approx_quantile(0.5, axis, skips=True).compute())).any()


def test_approximate_quantiles_of_what_float32_does_not_reach() -> None:
    x = ba.lazy([1e300, 1.0, -1e300, 1e-300])
    np.testing.assert_array_equal(x.approx_quantile([0, 1]).compute(), [-np.inf, np.inf])
    assert abs(x[1:2].approx_quantile(0.5).compute() - 1) <= 1 / 256 and x[3:].approx_quantile(0.5).compute() == 0


def test_counts_can_be_pickled_and_explained() -> None:
    a = np.arange(12.0).reshape(3, 4)
    counts, _ = ba.lazy(a).histogram([0, 4, 12], weights=a)
    same(pickle.loads(pickle.dumps(counts)).compute(), np.histogram(a, [0, 4, 12], weights=a)[0])
    counts, edges = ba.lazy(a).histogram(3)
    assert len(ba.explain(counts, edges, show="dict")["passes"]) >= 2
