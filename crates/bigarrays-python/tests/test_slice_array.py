import multiprocessing
import pickle
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
        assert len(writer) == len(data)
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
    assert pickle.loads(pickle.dumps(x)).mode == "r" and f["name2"][0] == 20


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
    before = {name: x[name].tolist() for name in x}
    assert before == {"a": [7, 7], "e": [5], "d": [3, 3, 3, 3]}
    view = x["d"]
    assert len(w.array) > 7
    w.compact()
    assert len(w.array) == 7 == len(np.load(path))
    assert {name: x[name].tolist() for name in x} == before == {name: w[name].tolist() for name in w}
    assert view.tolist() == [3, 3, 3, 3]
    w.name_rows({"all": (0, 7), "first": range(0, 2)})
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
    assert w.get("a").tolist() == [1, 2]  # type: ignore[union-attr]
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
