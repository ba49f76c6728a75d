"""What is measured: an EM-like image over Voronoi-like labels, and the layers made of them."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TILE, CELL = 128, 32
JPEG_QUALITY = 75
GZIP_LEVEL = 6
BLOCK = (8, 8, 8)


MEMORY = Path("/dev/shm")
ROOM = 8 << 30


def folder(name: str) -> Path:
    """Where the data go if nobody says: into memory, if there is room, and else into the temporary folder.

    What writes is measured wrongly on ext4: it looks for an inode that was not freed lately, so that a round which
    removed its files makes the next ones take up to twice as long.
    """
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    return (MEMORY if has_room else Path(tempfile.gettempdir())) / name


@dataclass(frozen=True)
class Layer:
    """One kind of stored layer; `suffix` is the compression around each file."""

    name: str
    source: str
    encoding: str
    chunk: tuple[int, int, int]
    suffix: str = ""

    @property
    def item(self) -> int:
        return 8 if self.source == "labels" else 1


LAYERS = [
    Layer("raw 256x256x32", "image", "raw", (256, 256, 32)),
    Layer("raw 64", "image", "raw", (64, 64, 64)),
    Layer("gzip 256x256x32", "image", "raw", (256, 256, 32), "gzip"),
    Layer("gzip 64", "image", "raw", (64, 64, 64), "gzip"),
    Layer("jpeg 256x256x32", "image", "jpeg", (256, 256, 32)),
    Layer("jpeg 64", "image", "jpeg", (64, 64, 64)),
    Layer("cseg 64", "labels", "compressed_segmentation", (64, 64, 64)),
]


def info(layer: Layer, size: int) -> dict:
    """The layer's metadata, with one scale in the folder `0`."""
    scale = {
        "key": "0",
        "size": [size] * 3,
        "resolution": [8, 8, 8],
        "voxel_offset": [0, 0, 0],
        "chunk_sizes": [list(layer.chunk)],
        "encoding": layer.encoding,
    }
    if layer.encoding == "jpeg":
        scale["jpeg_quality"] = JPEG_QUALITY
    if layer.encoding == "compressed_segmentation":
        scale["compressed_segmentation_block_size"] = list(BLOCK)
    labels = layer.source == "labels"
    return {
        "@type": "neuroglancer_multiscale_volume",
        "type": "segmentation" if labels else "image",
        "data_type": "uint64" if labels else "uint8",
        "num_channels": 1,
        "scales": [scale],
    }


def sources(folder: Path, size: int) -> None:
    """Writes `image.raw` (u8) and `labels.raw` (u64), x fastest, unless they are there."""
    done = folder / "sources.done"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    tile = voronoi_tile()
    membrane = np.zeros(tile.shape, bool)
    for axis in range(3):
        edge = tile != np.roll(tile, 1, axis)
        membrane |= edge | np.roll(edge, -1, axis)
    shade = np.random.default_rng(2).integers(120, 185, int(tile.max()) + 1, dtype=np.uint8)[tile]
    shade[membrane] = 55
    # As EM sections are: blurred in plane.
    blurred = (shade.astype(np.uint16) * 2 + np.roll(shade, 1, 0) + np.roll(shade, 1, 1)) // 4
    cells = int(tile.max()) + 1
    repeats = -(-size // TILE)
    image = np.memmap(folder / "image.raw", np.uint8, "w+", shape=(size,) * 3, order="F")
    labels = np.memmap(folder / "labels.raw", np.uint64, "w+", shape=(size,) * 3, order="F")
    rng = np.random.default_rng(3)
    for number in range(repeats**3):
        place = [number // repeats**k % repeats for k in range(3)]
        box = tuple(slice(p * TILE, min((p + 1) * TILE, size)) for p in place)
        cut = tuple(slice(0, b.stop - b.start) for b in box)
        labels[box] = (tile + np.uint64(10_000_000 + number * cells))[cut]
        noise = rng.integers(0, 24, (2, *tile.shape), dtype=np.uint8)
        # The sum of two even noises, averaged with its neighbour: grain, not static.
        grain = noise[0].astype(np.uint16) + noise[1]
        grain = (grain + np.roll(grain, 1, 0)) // 2
        image[box] = (blurred + grain).astype(np.uint8)[cut]
    image.flush(), labels.flush()
    done.touch()


def voronoi_tile() -> np.ndarray:
    """Cells around jittered seeds, periodic, numbered from 0; u64 of TILE³."""
    n = TILE // CELL
    seeds = np.random.default_rng(1).integers(0, CELL, (n, n, n, 3))
    tile = np.empty((TILE,) * 3, np.uint64)
    local = np.stack(np.meshgrid(*[np.arange(CELL)] * 3, indexing="ij"))
    for cell in np.ndindex(n, n, n):
        best = np.full(local.shape[1:], np.iinfo(np.int32).max, np.int32)
        label = np.zeros(best.shape, np.uint64)
        for step in np.ndindex(3, 3, 3):
            away = np.array(step) - 1
            other = tuple((np.array(cell) + away) % n)
            seed = (seeds[other] + away * CELL).astype(np.int32)
            distance = sum((local[d].astype(np.int32) - seed[d]) ** 2 for d in range(3))
            nearer = distance < best
            best[nearer] = distance[nearer]
            label[nearer] = np.ravel_multi_index(other, (n, n, n))
        tile[tuple(slice(c * CELL, (c + 1) * CELL) for c in cell)] = label
    return tile


def load(folder: Path, layer: Layer, size: int) -> np.ndarray:
    """The source of a layer in memory, x fastest."""
    dtype = np.uint64 if layer.source == "labels" else np.uint8
    return np.fromfile(folder / f"{layer.source}.raw", dtype).reshape((size,) * 3, order="F")


def boxes(count: int, size: int, edge: int, seed: int) -> list[tuple[int, int, int]]:
    """Origins of boxes that no grid of chunks is aligned with."""
    rng = np.random.default_rng(seed)
    return [tuple(int(at) for at in row) for row in rng.integers(0, size - edge, (count, 3)) | 1]


def voxels(count: int, size: int) -> list[tuple[int, int, int]]:
    rng = np.random.default_rng(7)
    return [tuple(int(at) for at in row) for row in rng.integers(0, size, (count, 3))]
