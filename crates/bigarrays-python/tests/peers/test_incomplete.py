"""What others read of arrays that are marked as incomplete: they do not know the mark, and it harms nobody."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorstore as ts
from cloudvolume import CloudVolume  # type: ignore[import-untyped]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zarr

import bigarrays

DRIVERS = {"zarr3": "zarr3", "zarr2": "zarr", "n5": "n5", "precomputed": "neuroglancer_precomputed"}


@pytest.mark.parametrize("format", [*DRIVERS, "ome-zarr", "ome-zarr-0.4"])
def test_others_read_what_is_marked(tmp_path: Path, format: str) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(4, 4, 4), dtype="uint8", format=format, incomplete=True)
    data = np.arange(64, dtype="u1").reshape(4, 4, 4)
    array[...] = data
    with pytest.raises(bigarrays.IncompleteError):
        bigarrays.open(tmp_path / "a")
    if format in DRIVERS:
        kvstore = {"driver": "file", "path": str(tmp_path / "a")}
        found = ts.open({"driver": DRIVERS[format], "kvstore": kvstore}).result()
        np.testing.assert_array_equal(np.squeeze(found.read().result()), data)
    if "zarr" in format:
        path = tmp_path / "a" / "0" if format.startswith("ome") else tmp_path / "a"
        np.testing.assert_array_equal(zarr.open_array(str(path), mode="r")[...], data)
    if format == "precomputed":
        volume = CloudVolume(f"file://{tmp_path / 'a'}", progress=False)
        np.testing.assert_array_equal(np.squeeze(np.asarray(volume[:, :, :])), data)
