"""N5: TensorStore reads what we write, and we read what it writes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts

import bigarrays

DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]

# What each of our encodings is called, as TensorStore takes it.
COMPRESSIONS: dict[str, dict[str, Any]] = {
    "raw": {"type": "raw"},
    "gzip": {"type": "gzip", "level": 6},
    "bzip2": {"type": "bzip2", "blockSize": 1},
    "zstd": {"type": "zstd", "level": 3},
    "blosc": {"type": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 1, "blocksize": 0},
    "zlib": {"type": "gzip", "level": 1, "useZlib": True},
    "blosc-bits": {"type": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 2},
}

GEOMETRIES = {"odd": ((13, 7, 5), (4, 4, 4)), "one-axis": ((29,), (7,)), "small": ((2, 3, 4, 2), (3, 5, 4, 1))}


def cases() -> Iterable[tuple[str, str, str]]:
    yield from ((dtype, "gzip", "odd") for dtype in DTYPES)
    yield from (("uint16", compression, "odd") for compression in COMPRESSIONS)
    yield from (("float32", "raw", geometry) for geometry in GEOMETRIES)


def data_of(dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    return np.random.default_rng(len(shape)).integers(0, 120, shape).astype(dtype)


@pytest.mark.parametrize(("dtype", "compression", "geometry"), list(cases()))
def test_tensorstore_reads_ours(tmp_path: Path, dtype: str, compression: str, geometry: str) -> None:
    shape, block = GEOMETRIES[geometry]
    data = data_of(dtype, shape)
    encoding = {"zlib": "gzip", "blosc-bits": "blosc"}.get(compression, compression)
    array = bigarrays.create(tmp_path / "a", shape=shape, dtype=dtype, chunks=block, encoding=encoding, format="n5")
    array[...] = data
    read = ts.open({"driver": "n5", "kvstore": f"file://{tmp_path / 'a'}"}).result().read().result()
    assert read.dtype == data.dtype and np.array_equal(read, data)


@pytest.mark.parametrize(("dtype", "compression", "geometry"), list(cases()))
def test_we_read_tensorstore(tmp_path: Path, dtype: str, compression: str, geometry: str) -> None:
    shape, block = GEOMETRIES[geometry]
    data = data_of(dtype, shape)
    metadata: dict[str, Any] = {"dimensions": shape, "blockSize": block, "dataType": dtype, "axes": list("abcd"[: len(shape)])}
    metadata["compression"] = COMPRESSIONS[compression]
    spec = {"driver": "n5", "kvstore": f"file://{tmp_path / 'a'}", "metadata": metadata}
    ts.open(spec, create=True).result().write(data).result()
    array = bigarrays.open(tmp_path / "a", mode="r+")
    assert array.dims == tuple("abcd"[: len(shape)])
    assert np.array_equal(np.asarray(array[...]), data)
    array[...] = data[::-1]
    read = ts.open({"driver": "n5", "kvstore": f"file://{tmp_path / 'a'}"}).result().read().result()
    assert np.array_equal(read, data[::-1])


def test_blocks_longer_than_the_array(tmp_path: Path) -> None:
    """Some writers store whole blocks at the edge."""
    header = bytes([0, 0, 0, 1, 0, 0, 0, 4])
    document = {"dimensions": [6], "blockSize": [4], "dataType": "uint8", "compression": {"type": "raw"}}
    (tmp_path / "attributes.json").write_text(json.dumps(document))
    (tmp_path / "0").write_bytes(header + b"abcd")
    (tmp_path / "1").write_bytes(header + b"efgh")
    assert np.asarray(bigarrays.open(tmp_path)[...]).tobytes() == b"abcdef"
