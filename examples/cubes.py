"""What people do with cubes: differences, medians, zonal and monthly means, climatologies, filters, other grids, counts.

    .venv/bin/python examples/cubes.py [FOLDER]

Takes the data of climate.py: two scenarios of a climate model over North America, and the temperature of the sea, month by month.
Everything is computed within 64 MiB, and NumPy confirms what comes out.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
from climate import MEMORY, fetched, stored

import bigarrays


def compared(name: str, found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-4, err_msg=name)
    return found


def scenarios(folder: Path, files: Path) -> None:
    """Two cubes: how far they are apart, and what is typical of each place."""
    one, other = (
        stored(folder / f"{name}.zarr", files / f"{name}_north_america.nc", "air_temperature") for name in ("A1B", "E1")
    )
    a, e = one[...].astype("float64"), other[...].astype("float64")
    difference, mean, median, days = bigarrays.compute(
        (one.lazy - other.lazy)[-20 + one.shape[0] : one.shape[0]].mean("time"),
        one.lazy.mean("time"),
        one.lazy.median("time"),
        (one.lazy > 293.15).count_nonzero("time"),
        memory=MEMORY,
    )
    compared("difference", difference, (a - e)[-20:].mean(axis=0))
    compared("mean", mean, a.mean(axis=0))
    compared("median", median, np.median(a, axis=0))
    compared("count", days, (a > 293.15).sum(axis=0))
    print(f"in the last 20 years, scenario A1B is up to {difference.max():.1f} K warmer than E1")
    print(f"years above 20 °C: up to {days.max()} of {one.shape[0]} at one place")


def sea(folder: Path, files: Path) -> None:
    """Means of zones and months in one pass, and what each month is apart from its month of the year."""
    array = stored(folder / "sea.zarr", files / "ostia_monthly.nc", "surface_temperature")
    s = array.lazy.masked(np.float32(1e20))
    known = np.where(array[...] == np.float32(1e20), np.nan, array[...]).astype("float64")
    with h5py.File(files / "ostia_monthly.nc") as file:
        hours = file["time"][...]
    months = (np.datetime64("1970-01-01", "h") + hours.astype("timedelta64[h]")).astype("datetime64[M]").astype(int) % 12
    climatology = s.groupby(months, axis="time").nanmean()
    zonal, monthly, anomaly = bigarrays.compute(
        s.nanmean("longitude"), climatology, s - climatology.back(), memory=MEMORY
    )
    with np.errstate(invalid="ignore"):
        valid = ~np.isnan(known)
        sums = np.where(valid, known, 0)
        compared("zonal", zonal, sums.sum(axis=2) / valid.sum(axis=2))
        expected = np.stack([sums[months == m].sum(axis=0) / valid[months == m].sum(axis=0) for m in range(12)])
    compared("monthly", monthly, expected)
    compared("anomaly", anomaly, known - expected[months])
    warmest = int(np.nanargmax(np.nanmean(monthly, axis=(1, 2)))) + 1
    print(f"the sea is warmest in month {warmest} of the year; single months are up to {np.nanmax(anomaly):.1f} K above theirs")


def grids(folder: Path) -> None:
    """A filter, and another grid."""
    height, width = 180, 360
    lat = np.linspace(-89.5, 89.5, height)
    lon = np.linspace(-179.5, 179.5, width)
    ripples = np.cos(np.arange(height * width)).reshape(height, width) / 10
    field = np.cos(np.radians(lat))[:, None] * np.sin(np.radians(3 * lon))[None] + ripples
    spec = {"dtype": "float64", "dimension_names": ("latitude", "longitude"), "format": "zarr3", "chunk_shape": (45, 45)}
    place = folder / "field.zarr"
    if place.exists():
        bigarrays.remove(place)
    array = bigarrays.create(place, shape=field.shape, **spec)
    array[...] = field
    smooth = array.lazy.median_filter(7)
    fine = array.lazy.interpolate(np.linspace(-89, 89, 500), axis="latitude", of=lat)
    fine = fine.interpolate(np.linspace(-179, 179, 1000), axis="longitude", of=lon)
    filtered, interpolated = bigarrays.compute(smooth, fine, memory=MEMORY)
    around = np.pad(field, 3, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(around, (7, 7))
    compared("7 × 7 median", filtered, np.median(windows, axis=(2, 3)))
    rows = np.stack([np.interp(np.linspace(-89, 89, 500), lat, field[:, x]) for x in range(width)], axis=1)
    both = np.stack([np.interp(np.linspace(-179, 179, 1000), lon, row) for row in rows])
    compared("interpolation", interpolated, both)
    print(f"{height} × {width} elements onto {interpolated.shape[0]} × {interpolated.shape[1]}")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = fetched(folder)
    scenarios(folder, files)
    sea(folder, files)
    grids(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "climate"))
