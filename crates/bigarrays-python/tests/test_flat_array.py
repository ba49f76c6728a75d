import fcntl
import multiprocessing
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import bigarrays
from bigarrays import FlatArray, SliceArray

SPAWN = multiprocessing.get_context("spawn")
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.npy"


def same(path: Path, expected: np.ndarray[Any, Any]) -> None:
    """The file is `expected` for numpy and for FlatArray."""
    loaded = np.load(path, mmap_mode="r")
    assert loaded.dtype == expected.dtype and loaded.shape == expected.shape
    np.testing.assert_array_equal(loaded, expected)
    np.testing.assert_array_equal(np.asarray(FlatArray(path)), expected)


def test_writes_once_and_appends_after_reopening(path: Path) -> None:
    array = np.arange(100, dtype="float32").reshape(-1, 5)
    with FlatArray(path, "w", shape=(None, 5), dtype=array.dtype) as a:
        assert a.append(array) == range(20)
    same(path, array)
    with FlatArray(path, "r+") as a:
        assert a.append(array) == range(20, 40)
    same(path, np.concatenate([array, array]))


def test_writes_many_times_and_at_positions(path: Path) -> None:
    array = np.arange(1000, dtype="float32").reshape(-1, 2, 5)
    with FlatArray(path, "x", shape=(0, 2, 5), dtype="float32") as a:
        for start in range(0, len(array), 8):
            a.append(array[start : start + 8])
    same(path, array)
    array[10:20] = np.arange(100).reshape(-1, 2, 5)
    with FlatArray(path, "r+") as a:
        a.write(10, array[10:20])
    same(path, array)
    with FlatArray(path, "r+") as a:
        a.write(102, array[:1])
    same(path, np.concatenate([array, np.zeros((2, 2, 5), "float32"), array[:1]]))


def write_job(job: tuple[int, np.ndarray[Any, Any], Path]) -> None:
    number, array, path = job
    with FlatArray(path, "a", shape=(300, 25, 8), dtype="float64") as a:
        a.write(number * len(array), array)


def append_job(job: tuple[FlatArray, int]) -> range:
    array, number = job
    # Of some of them the rows are reserved first.
    return array.append(np.full((1 + number * 100, 25, 8), number))


def read_job(job: tuple[FlatArray, int, int]) -> tuple[int, int, bytes]:
    array, start, end = job
    return start, end, array[start:end].tobytes()


@pytest.mark.parametrize("context", [SPAWN, FORK])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_25_jobs_on_2_processes(path: Path, context: Any) -> None:
    rng = np.random.default_rng(8)
    arrays = [rng.random((12, 25, 8)) for _ in range(25)]
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(write_job, [(k, array, path) for k, array in enumerate(arrays)]))
        whole = np.concatenate(arrays)
        same(path, whole)
        a = FlatArray(path)
        spans = [sorted(rng.integers(0, 300, 2).tolist()) for _ in range(25)]
        for start, end, data in pool.map(read_job, [(a, start, end) for start, end in spans]):
            assert data == whole[start:end].tobytes()
        writer = FlatArray(path, "r+")
        found = list(pool.map(append_job, [(writer, number) for number in range(25)]))
    writer.refresh()
    for number, rows in enumerate(found):
        assert len(rows) == 1 + number * 100
        assert (writer[rows.start : rows.stop] == number).all()
    assert sorted(row for rows in found for row in rows) == list(range(300, len(writer)))
    assert np.sum(writer[300:]) == sum(number * len(rows) for number, rows in enumerate(found)) * 200


def test_threads_append(path: Path) -> None:
    a = FlatArray(path, "x", shape=(None, 2), dtype="int64")
    found: list[tuple[int, range]] = []

    def work(number: int) -> None:
        for _ in range(20):
            found.append((number, a.append(np.full((number + 1, 2), number))))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(a) == 20 * (1 + 2 + 3 + 4)
    assert all((a[rows.start : rows.stop] == number).all() for number, rows in found)


def test_the_array_is_the_mapping(path: Path) -> None:
    np.save(path, np.arange(12).reshape(3, 4))
    a = FlatArray(path, "r+")
    whole = np.asarray(a)
    assert np.asarray(a) is whole and type(whole) is np.ndarray
    part = a[1:3]
    assert np.shares_memory(part, whole) and part.base is not None
    a[1, 1] = 77
    assert part[0, 1] == 77 and np.load(path)[1, 1] == 77
    with pytest.raises(ValueError, match="copy"):
        np.array(a, copy=False, dtype="float32")
    assert np.array(a, dtype="float32").dtype == np.float32
    read_only = FlatArray(path)
    with pytest.raises(bigarrays.ReadOnlyError):
        read_only[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(read_only)[0] = 1
    private = FlatArray(path, "c")
    private[0] = -1
    assert private[0, 0] == -1 and a[0, 0] == 0


@pytest.mark.parametrize("dtype", ["bool", "int8", ">f8", "complex64", "U5", "M8[ns]", "f2", [("a", "<i4"), ("b", "f8", (2,))]])
@pytest.mark.parametrize("order", ["C", "F"])
def test_types_orders_and_shapes(path: Path, dtype: Any, order: Any) -> None:
    for shape in [(), (3,), (0, 4), (2, 3, 4, 5)]:
        expected = np.zeros(shape, dtype, order=order)
        expected.reshape(-1, order="A").view("u1")[:] = 0 if np.dtype(dtype).kind in "bU" else 1
        a = FlatArray(path, "w", shape=shape, dtype=dtype, order=order)
        assert a.dtype == expected.dtype and a.shape == shape and a.ndim == len(shape)
        a[...] = expected
        np.testing.assert_array_equal(np.load(path), expected)
        assert np.load(path).flags.f_contiguous == expected.flags.f_contiguous
        np.save(path, expected)
        np.testing.assert_array_equal(np.asarray(FlatArray(path)), expected)
    assert np.asarray(FlatArray(path)).flags.f_contiguous == (order == "F")


def test_growing_and_truncating_under_a_reader(path: Path) -> None:
    a = FlatArray(path, "x", shape=(2, 3), dtype="int32", reserve=1000)
    a[:] = 1
    reader = FlatArray(path)
    view = reader[:]
    a.append(np.full((100_000, 3), 2))
    assert len(reader) == 2 and view.sum() == 6 and reader.refresh() and len(reader) == 100_002
    assert view.sum() == 6 and reader[-1].tolist() == [2, 2, 2]
    a.grow(100_005)
    assert a.shape == (100_005, 3) and not a[-3:].any()
    a.truncate(1)
    with pytest.raises(bigarrays.CorruptDataError, match="cut short"):
        reader[0]
    assert reader.refresh() and reader[0].tolist() == [1, 1, 1]
    same(path, np.ones((1, 3), "int32"))


def test_a_header_without_room_is_widened(path: Path) -> None:
    header = b"{'descr':'<i2','fortran_order':False,'shape':(2,3)}\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(range(12)))
    before = np.load(path)
    a = FlatArray(path, "r+")
    other = FlatArray(path, "r+")
    with pytest.raises(bigarrays.StorageError, match="others"):
        a.append(before)
    del other
    a.append(before)
    same(path, np.concatenate([before, before]))


def test_modes_and_mistakes(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FlatArray(path)
    with pytest.raises(bigarrays.InvalidArgumentError, match="shape"):
        FlatArray(path, "a")
    with pytest.raises(bigarrays.UnsupportedError, match="objects"):
        FlatArray(path, "x", shape=(3,), dtype=object)
    a = FlatArray(path, "a", shape=(None, 3), dtype="int16")
    assert FlatArray(path, "a", shape=(7, 3), dtype="int16").shape == (0, 3)
    for mode, shape, dtype in [("a", (None, 4), "int16"), ("a", (None, 3), "int32"), ("q", None, None)]:
        with pytest.raises(bigarrays.InvalidArgumentError):
            FlatArray(path, mode, shape=shape, dtype=dtype)  # type: ignore[arg-type]
    with pytest.raises(bigarrays.AlreadyExistsError):
        FlatArray(path, "w-", shape=(3,), dtype="u1")
    with pytest.raises(bigarrays.InvalidArgumentError, match=r"row\[None\]"):
        a.append([1, 2, 3])
    with pytest.raises(bigarrays.InvalidArgumentError, match="without loss"):
        a.append([[1.5, 2, 3]])
    assert a.append([[1, 2, 3]]) == range(1) and a.unfinished() == []
    assert "(1, 3) of int16" in repr(a)


def test_pickles_by_path_and_mode(path: Path) -> None:
    a = FlatArray(path, "x", shape=(None,), dtype="u1", durable=True)
    b = pickle.loads(pickle.dumps(a))
    assert b.mode == "r+" and b.append([1, 2]) == range(2)
    assert a.refresh() and a[:].tolist() == [1, 2]


def test_as_any_array(path: Path) -> None:
    data = np.arange(5 * 6 * 7, dtype="uint16").reshape(5, 6, 7)
    np.save(path, data)
    array = bigarrays.open(path, mode="r+")
    assert array.format == "npy"
    array[1:3, 2:4, 3:5] = 9
    data[1:3, 2:4, 3:5] = 9
    same(path, data)
    created = bigarrays.create(path.with_name("b.npy"), shape=(5, 6, 7), dtype="uint16", format="npy")
    bigarrays.copy(array, created)
    same(path.with_name("b.npy"), data)


def test_numpy_can_always_load_what_is_killed(path: Path) -> None:
    FlatArray(path, "x", shape=(None, 100), dtype="int64")
    script = "import sys, numpy as np, bigarrays\na = bigarrays.FlatArray(sys.argv[1], 'r+')\nwhile True: a.append(np.full((int(np.random.choice([3, 3000])), 100), len(a)))"
    for round in range(5):
        with subprocess.Popen([sys.executable, "-c", script, os.fspath(path)]) as child:
            while FlatArray(path).shape[0] == 0 and child.poll() is None:
                pass
            for _ in range(50):
                loaded = np.load(path, mmap_mode="r")
                assert loaded.shape[1] == 100 and (not len(loaded) or loaded[-1, -1] == loaded[-1, 0])
            child.kill()
        assert (np.diff(np.load(path)[:, 0]) >= 0).all()


def test_truncated_and_hostile_files(path: Path) -> None:
    np.save(path, np.arange(100))
    good = path.read_bytes()
    for cut in [*range(0, 129, 7), len(good) - 1]:
        path.write_bytes(good[:cut])
        with pytest.raises((bigarrays.InvalidMetadataError, bigarrays.CorruptDataError)):
            FlatArray(path)
    for shape in [b"(99999999999999999999,)", b"(18446744073709551615,)", b"(4294967296, 4294967296, 8)", b"(-1,)"]:
        path.write_bytes(good.replace(b"(100,), }" + b" " * (len(shape) - 6), shape + b", }"))
        with pytest.raises((bigarrays.InvalidMetadataError, bigarrays.CorruptDataError)):
            FlatArray(path, "r+")
    path.write_bytes(good)
    FlatArray(path, "r+")
    Path(f"{path}.pending").write_bytes(b"nonsense" * 8)
    with pytest.raises(bigarrays.CorruptDataError, match="pending"):
        FlatArray(path, "r+").append([1])


def test_batches_cover_everything_once(path: Path) -> None:
    a = FlatArray(path, "x", shape=(None, 2), dtype="int32")
    a.append(np.repeat(np.arange(1000), 2).reshape(-1, 2))
    orders: list[dict[str, Any]] = [{}, {"shuffle": True, "run_length": 64, "seed": 3}]
    for options in orders:
        found = list(bigarrays.batches(a, 30, **options))
        assert [len(batch) for batch in found] == [30] * 33 + [10]
        assert sorted(np.concatenate(found)[:, 0]) == list(range(1000))
    order = [batch[:, 0].tolist() for batch in bigarrays.batches(a, 32, shuffle=True, run_length=64, seed=3)]
    assert order == [batch[:, 0].tolist() for batch in bigarrays.batches(a, 32, shuffle=True, run_length=64, seed=3)]
    assert order != sorted(order) and len({row // 64 for row in order[0] + order[1]}) == 1
    assert len(list(bigarrays.batches(a, 300, drop_last=True))) == 3


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<u2", ">f8"])
def test_asarray_of_an_opened_file_is_the_file(tmp_path: Path, order: str, dtype: str) -> None:
    path, values = tmp_path / "x.npy", np.arange(7 * 6 * 5).reshape(7, 6, 5)
    np.save(path, np.asarray(values, dtype, order=order))  # type: ignore[call-overload]
    array = bigarrays.open(path)
    for shown, expected in [
        (array, values),
        (array.view[1:6:2, ::-1, 3], values[1:6:2, ::-1, 3]),
        (array.view[6:, ::-2, :0], values[6:, ::-2, :0]),
        (array.view[1:].transpose(2, 0, 1), values[1:].transpose(2, 0, 1)),
    ]:
        mapped = np.asarray(shown)
        np.testing.assert_array_equal(mapped, expected)
        assert mapped.base is not None and not mapped.flags.writeable
        assert np.asarray(shown, copy=False).shape == mapped.shape
        assert np.array(shown).flags.writeable
    mapped = np.asarray(array)
    bigarrays.open(path, mode="r+")[2, 3, 4] = 7
    assert mapped[2, 3, 4] == 7
    beyond = array.view[bigarrays.Domain("-1:3,0:6,0:5")]
    assert np.asarray(beyond).shape == (4, 6, 5)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(beyond, copy=False)


def test_what_cannot_grow_is_refused(path: Path) -> None:
    np.save(path, np.float32(7))
    single = FlatArray(path, "r+")
    for write in (single.append, lambda value: single.write(0, value)):
        with pytest.raises(bigarrays.UnsupportedError):
            write(np.float32(1))
    with pytest.raises(bigarrays.UnsupportedError, match="Fortran"):
        FlatArray(path, "w", shape=(None, 4), dtype="f4", order="F")
    assert np.load(path) == 7


@pytest.mark.parametrize("shape", [(600_000,), (200_000, 3)])
@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize(("source", "at"), [(10, 15), (15, 10), (0, 150_000), (150_000, 0), (10, 190_001)])
def test_writes_its_own_rows_as_if_copied(
    path: Path, shape: tuple[int, ...], reopened: bool, source: int, at: int
) -> None:
    rows = np.arange(600_000, dtype="i4").reshape(shape)
    a = FlatArray(path, "x", shape=(None, *shape[1:]), dtype="i4")
    a.append(rows)
    count = min(199_990, shape[0]) - source
    expected = np.concatenate([rows, np.zeros((max(0, at + count - len(rows)), *shape[1:]), "i4")])
    expected[at : at + count] = rows[source : source + count]
    other = FlatArray(path, "r+") if reopened else a
    a.write(at, other[source : source + count])
    same(path, expected)
    other.refresh()
    a.append(other[1 : len(expected)])
    same(path, np.concatenate([expected, expected[1:]]))


def test_sets_rows_of_another_mapping_as_if_copied(path: Path) -> None:
    rows = np.arange(30_000, dtype="i4").reshape(-1, 3)
    a = FlatArray(path, "x", shape=(None, 3), dtype="i4")
    a.append(rows)
    before = a[:]
    a.append(rows[:1])
    expected = np.concatenate([rows, rows[:1]])
    expected[15:9015] = rows[10:9010]
    a[15:9015] = before[10:9010]
    same(path, expected)


def test_chunked_writes_of_views_are_as_if_copied(path: Path) -> None:
    rows = np.arange(3_000_000, dtype="i4").reshape(-1, 3)
    np.save(path, rows)
    expected = rows.copy()
    expected[15:900_015] = rows[10:900_010]
    bigarrays.open(path, mode="r+")[15:900_015] = FlatArray(path)[10:900_010]
    same(path, expected)


GUARD, OPEN = 1 << 62, (1 << 62) + 1


def lock_of(file: Path, byte: int) -> int:
    """A descriptor that holds the lock of a byte, as a stopped process would."""
    descriptor = os.open(file, os.O_RDWR)
    lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)
    return descriptor


def changes(path: Path) -> dict[str, Callable[[SliceArray], Any]]:
    """What waits for the guard of the file, the first, and for the lock of the index, the last."""
    one, many = np.zeros(1, "i4"), np.zeros(400_000, "i4")
    return {
        "append": lambda s: s.array.append(one),
        "append much": lambda s: s.array.append(many),
        "write": lambda s: s.array.write(9, one),
        "grow": lambda s: s.array.grow(9),
        "reserve": lambda s: s.array.reserve(9),
        "truncate": lambda s: s.array.truncate(1),
        "set": lambda s: s.__setitem__("new", one),
        "write slices": lambda s: s.write({"new": one}),
        "name": lambda s: s.name_rows({"new": range(0, 1)}),
        "compact": lambda s: s.compact(),
        "delete": lambda s: s.delete("one"),
        "del": lambda s: s.__delitem__("one"),
        "replace": lambda s: FlatArray(path, "w", shape=(1,), dtype="i4", lock_timeout=timeout_of(s)),
    }


def timeout_of(s: SliceArray) -> float | None:
    _, (_, _, options) = cast(Any, s).__reduce__()
    return cast(float | None, options["lock_timeout"])


@pytest.mark.parametrize("change", changes(Path()))
@pytest.mark.parametrize("lock", ["guard", "index"])
def test_waits_for_locks_end_when_asked(path: Path, change: str, lock: str) -> None:
    if lock == "guard" and change in ("delete", "del", "replace"):
        pytest.skip("names are taken away under the lock of the index alone")
    if lock == "index" and change in ("append", "append much", "write", "grow", "reserve"):
        pytest.skip("rows are not in the index")
    with SliceArray(path, "x", shape=(3,), dtype="i4") as s:
        s.name_rows({"one": range(0, 1)})
    patient, impatient = SliceArray(path, "r+"), SliceArray(path, "r+", lock_timeout=0.05)
    held = lock_of(path if lock == "guard" else Path(f"{path}.index", "data.mdb"), GUARD)
    try:
        with pytest.raises(bigarrays.StorageError, match="waited .* for the lock of") as raised:
            changes(path)[change](impatient)
        assert raised.value.retryable
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            changes(path)[change](patient)
        timer.join()
    finally:
        os.close(held)
    if change != "compact":
        changes(path)[change](impatient)


def test_opening_waits_for_who_replaces_the_file(path: Path) -> None:
    FlatArray(path, "x", shape=(3,), dtype="i4")
    held = lock_of(path, OPEN)
    with pytest.raises(bigarrays.StorageError, match="waited"):
        FlatArray(path, "r+", lock_timeout=0)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        FlatArray(path, "a")
    timer.join()
    os.close(held)
    a = FlatArray(path, "r+", lock_timeout=2.5)
    assert pickle.loads(pickle.dumps(a)).__reduce__()[1][2] == {"durable": False, "lock_timeout": 2.5}
    with pytest.raises(bigarrays.InvalidArgumentError):
        FlatArray(path, "r+", lock_timeout=-1)


@pytest.mark.parametrize("mode", ["r", "r+", "c", "a", "w", "w-", "x"])
@pytest.mark.parametrize("kind", [FlatArray, SliceArray])
def test_pipes_are_refused(path: Path, kind: type[FlatArray] | type[SliceArray], mode: Any) -> None:
    os.mkfifo(path)
    if mode == "w":
        kind(path, mode, shape=(2,), dtype="i4")
        return
    with pytest.raises(bigarrays.Error, match="not a regular file|exists"):
        kind(path, mode, shape=(2,), dtype="i4")
    with pytest.raises(bigarrays.Error, match="not a regular file"):
        bigarrays.convert(path, path.with_name("new.npy"))
