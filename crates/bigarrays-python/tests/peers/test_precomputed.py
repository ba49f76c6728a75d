"""Precomputed layers across tools: TensorStore and CloudVolume read what we write, and we read what
they write. What a peer cannot do is in `cannot_read` and `cannot_write`, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cloudvolume  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts

import bigarrays

Array = npt.NDArray[Any]
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Geometry:
    size: Triple
    chunk: Triple
    offset: Triple


ODD = Geometry((37, 29, 21), (16, 16, 16), (0, 0, 0))
GEOMETRIES = {
    "odd": ODD,
    "negative": Geometry((33, 17, 9), (16, 8, 4), (-13, 7, -40)),
    "across-zero": Geometry((20, 20, 20), (8, 16, 32), (-10, -20, 5)),
    "one-chunk": Geometry((30, 3, 1), (64, 64, 64), (1, -1, 0)),
    "one-voxel-chunks": Geometry((3, 1, 2), (1, 1, 1), (-1, 0, 1)),
}


SHARDINGS = {
    "one": "preshift_bits=0,minishard_bits=0,shard_bits=0",
    "plain": "preshift_bits=1,minishard_bits=2,shard_bits=3",
    "gzip": "preshift_bits=2,minishard_bits=1,shard_bits=3,minishard_index_encoding=gzip,data_encoding=gzip",
    "index": "preshift_bits=0,minishard_bits=3,shard_bits=1,minishard_index_encoding=gzip",
    "data": "preshift_bits=3,minishard_bits=0,shard_bits=5,data_encoding=gzip",
    "murmur": "preshift_bits=1,hash=murmurhash3_x86_128,minishard_bits=2,shard_bits=2",
    "spread": "preshift_bits=0,hash=murmurhash3_x86_128,minishard_bits=6,shard_bits=58,data_encoding=gzip",
    "wide": "preshift_bits=0,minishard_bits=0,shard_bits=64,minishard_index_encoding=gzip",
    "shifted": "preshift_bits=63,minishard_bits=1,shard_bits=1",
    "few-bits": "preshift_bits=1,minishard_bits=1,shard_bits=1",
}


@dataclass(frozen=True)
class Case:
    """A layer: how its elements are stored."""

    encoding: str
    dtype: str
    channels: int = 1
    geometry: Geometry = ODD
    geometry_name: str = "odd"
    block: Triple | None = None
    level: int | None = None
    compression: Literal["gzip", "br", "zstd"] | None = None
    sharding: str | None = None

    def __str__(self) -> str:
        block = "" if self.block is None else "-block" + "x".join(map(str, self.block))
        around = "" if self.compression is None else f"-{self.compression}"
        around += "" if self.sharding is None else f"-sharded-{self.sharding}"
        return f"{self.encoding}{block}-{self.dtype}x{self.channels}-{self.geometry_name}{around}"

    @property
    def sharding_members(self) -> dict[str, str | int] | None:
        """The sharding as metadata have it."""
        if self.sharding is None:
            return None
        members: dict[str, str | int] = {
            "@type": "neuroglancer_uint64_sharded_v1",
            "hash": "identity",
            "minishard_index_encoding": "raw",
            "data_encoding": "raw",
        }
        for member in SHARDINGS[self.sharding].split(","):
            name, value = member.split("=")
            members[name] = int(value) if value.isdigit() else value
        return members

    @property
    def lossy(self) -> bool:
        return self.encoding in ("jpeg", "jxl")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (*self.geometry.size, self.channels)

    def sample(self) -> Array:
        """Elements to store: x, y, z, channel. Smooth where the encoding loses detail."""
        x, y, z, c = np.indices(self.shape)
        if self.lossy:
            smooth: Array = (60 + 30 * c + x + y + z).astype(self.dtype)
            return np.asfortranarray(smooth)
        rng = np.random.default_rng(len(str(self)))
        kind = np.dtype(self.dtype)
        if self.block is not None or self.encoding == "compresso":
            labels = rng.integers(0, np.iinfo(kind).max, 9, dtype=kind)
            labels[0] = 0
            return np.asfortranarray(labels[(x // 5 + y // 7 + z // 3 + 4 * c) % 9])
        if kind.kind == "f":
            return np.asfortranarray(rng.normal(0, 1e6, self.shape).astype(kind))
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        return np.asfortranarray(rng.integers(low, high, self.shape, dtype=kind, endpoint=True))


def spread(*cases: dict[str, Any], over: Iterable[str] = GEOMETRIES) -> list[Case]:
    """Each case in each of the named geometries."""
    return [Case(**case, geometry=GEOMETRIES[g], geometry_name=g) for case in cases for g in over]


NUMBERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "float32"]
BLOCKS: list[Triple] = [(8, 8, 8), (4, 8, 2), (16, 16, 16), (1, 1, 1), (64, 3, 5)]
CSEG = "compressed_segmentation"

# Those that are tried in shards.
KINDS: list[dict[str, Any]] = [
    *({"encoding": "raw", "dtype": d} for d in NUMBERS),
    {"encoding": "raw", "dtype": "float32", "channels": 3},
    {"encoding": "jpeg", "dtype": "uint8", "level": 95},
    {"encoding": "png", "dtype": "uint8"},
    {"encoding": CSEG, "dtype": "uint64", "block": BLOCKS[0]},
]

WRITTEN_BY_US = [
    *spread(*({"encoding": "raw", "dtype": d} for d in NUMBERS)),
    *spread(*({"encoding": "raw", "dtype": d, "channels": 3} for d in ("uint8", "float32"))),
    *spread(*({"encoding": "jpeg", "dtype": "uint8", "channels": c, "level": 95} for c in (1, 3))),
    *spread(*({"encoding": "png", "dtype": d, "channels": c} for d in ("uint8", "uint16") for c in (1, 2, 3, 4))),
    *spread(*({"encoding": CSEG, "dtype": d, "block": BLOCKS[0]} for d in ("uint32", "uint64"))),
    *spread(
        *({"encoding": CSEG, "dtype": d, "block": b} for d in ("uint32", "uint64") for b in BLOCKS[1:]),
        {"encoding": CSEG, "dtype": "uint64", "channels": 2, "block": BLOCKS[0]},
        over=["odd", "negative"],
    ),
    *spread(
        *(
            case | {"compression": compression}
            for compression in ("gzip", "br", "zstd")
            for case in (
                {"encoding": "raw", "dtype": "uint8"},
                {"encoding": "raw", "dtype": "int32"},
                {"encoding": "png", "dtype": "uint8"},
                {"encoding": CSEG, "dtype": "uint64", "block": BLOCKS[0]},
            )
        ),
        over=["odd", "negative"],
    ),
    *spread(*({"encoding": "raw", "dtype": "uint16", "sharding": s} for s in SHARDINGS)),
    *spread(
        *(
            {**case, "sharding": sharding}
            for sharding in ("gzip", "murmur")
            for case in KINDS
        ),
        over=["negative"],
    ),
]

WRITTEN_BY_THEM = [
    *WRITTEN_BY_US,
    # The corner chunks of the negative layer are of one row, which is another test's matter.
    *spread({"encoding": "jxl", "dtype": "uint8"}, over=["odd"]),
    *spread({"encoding": "jxl", "dtype": "uint8", "channels": 3}, over=["odd", "negative"]),
    *spread(
        *({"encoding": "compresso", "dtype": d} for d in ("uint8", "uint16", "uint32", "uint64")),
        over=["odd", "negative"],
    ),
]


def info(case: Case) -> dict[str, Any]:
    """The layer's metadata, for peers that create it."""
    scale: dict[str, Any] = {
        "key": "4_4_40",
        "size": case.geometry.size,
        "voxel_offset": case.geometry.offset,
        "resolution": [4, 4, 40],
        "chunk_sizes": [case.geometry.chunk],
        "encoding": case.encoding,
    }
    if case.block is not None:
        scale["compressed_segmentation_block_size"] = case.block
    if case.level is not None:
        scale["jpeg_quality"] = case.level
    if case.sharding is not None:
        scale["sharding"] = case.sharding_members
    labels = case.block is not None or case.encoding == "compresso"
    return {
        "@type": "neuroglancer_multiscale_volume",
        "type": "segmentation" if labels else "image",
        "data_type": case.dtype,
        "num_channels": case.channels,
        "scales": [scale],
    }


class TensorStore:
    """Drops chunks of zeros when it writes, and reads what is not there as zeros."""

    @staticmethod
    def cannot_read(case: Case) -> str | None:
        if case.compression is not None:
            return "it looks for the plain name only, and so reads zeros"
        if case.encoding in ("jxl", "compresso"):
            return "it refuses the encoding"
        return None

    cannot_write = cannot_change = cannot_read

    @staticmethod
    def open(path: Path, scale: int = 0) -> ts.TensorStore:
        store = {"driver": "file", "path": f"{path}/"}
        spec = {"driver": "neuroglancer_precomputed", "kvstore": store, "scale_index": scale}
        return ts.open(spec, open=True).result()

    @classmethod
    def read(cls, path: Path, scale: int = 0) -> Array:
        return np.asarray(cls.open(path, scale).read(order="F").result())

    @classmethod
    def write(cls, path: Path, case: Case, data: Array) -> None:
        (path / "info").write_text(json.dumps(info(case)))
        cls.open(path).write(data).result()


class CloudVolume:
    """Puts a compression's suffix behind local names. `compress=None` would mean gzip."""

    @staticmethod
    def cannot_read(case: Case) -> str | None:
        if case.encoding in ("jpeg", "png", "jxl") and case.channels > 1:
            return "it takes interleaved pixels for planar channels; see the test of that"
        if (case.encoding, case.dtype) == ("png", "uint16"):
            return "its PNG library gives 16-bit grey two channels"
        return None

    @staticmethod
    def cannot_write(case: Case) -> str | None:
        if case.encoding == CSEG and case.channels > 1:
            return "it encodes one channel only"
        if (case.encoding, case.dtype) == ("png", "uint16") and case.channels in (1, 3):
            return "its PNG library refuses 16-bit images without alpha"
        if case.encoding == "jxl" and case.channels > 1:
            return "it writes one frame per channel; see the test of that"
        return None

    @staticmethod
    def cannot_change(case: Case) -> str | None:
        return None if case.sharding is None else "it writes whole shards only"

    @staticmethod
    def open(path: Path, mip: int = 0, compression: str | None = None) -> Any:
        return cloudvolume.CloudVolume(
            f"file://{path}", mip=mip, compress=compression or False, progress=False, fill_missing=True
        )

    @classmethod
    def read(cls, path: Path, scale: int = 0) -> Array:
        return np.asarray(cls.open(path, scale)[...])

    @classmethod
    def write(cls, path: Path, case: Case, data: Array) -> None:
        (path / "info").write_text(json.dumps(info(case)))
        volume = cls.open(path, compression=case.compression)
        if case.sharding is None:
            volume[...] = data
            return
        # It writes boxes of one shard only; here all of them are made at once.
        image = volume.image
        image.morton_codes = partial(image.morton_codes, same_shard=False)
        chunks = image.make_shard_chunks(data, volume.bounds, mip=0)
        for name, shard in image.shard_spec(0).synthesize_shards(chunks).items():
            (path / "4_4_40").mkdir(exist_ok=True)
            (path / "4_4_40" / name).write_bytes(shard)


Peer = type[TensorStore] | type[CloudVolume]
PEERS: list[Peer] = [TensorStore, CloudVolume]


def pairs(cases: list[Case], *abilities: str) -> list[Any]:
    """Every case with every peer; those that a peer cannot do are skipped and say why."""
    rows = []
    for case in cases:
        for peer in PEERS:
            reasons = [getattr(peer, f"cannot_{ability}")(case) for ability in abilities]
            reason = next(filter(None, reasons), None)
            marks = [] if reason is None else [pytest.mark.skip(reason=f"{peer.__name__}: {reason}")]
            rows.append(pytest.param(case, peer, id=f"{case}-{peer.__name__}", marks=marks))
    return rows


def create(path: Path | str, case: Case) -> Any:
    one = case.channels == 1
    return bigarrays.create(
        str(path),
        shape=case.geometry.size if one else case.shape,
        origin=case.geometry.offset if one else (*case.geometry.offset, 0),
        dtype=case.dtype,
        chunk_shape=case.geometry.chunk,
        encoding=case.encoding,
        block_shape=case.block,
        level=case.level,
        content_encoding=case.compression,
        sharding=case.sharding_members,
        resolution=(4, 4, 40),
    )


def read_ours(path: Path, case: Case) -> Array:
    array = bigarrays.open(str(path))
    assert tuple(array.domain.origin)[:3] == case.geometry.offset
    data: Array = np.asarray(array[...])
    return data.reshape(case.shape, order="F")


def write_ours(path: Path, case: Case, data: Array) -> None:
    create(path, case)[...] = data[..., 0] if case.channels == 1 else data


def close(found: Array, source: Array) -> bool:
    """Whether what a lossy codec gave back is the picture that went in."""
    difference = np.abs(found.astype(int) - source)
    return bool(found.shape == source.shape and difference.mean() < 2 and difference.max() < 16)


@pytest.mark.parametrize(("case", "peer"), pairs(WRITTEN_BY_US, "read"))
def test_peers_read_ours(tmp_path: Path, case: Case, peer: Peer) -> None:
    source = case.sample()
    write_ours(tmp_path, case, source)
    theirs = peer.read(tmp_path)
    if case.lossy:
        assert close(theirs, source)
        np.testing.assert_array_equal(theirs, read_ours(tmp_path, case))
    else:
        np.testing.assert_array_equal(theirs, source)


@pytest.mark.parametrize(("case", "peer"), pairs(WRITTEN_BY_THEM, "write"))
def test_we_read_theirs(tmp_path: Path, case: Case, peer: Peer) -> None:
    source = case.sample()
    peer.write(tmp_path, case, source)
    ours = read_ours(tmp_path, case)
    if not case.lossy:
        np.testing.assert_array_equal(ours, source)
        return
    assert close(ours, source)
    if case.encoding == "jpeg":
        # The other decoder: the one of the two that reads several channels right.
        np.testing.assert_array_equal(ours, TensorStore.read(tmp_path))
    elif case.channels == 1:
        np.testing.assert_allclose(ours, CloudVolume.read(tmp_path), atol=1)


def test_lossy_jxl_of_one_row_is_refused(tmp_path: Path) -> None:
    """The decoder would brighten such images; corner chunks of some layers are."""
    case = Case("jxl", "uint8", geometry=Geometry((30, 3, 1), (64, 2, 1), (0, 0, 0)))
    CloudVolume.write(tmp_path, case, case.sample())
    array = bigarrays.open(str(tmp_path))
    assert close(np.asarray(array[:, :2]), case.sample()[:, :2, :, 0])
    with pytest.raises(bigarrays.UnsupportedError, match="single row"):
        array[:, 2]


@pytest.mark.parametrize("encoding", ["png", "jpeg"])
def test_cloudvolume_takes_pixels_for_planes(tmp_path: Path, encoding: str) -> None:
    """What it does with several channels: the files it writes are right, what it reads is not."""
    geometry = Geometry((24, 20, 16), (24, 20, 16), (0, 0, 0))
    case = Case(encoding, "uint8", 3, geometry, level=95 if encoding == "jpeg" else None)
    CloudVolume.write(tmp_path, case, case.sample())
    ours = read_ours(tmp_path, case)
    np.testing.assert_array_equal(ours, TensorStore.read(tmp_path))
    pixels = np.moveaxis(ours, 3, 0).ravel(order="F")
    np.testing.assert_array_equal(CloudVolume.read(tmp_path), pixels.reshape(case.shape, order="F"))


def test_cloudvolume_writes_a_frame_per_channel(tmp_path: Path) -> None:
    """Its jxl of several channels is no colour image, and is refused rather than read in part."""
    case = Case("jxl", "uint8", 3)
    CloudVolume.write(tmp_path, case, case.sample())
    with pytest.raises(bigarrays.CorruptDataError, match="channels"):
        read_ours(tmp_path, case)


def test_chunks_that_tensorstore_drops(tmp_path: Path) -> None:
    case = Case("raw", "uint16", geometry=GEOMETRIES["negative"])
    data = case.sample()
    data[:16] = 0
    TensorStore.write(tmp_path, case, data)
    assert not list((tmp_path / "4_4_40").glob("-13-3_*")), "the chunks of zeros are not stored"
    np.testing.assert_array_equal(read_ours(tmp_path, case), data)


CHANGED = [
    Case("raw", "uint8", geometry=GEOMETRIES["negative"]),
    Case("raw", "uint8", geometry=GEOMETRIES["negative"], compression="gzip"),
    Case("raw", "uint8", geometry=GEOMETRIES["negative"], compression="br"),
    Case("raw", "uint8", geometry=GEOMETRIES["negative"], compression="zstd"),
    Case("png", "uint16", geometry=GEOMETRIES["negative"]),
    Case(CSEG, "uint64", geometry=GEOMETRIES["negative"], block=(8, 8, 8), compression="gzip"),
    Case("raw", "uint8", geometry=GEOMETRIES["negative"], sharding="plain"),
    Case("raw", "uint16", geometry=GEOMETRIES["negative"], sharding="gzip"),
    Case(CSEG, "uint64", geometry=GEOMETRIES["negative"], block=(8, 8, 8), sharding="murmur"),
]


@pytest.mark.parametrize(("case", "peer"), pairs(CHANGED, "read", "write"))
def test_boxes_written_into_their_layers(tmp_path: Path, case: Case, peer: Peer) -> None:
    """Parts of chunks that they wrote are changed; they see the change and nothing else."""
    data = case.sample()
    peer.write(tmp_path, case, data)
    box = (slice(3, 19), slice(1, 9), slice(2, 7))
    at = tuple(
        slice(s.start + o, s.stop + o) for s, o in zip(box, case.geometry.offset, strict=True)
    )
    change = np.ascontiguousarray(data[box][::-1, ::-1, :, 0])
    bigarrays.open(str(tmp_path), mode="r+")[at] = change
    data[(*box, 0)] = change
    np.testing.assert_array_equal(peer.read(tmp_path), data)


@pytest.mark.parametrize(("case", "peer"), pairs(CHANGED, "read", "change"))
def test_boxes_they_write_into_ours(tmp_path: Path, case: Case, peer: Peer) -> None:
    data = case.sample()
    write_ours(tmp_path, case, data)
    box = (slice(3, 19), slice(1, 9), slice(2, 7))
    change = np.asfortranarray(data[box][::-1, ::-1])
    data[box] = change
    low = np.add([s.start for s in box], case.geometry.offset)
    high = np.add([s.stop for s in box], case.geometry.offset)
    if peer is TensorStore:
        window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        TensorStore.open(tmp_path)[window].write(change).result()
    else:
        volume = CloudVolume.open(tmp_path, compression=case.compression)
        volume.non_aligned_writes = True
        volume[cloudvolume.Bbox(low, high)] = change
    np.testing.assert_array_equal(read_ours(tmp_path, case), data)


@pytest.mark.parametrize("sharding", ["plain", "gzip"])
def test_obsolete_pairs_of_files_are_read(tmp_path: Path, sharding: str) -> None:
    """An .index and a .data, whose offsets count from the start of the second."""
    case = Case("raw", "uint16", geometry=GEOMETRIES["negative"], sharding=sharding)
    data = case.sample()
    TensorStore.write(tmp_path, case, data)
    assert case.sharding_members is not None
    length = 16 << int(case.sharding_members["minishard_bits"])
    shards = list((tmp_path / "4_4_40").glob("*.shard"))
    for shard in shards:
        whole = shard.read_bytes()
        shard.with_suffix(".index").write_bytes(whole[:length])
        shard.with_suffix(".data").write_bytes(whole[length:])
        shard.unlink()
    assert len(shards) > 1
    np.testing.assert_array_equal(read_ours(tmp_path, case), data)
    with pytest.raises(bigarrays.UnsupportedError, match="only read"):
        bigarrays.open(str(tmp_path), mode="r+")[-13, 7, -40] = 3
    bigarrays.remove(str(tmp_path))
    assert not list(tmp_path.rglob("*.index")) + list(tmp_path.rglob("*.data"))


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(
    "case", [Case("raw", "uint8"), Case(CSEG, "uint64", block=(8, 8, 8))], ids=str
)
def test_several_scales(tmp_path: Path, case: Case, peer: Peer) -> None:
    data = case.sample()
    write_ours(tmp_path, case, data)
    halved = np.asfortranarray(data[::2, ::2])
    scale = bigarrays.add_scale(
        str(tmp_path),
        shape=halved.shape[:3],
        dtype=case.dtype,
        chunk_shape=(8, 8, 8),
        encoding=case.encoding,
        block_shape=case.block,
        resolution=(8, 8, 40),
    )
    scale[...] = halved[..., 0]
    np.testing.assert_array_equal(peer.read(tmp_path), data)
    np.testing.assert_array_equal(peer.read(tmp_path, 1), halved)
    np.testing.assert_array_equal(bigarrays.open(str(tmp_path), scale=1)[...], halved[..., 0])


@pytest.mark.parametrize(
    ("compress", "suffix"), [("gzip", ".gz"), ("br", ".br"), ("zstd", ".zstd"), ("bz2", ".bz2"), ("xz", ".xz")]
)
def test_local_files_that_cloudvolume_compresses(tmp_path: Path, compress: str, suffix: str) -> None:
    case = Case("raw", "uint16", geometry=GEOMETRIES["negative"])
    data = case.sample()
    write_ours(tmp_path, case, np.zeros_like(data))
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    for chunk in folder.glob("*_*"):
        chunk.unlink()
    volume = cloudvolume.CloudVolume(f"file://{tmp_path}", compress=compress, progress=False, fill_missing=True)
    volume[:, :, :] = data
    names = sorted(path.name for path in folder.glob("*_*"))
    assert all(name.endswith(suffix) for name in names)
    np.testing.assert_array_equal(read_ours(tmp_path, case), data)
    assert bigarrays.verify(str(tmp_path)).whole
    # A change of a part keeps what is there, for CloudVolume as well.
    array = bigarrays.open(str(tmp_path), mode="r+")
    array[-12:-10, 8:10, -39:-37] = 9
    data[1:3, 1:3, 1:3] = 9
    assert sorted(path.name for path in folder.glob("*_*")) == names
    np.testing.assert_array_equal(np.asarray(volume[:, :, :]), data)
    # What it leaves beside that under another suffix contradicts it.
    cloudvolume.CloudVolume(f"file://{tmp_path}", compress=False, progress=False)[:, :, :] = data + 1
    with pytest.raises(bigarrays.CorruptDataError, match=suffix):
        read_ours(tmp_path, case)
    newest = bigarrays.open(str(tmp_path), prefer="newest")
    np.testing.assert_array_equal(newest[...], data[..., 0] + 1)
