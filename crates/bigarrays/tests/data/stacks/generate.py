"""Writes the golden files of this folder with NumPy, tifffile and Pillow, and `expected.json`.

Needs numpy, tifffile, imagecodecs and Pillow. For every file, `expected.json` says data type, shape and
axis names, and the CRC-32 of the elements in C order, little-endian.
"""

import json
import pathlib
import zlib

import numpy as np
import tifffile
from PIL import Image

HERE = pathlib.Path(__file__).parent
expected = {}


def note(name, array, axes, resolution=None):
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"))
    expected[name] = {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "axes": axes,
        "crc32": zlib.crc32(array.tobytes()),
        "resolution": resolution,
    }


def numbers(shape, dtype):
    count = int(np.prod(shape))
    values = (np.arange(count) * 37 + np.arange(count) // 11) % 251
    return (values % 2 if dtype == "bool" else values).reshape(shape).astype(dtype)


def npy():
    for name, dtype, order in [("c-f8", "<f8", "C"), ("fortran-i2-big", ">i2", "F"), ("bool", "bool", "C")]:
        array = numbers((3, 4, 5), dtype)
        np.save(HERE / f"{name}.npy", np.asarray(array, order=order))
        note(f"{name}.npy", array, "xyz" if order == "F" else "zyx")
    array = numbers((2, 3), "u4")
    with open(HERE / "v3.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=(3, 0))
    note("v3.npy", array, "yx")


def tiff():
    def write(name, array, axes="zyx", size=None, **options):
        options.setdefault("photometric", "minisblack")
        tifffile.imwrite(HERE / name, array, **options)
        note(name, array, axes, size)

    shape = (3, 20, 33)
    for dtype in ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]:
        write(f"deflate-{dtype}.tif", numbers((3, 9, 13), dtype), compression="zlib", predictor=dtype in ("u1", "u2", "u4"))
    write("big-endian-lzw.tif", numbers(shape, "u2"), byteorder=">", compression="lzw", rowsperstrip=7)
    write("big-endian-plain.tif", numbers(shape, "i2"), byteorder=">", rowsperstrip=7)
    write("bigtiff-tiles.tif", numbers(shape, "u2"), bigtiff=True, tile=(16, 16), compression="packbits")
    write("float-predictor.tif", numbers(shape, "f4"), compression="zlib", predictor=3, tile=(16, 16))
    write("bilevel.tif", numbers(shape, "bool"), photometric="minisblack")
    write("white-is-zero.tif", numbers(shape, "u2"), photometric="miniswhite", compression="zlib")
    rgb = numbers((2, 20, 33, 3), "u1")
    write("rgb.tif", rgb, "zyxc", photometric="rgb", compression="zlib")
    write("planar.tif", np.moveaxis(rgb, -1, 1), "zcyx", photometric="rgb", planarconfig="separate", compression="zlib")
    options = {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"}
    write("planar-tiles.tif", np.moveaxis(rgb, -1, 1)[:, :, :16], "zcyx", tile=(16, 16), **options)
    rgba = numbers((2, 9, 11, 4), "u2")
    write("rgba.tif", rgba, "zyxc", photometric="rgb", extrasamples=["unassalpha"], compression="lzw")
    hyperstack = numbers((2, 3, 2, 5, 6), "u2")
    metadata = {"axes": "TZCYX", "spacing": 2.5, "unit": "um"}
    write("imagej.tif", hyperstack, "tzcyx", [1, 2.5, 1, 0.5, 0.25], imagej=True, resolution=(4, 2), metadata=metadata)
    # ImageJ writes stacks above 4 GB with the directory of the first page only.
    with tifffile.TiffFile(HERE / "imagej.tif") as file:
        end_of_directory = file.pages[0].offset + 2 + 12 * len(file.pages[0].tags)
    one = bytearray((HERE / "imagej.tif").read_bytes())
    one[end_of_directory : end_of_directory + 4] = bytes(4)
    (HERE / "imagej-one-directory.tif").write_bytes(one)
    note("imagej-one-directory.tif", hyperstack, "tzcyx", [1, 2.5, 1, 0.5, 0.25])
    metadata = {"axes": "CZYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.5}
    write("ome.ome.tif", hyperstack[0], "czyx", [1, 2.5, 0.5, 0.25], compression="zlib", metadata=metadata)
    with tifffile.TiffWriter(HERE / "thumbnail.tif") as file:
        for page in numbers(shape, "u1"):
            file.write(page, compression="zlib", photometric="minisblack", contiguous=False, metadata=None)
            file.write(page[::2, ::2], subfiletype=1, compression="zlib", metadata=None)
    note("thumbnail.tif", numbers(shape, "u1"), "zyx")
    with tifffile.TiffWriter(HERE / "odd-page.tif") as file:
        for page in [np.zeros((4, 5), "u1"), np.zeros((4, 5), "u1"), np.zeros((4, 6), "u1")]:
            file.write(page, contiguous=False, metadata=None)
    bits = numbers((20, 33), "bool")
    Image.fromarray(bits).save(HERE / "group4.tif", compression="group4")
    note("group4.tif", tifffile.imread(HERE / "group4.tif")[None], "zyx")


def slices():
    def write(name, arrays, axes, suffix, **options):
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        for k, array in zip((2, 9, 10), arrays):
            Image.fromarray(array).save(folder / f"slice{k}.{suffix}", **options)
        note(name, arrays, axes)

    write("png-gray", numbers((3, 5, 7), "u1"), "zyx", "png")
    write("png-gray16", numbers((3, 5, 7), "u2") * 257, "zyx", "png")
    write("png-rgb", numbers((3, 5, 7, 3), "u1"), "zyxc", "png")
    write("png-bits", numbers((3, 5, 7), "bool"), "zyx", "png")
    write("tiff-slices", numbers((3, 5, 7), "u2"), "zyx", "tif", compression="tiff_lzw")
    smooth = np.add.outer(np.arange(3) * 20, np.add.outer(np.arange(32) * 2, np.arange(40))).astype("u1")
    write("jpeg", smooth, "zyx", "jpg", quality=100)
    decoded = [np.array(Image.open(HERE / "jpeg" / f"slice{k}.jpg")) for k in (2, 9, 10)]
    note("jpeg", np.stack(decoded), "zyx")
    Image.fromarray(numbers((5, 7), "u1")).convert("P").save(HERE / "palette.png")


npy()
tiff()
slices()
(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
