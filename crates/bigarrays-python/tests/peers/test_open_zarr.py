"""xarray sees the same of a group of Zarr through this package as through its own engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr


def dataset() -> xr.Dataset:
    time = np.array(["2026-01-01", "2026-01-03", "2026-02-01"], "datetime64[ns]")
    values = np.linspace(-5, 5, 36).reshape(3, 4, 3)
    temperature = (("time", "lat", "lon"), np.where(values > 4, np.nan, values), {"units": "K"})
    return xr.Dataset(
        {
            "temperature": temperature,
            "packed": (("lat", "lon"), np.arange(12.0).reshape(4, 3)),
            "count": (("time",), np.array([1, 0, 3], "int32")),
            "mask": (("lat",), np.array([True, False, True, False])),
            "crs": ((), np.int64(0), {"wkt": "…"}),
        },
        coords={
            "time": time,
            "lat": [10.0, 20, 30, 40],
            "lon": [1, 2, 3],
            "height": (("lat", "lon"), np.arange(12.0).reshape(4, 3)),
        },
        attrs={"title": "weather"},
    )


ENCODING: dict[str, dict[str, Any]] = {
    "packed": {"dtype": "int16", "scale_factor": 0.5, "add_offset": 1.0, "_FillValue": -1},
    "temperature": {"chunks": (2, 2, 3), "_FillValue": -999.0},
}


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part:UserWarning")
@pytest.mark.parametrize("consolidated", [True, False])
def test_groups_are_what_open_zarr_sees(tmp_path: Path, version: Any, consolidated: bool, decode: bool) -> None:
    written = dataset()
    written.to_zarr(tmp_path / "w.zarr", zarr_format=version, consolidated=consolidated, encoding=ENCODING)
    expected = xr.open_zarr(tmp_path / "w.zarr", chunks=None, consolidated=consolidated, decode_cf=decode)
    ours = xr.open_dataset(tmp_path / "w.zarr", engine="bigarrays", decode_cf=decode)
    xr.testing.assert_identical(ours.load(), expected.load())
    assert set(ours.coords) == set(expected.coords)
    if decode:
        xr.testing.assert_identical(ours, written)
    assert ours["temperature"].encoding["preferred_chunks"] == {"time": 2, "lat": 2, "lon": 3}
