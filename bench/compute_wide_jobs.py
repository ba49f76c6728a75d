"""Jobs of windows, groups, order statistics and other chunks, which bench/compute.py --wide has each tool compute; see compute_jobs.py.

What a job needs beside the cube, such as zones, a volume or a year of hours, lies beside it, and is made once, before anything is measured.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bigarrays
import numpy as np
from compute_jobs import CHUNK, PENCILS, Job, aside, beside, copy_by_read_and_write, new, opened, rechunk, slabs, without_this_folder, xarray_of

#: Times of a cycle, such as months of years.
CYCLE = 12
ROLLING = 7
ZONES = 3000
#: A day, and the days of a window of the climatology.
DAY, WINDOW = 24, 61
#: A year of hours, scaled down.
HOURLY, HOURLY_CHUNK = (8760, 90, 180), (744, 18, 45)
VOLUME = (256, 256, 256)

Array = bigarrays.Array


def months(a: Array) -> Any:
    return np.arange(a.shape[0]) % CYCLE


def zones(a: Array) -> Any:
    """Zones of a map: cells around random places, as counties are."""
    rng = np.random.default_rng(3)
    places = rng.random((ZONES, 2)) * a.shape[1:]
    found = np.zeros(a.shape[1:], np.int64)
    for row in range(a.shape[1]):
        far = np.abs(places[:, :1].T - row) + np.abs(np.arange(a.shape[2])[:, None] - places[:, 1:].T)
        found[row] = far.argmin(axis=1)
    return found


def kept_zones(a: Array) -> Any:
    place = beside(Path(a.url), "zones").with_suffix(f".{'x'.join(map(str, a.shape[1:]))}.npy")
    if not place.exists():
        np.save(place, zones(a))
    return np.load(place)


def volume(a: Array) -> Array:
    place = beside(Path(a.url), "volume")
    if not place.exists():
        made = bigarrays.create(place, shape=VOLUME, dtype="uint8", chunk_shape=(64, 64, 64), format="zarr3")
        rng = np.random.default_rng(4)
        for first in range(0, VOLUME[0], 64):
            made[first : first + 64] = rng.integers(0, 255, (64, *VOLUME[1:]), dtype="uint8")
    return bigarrays.open(place)


def hourly(a: Array) -> Array:
    """A year of hours, or as many days as a small cube has times."""
    place = beside(Path(a.url), "hourly")
    if not place.exists():
        days = min(HOURLY[0] // DAY, max(a.shape[0], WINDOW))
        shape = (days * DAY, min(HOURLY[1], a.shape[1]), min(HOURLY[2], a.shape[2]))
        made = bigarrays.create(place, shape=shape, dtype="float32", chunk_shape=HOURLY_CHUNK, format="zarr3")
        rng = np.random.default_rng(5)
        for first in range(0, shape[0], HOURLY_CHUNK[0]):
            count = min(HOURLY_CHUNK[0], shape[0] - first)
            hours = np.arange(first, first + count)[:, None, None]
            made[first : first + count] = (np.sin(hours / 1394) + rng.integers(-20, 20, (count, *shape[1:])) / 64).astype("float32")
    return bigarrays.open(place)


def cast(a: Array, dtype: str) -> Array:
    """A third of the cube in another type, with elements that use most of its bits."""
    place = beside(Path(a.url), dtype)
    if not place.exists():
        shape, rng = (max(a.shape[0] // 3, 1), *a.shape[1:]), np.random.default_rng(6)
        made = bigarrays.create(place, like=a, shape=shape, dtype=dtype)
        for first in range(0, shape[0], CHUNK[0]):
            values = a[first : min(first + CHUNK[0], shape[0])].astype("float64")
            values += rng.random(values.shape) / 64
            made[first : first + len(values)] = (values * (1 << 20)).astype(dtype) if dtype[0] == "i" else values.astype(dtype)
    return bigarrays.open(place)


def prepare(a: Array) -> None:
    """Makes what jobs need beside the cube."""
    kept_zones(a), volume(a), hourly(a)
    [cast(a, dtype) for dtype in ("float32", "int32", "float64")]


# Floors: what is read and written, once.


def read(a: Array, b: Array, out: Path, memory: int | None) -> None:
    for first in slabs(a):
        a[first : first + CHUNK[0]]


def read_of(dtype: str) -> Job:
    def work(a: Array, b: Array, out: Path, memory: int | None) -> None:
        read(cast(a, dtype), b, out, memory)

    return work


def copy_of(which: Callable[[Array], Array]) -> Job:
    def work(a: Array, b: Array, out: Path, memory: int | None) -> None:
        of = which(a)
        target = new(out, of)
        step = of.chunk_shape[0]
        for first in range(0, of.shape[0], step):
            slab = slice(first, min(first + step, of.shape[0]))
            target[slab] = of[slab]

    return work


def anomaly_floor(a: Array, b: Array, out: Path, memory: int | None) -> None:
    """Reads the cube once and writes the result once, whose elements are not as easy to encode as those of the cube."""
    labels, target = months(a), new(out, a)
    with aside():
        means = means_by_hand(a, labels)
    for first in slabs(a):
        slab = slice(first, first + CHUNK[0])
        values = a[slab]
        with aside():
            values = values - means[labels[slab]]
        target[slab] = values


def rolling_floor(a: Array, b: Array, out: Path, memory: int | None) -> None:
    """The same of moving means."""
    target, half = new(out, a), ROLLING // 2
    for first in slabs(a):
        end = min(first + CHUNK[0], a.shape[0])
        values = a[first:end]
        with aside():
            values = moving_means_by_hand(a, first, end, half)
        target[first:end] = values


# This library.


def anomaly(a: Array, b: Array, out: Path, memory: int | None) -> None:
    shutil.rmtree(out, ignore_errors=True)
    by_month = a.lazy.groupby(months(a), axis=0)
    (by_month - by_month.mean()).save(out, like=a, memory=memory)


def rolling(a: Array, b: Array, out: Path, memory: int | None) -> None:
    shutil.rmtree(out, ignore_errors=True)
    a.lazy.rolling(ROLLING, axis=0, center=True, boundary="nearest").mean().save(out, like=a, memory=memory)


def median(a: Array, b: Array, out: Path, memory: int | None) -> Any:
    return a.lazy.median(axis=0).compute(memory=memory)


def median_of_all(dtype: str) -> Job:
    """In a budget that does not hold half of them."""

    def work(a: Array, b: Array, out: Path, memory: int | None) -> Any:
        of = cast(a, dtype)
        return of.lazy.median().compute(memory=min(memory or of.nbytes, of.nbytes // 2))

    return work


def median_of_months(dtype: str) -> Job:
    def work(a: Array, b: Array, out: Path, memory: int | None) -> Any:
        of = cast(a, dtype)
        by_month = of.lazy.groupby(months(of), axis=0)
        return by_month.median(axis=(1, 2)).compute(memory=min(memory or of.nbytes, of.nbytes // 2))

    return work


def filtered(a: Array, b: Array, out: Path, memory: int | None) -> None:
    shutil.rmtree(out, ignore_errors=True)
    volume(a).lazy.median_filter(3).save(out, like=volume(a), memory=memory)


def zonal(a: Array, b: Array, out: Path, memory: int | None) -> Any:
    return a.lazy.groupby(kept_zones(a), axis=(1, 2), expected=ZONES).mean().compute(memory=memory)


def rechunk_in_files(a: Array, b: Array, out: Path, memory: int | None) -> None:
    shutil.rmtree(out, ignore_errors=True)
    a.lazy.save(out, format="zarr3", chunk_shape=PENCILS, memory=memory, scratch=out.parent)


def day_weights() -> Any:
    """One for the same hour of each day of the window."""
    weights = np.zeros((WINDOW - 1) * DAY + 1)
    weights[::DAY] = 1 / WINDOW
    return weights


def climatology(a: Array, b: Array, out: Path, memory: int | None) -> None:
    shutil.rmtree(out, ignore_errors=True)
    x = hourly(a)
    weights = day_weights()
    windows = x.lazy.rolling(len(weights), axis=0, center=True, boundary="wrap", weights=weights.tolist())
    windows.sum().save(out, like=x, memory=memory)


# NumPy and SciPy by hand.


def means_by_hand(a: Array, labels: Any) -> Any:
    sums = np.zeros((CYCLE, *a.shape[1:]))
    for first in slabs(a):
        for one, month in zip(a[first : first + CHUNK[0]], labels[first : first + CHUNK[0]], strict=True):
            sums[month] += one
    return (sums / np.bincount(labels)[:, None, None]).astype("float32")


def anomaly_by_hand(a: Array, b: Array, out: Path, memory: int | None) -> None:
    labels, target = months(a), new(out, a)
    means = means_by_hand(a, labels)
    for first in slabs(a):
        slab = slice(first, first + CHUNK[0])
        target[slab] = a[slab] - means[labels[slab]]


def moving_mean(block: Any) -> Any:
    """Of windows along the first axis, as many fewer as windows are longer than one."""
    count = len(block) - ROLLING + 1
    total = np.zeros((count, *block.shape[1:]))
    for step in range(ROLLING):
        total += block[step : step + count]
    return (total / ROLLING).astype(block.dtype)


def moving_means_by_hand(a: Array, first: int, end: int, half: int) -> Any:
    low, high = max(first - half, 0), min(end + half, a.shape[0])
    pad = [(low - first + half, end + half - high), (0, 0), (0, 0)]
    return moving_mean(np.pad(a[low:high], pad, mode="edge"))


def rolling_by_hand(a: Array, b: Array, out: Path, memory: int | None) -> None:
    target, half = new(out, a), ROLLING // 2
    for first in slabs(a):
        end = min(first + CHUNK[0], a.shape[0])
        target[first:end] = moving_means_by_hand(a, first, end, half)


def median_by_hand(a: Array, b: Array, out: Path, memory: int | None) -> Any:
    found = np.zeros(a.shape[1:], "float32")
    for y in range(0, a.shape[1], CHUNK[1]):
        for x in range(0, a.shape[2], CHUNK[2]):
            part = slice(y, y + CHUNK[1]), slice(x, x + CHUNK[2])
            found[part] = np.median(a[:, part[0], part[1]], axis=0, overwrite_input=True)
    return found


def median_of_all_by_hand(dtype: str) -> Job:
    def work(a: Array, b: Array, out: Path, memory: int | None) -> Any:
        return np.median(cast(a, dtype)[...], overwrite_input=True)

    return work


def median_of_months_by_hand(dtype: str) -> Job:
    def work(a: Array, b: Array, out: Path, memory: int | None) -> Any:
        of = cast(a, dtype)
        whole, labels = of[...], months(of)
        return np.stack([np.median(whole[labels == month]) for month in range(CYCLE)])

    return work


def filtered_by_hand(a: Array, b: Array, out: Path, memory: int | None) -> None:
    from scipy.ndimage import median_filter

    of = volume(a)
    new(out, of)[...] = median_filter(of[...], 3)


def zonal_by_hand(a: Array, b: Array, out: Path, memory: int | None) -> Any:
    labels = kept_zones(a).ravel()
    counts = np.bincount(labels, minlength=ZONES)
    rows = []
    with np.errstate(invalid="ignore"):
        for first in slabs(a):
            for one in a[first : first + CHUNK[0]]:
                rows.append((np.bincount(labels, one.ravel(), ZONES) / counts).astype("float32"))
    return np.stack(rows)


def rechunk_by_hand(a: Array, b: Array, out: Path, memory: int | None) -> None:
    """All times of rows of chunks."""
    shutil.rmtree(out, ignore_errors=True)
    target = bigarrays.create(out, shape=a.shape, dtype=a.dtype, chunk_shape=PENCILS, format="zarr3")
    rows = int(np.lcm(CHUNK[1], PENCILS[1])) if CHUNK[1] % PENCILS[1] else CHUNK[1]
    rows = min(rows, a.shape[1])
    for first in range(0, a.shape[1], rows):
        target[:, first : first + rows] = a[:, first : first + rows]


def climatology_by_hand(a: Array, b: Array, out: Path, memory: int | None) -> None:
    x = hourly(a)
    target, half = new(out, x), WINDOW // 2
    for y in range(0, x.shape[1], HOURLY_CHUNK[1]):
        part = x[:, y : y + HOURLY_CHUNK[1]]
        days = part.reshape(-1, DAY, *part.shape[1:])
        total = sum(np.roll(days, step, axis=0).astype("float64") for step in range(-half, half + 1))
        target[:, y : y + HOURLY_CHUNK[1]] = (total / WINDOW).astype("float32").reshape(part.shape)


# dask.


def dask_of(array: Array) -> Any:
    without_this_folder()
    import dask.array

    return dask.array.from_zarr(opened(array))


def stored_by_dask(whole: Any, out: Path) -> None:
    import dask.array
    import zarr

    dask.array.store([whole], [zarr.open_array(str(out), mode="r+")], lock=False)


def rolling_by_dask(a: Array, b: Array, out: Path, memory: int | None) -> None:
    from dask.array.overlap import map_overlap

    half = ROLLING // 2
    def same_shape(block: Any) -> Any:
        return np.pad(moving_mean(block), [(half, half), (0, 0), (0, 0)])

    whole = map_overlap(same_shape, dask_of(a), depth={0: half}, boundary={0: "nearest"}, dtype="float32", meta=np.zeros((0, 0, 0), "float32"))
    new(out, a)
    stored_by_dask(whole, out)


def median_by_dask(a: Array, b: Array, out: Path, memory: int | None) -> Any:
    import dask.array

    return dask.array.median(dask_of(a), axis=0).compute()


def filtered_by_dask(a: Array, b: Array, out: Path, memory: int | None) -> None:
    from dask.array.overlap import map_overlap
    from scipy.ndimage import median_filter

    of = volume(a)
    whole = map_overlap(median_filter, dask_of(of), depth=1, boundary="reflect", size=3, dtype="uint8")
    new(out, of)
    stored_by_dask(whole, out)


def rechunk_by_dask(a: Array, b: Array, out: Path, memory: int | None) -> None:
    shutil.rmtree(out, ignore_errors=True)
    bigarrays.create(out, shape=a.shape, dtype=a.dtype, chunk_shape=PENCILS, format="zarr3")
    stored_by_dask(dask_of(a).rechunk(PENCILS), out)


# xarray, with flox for groups.


def frame(array: Array) -> Any:
    import xarray

    return xarray.DataArray(xarray_of(array))


def stored_by_xarray(whole: Any, out: Path, like: Array) -> None:
    new(out, like)
    stored_by_dask(whole.transpose("time", "y", "x").data, out)


def anomaly_by_xarray(a: Array, b: Array, out: Path, memory: int | None) -> None:
    of = frame(a).assign_coords(month=("time", months(a)))
    by_month = of.groupby("month")
    means = by_month.mean("time", dtype="float64").astype("float32")
    stored_by_xarray(by_month - means, out, a)


def rolling_by_xarray(a: Array, b: Array, out: Path, memory: int | None) -> None:
    of = frame(a).pad(time=ROLLING // 2, mode="edge")
    whole = of.rolling(time=ROLLING, center=True).mean().isel(time=slice(ROLLING // 2, -(ROLLING // 2)))
    stored_by_xarray(whole.chunk(dict(zip(("time", "y", "x"), CHUNK, strict=True))), out, a)


def median_by_xarray(a: Array, b: Array, out: Path, memory: int | None) -> Any:
    return frame(a).chunk({"time": -1}).median("time").to_numpy()


def zonal_by_xarray(a: Array, b: Array, out: Path, memory: int | None) -> Any:
    of = frame(a).assign_coords(zone=(("y", "x"), kept_zones(a)))
    from flox.xarray import xarray_reduce

    # Sums are of the type of the elements.
    options = {"expected_groups": np.arange(ZONES), "fill_value": np.nan}
    # By its cohorts, which it takes unasked, flox 0.11.2 gives a quarter of these zones the mean of another one.
    made = xarray_reduce(of.astype("float64"), "zone", func="mean", method="map-reduce", **options)
    return made.transpose("time", "zone").astype("float32").to_numpy()


WIDE: dict[str, dict[str, Job]] = {
    "monthly anomaly": {
        "floor": anomaly_floor,
        "bigarrays": anomaly,
        "numpy": anomaly_by_hand,
        "flox": anomaly_by_xarray,
    },
    "rolling 7": {
        "floor": rolling_floor,
        "bigarrays": rolling,
        "numpy": rolling_by_hand,
        "dask": rolling_by_dask,
        "xarray": rolling_by_xarray,
    },
    "median(time)": {
        "floor": read,
        "bigarrays": median,
        "numpy": median_by_hand,
        "dask": median_by_dask,
        "xarray": median_by_xarray,
    },
    **{
        f"median of all {dtype}": {
            "floor": read_of(dtype),
            "bigarrays": median_of_all(dtype),
            "numpy": median_of_all_by_hand(dtype),
        }
        for dtype in ("float32", "int32", "float64")
    },
    "medians of months, float32": {
        "floor": read_of("float32"),
        "bigarrays": median_of_months("float32"),
        "numpy": median_of_months_by_hand("float32"),
    },
    "3×3×3 median of u8": {
        "floor": copy_of(volume),
        "bigarrays": filtered,
        "scipy": filtered_by_hand,
        "dask": filtered_by_dask,
    },
    "mean of 3,000 zones": {
        "floor": read,
        "bigarrays": zonal,
        "numpy": zonal_by_hand,
        "flox": zonal_by_xarray,
    },
    "pancakes to pencils": {
        "floor": copy_by_read_and_write,
        "bigarrays": rechunk,
        "bigarrays, scratch": rechunk_in_files,
        "numpy": rechunk_by_hand,
        "dask": rechunk_by_dask,
    },
    "hourly climatology, 61 days": {
        "floor": copy_of(hourly),
        "bigarrays": climatology,
        "numpy": climatology_by_hand,
    },
}
