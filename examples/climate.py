"""A century of temperatures over North America, and of the sea: means, anomalies and extremes, block by block.

    .venv/bin/python examples/climate.py [FOLDER]

Downloads a pinned public package (iris-sample-data, Open Government Licence), makes Zarr arrays of its NetCDF files in FOLDER
(examples/climate by default), and computes over them within 64 MiB. NumPy confirms what comes out.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np

import bigarrays

MEMORY = 64 << 20


def fetched(folder: Path) -> Path:
    """The folder of the package's files."""
    wheel = folder / "iris_sample_data-2.5.2-py3-none-any.whl"
    if not wheel.exists():
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "-d", str(folder)]
        subprocess.run([*pip, "iris-sample-data==2.5.2"], check=True)
    zipfile.ZipFile(wheel).extractall(folder / "package")
    return folder / "package/iris_sample_data/sample_data"


def stored(url: Path, file: Path, name: str) -> bigarrays.Array:
    """The variable of a NetCDF file as a Zarr array: a year of months, or 24 years, a chunk."""
    variable = h5py.File(file)[name]
    names = ("time", "latitude", "longitude")
    if not url.exists():
        spec = {"dtype": variable.dtype, "dimension_names": names, "format": "zarr3", "chunk_shape": (24, 18, 64)}
        array = bigarrays.create(url, shape=variable.shape, **spec)
        for first in range(0, len(variable), 24):
            array[first : min(first + 24, len(variable))] = variable[first : first + 24]
    return bigarrays.open(url)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = fetched(folder)
    air = stored(folder / "air.zarr", files / "A1B_north_america.nc", "air_temperature")
    sea = stored(folder / "sea.zarr", files / "ostia_monthly.nc", "surface_temperature")

    # The mean of each place over the first thirty years, and how far each year is from it.
    t = air.lazy
    climate = t[:30].mean("time")
    anomaly = t - climate
    results = {
        "mean anomaly of the last decade": anomaly[-10 + t.shape[0] : t.shape[0]].mean(),
        "years above 2 K": (anomaly > 2).mean("time").max(),
        "warmest year of each place": t.argmax("time"),
        "spread": t.std("time"),
    }
    (folder / "plan.svg").write_text(bigarrays.explain(*results.values(), memory=MEMORY, show="svg"))
    values = dict(zip(results, bigarrays.compute(*results.values(), memory=MEMORY), strict=True))

    a = air[...].astype("float64")
    distance = (a - a[:30].mean(axis=0).astype("float32")).astype("float32")
    expected = [distance[-10:].mean(), (distance > 2).mean(axis=0).max(), a.argmax(axis=0), a.std(axis=0)]
    for (name, value), wanted in zip(values.items(), expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-5, err_msg=name)
    print(f"the last decade is {float(values['mean anomaly of the last decade']):.2f} K warmer than the first thirty years")
    print(f"at one place {float(values['years above 2 K']):.0%} of all years are more than 2 K above them")

    # The sea has no temperature on land: what is missing there is skipped, and where nothing is left the result is missing.
    masked = sea.lazy.masked(np.float32(1e20))
    for old in filter(Path.exists, (folder / "sea-mean.zarr", folder / "sea-anomaly.zarr")):
        bigarrays.remove(old)
    saved = bigarrays.save(
        {
            folder / "sea-mean.zarr": masked.nanmean("time", min_count=12),
            folder / "sea-anomaly.zarr": masked - masked.nanmean("time"),
        },
        memory=MEMORY,
        format="zarr3",
    )
    mean, anomalies = (array[...] for array in saved.values())
    s = np.where(sea[...] == np.float32(1e20), np.nan, sea[...]).astype("float64")
    valid = (~np.isnan(s)).sum(axis=0)
    expected_mean = np.where(valid >= 12, np.nansum(s, axis=0) / np.maximum(valid, 1), np.nan)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-5)
    assert np.abs(np.nansum(anomalies, axis=0, dtype="float64") / np.maximum(valid, 1)).max() < 1e-3
    print(f"the sea is {np.nanmean(mean) - 273.15:.1f} °C; {np.isnan(mean).mean():.0%} of the places are land")
    print(f"the plan is in {folder}/plan.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "climate"))
