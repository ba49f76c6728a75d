import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays


@pytest.fixture
def array(tmp_path: Path) -> bigarrays.Array:
    return bigarrays.create(tmp_path / "a", shape=(20, 15, 10), origin=(-5, 0, 3), dtype="uint16", chunk_shape=(8, 8, 8))


def test_results_have_the_order_of_chunks_unless_asked(array: bigarrays.Array) -> None:
    array[...] = np.arange(3000, dtype=np.uint16).reshape(array.shape)
    assert array[...].flags.f_contiguous and array.T[...].flags.c_contiguous
    c = array.read(order="C")
    assert c.flags.c_contiguous and (c == array.read(order="F")).all() and (c == array[...]).all()
    assert c.flags.owndata and c.flags.writeable
    with pytest.raises(ValueError, match="order"):
        array.read(order="K")  # type: ignore[call-overload]


def test_boxes_of_every_spelling(array: bigarrays.Array) -> None:
    array[...] = np.arange(3000, dtype=np.uint16).reshape(array.shape)
    expected = array[-5:3, 2:20, 4:5]
    for box in ("-5:3,2:20,4:5", bigarrays.Domain("-5:3,2:20,4:5"), [(-5, 3), (2, 20), (4, 5)], np.s_[:3, 2:20, 4:5]):
        np.testing.assert_array_equal(array.read(box), expected)
    with pytest.raises(ValueError, match="axes"):
        array.read("0:3")


def test_out_at_any_strides(array: bigarrays.Array) -> None:
    array[...] = np.arange(3000, dtype=np.uint16).reshape(array.shape)
    whole = np.zeros((40, 20, 15), np.uint16)
    out = whole[::-2, :10, ::].transpose(0, 2, 1)
    assert array.read(out=out) is out
    np.testing.assert_array_equal(out, array[...])
    assert not whole[:, 10:].any() and not whole[::2].any()


def test_out_that_does_not_fit_is_refused(array: bigarrays.Array) -> None:
    shape = array.shape
    frozen = np.zeros(shape, np.uint16)
    frozen.flags.writeable = False
    shared = np.lib.stride_tricks.as_strided(np.zeros(3000, np.uint16), shape, (2, 2, 2))
    for out in (frozen, shared, np.zeros(shape, np.int16), np.zeros(shape, ">u2"), np.zeros((20, 15, 9), np.uint16)):
        with pytest.raises(ValueError, match="out"):
            array.read(out=out)
    with pytest.raises(TypeError):
        array.read(out=[1])  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="not both"):
        array.read(out=np.zeros(shape, np.uint16), order="C")  # type: ignore[call-overload]


@pytest.mark.parametrize("seed", range(60))
def test_writes_match_numpy(tmp_path: Path, seed: int) -> None:
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    origin = tuple(rng.randrange(-20, 20) for _ in range(3))
    shape = tuple(rng.randrange(1, 18) for _ in range(3))
    array = bigarrays.create(tmp_path / "a", shape=shape, origin=origin, dtype="int32", chunk_shape=(5, 4, 7))
    model = np.zeros(shape, np.int32)
    for _ in range(6):
        start = [rng.randrange(length) for length in shape]
        stop = [rng.randrange(at, length) + 1 for at, length in zip(start, shape, strict=True)]
        step = [rng.choice([1, 1, 2, 3]) for _ in range(3)]
        target = model[tuple(map(slice, start, stop, step))]
        like = [length if rng.random() < 0.7 else 1 for length in target.shape][rng.randrange(3) :]
        value = noise.integers(-99, 99, [2 * length for length in like], np.int32)
        value = value[tuple(rng.choice([slice(None, None, 2), slice(None, None, -2)]) for _ in like)]
        target[...] = value
        key = (slice(a + o, b + o, s) for a, b, s, o in zip(start, stop, step, origin, strict=True))
        array[tuple(key)] = value
        np.testing.assert_array_equal(array[...], model)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint32", "int64", "uint64", "float32", "float64"])
def test_every_type_comes_back(tmp_path: Path, dtype: str) -> None:
    data = np.random.default_rng(0).integers(0, 2, (9, 8, 7)).astype(dtype)
    try:
        array = bigarrays.create(tmp_path / "a", shape=data.shape, dtype=dtype)
    except bigarrays.UnsupportedError:
        pytest.skip("not a type of this format")
    array[...] = data
    assert array[...].dtype == dtype == array.dtype
    np.testing.assert_array_equal(array[...], data)
    assert type(array[0, 0, 0]) is np.dtype(dtype).type and array[8, 7, 6] == data[8, 7, 6]


def test_casts_are_those_that_lose_nothing(array: bigarrays.Array) -> None:
    good: list[Any] = [7, np.int64(7), np.full(10, 7), np.uint8(7), True, [[7] * 10] * 15, np.full((15, 10), 7, ">u2"), np.array([[7]], np.uint64)]
    for value in good:
        array[0:2] = value
        assert (array[0:2] == np.asarray(value).astype(np.uint16)).all()
    bad: list[Any] = [7.0, -1, 65536, [65536] * 10, np.array([-1], np.int64), np.float32(7), 1j, "7", None, 2**70]
    for value in bad:
        with pytest.raises(bigarrays.InvalidArgumentError, match="uint16"):
            array[0:2] = value
    with pytest.raises(ValueError, match="broadcast"):
        array[0:2] = np.zeros((3, 15, 10), np.uint16)
    assert (array[0:2] == 7).all()


def test_truth_values_are_written_as_numbers_too(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(4, 2, 2), dtype="bool")
    array[0:2] = 1
    array[1] = np.array([[0, 1], [1, 0]])
    assert array[:, 0, 1].tolist() == [True, True, False, False]
    with pytest.raises(bigarrays.InvalidArgumentError):
        array[0] = 2


def test_write_by_origin_or_box(array: bigarrays.Array) -> None:
    array.write((-5, 0, 3), np.full((3, 3, 3), 4, np.uint16))
    array.write(np.array([0, 0, 3]).tolist(), [[[5]]])
    array.write("1:15,0:1,3:4", 6)
    assert array[-3, 2, 5] == 4 and array[0, 0, 3] == 5 and (array[1:15, 0, 3] == 6).all()
    assert int(array[...].sum()) == 27 * 4 + 5 + 14 * 6


def test_writes_outside(tmp_path: Path, array: bigarrays.Array) -> None:
    with pytest.raises(bigarrays.OutOfBoundsError, match="outside"):
        array[-6:0] = 1
    assert not array[...].any()
    cropping = bigarrays.open(tmp_path / "a", mode="r+", outside="crop")
    cropping[-9:0, 10:99, 0:4] = np.arange(1, 10, dtype=np.uint16).reshape(9, 1, 1)
    assert array[-5:0, 10, 3].tolist() == [5, 6, 7, 8, 9] and int((array[...] > 0).sum()) == 25


def lets_others_run(work: Callable[[], object]) -> bool:
    """Whether another thread comes to run while `work` is done again and again, when only `work` itself can let it."""
    count, stop = 0, threading.Event()

    def tick() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        before, began = count, time.monotonic()
        while count < before + 4 and time.monotonic() < began + 60:
            work()
        return count >= before + 4
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        thread.join()


def test_other_threads_run_while_one_reads_or_writes(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "big", shape=(384, 384, 192), dtype="uint8")
    data = np.zeros(array.shape, np.uint8, order="F")
    assert lets_others_run(lambda: array.write((0, 0, 0), data))
    assert lets_others_run(lambda: array.read(out=data))


def test_many_threads_read_and_write(array: bigarrays.Array) -> None:
    def fill(x: int) -> bool:
        array[x, :, :] = x + 6
        return bool((array[x] == x + 6).all())

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(fill, range(-5, 15)))
    assert (array[...] == np.arange(1, 21).reshape(20, 1, 1)).all()


@pytest.mark.parametrize(
    "codec",
    [
        {"name": "gzip", "configuration": {"level": 1}},
        {"name": "gzip", "configuration": {"level": 6}},
        {"name": "gzip", "configuration": {"level": 9}},
        {"name": "zstd", "configuration": {"level": 3, "checksum": True}},
    ],
    ids=lambda codec: f"{codec['name']}-{codec['configuration']['level']}",
)
@pytest.mark.parametrize("kind", ["memory", "mapped"])
def test_arrays_that_others_change_are_stored_whole(tmp_path: Path, codec: dict[str, Any], kind: str) -> None:
    """Each chunk can be read, and has of each element one of the values that it had."""
    n = 250_000
    rng = np.random.default_rng(1)
    one = rng.integers(0, 128, n).astype(np.uint8)
    two = np.full(n, 200, np.uint8)
    changed: np.ndarray[Any, np.dtype[np.uint8]] = one.copy()
    source = changed
    if kind == "mapped":
        one.tofile(tmp_path / "source")
        changed = np.memmap(tmp_path / "source", np.uint8, "r+")
        source = np.memmap(tmp_path / "source", np.uint8, "r")
    array = bigarrays.create(
        tmp_path / "x.zarr",
        shape=(n,),
        dtype="uint8",
        chunk_shape=(n,),
        format="zarr3",
        codecs=[{"name": "bytes"}, codec],
    )
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            changed[:] = two
            changed[:] = one

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(15):
            array[...] = source
            read = array[...]
            assert ((read == one) | (read == two)).all()
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("name", ["npy", "zarr", "vindex", "copy", "flat", "append", "write", "slices"])
def test_other_bytes_become_booleans_at_every_entrance(tmp_path: Path, name: str) -> None:
    odd = np.array([0, 1, 2, 255], np.uint8).view(bool)
    plain: dict[str, Any] = {"shape": (4,), "dtype": "bool", "format": "zarr3", "codecs": [{"name": "bytes"}]}
    read: Any
    if name == "npy":
        np.save(tmp_path / "a.npy", odd)
        npy = bigarrays.open(tmp_path / "a.npy")
        np.testing.assert_array_equal(npy[...].view(np.uint8), [0, 1, 1, 1])
        read = stored = np.asarray(npy)
    elif name in ("zarr", "vindex", "copy"):
        array = bigarrays.create(tmp_path / "a", **plain)
        if name == "vindex":
            array.vindex[[0, 1, 2, 3]] = odd
        else:
            array[...] = odd
        chunk = tmp_path / "a/c/0"
        if name == "copy":
            chunk.write_bytes(odd.tobytes())
            source, array = array, bigarrays.create(tmp_path / "b", **plain)
            bigarrays.copy(source, array)
            chunk = tmp_path / "b/c/0"
        read, stored = array[...], np.frombuffer(chunk.read_bytes(), bool)
    elif name == "slices":
        slices = bigarrays.SliceArray(tmp_path / "a.npy", "x", shape=(None,), dtype="bool")
        slices["a"] = odd
        read, stored = slices["a"], np.load(tmp_path / "a.npy")
    else:
        flat = bigarrays.FlatArray(tmp_path / "a.npy", "x", shape=(None,), dtype="bool")
        if name == "append":
            flat.append(odd)
        elif name == "write":
            flat.write(0, odd)
        else:
            flat.grow(4)
            flat[0:4] = odd
        read, stored = flat[:], np.load(tmp_path / "a.npy")
    for found in (read, stored):
        np.testing.assert_array_equal(found.view(np.uint8), [0, 1, 1, 1])


def test_booleans_are_zero_or_one(tmp_path: Path) -> None:
    codecs = [{"name": "bytes"}]
    array = bigarrays.create(
        tmp_path / "x.zarr", shape=(4,), dtype="bool", chunk_shape=(4,), format="zarr3", codecs=codecs
    )
    array[...] = np.array([0, 1, 2, 255], np.uint8).view(bool)
    assert array[...].view(np.uint8).tolist() == [0, 1, 1, 1]
