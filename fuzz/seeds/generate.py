"""Writes seeds of the fuzz targets with the tools that define the formats.

    pip install h5py lmdb numcodecs numpy
    python generate.py

Each is compressed, as most of what some of these files hold is zeros; seed.sh unpacks them.
"""

import gzip
import io
import lzma
import pathlib
import struct
import tempfile

import h5py
import lmdb
import numcodecs
import numpy as np

HERE = pathlib.Path(__file__).parent
ROWS = np.arange(24, dtype="i2").reshape(8, 3)


def seed(target, name, data):
    (HERE / target).mkdir(exist_ok=True)
    (HERE / target / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))


def hdf5(name, fill, libver):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a.h5"
        with h5py.File(path, "w", libver=libver) as file:
            fill(file)
        seed("hdf5", f"{name}-{libver}", path.read_bytes())


def plain(file):
    file["a"] = ROWS
    file["g/b"] = ROWS.astype(">f8")
    file["again"] = h5py.SoftLink("/g")
    file["out"] = h5py.ExternalLink("other.h5", "/a")
    file["words"] = ["a", "b"]
    file["one"] = 1.0


def chunked(file):
    file.create_dataset("z", data=ROWS, chunks=(3, 2), compression="gzip", shuffle=True, fletcher32=True)
    file.create_dataset("grow", data=ROWS, chunks=(3, 3), maxshape=(None, 3))
    file.create_dataset("both", data=ROWS, chunks=(3, 2), maxshape=(None, None), compression="gzip")
    file.create_dataset("lzf", data=ROWS, chunks=(3, 2), compression="lzf")
    file.create_dataset("few-bits", data=ROWS, chunks=(4, 3), scaleoffset=5)


def external(file):
    file.create_dataset("e", (4,), dtype="u1", external=[("x.raw", 0, 4)])
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((3,))
    dataset = h5py.h5d.create(file.id, b"c", h5py.h5t.NATIVE_INT16, space, compact)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(3, dtype="i2"))


def virtual(file):
    file["a"] = ROWS
    layout = h5py.VirtualLayout(shape=(8, 3), dtype="i2")
    layout[:] = h5py.VirtualSource(".", "a", shape=(8, 3))
    file.create_virtual_dataset("v", layout)


def many(file):
    for k in range(20):
        file[f"n{k}"] = np.zeros(1, "u1")


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def lmdb_file(name, values, table=None):
    with tempfile.TemporaryDirectory() as folder:
        with lmdb.open(folder, map_size=1 << 24, max_dbs=2) as env:
            below = env.open_db(table) if table else None
            with env.begin(write=True) as txn:
                for key, value in values.items():
                    txn.put(key, npy(value), db=below)
        seed("lmdb", name, (pathlib.Path(folder) / "data.mdb").read_bytes())


def main():
    for libver in ["earliest", "latest"]:
        for fill in [plain, chunked, external, virtual, many]:
            hdf5(fill.__name__, fill, libver)
    lmdb_file("few", {b"a": ROWS, b"b": ROWS[:2]})
    lmdb_file("large", {b"a": np.zeros(3000, "u1"), b"b": np.ones(2, "u1")})
    lmdb_file("table", {b"a": ROWS, b"b": ROWS[:2]}, b"train")
    lmdb_file("deep", {b"%d" % k * 20: ROWS[:1] for k in range(60)})

    for name, save in [("stored", np.savez), ("deflated", np.savez_compressed)]:
        file = io.BytesIO()
        save(file, ROWS, b=np.zeros(99, ">f8"))
        seed("npz", name, file.getvalue())

    # Type and order, lengths less one, channels, starts, and steps, of three elements.
    choices = bytes([0, 2, 0, 0, 0, 1, 0, 0, 4, 0, 0])
    texts = np.array(["a", "", "äö"], dtype=object)
    seed("vlen", "texts", choices + numcodecs.VLenUTF8().encode(texts))
    seed("vlen", "bytes", choices + numcodecs.VLenBytes().encode(np.array([b"a", b"", b"xyz"], dtype=object)))

    # The limit of the output, then the bytes.
    data = np.arange(1000, dtype="u4").tobytes()
    limit = struct.pack("<I", len(data))
    seed("lz4", "numcodecs", limit + numcodecs.LZ4().encode(data))
    seed("bz2", "python", limit + numcodecs.BZ2(1).encode(data))
    seed("xz", "xz", limit + lzma.compress(data))
    seed("xz", "alone", limit + lzma.compress(data, lzma.FORMAT_ALONE))
    for name, kind in [("lzma1", lzma.FILTER_LZMA1), ("lzma2", lzma.FILTER_LZMA2)]:
        filters = [{"id": kind, "preset": 1}]
        seed("xz", name, limit + lzma.compress(data, lzma.FORMAT_RAW, filters=filters))


main()
