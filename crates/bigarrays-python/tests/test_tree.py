"""Groups, attributes and shapes."""

from __future__ import annotations

import json
import pickle
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
    array = bigarrays.create(root / "in" / "array", shape=(5, 6), dtype="int16", chunks=(2, 3), format=format)
    array[...] = np.int16(3)
    assert bigarrays.list(root) == {"in": "group", "in/array": "array"}
    with pytest.raises(bigarrays.InvalidArgumentError, match="in/array"):
        bigarrays.open(root)
    member = bigarrays.open(root, scale="in/array")
    assert (member.shape, pickle.loads(pickle.dumps(member)).shape) == ((5, 6), (5, 6))
    bigarrays.update_attributes(root / "in" / "array", {"unit": {"x": "nm"}})
    assert bigarrays.attributes(root / "in" / "array") == {"unit": {"x": "nm"}}
    bigarrays.resize(root / "in" / "array", (2, 8))
    assert bigarrays.open(root / "in" / "array")[...].sum() == 3 * 12
    bigarrays.remove(root / "in" / "array")
    assert bigarrays.list(root) == {"in": "group"}
    with pytest.raises(bigarrays.NotFoundError):
        bigarrays.list(root / "in" / "array")


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
    options: dict[str, Any] = {"shape": (30, 20), "dtype": "uint8", "chunks": (4, 4), "encoding": "zstd"}
    array = bigarrays.create(tmp_path / "a", sharding=(16, 8), format="zarr3", **options)
    array[...] = np.uint8(1)
    assert sorted(path.name for path in (tmp_path / "a" / "c").iterdir()) == ["0", "1"]
    assert bigarrays.open(tmp_path / "a").chunks == (4, 4)
    bigarrays.create(tmp_path / "b", sharding=True, format="zarr3", **options)[...] = np.uint8(1)
    assert len([path for path in (tmp_path / "b" / "c").rglob("*") if path.is_file()]) == 1
    for format, sharding in [("zarr3", (16, 6)), ("zarr2", (16, 8)), ("precomputed", (16, 8))]:
        with pytest.raises(bigarrays.InvalidArgumentError):
            bigarrays.create(tmp_path / "c", sharding=sharding, format=format, **options)
