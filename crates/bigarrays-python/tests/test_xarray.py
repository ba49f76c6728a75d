from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from xarray.core import indexing

import bigarrays
from bigarrays.xarray import BigarraysBackendEntrypoint, _Stored

ENGINE = "bigarrays"


def volume(shape: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    return np.random.default_rng(0).integers(1, 60000, shape).astype("uint16")


@pytest.fixture
def em(tmp_path: Path) -> tuple[Path, npt.NDArray[np.uint16]]:
    data = volume((60, 50, 40))
    box = "-20:40,0:50,7:47"
    array = bigarrays.create(
        tmp_path / "em", domain=box, dtype="uint16", chunk_shape=(16, 16, 16), resolution=(4, 4, 40)
    )
    array[...] = data
    return tmp_path / "em", data


def test_precomputed_is_labelled(em: tuple[Path, npt.NDArray[np.uint16]]) -> None:
    path, data = em
    ds = xr.open_dataset(path, engine=ENGINE)
    x, z = ds["x"], ds["z"]
    assert (x.values == 4.0 * np.arange(-20, 40)).all() and (z.values == 40.0 * np.arange(7, 47)).all()
    assert x.attrs == {"units": "nm"} and ds.sizes == {"x": 60, "y": 50, "z": 40}
    assert np.array_equal(ds["data"].values, data)
    assert np.array_equal(ds["data"].sel(x=slice(-8, 12), z=320), data[18:24, :, 1])
    assert int(ds["data"].sel(x=-7, y=3, z=400, method="nearest")) == data[18, 1, 3]


INDICES: list[dict[str, Any]] = [
    {"x": 3, "y": 4, "z": 5},
    {"x": slice(2, 50, 7), "y": -1},
    {"x": slice(50, 2, -3), "z": slice(None, None, -1)},
    {"x": [5, 3, 59, 3, -1], "y": slice(4, 9), "z": 2},
    {"x": [0, 59], "y": [49, 0, 20], "z": [1, 30]},
    {"x": [], "y": slice(0, 0)},
    {"x": np.arange(60) % 7 == 0},
    {"x": xr.DataArray([1, 40, 7], dims="p"), "z": xr.DataArray([0, 39, 1], dims="p")},
]


@pytest.mark.parametrize("index", INDICES)
def test_every_way_to_index(em: tuple[Path, npt.NDArray[np.uint16]], index: dict[str, Any]) -> None:
    path, data = em
    lazy = xr.open_dataset(path, engine=ENGINE, cache=False)["data"]
    truth = xr.DataArray(data, dims=("x", "y", "z"), coords=lazy.coords)
    xr.testing.assert_identical(lazy.isel(index), truth.isel(index).rename("data"))
    # Lists are joined before anything is read.
    xr.testing.assert_equal(lazy.isel(x=slice(1, None)).isel(y=[7, 2]), truth.isel(x=slice(1, None)).isel(y=[7, 2]))


def test_indices_as_xarray_passes_them(em: tuple[Path, npt.NDArray[np.uint16]]) -> None:
    path, data = em
    stored = _Stored(bigarrays.open(path))
    for rows in (np.array([], int), np.array([59, -60, 3, 3]), np.arange(60)[::-7]):
        read = stored[indexing.OuterIndexer((rows, slice(1, 40, 3), 2))]
        assert np.array_equal(read, data[rows, 1:40:3, 2])
    with pytest.raises(IndexError):
        stored[indexing.OuterIndexer((np.array([60]), 0, 0))]


def test_nothing_is_read_when_it_is_opened(em: tuple[Path, npt.NDArray[np.uint16]]) -> None:
    path, data = em
    for chunk in path.glob("4_4_40/*"):
        chunk.write_bytes(b"damaged")
    ds = xr.open_dataset(path, engine=ENGINE, chunks={})
    part = ds["data"].isel(x=[1, 2]).transpose("z", "y", "x")
    assert part.shape == (40, 50, 2) and "damaged" not in repr(ds)
    with pytest.raises(bigarrays.CorruptDataError):
        part.load()


def test_a_list_of_indices_skips_what_lies_between(em: tuple[Path, npt.NDArray[np.uint16]]) -> None:
    path, data = em
    for chunk in path.glob("4_4_40/-4-12_*"):
        chunk.write_bytes(b"damaged")
    lazy = xr.open_dataset(path, engine=ENGINE)["data"]
    assert np.array_equal(lazy.isel(x=[50, 2, 49]), data[[50, 2, 49]])


@pytest.mark.parametrize("format", ["precomputed", "zarr3", "zarr2", "n5", "ome-zarr"])
def test_blocks_of_dask_are_chunks(tmp_path: Path, format: str) -> None:
    data = volume((20, 30))
    if format == "precomputed":
        data = data[..., None]
    chunks = (8, 16, 1)[: data.ndim]
    array = bigarrays.create(tmp_path / "a", shape=data.shape, dtype="uint16", chunk_shape=chunks, format=format)
    array[...] = data
    lazy = xr.open_dataset(tmp_path / "a", engine=ENGINE, chunks={})["data"]
    assert lazy.chunks is not None and lazy.chunks[:2] == ((8, 8, 4), (16, 14))
    again = pickle.loads(pickle.dumps(lazy))
    assert np.array_equal(again.compute(scheduler="processes", num_workers=2), data)
    assert BigarraysBackendEntrypoint().guess_can_open(tmp_path / "a")


def test_ome_zarr_says_where_elements_are(tmp_path: Path) -> None:
    path = tmp_path / "image.zarr"
    options: dict[str, Any] = {"dtype": "uint8", "format": "ome-zarr", "dimension_names": ["c", "y", "x"]}
    bigarrays.create(path, domain="0:2,-8:8,0:20", resolution=(1, 0.5, 0.5), **options)[...] = np.uint8(1)
    bigarrays.add_scale(path, domain="0:2,-4:4,0:10", resolution=(1, 1, 1), dtype="uint8")[...] = np.uint8(2)
    ome = bigarrays.attributes(path)["ome"]
    ome["omero"] = {"channels": [{"label": "DAPI"}, {"label": "GFP"}]}
    # The centre of the first of the coarser elements lies between two of the finer.
    ome["multiscales"][0]["datasets"][1]["coordinateTransformations"][1]["translation"] = [0, -3.75, 0.25]
    ome["multiscales"][0]["axes"][1]["unit"] = "micrometer"
    bigarrays.update_attributes(path, {"ome": ome})
    fine, coarse = (xr.open_dataset(path, engine=ENGINE, scale=scale) for scale in (0, "1"))
    assert fine["y"].values[0] == -4 and (coarse["y"].values == np.arange(8) - 3.75).all()
    assert coarse["x"].values[0] == 0.25 and coarse["x"].attrs["units"] == "nm"
    assert coarse["y"].attrs["units"] == "micrometer"
    assert int(fine["data"].sel(c="GFP").sum()) == 16 * 20 and int(coarse["data"].max()) == 2
    assert fine.attrs["ome"]["omero"] == ome["omero"]


def test_n5_and_its_scales(tmp_path: Path) -> None:
    root = tmp_path / "v.n5"
    bigarrays.create_group(root, format="n5", attributes={"pixelResolution": {"dimensions": [4, 40], "unit": "nm"}})
    for level, shape in enumerate([(20, 10), (10, 10)]):
        array = bigarrays.create(
            root / f"s{level}", shape=shape, dtype="int16", format="n5", attributes={"downsamplingFactors": [1 << level, 1]}
        )
        array[...] = np.arange(shape[0])[:, None]
    ds = xr.open_dataset(root, engine=ENGINE, scale=1, name="em")
    assert ds["em"].dims == ("x", "y") and ds["x"].values[1] == 8 and ds["y"].values[1] == 40
    assert ds["em"].attrs["downsamplingFactors"] == [2, 1] and "pixelResolution" in ds.attrs
    assert int(ds["em"].sel(x=16, y=0)) == 2


def test_arrays_of_a_group_may_lack_names(tmp_path: Path) -> None:
    bigarrays.create_group(tmp_path)
    for name, length in [("a", 3), ("b", 4), ("c", 3)]:
        bigarrays.create(tmp_path / name, shape=(length,), dtype="uint8", format="zarr3")[...] = np.uint8(1)
    ds = xr.open_dataset(tmp_path, engine=ENGINE)
    assert {name: ds[name].dims for name in "abc"} == {"a": ("a_dim_0",), "b": ("b_dim_0",), "c": ("c_dim_0",)}
    assert list(xr.open_dataset(tmp_path, engine=ENGINE, drop_variables="b")) == ["a", "c"]
    assert list(xr.open_dataset(tmp_path, engine=ENGINE, drop_variables=["b", "c"]).sizes) == ["dim_0"]
    bigarrays.create_group(tmp_path / "empty")
    with pytest.raises(bigarrays.InvalidArgumentError, match="group"):
        xr.open_dataset(tmp_path / "empty", engine=ENGINE)


def test_what_is_incomplete_opens_if_asked(tmp_path: Path) -> None:
    bigarrays.create(tmp_path / "a", shape=(4, 4), dtype="uint8", format="zarr3", incomplete=True)
    with pytest.raises(bigarrays.IncompleteError):
        xr.open_dataset(tmp_path / "a", engine="bigarrays")
    assert int(xr.open_dataset(tmp_path / "a", engine="bigarrays", incomplete=True)["data"].sum()) == 0


def test_the_engine_is_found(em: tuple[Path, npt.NDArray[np.uint16]], tmp_path: Path) -> None:
    path, data = em
    assert np.array_equal(xr.open_dataarray(path), data)
    bigarrays.FlatArray(tmp_path / "a.npy", "w", shape=(3,), dtype="uint8")
    assert list(xr.open_dataset(tmp_path / "a.npy", engine=ENGINE).coords) == []
    engine = BigarraysBackendEntrypoint()
    assert engine.guess_can_open("s3://bucket/a.n5/") and not engine.guess_can_open("s3://bucket/a.nc")
    assert engine.guess_can_open("s3://bucket/a|zarr3:") and engine.guess_can_open("precomputed://gs://bucket/a")
    assert not engine.guess_can_open(tmp_path) and not engine.guess_can_open(b"CDF")
    with pytest.raises(bigarrays.NotFoundError):
        xr.open_dataset(tmp_path / "none", engine=ENGINE)
    with pytest.raises(bigarrays.NotFoundError):
        xr.open_dataset(path, engine=ENGINE, scale=3)
    kept = xr.open_dataset(path, engine=ENGINE, chunk_cache=True, validate="open", storage_options={}, format="precomputed")
    assert np.array_equal(kept["data"], data)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("format", ["ome-zarr", "ome-zarr-0.4", "zarr2", "zarr3"])
def test_zeros_are_no_missing_values(tmp_path: Path, format: str, dtype: str) -> None:
    data = np.arange(12).reshape(3, 4).astype(dtype)
    bigarrays.create(tmp_path / "a", shape=(3, 4), dtype=dtype, format=format)[:3, :4] = data
    opened = xr.open_dataset(tmp_path / "a", engine=ENGINE)["data"]
    assert opened.dtype == data.dtype
    assert (opened.values == data).all()
