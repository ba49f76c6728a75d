"""Writes the golden files of this folder with other tools than bigarrays.

Needs numpy, pillow, imagecodecs, tensorstore, cloud-volume, numcodecs, brotli and zstandard.
Every `NAME.raw` holds the elements that the encoded files of that name decode to, in Fortran order and
little-endian; the name says type, shape and what made it.
"""

import bz2
import gzip
import io
import lzma
import pathlib
import shutil
import tempfile

import brotli
import imagecodecs
import numcodecs
import numpy as np
import tensorstore as ts
import zstandard
from cloudvolume import chunks
from PIL import Image

HERE = pathlib.Path(__file__).parent


def texture(shape, dtype):
    """A smooth texture, different in every channel."""
    grid = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in shape), indexing="ij")
    wave = np.sin(grid[0] / 3) + np.sin(grid[1] / 4 + 1) + np.sin(grid[2] / 2)
    if len(shape) == 4:
        wave *= 1 - 0.3 * grid[3]
    scale = np.iinfo(dtype).max / 7
    return np.asfortranarray((scale * (wave + 3.5)).astype(dtype))


def write(name, data):
    (HERE / name).write_bytes(data)


def raw(name, array):
    write(f"{name}.raw", np.asarray(array, array.dtype.newbyteorder("<")).tobytes(order="F"))


def tensorstore_chunk(array, encoding):
    """The one chunk that TensorStore writes, and what it reads back."""
    folder = pathlib.Path(tempfile.mkdtemp())
    x, y, z, channels = array.shape
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": "image", "data_type": str(array.dtype), "num_channels": channels},
            "scale_metadata": {
                "size": [x, y, z],
                "chunk_size": [x, y, z],
                "resolution": [1, 1, 1],
                "encoding": encoding,
            },
            "create": True,
        }
    ).result()
    store.write(array).result()
    data = next(path for path in folder.rglob("0-*") if path.is_file()).read_bytes()
    back = np.asfortranarray(store.read().result())
    shutil.rmtree(folder)
    return data, back


def images():
    for name, shape, dtype, encoding in [
        ("jpeg-u8-24x18x10x1", (24, 18, 10, 1), "uint8", "jpeg"),
        ("jpeg-u8-16x18x5x3", (16, 18, 5, 3), "uint8", "jpeg"),
        ("png-u8-9x8x7x1", (9, 8, 7, 1), "uint8", "png"),
        ("png-u16-9x8x7x3", (9, 8, 7, 3), "uint16", "png"),
    ]:
        data, back = tensorstore_chunk(texture(shape, dtype), encoding)
        write(f"{name}.tensorstore", data)
        raw(name, back)

    grey = texture((24, 18, 10, 1), "uint8")
    name = "cloudvolume-u8-24x18x10x1"
    write(f"{name}.jxl", chunks.encode(grey, "jxl", compression_params={"level": 100}))
    raw(name, grey)
    lossy = chunks.encode(grey, "jxl", compression_params={"level": 85})
    name = "cloudvolume-lossy-u8-24x18x10x1"
    write(f"{name}.jxl", lossy)
    raw(name, chunks.decode(lossy, "jxl", shape=grey.shape, dtype="uint8"))

    # 48 pixels wide, which is neither x nor x*y; the png decodes to the same as CloudVolume's.
    pixels = grey.ravel(order="F").reshape(90, 48)
    name = "pillow-u8-24x18x10x1"
    for suffix, options in [("jpeg", {"progressive": True, "quality": 90}), ("png", {"optimize": True})]:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, suffix, **options)
        write(f"{name}.{suffix}", buffer.getvalue())
        if suffix == "jpeg":
            raw(name, np.asarray(Image.open(buffer)).ravel())

    colour = texture((16, 18, 5, 3), "uint8")
    interleaved = colour.reshape(16, 90, 3, order="F").transpose(1, 0, 2)
    name = "imagecodecs-u8-16x18x5x3"
    write(f"{name}.jxl", imagecodecs.jpegxl_encode(np.ascontiguousarray(interleaved), lossless=True))
    raw(name, colour)


def compressors():
    plain = texture((10, 10, 10), "uint32").tobytes(order="F")
    write("plain.raw", plain)
    write("plain.gzip", gzip.compress(plain[:1000], mtime=0) + gzip.compress(plain[1000:], mtime=0))
    write("plain.br", brotli.compress(plain))
    stream = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    write("plain.zstd", stream.compress(plain) + stream.flush())
    write("plain.bz2", bz2.compress(plain[:1000]) + bz2.compress(plain[1000:]))
    write("plain.xz", lzma.compress(plain[:1000]) + lzma.compress(plain[1000:]))
    blosc = numcodecs.Blosc(cname="blosclz", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)
    write("plain.blosclz", blosc.encode(np.frombuffer(plain, "uint32")))


images()
compressors()
