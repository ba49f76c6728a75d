"""Zarr across tools: zarr-python and TensorStore read what we write, and we read what they write. What a
peer does not have is in `cannot`, with the reason.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numcodecs  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zarr
    import zarr.codecs.numcodecs as _  # noqa: F401
    import zarrs  # noqa: F401
    from zarr.abc.codec import ArrayBytesCodec
    from zarr.registry import register_codec

import bigarrays

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

Array = npt.NDArray[Any]
Codec = dict[str, Any]

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64"]

GEOMETRIES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "odd": ((13, 7, 5), (4, 4, 4)),
    "one-chunk": ((3, 1, 2), (8, 2, 4)),
    "one-axis": ((29,), (7,)),
    "five-axes": ((2, 3, 4, 2, 3), (1, 2, 2, 2, 2)),
    "empty": ((4, 0), (2, 2)),
    "scalar": ((), ()),
}


def codec(name: str, **configuration: Any) -> Codec:
    return {"name": name, "configuration": configuration}


def little(size: int) -> Codec:
    return codec("bytes") if size == 1 else codec("bytes", endian="little")


def blosc(cname: str, shuffle: str, size: int) -> Codec:
    return codec("blosc", cname=cname, clevel=5, shuffle=shuffle, typesize=size, blocksize=0)


def sharded(
    chunk: tuple[int, ...], codecs: list[Codec], location: str = "end", index: list[Codec] | None = None
) -> Codec:
    index = index or [codec("bytes", endian="little"), codec("crc32c")]
    return codec("sharding_indexed", chunk_shape=chunk, codecs=codecs, index_codecs=index, index_location=location)


def chains(size: int) -> dict[str, list[Codec]]:
    """Lists of codecs for elements of `size` bytes, of three axes where axes matter."""
    plain = little(size)
    chains = {
        "raw": [plain],
        "big": [codec("bytes", endian="big")],
        "fortran": [codec("transpose", order=[2, 1, 0]), plain],
        "permuted": [codec("transpose", order=[1, 2, 0]), plain],
        "fortran-gzip": [codec("transpose", order=[2, 1, 0]), plain, codec("gzip", level=5)],
        "gzip": [plain, codec("gzip", level=1)],
        "zstd": [plain, codec("zstd", level=3, checksum=False)],
        "zstd-checksum": [plain, codec("zstd", level=-5, checksum=True)],
        "crc32c": [plain, codec("crc32c")],
        "zstd-crc32c": [plain, codec("zstd", level=0, checksum=False), codec("crc32c")],
        "zlib": [plain, codec("numcodecs.zlib", level=1)],
        "bz2": [plain, codec("numcodecs.bz2", level=1)],
        "shuffle-zlib": [plain, codec("numcodecs.shuffle", elementsize=size), codec("numcodecs.zlib", level=6)],
        "adler32": [plain, codec("numcodecs.adler32")],
        "fletcher32": [plain, codec("numcodecs.fletcher32")],
        "crc32": [plain, codec("numcodecs.crc32")],
        "lz4": [plain, codec("numcodecs.lz4", acceleration=1)],
        "lzma": [plain, codec("numcodecs.lzma", format=1, check=-1, preset=3, filters=None)],
        "lzma-crc32": [plain, codec("numcodecs.lzma", format=1, check=1, preset=None, filters=None)],
        "lzma-alone": [plain, codec("numcodecs.lzma", format=2, check=-1, preset=1, filters=None)],
        "lzma-raw": [plain, codec("numcodecs.lzma", format=3, check=-1, preset=None, filters=[
            {"id": 3, "dist": size}, {"id": 33, "preset": 1}
        ])],
        "lzma1-raw": [plain, codec("numcodecs.lzma", format=3, check=-1, preset=None, filters=[
            {"id": 0x4000000000000001, "preset": 1, "lc": 2, "dict_size": 1 << 16}
        ])],
        "pcodec": [codec("numcodecs.pcodec", level=8)],
    }
    for location in ["end", "start"]:
        chains[f"sharded-{location}"] = [sharded((2, 2, 2), [plain, codec("zstd", level=1, checksum=False)], location)]
    chains["sharded-fortran"] = [sharded((2, 4, 1), [codec("transpose", order=[2, 1, 0]), plain])]
    chains["sharded-nested"] = [sharded((4, 2, 4), [sharded((2, 1, 2), [plain, codec("gzip", level=1)], "start")])]
    turn, gzip = codec("transpose", order=[1, 2, 0]), codec("gzip", level=1)
    # With the axes of shards turned; zarr-python wants their chunks to divide them unturned, too.
    chains["sharded-turned"] = [turn, sharded((1, 2, 4), [plain, gzip])]
    chains["sharded-turned-inside-out"] = [turn, sharded((4, 2, 4), [turn, sharded((2, 4, 1), [turn, plain])])]
    chains["sharded-gzip"] = [sharded((2, 2, 4), [plain]), gzip]
    chains["sharded-crc32c"] = [turn, sharded((2, 2, 4), [plain], "start"), codec("crc32c")]
    big = [codec("bytes", endian="big"), codec("crc32c")]
    chains["sharded-big-index"] = [sharded((1, 1, 4), big, index=big)]
    chains["sharded-plain-index"] = [sharded((4, 4, 4), [plain], index=[codec("bytes", endian="little")])]
    for cname in ["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"]:
        chains[f"blosc-{cname}"] = [plain, blosc(cname, "shuffle", size)]
    for shuffle in ["noshuffle", "bitshuffle"]:
        chains[f"blosc-{shuffle}"] = [plain, blosc("lz4", shuffle, size)]
    return chains


def filters(dtype: str) -> dict[str, list[Codec]]:
    """Lists of codecs for elements of some types alone."""
    size = np.dtype(dtype).itemsize
    zstd = codec("zstd", level=1, checksum=False)
    if dtype == "bool":
        return {
            "packbits": [codec("numcodecs.packbits"), codec("bytes")],
            "packbits-zstd": [codec("numcodecs.packbits"), codec("bytes"), zstd],
        }
    kind = np.dtype(dtype).str
    delta = codec("numcodecs.delta", dtype=kind, astype=kind)
    if not dtype.startswith("float"):
        wide = "<i8" if dtype.startswith("int") else "<u8"
        return {
            "delta": [delta, little(size)],
            "delta-zstd": [delta, little(size), zstd],
            "delta-wide": [codec("numcodecs.delta", dtype=kind, astype=wide), little(8)],
            "astype": [codec("numcodecs.astype", encode_dtype=wide, decode_dtype=kind), little(8)],
        }
    scaled = codec("numcodecs.fixedscaleoffset", offset=-7, scale=2.5, dtype=f"<f{size}", astype="<i2")
    in_place = codec("numcodecs.fixedscaleoffset", offset=3, scale=10, dtype=f"<f{size}", astype=f"<f{size}")
    return {
        "bitround": [codec("numcodecs.bitround", keepbits=5), little(size)],
        "bitround-all": [codec("numcodecs.bitround", keepbits=10), little(size), zstd],
        "fixedscaleoffset": [scaled, little(2)],
        "fixedscaleoffset-zstd": [scaled, little(2), zstd],
        "fixedscaleoffset-float": [in_place, little(size)],
        "delta": [delta, little(size)],
        "astype": [codec("numcodecs.astype", encode_dtype="<f4", decode_dtype=kind), little(4)],
        "astype-short": [codec("numcodecs.astype", encode_dtype="<i2", decode_dtype=kind), little(2)],
        "quantize": [codec("numcodecs.quantize", digits=2, dtype=kind, astype=kind), little(size)],
        "quantize-zstd": [codec("numcodecs.quantize", digits=-1, dtype=kind, astype=kind), little(size), zstd],
    }


@dataclass(frozen=True)
class Case:
    """An array: how its elements are stored."""

    version: Literal[2, 3]
    dtype: str
    chain: str
    geometry: str = "odd"
    keys: str | None = None
    shard: str | None = None

    def __str__(self) -> str:
        parts = [f"zarr{self.version}", self.dtype, self.chain, self.geometry, self.keys or "", self.shard or ""]
        return "-".join(part for part in parts if part)

    @property
    def codecs(self) -> list[Codec]:
        special = filters(self.dtype).get(self.chain)
        return special or chains(np.dtype(self.dtype).itemsize)[self.chain]

    @property
    def truth(self) -> Array:
        """What is read: the data, but for what numcodecs loses of them."""
        names = {f"numcodecs.{name}" for name in ("bitround", "fixedscaleoffset", "delta", "astype", "quantize")}
        lossy = [entry for entry in self.codecs if entry["name"] in names]
        if not lossy:
            return self.data
        made = numcodecs.get_codec(v2_codec(lossy[0]))
        shape, chunk = GEOMETRIES[self.geometry]
        read = np.empty(shape, self.dtype)
        # Of chunks that reach outside the array, as zeros are put there.
        for at in np.ndindex(*[-(-length // size) for length, size in zip(shape, chunk, strict=True)]):
            box = tuple(slice(k * size, (k + 1) * size) for k, size in zip(at, chunk, strict=True))
            part = np.zeros(chunk, self.dtype)
            inside = tuple(slice(0, length) for length in self.data[box].shape)
            part[inside] = self.data[box]
            decoded = np.asarray(made.decode(made.encode(part.reshape(-1)))).astype(self.dtype)
            read[box] = decoded.reshape(chunk)[inside]
        return read

    @property
    def data(self) -> Array:
        shape, _ = GEOMETRIES[self.geometry]
        random = np.random.default_rng(len(str(self)))
        if self.dtype == "bool":
            return random.random(shape) < 0.5 if shape else np.array(True)
        if self.dtype.startswith("float"):
            values = np.asarray(random.normal(0, 100, shape)).astype(self.dtype)
            if not self.chain.startswith(("fixedscaleoffset", "delta", "astype")):
                values.reshape(-1)[:3] = np.array([np.nan, -0.0, np.inf], self.dtype)[: values.size]
            return values
        limits = np.iinfo(self.dtype)
        return np.asarray(random.integers(limits.min, limits.max, shape, self.dtype, endpoint=True))


def cases() -> Iterable[Case]:
    versions: list[Literal[2, 3]] = [3, 2]
    for version in versions:
        for dtype in DTYPES:
            yield Case(version, dtype, "raw")
            yield Case(version, dtype, "blosc-lz4")
        for chain in chains(4):
            if version == 3 or not (chain == "permuted" or chain.startswith("sharded")):
                yield Case(version, "uint16", chain)
                yield Case(version, "float32", chain)
        for dtype in ["bool", "int16", "uint32", "int64", "float32", "float64"]:
            for chain in filters(dtype):
                yield Case(version, dtype, chain)
                yield Case(version, dtype, chain, "scalar")
        yield Case(version, "float16", "bitround")
        yield Case(version, "uint8", "fortran-gzip")
        yield Case(version, "int64", "pcodec")
        if version == 3:
            # Shards that are no cubes.
            yield Case(version, "uint16", "sharded-turned", "one-chunk")
            yield Case(version, "uint16", "sharded-crc32c", "one-chunk")
        for geometry in GEOMETRIES:
            yield Case(version, "int32", "zstd", geometry)
        for keys in ["v2/", "v2."] if version == 2 else ["default/", "default.", "v2/", "v2."]:
            yield Case(version, "uint8", "raw", keys=keys)
            yield Case(version, "uint8", "gzip", "scalar", keys=keys)


CASES = list(cases())


def cannot(case: Case, peer: str) -> str | None:
    """Why `peer` has no such array."""
    if peer == "zarr" and case.chain == "blosc-snappy":
        return "the Blosc of numcodecs comes without snappy"
    names = [entry["name"] for entry in case.codecs]
    if peer == "tensorstore":
        if case.version == 3 and any(name.startswith("numcodecs.") for name in names):
            return "it has the codecs of the specification only"
        filters = {"numcodecs.adler32", "numcodecs.fletcher32", "numcodecs.shuffle", "crc32c"}
        filters |= {"numcodecs.packbits", "numcodecs.bitround", "numcodecs.fixedscaleoffset", "numcodecs.crc32"}
        filters |= {"numcodecs.delta", "numcodecs.astype", "numcodecs.quantize"}
        if case.version == 2 and filters & set(names):
            return "it has no filters"
        if {"numcodecs.lz4", "numcodecs.lzma"} & set(names):
            return "it has no lz4 and no lzma"
        if "numcodecs.pcodec" in names:
            return "it has no pcodec"
        if "sharding_indexed" in names[:-1]:
            return "it has no codecs of whole shards"
        if case.chain == "zstd-checksum" and case.version == 2:
            return "it has no checksum of zstd in version 2"
    elif case.chain == "zstd-crc32c" and case.version == 2:
        return "numcodecs checks crc32c before filters only"
    return None


def v2_codec(entry: Codec) -> Codec:
    """A codec as metadata of version 2 have it."""
    made = {"id": entry["name"].removeprefix("numcodecs."), **entry["configuration"]}
    made.pop("typesize", None)
    if not made.get("checksum"):
        made.pop("checksum", None)
    if isinstance(made.get("shuffle"), str):
        made["shuffle"] = ["noshuffle", "shuffle", "bitshuffle"].index(made["shuffle"])
    return made


def split(case: Case) -> tuple[Literal["<", ">"], str, list[Codec], Codec | None]:
    """Byte order, order, filters and compressor of an array of version 2."""
    names = [entry["name"] for entry in case.codecs]
    order = "F" if "transpose" in names else "C"
    endian: Literal["<", ">"] = ">" if case.chain == "big" else "<"
    rest = [v2_codec(entry) for entry in case.codecs if entry["name"] not in ("transpose", "bytes")]
    compressors = {"gzip", "zlib", "bz2", "lz4", "lzma", "zstd", "blosc", "pcodec"}
    compressor = rest.pop() if rest and rest[-1]["id"] in compressors else None
    return endian, order, rest, compressor


def write_ours(case: Case, path: Path) -> None:
    shape, chunk = GEOMETRIES[case.geometry]
    array = bigarrays.create(
        path,
        shape=shape,
        dtype=case.dtype,
        chunk_shape=chunk,
        codecs=case.codecs,
        chunk_keys=case.keys,
        format=f"zarr{case.version}",
        attributes={"made": "here"},
    )
    array[...] = case.data


def read_ours(path: Path) -> Array:
    return np.asarray(bigarrays.open(path)[...])


def zarr_codecs(codecs: Sequence[Codec]) -> tuple[list[Codec], Any, list[Codec]]:
    """The parts of a chain as zarr-python takes them."""
    at = next(k for k, entry in enumerate(codecs) if entry["name"] in ("bytes", "numcodecs.pcodec", "sharding_indexed"))
    return list(codecs[:at]), codecs[at], list(codecs[at + 1 :])


def write_zarr(case: Case, path: Path) -> None:
    shape, chunk = GEOMETRIES[case.geometry]
    options: dict[str, Any] = {}
    if case.version == 2:
        endian, order, filters, compressor = split(case)
        options["dtype"] = np.dtype(case.dtype).newbyteorder(endian)
        options["filters"] = [numcodecs.get_codec(entry) for entry in filters] or None
        options["compressors"] = compressor and numcodecs.get_codec(compressor)
        options["order"] = order
        separator = (case.keys or "v2.")[-1]
    else:
        filters, serializer, compressors = zarr_codecs(case.codecs)
        options["dtype"] = case.dtype
        options |= {"filters": filters, "serializer": serializer, "compressors": compressors}
        separator = (case.keys or "default/")[-1]
    name = (case.keys or ("default/" if case.version == 3 else "v2."))[:-1]
    options["chunk_key_encoding"] = {"name": name, "separator": separator}
    array = zarr.create_array(
        str(path), shape=shape, chunks=chunk, zarr_format=case.version, fill_value=0, **options
    )
    array[...] = case.data


def read_zarr(case: Case, path: Path) -> Array:
    array = zarr.open_array(str(path), mode="r")
    assert array.attrs["made"] == "here"
    return np.asarray(array[...])


def write_tensorstore(case: Case, path: Path) -> None:
    shape, chunk = GEOMETRIES[case.geometry]
    metadata: dict[str, Any]
    if case.version == 2:
        endian, order, filters, compressor = split(case)
        assert not filters
        dtype = np.dtype(case.dtype).newbyteorder(endian).str
        metadata = {"shape": shape, "chunks": chunk, "dtype": dtype, "order": order, "compressor": compressor}
        metadata["dimension_separator"] = (case.keys or "v2.")[-1]
    else:
        metadata = {
            "shape": shape,
            "data_type": case.dtype,
            "chunk_grid": codec("regular", chunk_shape=chunk),
            "codecs": case.codecs,
        }
        if case.keys:
            metadata["chunk_key_encoding"] = codec(case.keys[:-1], separator=case.keys[-1])
    spec = {"driver": "zarr3" if case.version == 3 else "zarr", "kvstore": f"file://{path}", "metadata": metadata}
    ts.open(spec, create=True).result().write(case.data).result()


def read_tensorstore(case: Case, path: Path) -> Array:
    driver = "zarr3" if case.version == 3 else "zarr"
    return np.asarray(ts.open({"driver": driver, "kvstore": f"file://{path}"}).result().read().result())


def expect_same(read: Array, case: Case) -> None:
    data = case.truth
    assert (read.shape, read.dtype.newbyteorder("=")) == (data.shape, data.dtype)
    assert np.ascontiguousarray(read.astype(data.dtype)).tobytes() == data.tobytes()


def of(peer: str) -> list[Case]:
    return [case for case in CASES if cannot(case, peer) is None]


@pytest.mark.parametrize("case", of("zarr"), ids=str)
def test_zarr_python_reads_ours(case: Case, tmp_path: Path) -> None:
    write_ours(case, tmp_path / "a")
    expect_same(read_ours(tmp_path / "a"), case)
    expect_same(read_zarr(case, tmp_path / "a"), case)


@pytest.mark.parametrize("order", ["c", "morton", "hilbert"])
def test_peers_read_shards_of_any_order(order: Literal["c", "morton", "hilbert"], tmp_path: Path) -> None:
    data = np.arange(13 * 9 * 22, dtype="uint16").reshape(13, 9, 22)
    path = tmp_path / "a"
    options: dict[str, Any] = {"shard_shape": (15, 9, 24), "shard_order": order, "attributes": {"made": "here"}}
    array = bigarrays.create(path, shape=data.shape, dtype="uint16", chunk_shape=(3, 3, 3), format="zarr3", **options)
    array[...] = data
    array[4:9, 2:5, 7:20] = data[4:9, 2:5, 7:20]
    assert order == "c" or (array.sharding or "").endswith(f"{order} order")
    theirs = zarr.open_array(str(path), mode="r+")
    assert theirs.attrs["made"] == "here"
    np.testing.assert_array_equal(theirs[...], data)
    spec = {"driver": "zarr3", "kvstore": f"file://{path}"}
    np.testing.assert_array_equal(ts.open(spec).result().read().result(), data)
    # They write shards in their own order, and keep the attribute for us.
    theirs[3:6] = data[3:6]
    assert bigarrays.open(path).sharding == array.sharding
    np.testing.assert_array_equal(bigarrays.open(path)[...], data)


@pytest.mark.parametrize("case", of("zarr"), ids=str)
def test_we_read_zarr_python(case: Case, tmp_path: Path) -> None:
    write_zarr(case, tmp_path / "a")
    expect_same(read_ours(tmp_path / "a"), case)


@pytest.mark.parametrize("case", of("tensorstore"), ids=str)
def test_tensorstore_reads_ours(case: Case, tmp_path: Path) -> None:
    write_ours(case, tmp_path / "a")
    expect_same(read_tensorstore(case, tmp_path / "a"), case)


@pytest.mark.parametrize("case", of("tensorstore"), ids=str)
def test_we_read_tensorstore(case: Case, tmp_path: Path) -> None:
    write_tensorstore(case, tmp_path / "a")
    expect_same(read_ours(tmp_path / "a"), case)


class PackBits(ArrayBytesCodec):
    """packbits of the registry of Zarr 3, which zarr-python cannot parse; zarrs has the codec."""

    is_fixed_size = True

    def __init__(self, **configuration: Any) -> None:
        self.configuration = configuration

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PackBits:
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        return codec("packbits", **self.configuration)

    def compute_encoded_size(self, length: int, _: Any) -> int:
        return length


register_codec("packbits", PackBits)


@pytest.mark.parametrize(
    ("dtype", "configuration"),
    [
        ("bool", {"padding_encoding": "none"}),
        ("bool", {"padding_encoding": "first_byte"}),
        ("bool", {"padding_encoding": "last_byte"}),
        ("uint8", {"first_bit": 0, "last_bit": 4}),
        ("int16", {"first_bit": 0, "last_bit": 10, "padding_encoding": "last_byte"}),
        ("uint32", {"first_bit": 3, "last_bit": 20}),
        ("uint64", {}),
    ],
)
def test_packbits_with_zarrs(tmp_path: Path, dtype: str, configuration: dict[str, Any]) -> None:
    first = configuration.get("first_bit", 0)
    # Where zarrs reads a part of a chunk, it forgets the first bit.
    shape = (12, 8) if first else (13, 7)
    data = (np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 30, shape) << first).astype(dtype)
    options: dict[str, Any] = {"shape": data.shape, "dtype": dtype}
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        codecs = [codec("packbits", **configuration)]
        bigarrays.create(tmp_path / "ours", format="zarr3", codecs=codecs, chunk_shape=(4, 4), **options)[...] = data
        assert np.array_equal(zarr.open_array(str(tmp_path / "ours"), mode="r")[...], data)
        theirs = zarr.create_array(
            str(tmp_path / "theirs"), serializer=PackBits(**configuration), compressors=None, chunks=(4, 4), **options
        )
        theirs[...] = data
    assert np.array_equal(np.asarray(bigarrays.open(tmp_path / "theirs")[...]), data)


@pytest.mark.parametrize("version", [2, 3])
def test_consolidated_metadata_stay_true(tmp_path: Path, version: Any) -> None:
    """zarr-python itself leaves them as they were."""
    root, format = tmp_path / "g", f"zarr{version}"
    bigarrays.create_group(root, format=format)
    bigarrays.create_group(root / "h", format=format)
    options: dict[str, Any] = {"shape": (4,), "dtype": "uint8", "format": format}
    bigarrays.create(root / "h/a", **options)
    bigarrays.create(root / "h/b", **options)
    zarr.consolidate_metadata(str(root))
    bigarrays.create(root / "c", **options)[...] = np.uint8(1)
    bigarrays.create_group(root / "i/j", format=format)
    bigarrays.resize(root / "h/a", (9,))
    bigarrays.update_attributes(root / "h", {"by": "us"})
    bigarrays.update_attributes(root, {"by": "all"})
    bigarrays.remove(root / "h/b")
    group = zarr.open_group(str(root), mode="r", use_consolidated=True)
    members = {name: getattr(node, "shape", None) for name, node in group.members(max_depth=None)}
    # The folder on the way to a new group became one, as zarr-python has it.
    assert members == {"c": (4,), "h": None, "h/a": (9,), "i": None, "i/j": None}
    assert (group.attrs["by"], group["h"].attrs["by"], group.require_array("c", shape=(4,))[0]) == ("all", "us", 1)
    assert bigarrays.ls(root) == {"c": "array", "h": "group", "h/a": "array", "i": "group", "i/j": "group"}
