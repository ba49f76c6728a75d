import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Literal
from typing import Any

import numpy as np
import pytest

import bigarrays
from bigarrays import SliceArray

SPAWN = multiprocessing.get_context("spawn")
FORK = multiprocessing.get_context("fork")

Data = dict[str, np.ndarray[Any, Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.npy"


def test_writes_and_reopens(path: Path) -> None:
    rng = np.random.default_rng(8)
    data = {f"name{k}": rng.random((12, 8)) for k in range(2500)}
    more = {f"name{k}": rng.random((12, 8)) for k in range(2500, 5000)}
    with SliceArray(path, "w", shape=(0, 8), dtype="float64") as w:
        w.write(data)
    with SliceArray(path, "r+") as w:
        w.write(iter(more.items()))
    data |= more
    x = SliceArray(path)
    assert len(x) == 5000 and list(x) == list(x.names()) == list(data)
    for name, expected in data.items():
        np.testing.assert_array_equal(x[name], expected)
    rows = x.rows("name7")
    np.testing.assert_array_equal(x.array[rows.start : rows.stop], data["name7"])
    assert np.sum(x.array) == pytest.approx(sum(np.sum(value) for value in data.values()))


def write_job(job: tuple[SliceArray, Data]) -> None:
    writer, data = job
    writer.write(data)


def read_job(job: tuple[list[str], Path]) -> Data:
    names, path = job
    x = SliceArray(path)
    return dict(zip(names, x[names], strict=True))


@pytest.mark.parametrize("context", [SPAWN, FORK])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_25_jobs_on_2_processes(path: Path, context: Any) -> None:
    rng = np.random.default_rng(8)
    jobs = [{f"name_{job}_{k}": rng.random((rng.integers(8, 12), 8)) for k in range(250)} for job in range(25)]
    with SliceArray(path, "x", shape=(None, 8), dtype="float64") as writer:
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            list(pool.map(write_job, [(writer, job) for job in jobs]))
        data = {name: value for job in jobs for name, value in job.items()}
        assert writer.refresh() and len(writer) == len(data)
        np.testing.assert_array_equal(writer["name_3_7"], data["name_3_7"])
    names = np.array_split(list(data), 8)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for found in pool.map(read_job, [([str(name) for name in part], path) for part in names]):
            for name, value in found.items():
                np.testing.assert_array_equal(value, data[name])
    assert np.sum(SliceArray(path).array) == pytest.approx(sum(np.sum(value) for value in data.values()))


def test_pickled_writers_write_on(path: Path) -> None:
    f = SliceArray(path, "w", shape=(0,), dtype="float64", replace=True)
    f.write({"name0": np.arange(0, 10), "name1": np.arange(10, 20)})
    g = pickle.loads(pickle.dumps(f))
    g.write({"name2": np.arange(20, 30), "name3": np.arange(30, 40), "name0": np.arange(3)})
    x = SliceArray(path)
    assert x["name0"].tolist() == [0, 1, 2] and x["name3"].tolist() == list(range(30, 40))
    assert pickle.loads(pickle.dumps(x)).mode == "r" and "name2" not in f
    assert f.refresh() and f["name2"][0] == 20


def test_names_positions_ranges_and_lists(path: Path) -> None:
    with SliceArray(path, "x", shape=(None, 2), dtype="int64") as w:
        for k in range(10):
            w[f"n{k}"] = np.full((k, 2), k)
    x = SliceArray(path)
    assert [len(rows) for rows in x[2:9:3]] == [2, 5, 8] == [len(rows) for rows in x.__getitems__([2, 5, 8])]
    assert [len(rows) for rows in x[["n9", "n0"]]] == [9, 0] == [len(rows) for rows in x[np.array([9, 0])]]
    assert len(x[-1]) == 9 and x.get("n3") is not None and x.get("no") is None and x.get("no", 5) == 5
    assert not x[3].flags.writeable and np.shares_memory(x[3], np.asarray(x.array))
    assert "n3" in x and "no" not in x and 3 not in x and "" not in x
    for key, error in [("no", KeyError), ("", KeyError), (10, IndexError), (-11, IndexError), (1.5, TypeError)]:
        with pytest.raises(error):
            x[key]  # type: ignore[call-overload]
    with pytest.raises(bigarrays.NotFoundError, match='"no"'):
        x[["n1", "no"]]


def test_duplicates_deleting_and_compacting(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None,), dtype="int16")
    w.write({name: [k] * (k + 1) for k, name in enumerate("abcd")})
    with pytest.raises(bigarrays.AlreadyExistsError, match='"b"'):
        w["b"] = np.array([1], "int16")
    with pytest.raises(bigarrays.AlreadyExistsError):
        w.write({"e": [5], "a": [7]})
    assert "e" not in w
    w.write({"e": [5], "a": [7, 7]}, replace=True)
    x = SliceArray(path)
    del w["b"]
    w.delete(["c"])
    with pytest.raises(KeyError):
        del w["b"]
    assert x.refresh()
    before = {name: x[name].tolist() for name in x}
    assert before == {"a": [7, 7], "e": [5], "d": [3, 3, 3, 3]}
    view = x["d"]
    assert len(w.array) > 7
    w.compact()
    assert len(w.array) == 7 == len(np.load(path))
    assert {name: x[name].tolist() for name in x} == before == {name: w[name].tolist() for name in w}
    assert view.tolist() == [3, 3, 3, 3]
    w.name_rows({"all": (0, 7), "first": range(0, 2)})
    assert "all" not in x and x.refresh()
    assert x["all"].tolist() == [7, 7, 5, 3, 3, 3, 3] and x["first"].tolist() == [7, 7]
    with pytest.raises(bigarrays.OutOfBoundsError):
        w.name_rows({"beyond": (0, 8)})


def test_mistakes(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None, 2), dtype="int16")
    for name in ["", "n" * 512]:
        with pytest.raises(bigarrays.InvalidArgumentError, match="name"):
            w[name] = np.zeros((1, 2), "int16")
    with pytest.raises(bigarrays.InvalidArgumentError, match="rows of shape"):
        w["a"] = np.zeros((1, 3), "int16")
    with pytest.raises(bigarrays.ReadOnlyError):
        SliceArray(path)["a"] = np.zeros((1, 2), "int16")
    np.save(path.with_name("plain.npy"), np.zeros(3))
    with pytest.raises(FileNotFoundError, match="index"):
        SliceArray(path.with_name("plain.npy"))
    assert len(w) == 0 and "0 slices" in repr(w)


class Labelled:
    """A dataset as PyTorch's DataLoader takes it."""

    def __init__(self, path: Path) -> None:
        self.samples = SliceArray(path)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, indices: list[int]) -> list[float]:
        return [float(rows.sum()) for rows in self.samples.__getitems__(indices)]


def test_is_a_dataset(path: Path) -> None:
    with SliceArray(path, "x", shape=(None,), dtype="float32") as w:
        w.write({str(k): [k] for k in range(100)})
    dataset = pickle.loads(pickle.dumps(Labelled(path)))
    found = [label for batch in bigarrays.batches(dataset, 7, shuffle=True, run_length=10, seed=0) for label in batch]
    assert found != sorted(found) and sorted(found) == list(range(100))
    assert [len(batch) for batch in bigarrays.batches(SliceArray(path), 30)] == [30, 30, 30, 10]


def test_names_of_rows_without_gaps(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None,), dtype="u1")
    w.array.append(np.arange(6, dtype="u1"))
    with pytest.raises(bigarrays.InvalidArgumentError, match="step"):
        w.name_rows({"a": range(0, 6, 2)})
    w.name_rows({"a": range(0, 6), "b": (1, 3)})
    w.delete("a")
    assert list(w) == ["b"]
    with pytest.raises(bigarrays.InvalidArgumentError, match="b"):
        w.array.truncate(2)
    assert w["b"].tolist() == [1, 2]


def test_a_single_value_has_no_slices(path: Path) -> None:
    with pytest.raises(bigarrays.UnsupportedError):
        SliceArray(path, "x", shape=(), dtype="f4")
    assert not path.exists()


def test_an_array_without_names_says_how_to_get_them(path: Path) -> None:
    np.save(path, np.zeros(3))
    with pytest.raises(bigarrays.NotFoundError, match="no names"):
        SliceArray(path)


def test_get_asks_once(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None,), dtype="u1")
    w["a"] = [1, 2]
    assert w.get("a").tolist() == [1, 2]
    assert w.get("b") is None and w.get("b", 7) == 7 and w.get("", 7) == 7 and w.get("n" * 600, 7) == 7
    with pytest.raises(KeyError):
        w["b"]


def test_what_could_write_into_the_old_file_keeps_from_compacting(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None, 2), dtype="u1")
    w.write({"gone": np.full((3, 2), 1), "a": np.full((2, 2), 2)})
    del w["gone"]
    array = bigarrays.open(str(path), mode="r+")
    view, rows = w["a"], w.array
    view[0] = 7
    assert rows[3].tolist() == [7, 7]
    with pytest.raises(bigarrays.StorageError, match="views") as refused:
        w.compact()
    assert refused.value.retryable
    del view
    w.compact()
    assert w["a"].tolist() == [[7, 7], [2, 2]]
    with pytest.raises(bigarrays.StorageError, match="another has been put in place"):
        array[0:2, 0:2] = 5
    assert w["a"].tolist() == [[7, 7], [2, 2]]
    writer = bigarrays.FlatArray(path, "r+")
    bigarrays.FlatArray(path, "w", shape=(2, 2), dtype="u1")
    with pytest.raises(bigarrays.StorageError, match="another has been put in place"):
        writer[0] = 5


def test_files_of_others_are_left_alone(path: Path) -> None:
    mine = path.with_name("s.npy.index") / "mine"
    mine.parent.mkdir()
    mine.write_text("mine")
    modes: tuple[Literal["x", "w"], ...] = ("x", "w")
    for mode in modes:
        with pytest.raises(bigarrays.StorageError, match="mine"):
            bigarrays.FlatArray(path, mode, shape=(3,), dtype="u1")
        with pytest.raises(bigarrays.StorageError, match="mine"):
            SliceArray(path, mode, shape=(None,), dtype="u1")
    with pytest.raises(bigarrays.StorageError, match="index"):
        bigarrays.create(str(path), shape=(3,), dtype="u1", format="npy")
    assert mine.read_text() == "mine" and not path.exists()


def test_a_slice_of_itself_is_written_again(tmp_path: Path) -> None:
    rows = np.arange(1_500_000, dtype="i4").reshape(-1, 3)
    s = SliceArray(tmp_path / "a.npy", "x", shape=(None, 3), dtype="i4")
    s["one"] = rows
    s["two"] = s["one"][5:]
    s.write({"three": s["two"], "four": s["one"][:3], "five": s["one"]})
    for name, expected in [("one", rows), ("two", rows[5:]), ("three", rows[5:]), ("four", rows[:3]), ("five", rows)]:
        np.testing.assert_array_equal(s[name], expected)


def seen(samples: SliceArray) -> tuple[int, list[str], list[int]]:
    return len(samples), list(samples), [int(rows.sum()) for rows in samples[:]]


def test_length_names_and_positions_stand_still(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None,), dtype="int32")
    w.write({f"k{k}": [k] for k in range(100)})
    x, found = SliceArray(path), []
    pickled = pickle.dumps(x)
    for number, batch in enumerate(bigarrays.batches(x, 10, shuffle=True, seed=3)):
        found += [int(rows[0]) for rows in batch]
        if number == 2:
            w.write({f"g{k}": [1000 + k] for k in range(50)})
    assert sorted(found) == list(range(100)) and "g1" not in x and x.get("g1") is None
    for context in (SPAWN, FORK):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(seen, x).result() == seen(x)
    assert len(w) == 150 == len(SliceArray(path)) and len(pickle.loads(pickled)) == 100
    del w["k7"]
    with pytest.raises(bigarrays.StorageError, match="refresh"):
        x[3]
    assert len(x) == 100 and x["k3"].tolist() == [3] and "k7" not in x
    assert x.refresh() and seen(x) == seen(w) and not x.refresh()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_snapshot_is_the_same_in_all_processes(path: Path, method: str) -> None:
    w = SliceArray(path, "x", shape=(None, 2), dtype="int32")
    w.write({f"{'train' if k % 3 else 'test'}/{k}": np.full((k % 4, 2), k) for k in range(60)})
    kept = SliceArray(path).snapshot()
    train = kept.select("train/")
    before = [seen(kept), seen(train)]
    w.delete(list(kept)[::2])
    w.compact()
    w.write({"test/0": [[7, 7]]})
    assert [seen(kept), seen(train)] == before and len(train) == 40 and not kept.refresh()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        assert list(pool.map(seen, [kept, train] * 3)) == before * 3
    changes: list[Callable[[], None]] = [lambda: kept.write({"new": [[1, 1]]}), lambda: kept.delete("test/0"), kept.compact]
    for change in changes:
        with pytest.raises(bigarrays.ReadOnlyError, match="kept as they were"):
            change()
    pickled = pickle.dumps(kept)
    kept.close()
    del kept, train
    with pytest.raises(bigarrays.NotFoundError, match="snapshot is gone"):
        pickle.loads(pickled)


def test_mode_c_shows_the_file_as_it_was_opened(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None,), dtype="int32")
    w.write({"a": [1, 2], "b": [3]})
    c = SliceArray(path, "c")
    c.array[0:1] = 99
    c["b"][0] = 98
    w.write({"more": [4], "a": [5] * 9}, replace=True)
    del w["b"]
    w.compact()
    assert (c["a"].tolist(), c["b"].tolist(), list(c), "more" in c, len(c)) == ([99, 2], [98], ["a", "b"], False, 2)
    assert w["a"].tolist() == [5] * 9 and c.mode == "c"
    with pytest.raises(bigarrays.ReadOnlyError):
        c["new"] = [1]


def test_selecting(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None,), dtype="int32")
    w.write({name: [k] for k, name in enumerate(["b/2", "a", "b/1", "c"])})
    assert list(w.select("b/")) == ["b/2", "b/1"] and list(w.select("")) == list(w) and list(w.select("x")) == []
    assert list(w.select(lambda name: "b" not in name)) == ["a", "c"]
    assert list(w.select(["c", "a"])) == ["c", "a"] == list(w.select([-1, 1]).select(["c", "a"]))
    mask = w.lengths() + np.arange(4) > 2
    assert list(w.select(mask)) == ["b/1", "c"] == list(w.select(mask.tolist())) and w[mask][0].tolist() == [2]
    part = w.select("b/")
    assert part[-1].tolist() == [2] and part["b/2"].tolist() == [0] and "a" not in part and part.rows("b/1") == range(2, 3)
    assert [batch[0].tolist() for batch in bigarrays.batches(part, 1)] == [[0], [2]]
    with pytest.raises(KeyError, match="nope"):
        w.select(["nope"])
    with pytest.raises(IndexError):
        w.select([4])
    with pytest.raises(bigarrays.InvalidArgumentError, match="twice"):
        w.select([1, 1])


def test_parts_stay_when_others_come(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None,), dtype="int32")
    w.write({f"n{k}": [k] for k in range(2000)})
    shares = {"train": 0.7, "val": 0.2, "test": 0.1}
    parts = w.split(shares)
    assert list(parts) == list(shares) and sorted(name for part in parts.values() for name in part) == sorted(w)
    assert all(abs(len(parts[name]) - 2000 * share) < 100 for name, share in shares.items())
    w.write({f"m{k}": [k] for k in range(500)})
    w.delete([f"n{k}" for k in range(0, 2000, 2)])
    for name, part in w.split(shares).items():
        assert [kept for kept in parts[name] if kept in w] == sorted((n for n in part if n[0] == "n"), key=lambda n: int(n[1:]))
    assert list(w.split({"a": 0.5}, seed=1)["a"]) != list(w.split({"a": 0.5}, seed=2)["a"])
    for wrong in ({"a": 0.7, "b": 0.4}, {"a": -0.1}, {"a": float("nan")}):
        with pytest.raises(bigarrays.InvalidArgumentError, match="share"):
            w.split(wrong)


def test_is_no_array_and_true_is_no_position(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None,), dtype="int32")
    w.write({"a": [1, 2], "b": [3], "c": []})
    for use in (np.asarray, np.sum, np.array):
        with pytest.raises(TypeError, match=r"\.array"):
            use(w)
    keys: tuple[Any, ...] = (True, np.True_, False)
    for key in keys:
        with pytest.raises(TypeError, match="mask"):
            w[key]
        with pytest.raises(TypeError, match="mask"):
            del w[key]
    assert [rows.tolist() for rows in w[[True, False, True]]] == [[1, 2], []]
    assert [rows.tolist() for rows in w[np.array([False, True, False])]] == [[3]]
    with pytest.raises(IndexError, match="mask of 2 for 3"):
        w[[True, False]]
    with pytest.raises(TypeError):
        w[[True, 1]]
    assert w["a", 1] == 2 and w[0, :1].tolist() == [1] and w["b", ::-1].tolist() == [3]


def test_positions_are_deleted_and_names_changed(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None,), dtype="int32")
    w.write({name: [k] for k, name in enumerate("abcdef")})
    del w[1]
    assert list(w) == ["a", "f", "c", "d", "e"]
    w.delete([-1, 0])
    assert sorted(w) == ["c", "d", "f"]
    w.delete(np.array([True, False, False]))
    assert len(w) == 2
    with pytest.raises(IndexError):
        w.delete([0, 2])
    assert len(w) == 2
    w.rename("f", "g")
    assert "f" not in w and w["g"].tolist() == [5] and sorted(w) == ["d", "g"] or sorted(w) == ["c", "g"]
    with pytest.raises(bigarrays.NotFoundError):
        w.rename("f", "h")
    with pytest.raises(bigarrays.AlreadyExistsError):
        w.rename(next(name for name in w if name != "g"), "g")
    with pytest.raises(bigarrays.InvalidArgumentError):
        w.rename("g", "")
    assert bigarrays.verify(str(path)).whole


def test_is_a_mapping(path: Path) -> None:
    w = SliceArray(path, "x", shape=(None, 2), dtype="int32")
    data = {"b": np.full((2, 2), 1), "a": np.full((1, 2), 2), "none": np.empty((0, 2), "int32")}
    w.write(data)
    assert list(w.keys()) == list(data) and "a" in w.keys() and len(w.values()) == 3
    assert [(name, rows.tolist()) for name, rows in w.items()] == [(name, rows.tolist()) for name, rows in data.items()]
    assert {name: rows.tolist() for name, rows in dict(w).items()} == {name: rows.tolist() for name, rows in data.items()}
    assert w.indices == {"b": range(0, 2), "a": range(2, 3), "none": range(3, 3)}
    assert w.rows(["a", "b"]) == [range(2, 3), range(0, 2)] and w.shape == (3, 2) and w.lengths().tolist() == [2, 1, 0]
    other = SliceArray(path.with_name("other.npy"), "x", shape=(None, 2), dtype="int32")
    other["first"] = [[0, 0]]
    other.write(w)
    assert list(other) == ["first", "b", "a", "none"] and other["a"].tolist() == [[2, 2]]
    with pytest.raises(KeyError, match="nope"):
        w.rows(["a", "nope"])


def test_a_closed_array_keeps_nobody_waiting(path: Path) -> None:
    with SliceArray(path, "x", shape=(None,), dtype="int32") as w:
        w.write({"gone": [1], "a": [2]})
        del w["gone"]
        rows, names = w.array, w.names()
        assert next(names) == "a"
    assert "closed" in repr(w) and "closed" in repr(rows) and w.path == path and w.mode == "r+"
    uses: list[Callable[[], Any]] = [lambda: w["a"], lambda: len(w), lambda: w.write({}), lambda: rows[0]]
    for use in uses:
        with pytest.raises(bigarrays.InvalidArgumentError, match="closed"):
            use()
    with pytest.raises(bigarrays.InvalidArgumentError, match="closed"):
        pickle.dumps(w)
    w.close()
    other = SliceArray(path, "r+")
    other.compact()
    with SliceArray(path) as x:
        view = x["a"]
    assert view.tolist() == [2] and len(other.array) == 1
    with bigarrays.FlatArray(path, "r+") as flat:
        flat.append([7])
    with pytest.raises(bigarrays.InvalidArgumentError, match="closed"):
        flat.append([8])
    other.compact()
    assert len(other.array) == 1


def test_slices_of_others_are_merged(path: Path) -> None:
    def create(name: str, **slices: Any) -> SliceArray:
        array = SliceArray(path.with_name(name), "x", shape=(None, 2), dtype="i4")
        array.write({key: np.array(rows, "i4") for key, rows in slices.items()})
        return array

    one, two = create("one.npy", a=[[1, 2]], b=[[3, 4], [5, 6]]), create("two.npy", b=np.zeros((3, 2)), c=[[7, 8]])
    with create("all.npy") as merged:
        with pytest.raises(bigarrays.AlreadyExistsError, match='"b"'):
            merged.merge([one, two.path])
        assert len(merged) == 0
        merged.merge([one, two.path], overwrite=True)
        assert list(merged) == ["a", "b", "c"]
        np.testing.assert_array_equal(merged["b"], np.zeros((3, 2)))
        merged.merge([])
        with pytest.raises(bigarrays.InvalidArgumentError):
            merged.merge([merged], overwrite=True)
        with pytest.raises(bigarrays.NotFoundError):
            merged.merge([path.with_name("none.npy")])


def test_holes_give_room_back(path: Path) -> None:
    x = SliceArray(path, "x", shape=(None, 1024), dtype="u1")
    x.write({"gone": np.ones((8192, 1024), "u1"), "kept": np.full((1, 1024), 7, "u1")})
    view = x["kept"]
    x.delete("gone")
    before = path.stat().st_blocks
    with pytest.raises(bigarrays.StorageError):
        x.punch_holes()
    del view
    try:
        assert x.punch_holes() == 8 << 20
    except bigarrays.UnsupportedError:
        return
    assert path.stat().st_blocks < before - 15000
    np.testing.assert_array_equal(x["kept"], np.full((1, 1024), 7))
    x.compact()
    np.testing.assert_array_equal(x["kept"], np.full((1, 1024), 7))
