"""xarray sees the same of a group of Zarr through this package as through its own engine."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import bigarrays
import numcodecs  # type: ignore[import-untyped]
import numpy as np
import pytest
import xarray as xr
import zarr
import zarr.codecs


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


MISSING = {
    "packed": (np.array([1.0, np.nan, 3.0, 0.0]), {"dtype": "i2", "scale_factor": 0.1, "add_offset": 5.0, "_FillValue": -32768}),
    "float": (np.array([1.0, np.nan, 3.0, 0.0]), {"_FillValue": -999.0}),
    "float, by zero": (np.array([1.0, np.nan]), {"_FillValue": 0.0}),
    "float, by NaN": (np.array([1.0, np.nan, 0.0], "f4"), {"_FillValue": np.nan}),
    "int": (np.array([1.0, np.nan, 3.0, 0.0]), {"dtype": "i2", "_FillValue": -9999}),
    "byte": (np.array([1.0, np.nan]), {"dtype": "u1", "_FillValue": 255}),
    "time": (np.array(["2000-01-01", "NaT"], "M8[ns]"), {"dtype": "i4", "_FillValue": -1, "units": "days since 1990-01-01"}),
    "int, of which none is missing": (np.array([1, 0, 3], "i2"), {}),
    "bool, of which none is missing": (np.array([True, False]), {}),
}


@pytest.mark.filterwarnings("ignore:.*specification:zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize(("version", "other"), [(2, 3), (3, 2), (2, 2), (3, 3)])
def test_missing_values_are_xarrays_in_both_versions_and_in_copies(
    tmp_path: Path, name: str, version: Any, other: int
) -> None:
    values, encoding = MISSING[name]
    xr.Dataset({"v": ("x", values)}).to_zarr(
        tmp_path / "a", zarr_format=version, encoding={"v": encoding}, consolidated=False
    )
    bigarrays.create_group(tmp_path / "b", format=f"zarr{other}")
    source = bigarrays.open(tmp_path / "a/v")
    bigarrays.copy(source, bigarrays.create(tmp_path / "b/v", like=source, format=f"zarr{other}"))
    expected = xr.open_dataset(tmp_path / "a", engine="zarr", consolidated=False)
    for place in ("a", "b"):
        xr.testing.assert_equal(xr.open_dataset(tmp_path / place, engine="bigarrays"), expected)
    xr.testing.assert_equal(xr.open_dataset(tmp_path / "b", engine="zarr", consolidated=False), expected)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part:UserWarning")
def test_attributes_that_json_does_not_have_survive(tmp_path: Path, version: Any) -> None:
    group = zarr.open_group(tmp_path / "g", mode="w", zarr_format=version)
    attributes: dict[str, Any] = {"range": [float("-inf"), float("inf")], "half": "\ud800", "number": 2**70}
    group.create_array("a", shape=(4,), chunks=(2,), dtype="f4", attributes=attributes)
    zarr.consolidate_metadata(tmp_path / "g")
    bigarrays.resize(tmp_path / "g/a", (6,))
    bigarrays.update_attributes(tmp_path / "g/a", {"missing": float("nan")})
    bigarrays.create(tmp_path / "g/b", format=f"zarr{version}", shape=(3,), dtype="u1")
    seen: Any = zarr.open_group(tmp_path / "g", mode="r")
    assert sorted(seen.array_keys()) == ["a", "b"] and seen["a"].shape == (6,)
    both: list[dict[str, Any]] = [dict(seen["a"].attrs), dict(bigarrays.open(tmp_path / "g/a").attrs)]
    for found in both:
        assert np.isnan(found.pop("missing")) and found == attributes
    source = bigarrays.open(tmp_path / "g/a")
    copied = dict(bigarrays.create(tmp_path / "c", like=source, format=f"zarr{5 - version}").attrs)
    assert np.isnan(copied.pop("missing")) and copied == attributes


KINDS: dict[str, np.ndarray[Any, Any]] = {
    "complex64": np.array([1 + 2j, 3 - 4j, 0], "c8"),
    "complex128": np.array([[1 + 2j, np.inf], [5, 6]], "c16"),
    "datetime64": np.array(["2001-01-01", "NaT", "1969-05-05"], "M8[ns]"),
    "timedelta64": np.array([5, -1, 7], "m8[25s]"),
    "text": np.array([["aä", "", "𝄞"], ["xyz", "b", "c"]], "U3"),
    "bytes": np.array([b"ab", b"", b"xyz"], "S3"),
    "opaque": np.frombuffer(b"abcdef", "V3"),
    "strings": np.array([["any", "", "wörld"], ["of any length" * 9, "x", "y"]], object),
}


@pytest.mark.filterwarnings("ignore:.*specification:zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("compressor", [None, "zstd"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_elements_that_are_no_numbers(tmp_path: Path, kind: str, version: Any, order: Any, compressor: Any) -> None:
    data = KINDS[kind]
    options: dict[str, Any] = {"order": order} if version == 2 else {}
    if compressor:
        options["compressors"] = numcodecs.Zstd() if version == 2 else zarr.codecs.ZstdCodec()
    if version == 3 and order == "F" and data.ndim == 2:
        options["filters"] = [zarr.codecs.TransposeCodec(order=(1, 0))]
    if version == 2 and kind not in ("strings", "opaque"):
        options["dtype"] = data.dtype.newbyteorder(">")
    else:
        options["dtype"] = str if kind == "strings" else data.dtype
    chunks = tuple(min(2, length) for length in data.shape)
    array = zarr.create_array(tmp_path, shape=data.shape, chunks=chunks, zarr_format=version, **options)
    array[...] = data
    # Its own filters and texts do not go together, where axes are turned before.
    data = np.asarray(array[...], data.dtype)
    ours = bigarrays.open(tmp_path)
    assert (ours.dtype, ours.shape, ours.chunk_shape) == (data.dtype, data.shape, chunks)
    np.testing.assert_array_equal(ours[...], data)
    np.testing.assert_array_equal(ours.view[..., ::-2][...], data[..., ::-2])
    np.testing.assert_array_equal(ours.T[...], data.T)
    at = (1,) * data.ndim
    assert type(ours[at]) is type(data[at]) and str(ours[at]) == str(data[at])
    # What is not stored, and what lies outside, reads as the fill value of zarr-python.
    array = zarr.create_array(tmp_path / "b", shape=(2,), chunks=(2,), zarr_format=version, dtype=options["dtype"])
    np.testing.assert_array_equal(bigarrays.open(tmp_path / "b").read("-1:2")[1:], np.asarray(array[...], data.dtype))
    assert bigarrays.verify(tmp_path).whole
    with pytest.raises(bigarrays.UnsupportedError, match="new arrays do not have them"):
        bigarrays.create(tmp_path / "c", like=ours, format="zarr3")


@pytest.mark.filterwarnings("ignore:.*specification:zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("version", [2, 3])
def test_datasets_with_texts_times_and_complex_numbers(tmp_path: Path, version: Any) -> None:
    names = {
        "height": ("station", [1.0, 2.0, 3.0]),
        "response": ("station", np.array([1 + 1j, 0, 2], "c16")),
        "note": ("station", np.array(["x", "", "a long one"], object)),
        "code": ("station", np.array(["ab", "c", "def"])),
        "raw": ("station", np.array([b"ab", b"c", b"def"])),
        "opened": ("station", np.array(["2001-01-01", "2002-01-01", "NaT"], "M8[ns]")),
        "age": ("station", np.array([1, 2, 3], "m8[h]").astype("m8[ns]")),
    }
    dataset = xr.Dataset(names, coords={"station": ["aa", "b", "ü"]})
    dataset.to_zarr(tmp_path, zarr_format=version, consolidated=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "left out")
        ours = xr.open_dataset(tmp_path, engine="bigarrays")
    theirs = xr.open_dataset(tmp_path, engine="zarr", consolidated=False)
    xr.testing.assert_identical(ours.load(), theirs.load())
    part = {"station": [2, 0]}
    xr.testing.assert_identical(xr.open_dataset(tmp_path, engine="bigarrays").isel(part).load(), theirs.isel(part))


ELEMENTS = np.arange(4, dtype="<f4")
PLAIN: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [4],
    "chunks": [4],
    "dtype": "<f4",
    "compressor": None,
    "fill_value": 0,
    "order": "C",
    "filters": None,
}
LENIENT: dict[str, tuple[bytes, dict[str, Any]]] = {
    "a level that there is not": (numcodecs.Zstd().encode(ELEMENTS), {"compressor": {"id": "zstd", "level": 100}}),
    "elements of no bytes": (ELEMENTS.tobytes(), {"filters": [{"id": "shuffle", "elementsize": 0}]}),
    "room behind Blosc": (
        numcodecs.Blosc().encode(ELEMENTS) + bytes(16),
        {"compressor": {"id": "blosc", "cname": "lz4", "clevel": 50, "shuffle": 1, "blocksize": 0}},
    ),
    "zeros behind gzip": (numcodecs.GZip().encode(ELEMENTS) + bytes(8), {"compressor": {"id": "gzip", "level": 1}}),
    "a quoted fill value": (ELEMENTS.tobytes(), {"fill_value": "0.0"}),
    "a version with a fraction": (ELEMENTS.tobytes(), {"zarr_format": 2.0}),
    "chunks without elements": (b"", {"shape": [0], "chunks": [0]}),
}


@pytest.mark.parametrize("name", LENIENT)
def test_what_zarr_python_reads_we_read(tmp_path: Path, name: str) -> None:
    chunk, members = LENIENT[name]
    # Some editors put a byte order mark before a text.
    (tmp_path / ".zarray").write_text("\ufeff" + json.dumps(PLAIN | members), encoding="utf-8")
    if chunk:
        (tmp_path / "0").write_bytes(chunk)
    np.testing.assert_array_equal(bigarrays.open(tmp_path)[...], zarr.open_array(tmp_path, mode="r")[...])


def test_new_arrays_have_no_such_level(tmp_path: Path) -> None:
    codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "zstd", "configuration": {"level": 100}}]
    with pytest.raises(bigarrays.InvalidArgumentError, match=r"codecs\[1\]: zstd has no level 100"):
        bigarrays.create(tmp_path / "a", format="zarr3", shape=(4,), dtype="f4", codecs=codecs)


@pytest.mark.parametrize(
    ("dtype", "given", "written"),
    [("bool", 0, False), ("bool", 1, True), ("uint8", 1.0, 1), ("float32", float("nan"), "NaN"), ("float32", "0", 0.0)],
)
def test_fill_values_are_as_the_specification_has_them(tmp_path: Path, dtype: str, given: Any, written: Any) -> None:
    bigarrays.create(tmp_path / "a", format="zarr2", shape=(3,), dtype=dtype, fill_value=given)
    found = json.loads((tmp_path / "a/.zarray").read_text())["fill_value"]
    assert found == written and type(found) is type(written)
    with pytest.raises(bigarrays.InvalidArgumentError, match="fill_value: Zarr 2 has one NaN alone"):
        bigarrays.create(tmp_path / "b", format="zarr2", shape=(3,), dtype="float32", fill_value="0x7fc00001")


def test_a_dataset_with_records_opens_without_them(tmp_path: Path) -> None:
    xr.Dataset({"v": ("station", [1.0, 2.0])}).to_zarr(tmp_path / "a", zarr_format=2, consolidated=False)
    records = zarr.create_array(tmp_path / "a/records", shape=(2,), dtype=[("a", "i4"), ("b", "f8")], zarr_format=2)
    records.attrs["_ARRAY_DIMENSIONS"] = ["station"]
    with pytest.warns(UserWarning, match="left out: .*records.* unknown type"):
        opened = xr.open_dataset(tmp_path / "a", engine="bigarrays")
    np.testing.assert_array_equal(opened["v"], [1.0, 2.0])
    assert "records" not in opened


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part:UserWarning")
def test_trees_are_what_open_datatree_sees(tmp_path: Path, version: Any) -> None:
    inner = xr.Dataset({"b": ("y", [1.0, 2.0])}, coords={"y": [5, 6]}, attrs={"deep": 1})
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"title": "t"}), "/g/h": inner, "/k": dataset()})
    tree.to_zarr(tmp_path / "t", zarr_format=version)
    expected = xr.open_datatree(tmp_path / "t", engine="zarr", zarr_format=version)
    xr.testing.assert_identical(xr.open_datatree(tmp_path / "t", engine="bigarrays").load(), expected.load())
    xr.testing.assert_identical(xr.open_dataset(tmp_path / "t", engine="bigarrays", group="g/h").load(), inner)
    opened, seen = (xr.open_groups(tmp_path / "t", engine=engine, group="g") for engine in ("bigarrays", "zarr"))
    assert list(opened) == list(seen) == [".", "h"]
