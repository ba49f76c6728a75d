"""Filters, compared with scipy.ndimage."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage  # type: ignore[import-untyped]
from test_windows import NAMES, REAL, WHOLE, close, computed, elements, stored

import bigarrays as ba

MODES = ["reflect", "nearest", "mirror", "wrap", "constant"]


class Case:
    """Elements, some of their axes, and how they are filtered."""

    def __init__(self, seed: int, types: list[str], largest: int = 12) -> None:
        self.rng = rng = np.random.default_rng(seed)
        shape = [int(length) for length in rng.integers(1, largest, size=rng.integers(1, 4))]
        self.values = elements(rng, shape, rng.choice(types), nans=0)
        self.lazy = stored(rng, self.values).lazy
        count = int(rng.integers(1, len(shape) + 1))
        self.axes = sorted(int(axis) for axis in rng.permutation(len(shape))[:count])
        self.names = [NAMES[axis] for axis in self.axes]
        self.mode = str(rng.choice(MODES))
        self.value = int(rng.integers(0, 2)) if self.mode == "constant" else 0

    @property
    def ours(self) -> dict[str, Any]:
        return {"axes": self.names if len(self.names) < self.values.ndim else None, "boundary": self.mode, "fill_value": self.value}

    @property
    def theirs(self) -> dict[str, Any]:
        return {"mode": self.mode, "cval": self.value, "axes": tuple(self.axes)}

    def sizes(self, most: int = 6) -> list[int]:
        return [int(size) for size in self.rng.integers(1, most, size=len(self.axes))]

    def origins(self, sizes: list[int]) -> list[int]:
        return [int(self.rng.integers(-(size // 2), (size - 1) // 2 + 1)) for size in sizes]

    def footprint(self, most: int = 5) -> NDArray[np.bool_]:
        made = self.rng.random(self.sizes(most)) < 0.6
        made.flat[self.rng.integers(0, made.size)] = True
        return made


@pytest.mark.parametrize("seed", range(24))
def test_filters_with_weights(seed: int) -> None:
    case = Case(seed, [*REAL, "uint8", "int16"])
    wide = case.values.astype("float64")
    sizes = case.sizes()
    origins = case.origins(sizes)
    found = computed(case.lazy.uniform_filter(sizes, origin=origins, **case.ours))
    assert found.dtype == (case.values.dtype if case.values.dtype.kind == "f" else np.float64)
    close(found, ndimage.uniform_filter(wide, sizes, origin=origins, **case.theirs))
    sigmas = [float(sigma) for sigma in case.rng.random(len(sizes)) * 1.5]
    orders = [int(order) for order in case.rng.integers(0, 3, size=len(sizes))]
    close(
        computed(case.lazy.gaussian_filter(sigmas, order=orders, **case.ours)),
        ndimage.gaussian_filter(wide, sigmas, order=orders, **case.theirs),
    )
    weights = case.rng.normal(size=sizes)
    for ours, theirs in [(case.lazy.correlate, ndimage.correlate), (case.lazy.convolve, ndimage.convolve)]:
        expected = theirs(wide, weights, origin=origins, **case.theirs)
        close(computed(ours(weights, origin=origins, **case.ours)), expected)
    if len(case.axes) == case.values.ndim:
        plain = {"mode": case.mode, "cval": case.value}
        for axis in range(case.values.ndim):
            close(computed(case.lazy.sobel(axis, **case.ours)), ndimage.sobel(wide, axis, **plain))
            close(computed(case.lazy.prewitt(axis, **case.ours)), ndimage.prewitt(wide, axis, **plain))
        close(computed(case.lazy.laplace(**case.ours)), ndimage.laplace(wide, **plain))
        close(
            computed(case.lazy.gaussian_gradient_magnitude(1, **case.ours)),
            ndimage.gaussian_gradient_magnitude(wide, 1, **plain),
        )


def in_footprint(
    theirs: Any, values: NDArray[Any], footprint: NDArray[np.bool_], origin: list[int], case: Case, options: dict[str, Any]
) -> NDArray[Any]:
    """As scipy has it in more than one dimension: in one, its ranks leave the footprint out of account."""
    if values.ndim > 1:
        made = theirs(values, footprint=footprint, origin=tuple(origin), **options, **case.theirs)
        return np.asarray(made)
    plain = {"mode": case.mode, "cval": case.value}
    return np.asarray(theirs(values[None], footprint=footprint[None], origin=(0, *origin), **options, **plain)[0])


@pytest.mark.parametrize("seed", range(30))
def test_filters_by_order(seed: int) -> None:
    case = Case(seed, [*REAL, *WHOLE])
    values = case.values.astype("uint8") if case.values.dtype == bool else case.values
    sizes = case.sizes()
    origins = case.origins(sizes)
    footprint = case.footprint()
    moved = case.origins(list(footprint.shape))
    filters: dict[str, dict[str, Any]] = {
        "minimum_filter": {},
        "maximum_filter": {},
        "median_filter": {},
        "percentile_filter": {"percentile": float(case.rng.choice([0, 20, 50, -10, 100]))},
    }
    for name, options in filters.items():
        ours, theirs = getattr(case.lazy, name), getattr(ndimage, name)
        found = computed(ours(size=sizes, origin=origins, **options, **case.ours))
        assert found.dtype == case.values.dtype
        expected = theirs(values, size=tuple(sizes), origin=tuple(origins), **options, **case.theirs)
        np.testing.assert_array_equal(found, expected)
        found = computed(ours(footprint=footprint, origin=moved, **options, **case.ours))
        np.testing.assert_array_equal(found, in_footprint(theirs, values, footprint, moved, case, options))
    rank = int(case.rng.integers(-footprint.sum(), footprint.sum()))
    found = computed(case.lazy.rank_filter(rank, footprint=footprint, **case.ours))
    none = [0] * footprint.ndim
    np.testing.assert_array_equal(found, in_footprint(ndimage.rank_filter, values, footprint, none, case, {"rank": rank}))


@pytest.mark.parametrize("seed", range(16))
def test_masks_and_labels(seed: int) -> None:
    case = Case(seed, ["bool"], largest=9)
    values = case.rng.random(case.values.shape) < 0.7
    lazy = stored(case.rng, values).lazy
    footprint = case.footprint(4)
    origins = case.origins(list(footprint.shape))
    count = int(case.rng.integers(1, 4))
    value = bool(case.value)
    options: dict[str, Any] = {"origin": origins, "iterations": count, "axes": case.names, "boundary": "constant", "fill_value": value}
    theirs: dict[str, Any] = {"origin": tuple(origins), "iterations": count, "axes": tuple(case.axes), "border_value": int(value)}
    expected = ndimage.binary_erosion(values, footprint, **theirs)
    np.testing.assert_array_equal(computed(lazy.erosion(footprint=footprint, **options)), expected)
    expected = ndimage.binary_dilation(values, footprint, **theirs)
    np.testing.assert_array_equal(computed(lazy.dilation(footprint=footprint, **options)), expected)
    labels = case.rng.integers(0, 3, size=values.shape).astype("uint32")
    lazy = stored(case.rng, labels).lazy
    plain: dict[str, Any] = {"footprint": footprint, "axes": tuple(case.axes), "mode": "constant", "cval": 0, "origin": tuple(origins)}
    least, most = ndimage.minimum_filter(labels, **plain), ndimage.maximum_filter(labels, **plain)
    ours: dict[str, Any] = {"footprint": footprint, "axes": case.names, "origin": origins}
    same = (least == labels) & (most == labels)
    np.testing.assert_array_equal(computed(lazy.erosion(**ours)), np.where(same, labels, 0))
    grown = ndimage.grey_dilation(labels, footprint=footprint, mode="constant", cval=0, axes=tuple(case.axes), origin=tuple(origins))
    np.testing.assert_array_equal(computed(lazy.dilation(**ours)), np.where(labels == 0, grown, labels))


def test_large_footprints_nans_and_columns() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 255, size=(9, 40, 70)).astype("uint8")
    lazy = stored(rng, values).lazy
    sizes: list[int | tuple[int, ...]] = [3, 5, (1, 7, 7), (9, 9, 9), (1, 1, 27), (27, 1, 1)]
    for size in sizes:
        found = computed(lazy.median_filter(size))
        np.testing.assert_array_equal(found, ndimage.median_filter(values, size))
    wide = rng.normal(size=(30, 40))
    wide[rng.random(wide.shape) < 0.1] = np.nan
    found = computed(stored(rng, wide).lazy.median_filter(3))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(wide, 1, mode="symmetric"), (3, 3)).reshape(30, 40, 9)
    np.testing.assert_array_equal(found, np.sort(windows, axis=-1)[..., 4])
    channels = rng.normal(size=(20, 30, 3)).astype("float32")
    array = ba.create("memory://filters/channels", shape=channels.shape, dtype="float32", format="zarr3", dimension_names=["y", "x", "c"])
    array[...] = channels
    expected = ndimage.median_filter(channels, (5, 5, 1))
    np.testing.assert_array_equal(computed(array.lazy.median_filter(5)), expected)
    close(computed(array.lazy.gaussian_filter(1)), ndimage.gaussian_filter(channels.astype("float64"), (1, 1, 0)))


def test_mistakes() -> None:
    x = ba.lazy(np.ones((4, 5)))
    mistakes: list[tuple[Callable[[], Any], str]] = [
        (lambda: x.median_filter((3, 3, 3)), "3 entries for 2 axes"),
        (lambda: x.median_filter(), "either size= or footprint="),
        (lambda: x.median_filter(3, origin=2), "moved by 2"),
        (lambda: x.correlate([[1, 2], [3]]), "inhomogeneous"),
        (lambda: x.correlate([1, 2, 3]), "shape"),
        (lambda: x.median_filter(0), "0 elements"),
        (lambda: x.gaussian_filter(-1), "sigma"),
        (lambda: x.rank_filter(9, 3), "rank 9 of 9"),
        (lambda: x.uniform_filter(3, boundary="edge"), "known are nearest"),
        (lambda: x.sobel(0, axes=1), "axis 0"),
    ]
    for wrong, match in mistakes:
        with pytest.raises((ba.InvalidArgumentError, ValueError), match=match):
            wrong()
    with pytest.raises(ba.UnsupportedError, match="minimum_filter"):
        x.erosion()
    with pytest.raises(ba.MemoryBudgetError):
        ba.lazy(np.ones((2000, 2000))).uniform_filter(900).compute(memory=1 << 20)


def test_ctrl_c_is_heard_within_a_block() -> None:
    x = ba.lazy(np.random.default_rng(0).integers(0, 255, (200, 300, 200), dtype="u1"))
    # Each would take minutes.
    works: list[Any] = [
        x.median_filter(15),
        x.astype("f8").correlate(np.ones((9, 9, 9))),
        x.astype("f4").rolling(199, axis=0).median(),
    ]
    for work in works:
        timer = threading.Timer(0.5, signal.raise_signal, (signal.SIGINT,))
        begun = time.monotonic()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            work.sum().compute()
        timer.join()
        assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    "options", [{"sigma": 1e10}, {"sigma": 1e300}, {"sigma": 1.0, "truncate": 1e12}, {"sigma": 1.0, "radius": 2**40}]
)
def test_gaussians_that_end_too_far_away_are_refused(options: Any) -> None:
    with pytest.raises(ba.InvalidArgumentError, match="elements from its middle; at most it is"):
        ba.lazy(np.ones((6, 8))).gaussian_filter(**options)
