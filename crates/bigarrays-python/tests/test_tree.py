"""Groups, attributes and shapes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays


@pytest.mark.parametrize("format", ["zarr3", "zarr2"])
def test_a_tree(tmp_path: Path, format: str) -> None:
    root = tmp_path / "root"
    bigarrays.create_group(root, attributes={"a": 1}, format=format)
    with pytest.raises(bigarrays.AlreadyExistsError):
        bigarrays.create_group(root, format=format)
    bigarrays.create_group(root / "in", format=format)
    array = bigarrays.create(root / "in" / "array", shape=(5, 6), dtype="int16", chunk_shape=(2, 3), format=format)
    array[...] = np.int16(3)
    assert bigarrays.ls(root) == {"in": "group", "in/array": "array"}
    with pytest.raises(bigarrays.InvalidArgumentError, match="in/array"):
        bigarrays.open(root)
    member = bigarrays.open(root, scale="in/array")
    assert (member.shape, pickle.loads(pickle.dumps(member)).shape) == ((5, 6), (5, 6))
    bigarrays.update_attributes(root / "in" / "array", {"unit": {"x": "nm"}})
    assert bigarrays.attributes(root / "in" / "array") == {"unit": {"x": "nm"}}
    bigarrays.resize(root / "in" / "array", (2, 8))
    assert bigarrays.open(root / "in" / "array")[...].sum() == 3 * 12
    bigarrays.remove(root / "in" / "array")
    assert bigarrays.ls(root) == {"in": "group"}
    with pytest.raises(bigarrays.NotFoundError):
        bigarrays.ls(root / "in" / "array")


@pytest.mark.parametrize("fill", [np.nan, -np.inf, 1.5, "0x7fc00001"])
def test_fill_values(tmp_path: Path, fill: Any) -> None:
    bigarrays.create(tmp_path / "a", shape=(3,), dtype="float32", fill_value=fill, format="zarr3")
    read = bigarrays.open(tmp_path / "a")[...]
    expected = np.uint32(0x7FC00001).view(np.float32) if isinstance(fill, str) else np.float32(fill)
    assert read.tobytes() == np.full(3, expected, np.float32).tobytes()
    stored = json.loads((tmp_path / "a" / "zarr.json").read_text())
    assert isinstance(stored["fill_value"], str) == (fill != 1.5)


def test_unknown_parts_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(bigarrays.UnsupportedError, match="zfp"):
        bigarrays.create(tmp_path / "a", shape=(3,), dtype="float32", codecs=["zfp"], format="zarr3")
    assert not (tmp_path / "a" / "zarr.json").exists()


def test_shards_of_a_chosen_shape(tmp_path: Path) -> None:
    options: dict[str, Any] = {"shape": (30, 20), "dtype": "uint8", "chunk_shape": (4, 4), "encoding": "zstd"}
    array = bigarrays.create(tmp_path / "a", shard_shape=(16, 8), format="zarr3", **options)
    array[...] = np.uint8(1)
    assert sorted(path.name for path in (tmp_path / "a" / "c").iterdir()) == ["0", "1"]
    assert bigarrays.open(tmp_path / "a").chunk_shape == (4, 4)
    bigarrays.create(tmp_path / "b", sharding=True, format="zarr3", **options)[...] = np.uint8(1)
    assert len([path for path in (tmp_path / "b" / "c").rglob("*") if path.is_file()]) == 1
    for format, shard_shape in [("zarr3", (16, 6)), ("zarr2", (16, 8)), ("precomputed", (16, 8))]:
        with pytest.raises(bigarrays.InvalidArgumentError):
            bigarrays.create(tmp_path / "c", shard_shape=shard_shape, format=format, **options)


def test_attributes_of_arrays(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(3,), dtype="int16", format="zarr3", fill_value=-7)
    assert (array.fill_value, type(array.fill_value), dict(array.attrs)) == (-7, np.int16, {})
    array.attrs["units"] = "K"
    array.attrs.update({"range": [0, 300]}, draft=True)
    other = bigarrays.open(tmp_path / "a")
    assert dict(other.attrs) == {"units": "K", "range": [0, 300], "draft": True} == bigarrays.attributes(tmp_path / "a")
    del other.attrs["draft"]
    assert array.attrs == {"units": "K", "range": [0, 300]} and "draft" not in array.attrs and len(array.attrs) == 2
    assert array.attrs.pop("units") == "K" and list(array.attrs) == ["range"]
    with pytest.raises(KeyError):
        del array.attrs["draft"]
    with pytest.raises(bigarrays.InvalidArgumentError):
        array.attrs["draft"] = None
    array.attrs.clear()
    assert len(other.attrs) == 0 and array.view[1:].attrs == {}


def test_attributes_are_those_of_the_scale(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(3, 4), dtype="uint8", format="ome-zarr")
    array.attrs["seen"] = 1
    assert bigarrays.attributes(tmp_path / "a" / "0") == {"seen": 1} and "seen" not in bigarrays.attributes(tmp_path / "a")
    bigarrays.create(tmp_path / "g" / "b", shape=(3,), dtype="uint8", format="zarr2", attributes={"of": "b"})
    assert dict(bigarrays.open(tmp_path / "g" / "b").attrs) == {"of": "b"}
    layer = bigarrays.create(tmp_path / "layer", shape=(4, 4, 4), dtype="uint8")
    assert dict(layer.attrs) == {}
    with pytest.raises(bigarrays.NotFoundError):
        layer.attrs["seen"] = 1


def test_a_star_import_hides_no_builtin() -> None:
    import builtins

    hidden = {name for name in bigarrays.__all__ if hasattr(builtins, name) and not name.startswith("__")}
    assert hidden == set()
    names: dict[str, Any] = {}
    exec("from bigarrays import *; letters = list('ab')", names)
    assert names["letters"] == ["a", "b"]


@pytest.mark.parametrize("form", ["{}|{}:", "{1}://{0}"])
def test_a_format_in_a_url_is_that_of_what_is_made_changed_and_removed(tmp_path: Path, form: str) -> None:
    layer = bigarrays.create(tmp_path / "layer", shape=(4, 4, 4), dtype="uint8")
    layer[...] = 7
    for named in ["zarr", "zarr3", "n5"]:
        url = form.format(tmp_path / "layer", named)
        changes: list[Callable[[str], object]] = [
            bigarrays.remove,
            lambda url: bigarrays.remove(url, recursive=True),
            lambda url: bigarrays.add_scale(url, shape=(2, 2, 2), dtype="uint8", resolution=(2, 2, 2)),
            lambda url: bigarrays.resize(url, (2, 2, 2)),
        ]
        for change in changes:
            with pytest.raises(bigarrays.NotFoundError, match="no |nothing of"):
                change(url)
        assert (layer[...] == 7).all() and bigarrays.open(tmp_path / "layer").scales[0].key == "1_1_1"
        made = form.format(tmp_path / named, named)
        expected = {"zarr": "zarr3"}.get(named, named)
        assert bigarrays.create(made, like=layer).format == expected
        bigarrays.remove(made, recursive=True)
        assert not (tmp_path / named).exists()
    with pytest.raises(bigarrays.InvalidArgumentError, match="the URL names zarr3, not n5"):
        bigarrays.create(form.format(tmp_path / "x", "zarr3"), like=layer, format="n5")
    with pytest.raises(bigarrays.InvalidArgumentError, match="nothing is of both formats"):
        bigarrays.open(f"precomputed://{tmp_path}/layer|zarr3:")
