"""Reads and writes single chunks with bare codecs: what the others are checked and limited by."""

import re
from pathlib import Path

import compressed_segmentation
import imagecodecs
import numpy as np

from data import BLOCK, GZIP_LEVEL, JPEG_QUALITY, Layer

SUFFIX = {"": "", "gzip": ".gz"}


def chunk_boxes(layer: Layer, size: int):
    """The boxes of all chunks, x fastest."""
    counts = [-(-size // c) for c in layer.chunk]
    for k in range(counts[2]):
        for j in range(counts[1]):
            for i in range(counts[0]):
                yield tuple(
                    slice(at * c, min((at + 1) * c, size)) for at, c in zip((i, j, k), layer.chunk)
                )


def chunk_name(layer: Layer, box) -> str:
    return "_".join(f"{s.start}-{s.stop}" for s in box) + SUFFIX[layer.suffix]


def decode(layer: Layer, data: bytes, shape, out: np.ndarray | None = None) -> np.ndarray:
    """The chunk as an array, x fastest; `out`, flat u8, is used where the codec can."""
    if layer.suffix == "gzip":
        data = imagecodecs.gzip_decode(data, out=out)
    if layer.encoding == "raw":
        return np.frombuffer(data, np.uint8).reshape(shape, order="F")
    if layer.encoding == "jpeg":
        plane = None if out is None else out.reshape(-1, jpeg_width(data))
        return imagecodecs.jpeg8_decode(data, out=plane).reshape(-1).reshape(shape, order="F")
    return compressed_segmentation.decompress(data, shape, np.uint64, BLOCK, order="F")


def encode(layer: Layer, chunk: np.ndarray) -> bytes:
    """The bytes of a chunk that is dense, x fastest."""
    if layer.encoding == "compressed_segmentation":
        return compressed_segmentation.compress(chunk, block_size=BLOCK, order="F")
    if layer.encoding == "jpeg":
        plane = chunk.reshape(-1, order="F").reshape(-1, chunk.shape[0])
        return imagecodecs.jpeg8_encode(plane, level=JPEG_QUALITY)
    data = chunk.reshape(-1, order="F").data
    return imagecodecs.gzip_encode(data, level=GZIP_LEVEL) if layer.suffix == "gzip" else data


def jpeg_width(data: bytes) -> int:
    """The width that the first frame header states."""
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return int.from_bytes(data[at + 7 : at + 9], "big")


def read_layer(layer: Layer, folder: Path, size: int, item) -> np.ndarray:
    """All of a layer, missing chunks as zeros. Fails on files that are not chunks."""
    out = np.zeros((size,) * 3, item, order="F")
    names = {chunk_name(layer, box): box for box in chunk_boxes(layer, size)}
    for path in (folder / "0").iterdir():
        if re.match(r"\d", path.name):
            box = names[path.name]
            out[box] = decode(layer, path.read_bytes(), tuple(s.stop - s.start for s in box))
    return out
