"""Writes the golden chunks of label codecs with the tools that define them.

    pip install numpy tensorstore compressed-segmentation compresso
    python generate.py

File names say codec, options, type and shape; tests/golden_labels.rs holds the same labels.
"""

import pathlib
import tempfile

import compressed_segmentation
import compresso
import numpy as np
import tensorstore as ts

HERE = pathlib.Path(__file__).parent


def labels(shape, dtype):
    """Slanted cells of about 7 elements, specks, and labels at the end of the type's range."""
    x, y, z, c = np.ogrid[tuple(slice(n) for n in (*shape, 1)[:4])]
    x, y, z, c = (a.astype(np.uint64) for a in (x, y, z, c))
    cells = (x + y // 2) // 7 + 31 * ((y + z) // 9) + 1009 * (z // 5) + 100_003 * c
    cells = cells * np.uint64(0x9E3779B97F4A7C15)
    specks = (x * 31 + y * 17 + z * 13) % 23 == 0
    cells = np.where(specks, np.uint64(0xFFFFFFFFFFFFFFFF) - x % 9, cells)
    cells = np.where(x // 16 == 1, z // 4, cells)
    return np.asfortranarray(cells.astype(dtype)).reshape(shape, order="F")


def tensorstore_chunk(data, block):
    x, y, z, channels = data.shape
    with tempfile.TemporaryDirectory() as directory:
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": directory},
            "multiscale_metadata": {
                "type": "segmentation", "data_type": data.dtype.name, "num_channels": channels,
            },
            "scale_metadata": {
                "size": [x, y, z], "resolution": [1, 1, 1], "chunk_size": [x, y, z], "key": "s",
                "encoding": "compressed_segmentation", "compressed_segmentation_block_size": block,
            },
        }
        ts.open(spec, create=True).result().write(data).result()
        return (pathlib.Path(directory) / "s" / f"0-{x}_0-{y}_0-{z}").read_bytes()


def save(name, shape, dtype, encoded):
    size = "x".join(map(str, shape))
    (HERE / f"{name}-{np.dtype(dtype).name}-{size}.bin").write_bytes(encoded)


def main():
    for dtype, shape, block in [
        (np.uint32, (35, 21, 10, 1), (8, 8, 8)),
        (np.uint64, (33, 18, 9, 2), (8, 8, 8)),
        (np.uint64, (19, 22, 11, 1), (5, 7, 3)),
    ]:
        data = labels(shape, dtype)
        name = "x".join(map(str, block))
        encoded = tensorstore_chunk(data, block)
        if shape[3] == 1:  # CloudVolume's library crashes on more channels
            assert encoded == compressed_segmentation.compress(data, block_size=block, order="F")
        save(f"cseg{name}", shape, dtype, encoded)
    for dtype, shape, steps, connectivity, index in [
        (np.uint8, (37, 21, 6), (4, 4, 1), 4, True),
        (np.uint16, (24, 18, 7), (8, 8, 1), 4, False),
        (np.uint32, (21, 19, 9), (4, 4, 2), 6, False),
        (np.uint64, (9, 26, 8), (4, 2, 1), 4, True),
    ]:
        encoded = compresso.compress(
            labels(shape, dtype), steps=steps, connectivity=connectivity, random_access_z_index=index
        )
        save(f"compresso{connectivity}-{'x'.join(map(str, steps))}", shape, dtype, encoded)


if __name__ == "__main__":
    main()
