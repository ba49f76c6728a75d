import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays
from bigarrays import SliceArray, Together

ARRAYS: dict[str, tuple[Any, ...]] = {"features": (None, 4, "f4"), "labels": (None, "i2")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "speech"


def rows(k: int) -> dict[str, Any]:
    return {"features": np.full((k + 2, 4), k), "labels": np.arange(k)}


def new(path: Path, count: int = 5) -> SliceArray:
    w = SliceArray.create(path, arrays=ARRAYS)
    w.write({f"n/{k}": rows(k) for k in range(count)}, meta=lambda name: {"k": int(name[2:])} if name != "n/0" else None)
    return w


def seen(x: SliceArray) -> list[Any]:
    return [(name, both.features[:, 0].tolist(), both.labels.tolist(), x.meta.get(name)) for name, both in x.items()]


def expected(*numbers: int) -> list[Any]:
    return [(f"n/{k}", [k] * (k + 2), list(range(k)), {"k": k} if k else None) for k in numbers]


def test_several_arrays_have_names_in_common(path: Path) -> None:
    w = new(path)
    assert sorted(entry.name for entry in path.iterdir()) == ["features.npy", "labels.npy", "slices.index"]
    w["n/5"] = Together.of(**rows(5))
    w.meta["n/5"] = {"k": 5}
    x = SliceArray(path)
    assert seen(x) == expected(0, 1, 2, 3, 4, 5) == seen(w) and x.path == path and len(x) == 6
    both = x["n/3"]
    assert both["features"] is both.features is both[0] and both._fields == ("features", "labels")
    assert both.features.dtype == np.float32 and both.labels.dtype == np.int16 and not both.labels.flags.writeable
    assert x["n/3", "labels"].tolist() == [0, 1, 2] and x["n/3", "features", 1:3].shape == (2, 4) and x[3, "labels", -1] == 2
    assert x[-1].labels.tolist() == [0, 1, 2, 3, 4] and [len(both.labels) for both in x[1:3]] == [1, 2]
    assert [len(both.labels) for both in x[["n/4", "n/1"]]] == [4, 1] and x.get("no") is None
    assert x.features.shape == (27, 4) and x.arrays["labels"].shape == (15,) and list(x.arrays) == list(ARRAYS)
    assert np.load(path / "labels.npy").tolist() == np.asarray(x.labels).tolist()
    assert x.rows("n/1") == (range(2, 5), range(0, 1)) and x.indices["n/2"].labels == range(1, 3)
    assert x.lengths().tolist() == [2, 3, 4, 5, 6, 7] and x.lengths("labels").tolist() == [0, 1, 2, 3, 4, 5]
    assert "features, labels" in repr(x)
    for what in ("array", "dtype", "shape"):
        with pytest.raises(AttributeError, match="features, labels"):
            getattr(x, what)
    with pytest.raises(AttributeError, match="nothing"):
        x.nothing
    with pytest.raises(KeyError, match="nothing"):
        x["n/1"]["nothing"]
    with pytest.raises(TypeError, match="array"):
        x["n/1", 0:1]
    with pytest.raises(KeyError):
        x.lengths("nothing")


def test_mistakes_name_the_array_and_the_slice(path: Path) -> None:
    w = new(path)
    wrong: list[tuple[Any, str]] = [
        ({"features": np.zeros((1, 4))}, "missing"),
        (rows(1) | {"more": [1]}, "more"),
        (np.zeros((1, 4)), "dict"),
        ({"features": np.zeros((1, 3)), "labels": [1]}, "rows of shape"),
        ({"features": np.zeros((1, 4)), "labels": [1e9]}, "int16"),
    ]
    for given, reason in wrong:
        with pytest.raises((bigarrays.InvalidArgumentError, bigarrays.UnsupportedError), match=reason):
            w["bad"] = given
    assert "bad" not in w and w.labels.shape == (10,)
    for arrays in [{}, {"a b": (None, "i2")}, {"a": (None,)}, {"a": "i2"}, {"a": ("i2",)}, {"a": (None, "O")}]:
        with pytest.raises((bigarrays.InvalidArgumentError, bigarrays.UnsupportedError)):
            SliceArray.create(path.with_name("other"), arrays=arrays)  # type: ignore[arg-type]
    with pytest.raises(bigarrays.InvalidArgumentError, match="either"):
        SliceArray.create(path.with_name("other"), arrays=ARRAYS, shape=(None,), dtype="i2")
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["speech"]
    with pytest.raises(bigarrays.AlreadyExistsError):
        SliceArray.create(path, arrays=ARRAYS)
    opened: list[Callable[[], SliceArray]] = [
        lambda: SliceArray(path / "labels.npy"),
        lambda: SliceArray.create(path / "labels.npy", shape=(None,), dtype="i2", overwrite=True),
    ]
    for one in opened:
        with pytest.raises(bigarrays.InvalidArgumentError, match="speech"):
            one()
    assert SliceArray(path, "a", arrays=ARRAYS).mode == "r+"
    with pytest.raises(bigarrays.InvalidArgumentError, match="features, labels"):
        SliceArray(path, "a", arrays={"other": (None, "i2")})
    with pytest.raises(bigarrays.InvalidArgumentError):
        SliceArray(path, "a", arrays=ARRAYS | {"labels": (None, "i4")})
    assert len(SliceArray.create(path, arrays={"other": (None, "i2")}, overwrite=True)) == 0
    assert sorted(entry.name for entry in path.iterdir()) == ["other.npy", "slices.index"]


def test_slices_change_in_all_arrays(path: Path) -> None:
    w = new(path)
    x = SliceArray(path)
    del w["n/1"]
    w.rename("n/4", "n/9")
    popped = w.pop("n/2")
    assert popped.labels.tolist() == [0, 1] and popped.features.base is None and "n/2" not in w and "n/2" not in w.meta
    with pytest.raises(KeyError, match="n/2"):
        w.pop("n/2")
    assert w.pop("n/2", None) is None
    w.compact()
    assert x.refresh() and sorted(x) == ["n/0", "n/3", "n/9"] and x["n/9"].labels.tolist() == [0, 1, 2, 3]
    assert x.meta["n/9"] == {"k": 4} and len(x.labels) == 7 and len(x.features) == 13
    w.name_rows({"part": {"features": (0, 2), "labels": range(0, 3)}})
    assert w["part"].labels.shape == (3,) and w["part"].features.shape == (2, 4)
    report = bigarrays.verify(str(path))
    assert report.whole
    other = SliceArray.create(path.with_name("other"), arrays=ARRAYS)
    other.write(w)
    assert sorted(other) == ["n/0", "n/3", "n/9", "part"] and dict(other.meta) == dict(w.meta) != {}


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_pickles_and_snapshots_of_several(path: Path, method: str) -> None:
    w = new(path)
    x = SliceArray(path)
    kept, part = x.snapshot(), x.select(["n/4", "n/2"])
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        assert list(pool.map(seen, [x, kept, part])) == [expected(0, 1, 2, 3, 4)] * 2 + [expected(4, 2)]
        w.meta["n/2"] = "other"
        w.delete(["n/4", "n/3"])
        w.compact()
        assert list(pool.map(seen, [kept, part])) == [expected(0, 1, 2, 3, 4), expected(4, 2)]
    c = SliceArray(path, "c")
    c["n/1"].features[:] = 7
    assert c["n/1"].features.max() == 7 and w["n/1"].features.max() == 1
    writer = pickle.loads(pickle.dumps(w))
    writer["n/7"] = rows(7)
    both = pickle.loads(pickle.dumps(w.snapshot()["n/1"]))
    assert both.labels.tolist() == [0] and type(both) is type(w["n/1"]) and w.refresh() and "n/7" in w


def test_batches_of_several(path: Path) -> None:
    x = new(path, 10).snapshot()
    first = next(x.batches(4))
    assert [len(label) for label in first.labels] == [0, 1, 2, 3] and len(first["features"]) == 4
    found = []
    for features, labels in x.batches(3, shuffle=True, seed=1, pad={"features": 0, "labels": -100}, prefetch=2):
        assert features.rows.shape == (len(labels.lengths), features.lengths.max(), 4)
        assert ((labels.rows == -100).sum(1) == labels.lengths.max() - labels.lengths).all()
        found += labels.lengths.tolist()
    assert sorted(found) == list(range(10))
    parts = x.split({"train": 0.5, "test": 0.5}, seed=3)
    assert sum(len(batch.labels) for part in parts.values() for batch in part.batches(2, bucket_by_length=2)) == 10
    with pytest.raises(bigarrays.InvalidArgumentError, match="labels"):
        next(x.batches(3, pad={"features": 0}))
    assert [int(sum(map(len, labels))) for _, labels in x.batches(5, collate=tuple)] == [10, 35]


def test_metadata(tmp_path: Path) -> None:
    w = SliceArray.create(tmp_path / "s.npy", shape=(None,), dtype="i2")
    w.write({name: [1] for name in "abcd"}, meta={"a": {"x": [1, 2.5, None, "é"]}, "b": 7})
    x = SliceArray(tmp_path / "s.npy")
    assert dict(x.meta) == {"a": {"x": [1, 2.5, None, "é"]}, "b": 7} and len(x.meta) == 2 and list(x.meta) == ["a", "b"]
    assert "a" in x.meta and "c" not in x.meta and "no" not in x.meta and x.meta.get("c", 5) == 5 and x.meta
    w.meta.update({"c": np.int64(3), "d": np.arange(2)}, b=None)
    assert x.meta["c"] == 3 and x.meta["d"] == [0, 1] and x.meta["b"] is None and "b" in x.meta and len(x.meta.items()) == 4
    del w.meta["b"]
    assert w.meta.pop("c") == 3 and w.meta.setdefault("c", 4) == 4 and sorted(w.meta) == ["a", "c", "d"]
    changes: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: w.meta["no"], KeyError, "no"),
        (lambda: w.meta["b"], KeyError, "b"),
        (lambda: w.meta.__delitem__("b"), KeyError, "b"),
        (lambda: w.meta.__setitem__("no", 1), KeyError, "no"),
        (lambda: w.meta.update({"a": 1, "no": 2}), KeyError, "no"),
        (lambda: w.meta.__setitem__("a", "x" * 70_000), bigarrays.InvalidArgumentError, "65536"),
        (lambda: w.meta.__setitem__("a", float("nan")), bigarrays.InvalidArgumentError, "'a'"),
        (lambda: w.meta.__setitem__("a", {1: 2}), bigarrays.InvalidArgumentError, "key 1"),
        (lambda: w.meta.__setitem__("a", b"x"), bigarrays.InvalidArgumentError, "bytes"),
        (lambda: w.write({"e": [1]}, meta={"e": {1}}), bigarrays.InvalidArgumentError, "'e'"),
        (lambda: x.meta.__setitem__("a", 1), bigarrays.ReadOnlyError, "r\\+"),
        (lambda: w.snapshot().meta.__setitem__("a", 1), bigarrays.ReadOnlyError, "kept"),
    ]
    for change, kind, reason in changes:
        with pytest.raises(kind, match=reason):
            change()
    assert w.meta["a"] == {"x": [1, 2.5, None, "é"]} and "e" not in w
    kept = w.snapshot()
    w.write({"a": [5, 5]}, replace=True)
    assert w.meta["a"] == kept.meta["a"]
    w.meta.clear()
    assert not w.meta and len(kept.meta) == 3 and len(w) == 4 and w["a"].tolist() == [5, 5]


def test_selecting_by_name_and_metadata(path: Path) -> None:
    w = new(path)
    w.write({"m/1": rows(1), "m/2": rows(2)}, meta={"m/1": {"k": 1, "clean": True}, "m/2": [1]})
    assert list(w.select(glob="?/1")) == ["n/1", "m/1"] and list(w.select(glob="*/[12]")) == ["n/1", "n/2", "m/1", "m/2"]
    assert list(w.select(meta={"k": 1})) == ["n/1", "m/1"] and list(w.select(meta={"k": 1, "clean": True})) == ["m/1"]
    assert list(w.select(meta=lambda name, meta: meta is None or name == "m/2")) == ["n/0", "m/2"]
    assert list(w.select("n/", meta=lambda name, meta: bool(meta) and meta["k"] > 2)) == ["n/3", "n/4"]
    assert list(w.select(lambda name: name < "n", glob="*2")) == ["m/2"] and list(w.select()) == list(w)
    part = w.select(glob="n/*").select(meta={"k": 3})
    assert part["n/3"].labels.tolist() == [0, 1, 2] and part.meta["n/3"] == {"k": 3}
    assert [batch.labels[0].tolist() for batch in part.batches(1)] == [[0, 1, 2]]
    with pytest.raises(ZeroDivisionError):
        w.select(meta=lambda name, meta: bool(1 / 0))
    with pytest.raises(bigarrays.InvalidArgumentError, match="meta"):
        w.select(meta=5)  # type: ignore[arg-type]


def test_together_is_a_tuple_with_names() -> None:
    both: Any = Together.of(count=1, index=[2])
    assert both == (1, [2]) and both.count == 1 and both.index == [2] and both._asdict() == {"count": 1, "index": [2]}
    assert pickle.loads(pickle.dumps(both)) == both and type(both)(3, 4)["count"] == 3 and repr(both) == "Together(count=1, index=[2])"
    with pytest.raises(TypeError, match="count, index"):
        type(both)(1)
    with pytest.raises(AttributeError, match="other"):
        both.other
