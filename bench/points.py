"""Measures random points against TensorStore's vindex; see README.md.

bench/points.py [--size N] [--points N] [--rounds N] [--only TEXT] [--dir FOLDER]
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bigarrays
import data
import numpy as np
import tensorstore

CHUNK, SHARD = 64, 256
THREADS = len(os.sched_getaffinity(0))
ZSTD = [
    {"name": "bytes", "configuration": {"endian": "little"}},
    {"name": "zstd", "configuration": {"level": 3, "checksum": False}},
]
SHARDS = {
    "name": "sharding_indexed",
    "configuration": {
        "chunk_shape": [CHUNK] * 3,
        "codecs": ZSTD,
        "index_codecs": [ZSTD[0], {"name": "crc32c"}],
        "index_location": "end",
    },
}
# A minishard of each shard has 64 chunks, and the volume has eight shards.
UINT64_SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 0,
    "hash": "identity",
    "minishard_bits": 0,
    "shard_bits": 3,
    "minishard_index_encoding": "gzip",
    "data_encoding": "raw",
}


def precomputed(encoding: str, **more: Any) -> dict[str, Any]:
    labels = encoding == "compressed_segmentation"
    layer = {"data_type": "uint64" if labels else "uint8", "num_channels": 1}
    layer |= {"type": "segmentation" if labels else "image"}
    scale = {"key": "0", "resolution": [8, 8, 8], "chunk_size": [CHUNK] * 3, "encoding": encoding}
    return {"driver": "neuroglancer_precomputed", "multiscale_metadata": layer, "scale_metadata": scale | more}


def zarr(codecs: list[Any], chunk: int) -> dict[str, Any]:
    grid = {"name": "regular", "configuration": {"chunk_shape": [chunk] * 3}}
    return {"driver": "zarr3", "metadata": {"data_type": "uint8", "codecs": codecs, "chunk_grid": grid}}


BLOCKS = {"compressed_segmentation_block_size": list(data.BLOCK)}
LAYERS = {
    "jpeg": precomputed("jpeg", jpeg_quality=data.JPEG_QUALITY),
    "raw": precomputed("raw"),
    "compressed_segmentation": precomputed("compressed_segmentation", **BLOCKS),
    "zarr3 zstd": zarr(ZSTD, CHUNK),
    "zarr3 zstd in shards": zarr([SHARDS], SHARD),
    "raw in shards": precomputed("raw", sharding=UINT64_SHARDING),
}


def kvstore(folder: Path) -> dict[str, Any]:
    # Nobody waits for the disk, and no decoded chunks are kept.
    context = {"cache_pool": {"total_bytes_limit": 0}, "data_copy_concurrency": {"limit": THREADS}}
    return {"kvstore": {"driver": "file", "path": f"{folder}/"}, "context": context | {"file_io_sync": False}}


def made(folder: Path, name: str, size: int) -> Path:
    """The layer, written by TensorStore unless it is there."""
    place = folder / f"points-{name.replace(' ', '-')}-{size}"
    if not (done := folder / f"{place.name}.done").exists():
        data.sources(folder / str(size), size)
        image = data.load(folder / str(size), source(name), size)
        shutil.rmtree(place, ignore_errors=True)
        spec = LAYERS[name] | kvstore(place)
        if spec["driver"] == "zarr3":
            spec["metadata"] = spec["metadata"] | {"shape": list(image.shape)}
        else:
            spec["scale_metadata"] = spec["scale_metadata"] | {"size": list(image.shape), "voxel_offset": [0, 0, 0]}
        store = tensorstore.open(spec, create=True).result()
        (store[..., 0] if store.rank == 4 else store).write(image).result()
        done.touch()
    return place


def source(name: str) -> data.Layer:
    return next(layer for layer in data.LAYERS if (layer.source == "labels") == (name == "compressed_segmentation"))


def contenders(place: Path, name: str) -> dict[str, Callable[[Any], np.ndarray]]:
    array = bigarrays.open(place)
    store = tensorstore.open({"driver": LAYERS[name]["driver"]} | kvstore(place), read=True).result()
    theirs = store[..., 0] if store.rank == 4 else store
    # A layer of one channel has an axis for it, or not.
    ours = array.view[..., 0] if array.ndim == 4 else array
    return {
        "bigarrays": lambda points: ours.vindex[points],
        "TensorStore": lambda points: theirs.vindex[points].read().result(),
    }


def measure(options: argparse.Namespace, name: str) -> bool:
    """Rounds that alternate between the tools; the least of each counts. Says whether all is right."""
    place = made(options.dir, name, options.size)
    points = tuple(np.random.default_rng(7).integers(0, options.size, (3, options.points)))
    expected = data.load(options.dir / str(options.size), source(name), options.size)[points]
    best, wrong, results = {}, False, {}
    for _ in range(options.rounds):
        for tool, read in contenders(place, name).items():
            start = time.perf_counter()
            results[tool] = read(points)
            best[tool] = min(best.get(tool, 1e9), time.perf_counter() - start)
    if name == "jpeg":
        # Two decoders agree within two grey levels.
        expected = results["TensorStore"]
    for values in results.values():
        off = np.abs(values.astype(np.int64) - expected.astype(np.int64))
        wrong |= bool(off.max() > (2 if name == "jpeg" else 0))
    ours, theirs = best["bigarrays"], best["TensorStore"]
    verdict = " WRONG" if wrong else ""
    print(f"| {name} | {ours * 1e3:.1f} ms | {theirs * 1e3:.1f} ms | {theirs / ours:.2f}{verdict} |", flush=True)
    return not wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="edge of the cube [%(default)s]")
    parser.add_argument("--points", type=int, default=5000, help="how many points are read at once [%(default)s]")
    parser.add_argument("--rounds", type=int, default=7, help="rounds; the least counts [%(default)s]")
    parser.add_argument("--only", default="", help="only layers with this in their names")
    parser.add_argument("--dir", type=Path, help="where the data go [in memory, or the temporary folder]")
    options = parser.parse_args()
    options.dir = options.dir or data.folder("bigarrays-bench")
    options.dir.mkdir(parents=True, exist_ok=True)
    print("| layer | bigarrays | TensorStore | × TensorStore |\n|---|---|---|---|")
    return 0 if all([measure(options, name) for name in LAYERS if options.only in name]) else 1


if __name__ == "__main__":
    sys.exit(main())
