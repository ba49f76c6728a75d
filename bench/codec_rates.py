"""Measures how fast one thread decodes and encodes with each codec, and how small what is encoded becomes. It prints the table of
`bigarrays/_rates.py`, which `explain(workers=…)` goes by.

BIGARRAYS_THREADS=1 bench/codec_rates.py [--rounds N]
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

# Before anything makes the pool.
os.environ["BIGARRAYS_THREADS"] = "1"

import bigarrays
import numpy as np

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
SHAPE, CHUNK = (96, 180, 360), (24, 90, 180)
BLOSC = {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": 4, "blocksize": 0}


def zarr(*codecs: dict[str, Any]) -> dict[str, Any]:
    return {"format": "zarr3", "codecs": [LITTLE, *codecs], "chunk_shape": CHUNK}


def layer(encoding: str) -> dict[str, Any]:
    return {"format": "precomputed", "encoding": encoding, "chunk_shape": (96, 90, 180), "resolution": (1, 1, 1)}


def climate() -> Any:
    """A field that changes smoothly and has noise, as `compute.py` has it."""
    rng = np.random.default_rng(1)
    y, x = np.meshgrid(np.linspace(0, 3, SHAPE[1]), np.linspace(0, 6, SHAPE[2]), indexing="ij")
    times = np.arange(SHAPE[0])[:, None, None]
    noise = rng.integers(-20, 20, size=SHAPE) / 64
    return (280 + 20 * np.sin(y + times / 50) * np.cos(x) + noise).astype("float32")


def image() -> Any:
    """Texture in grey."""
    field = climate()
    return np.clip((field - field.min()) * 5, 0, 255).astype("uint8")


def labels() -> Any:
    """Boxes of labels."""
    at = np.indices(SHAPE) // np.array([9, 17, 21])[:, None, None, None]
    return (at[0] * 10007 + at[1] * 101 + at[2]).astype("uint64")


CODECS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "raw": (climate, zarr()),
    "zstd": (climate, zarr({"name": "zstd", "configuration": {"level": 1, "checksum": False}})),
    "gzip": (climate, zarr({"name": "gzip", "configuration": {"level": 5}})),
    "blosc": (climate, zarr({"name": "blosc", "configuration": BLOSC})),
    "jpeg": (image, layer("jpeg")),
    "png": (image, layer("png")),
    "compressed_segmentation": (labels, layer("compressed_segmentation")),
}


def least(work: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    for name, (make, options) in CODECS.items():
        elements = make()
        array = bigarrays.create(f"memory://rates/{name}", shape=elements.shape, dtype=elements.dtype, **options)

        def write(array: Any = array, elements: Any = elements) -> None:
            array[...] = elements

        encode = elements.nbytes / least(write, rounds)
        decode = elements.nbytes / least(lambda array=array: array[...], rounds)
        stored = sum(one["bytes"] for one in bigarrays.verify(f"memory://rates/{name}").arrays)
        rates = f"decode={decode / 1e6:.0f}, encode={encode / 1e6:.0f}, ratio={elements.nbytes / stored:.1f}"
        print(f'    "{name}": Rate({rates}),', flush=True)


if __name__ == "__main__":
    main()
