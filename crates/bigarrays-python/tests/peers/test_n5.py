"""N5: TensorStore and z5py read what we write, and we read what they write.

Nobody here but lz4-java has its framing of lz4: what it makes is built of blocks by imagecodecs and checksums by
xxhash. TensorStore has no lz4; z5py has blocks without framing, which are read and, where it made the dataset, written.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts
import xxhash
import z5py  # type: ignore[import-untyped]

import bigarrays

DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]

# What each of our encodings is called, as TensorStore takes it.
COMPRESSIONS: dict[str, dict[str, Any]] = {
    "raw": {"type": "raw"},
    "gzip": {"type": "gzip", "level": 6},
    "bzip2": {"type": "bzip2", "blockSize": 1},
    "xz": {"type": "xz", "preset": 6},
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
    array = bigarrays.create(tmp_path / "a", shape=shape, dtype=dtype, chunk_shape=block, encoding=encoding, format="n5")
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
    assert array.dimension_names == tuple("abcd"[: len(shape)])
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


Z5 = ["raw", "gzip", "bzip2", "xz", "zstd", "blosc"]


@pytest.mark.parametrize("encoding", Z5)
def test_z5_reads_ours(tmp_path: Path, encoding: str) -> None:
    data = data_of("uint16", (13, 7, 5))
    bigarrays.create_group(tmp_path / "v.n5", format="n5")
    array = bigarrays.create(
        tmp_path / "v.n5/a", shape=data.shape, dtype="uint16", chunk_shape=(4, 4, 4), encoding=encoding, format="n5"
    )
    array[...] = data
    assert np.array_equal(z5py.File(str(tmp_path / "v.n5"), "r")["a"][:].T, data)


@pytest.mark.parametrize("compression", [*Z5, "lz4"])
def test_we_read_and_change_what_z5_made(tmp_path: Path, compression: str) -> None:
    data = data_of("uint16", (13, 7, 5))
    options: dict[str, Any] = {"shape": data.T.shape, "chunks": (4, 4, 4), "dtype": "uint16", "compression": compression}
    z5py.File(str(tmp_path / "v.n5"), "a").create_dataset("a", **options)[:] = np.ascontiguousarray(data.T)
    array = bigarrays.open(tmp_path / "v.n5/a", mode="r+")
    assert np.array_equal(np.asarray(array[...]), data)
    array[2:9, 1:5] = data[2:9, 1:5] + 1
    data[2:9, 1:5] += 1
    assert np.array_equal(z5py.File(str(tmp_path / "v.n5"), "r")["a"][:].T, data)


def lz4_java(plain: bytes, block: int) -> bytes:
    stream = b""
    for part in [plain[at : at + block] for at in range(0, len(plain), block)] + [b""]:
        packed = imagecodecs.lz4_encode(part) if part else b""
        method, stored = (0x20, packed) if 0 < len(packed) < len(part) else (0x10, part)
        checksum = xxhash.xxh32_intdigest(part, 0x9747B28C) & 0xFFFFFFF if part else 0
        stream += b"LZ4Block" + struct.pack("<BIII", method | 6, len(stored), len(part), checksum) + stored
    return stream


def test_lz4_in_the_framing_of_lz4_java(tmp_path: Path) -> None:
    data = np.concatenate([np.arange(50_000) // 7, np.random.default_rng(0).integers(0, 1 << 31, 50_000)]).astype(">i4")
    array = bigarrays.create(
        tmp_path, shape=data.shape, dtype="int32", chunk_shape=data.shape, encoding="lz4", format="n5"
    )
    assert json.loads((tmp_path / "attributes.json").read_text())["compression"] == {"type": "lz4", "blockSize": 65536}
    header = struct.pack(">HHI", 0, 1, data.size)
    (tmp_path / "0").write_bytes(header + lz4_java(data.tobytes(), 1 << 16))
    assert np.array_equal(np.asarray(array[...]), data)
    array[...] = data[::-1]
    ours = (tmp_path / "0").read_bytes().removeprefix(header)
    plain = b""
    while ours:
        method, stored, length, checksum = struct.unpack_from("<BIII", ours, 8)
        assert ours.startswith(b"LZ4Block") and method & 15 == 6 and length <= 1 << 16
        part, ours = ours[21 : 21 + stored], ours[21 + stored :]
        part = bytes(imagecodecs.lz4_decode(part, out=length)) if method >> 4 == 2 else part
        assert checksum == (xxhash.xxh32_intdigest(part, 0x9747B28C) & 0xFFFFFFF if part else 0)
        plain += part
    assert plain == data[::-1].tobytes() and not length


def test_tensorstore_reads_our_scales(tmp_path: Path) -> None:
    options: dict[str, Any] = {"dtype": "uint8", "chunk_shape": (4, 4), "format": "n5"}
    bigarrays.create(tmp_path / "i", shape=(8, 6), key="s0", resolution=(4, 40), **options)[...] = np.uint8(1)
    bigarrays.add_scale(tmp_path / "i", shape=(4, 3), resolution=(8, 80), dtype="uint8")[...] = np.uint8(2)
    spec = {"driver": "n5", "kvstore": f"file://{tmp_path / 'i'}/s1"}
    store = ts.open(spec, open=True).result()
    assert np.array_equal(store.read().result(), np.full((4, 3), 2))
    assert store.spec().to_json()["metadata"]["downsamplingFactors"] == [2, 2]
