"""What programs call that were written for Python's bigarray does here what it does there."""

import importlib.metadata
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
from collections import OrderedDict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import bigarray as old  # type: ignore[import-untyped]
import numpy as np
import pytest

import bigarrays
from bigarrays import bigarray as new

# bigarray leaves its files open.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def test_the_example_of_its_readme(tmp_path: Path) -> None:
    readme = importlib.metadata.distribution("bigarray").read_text("METADATA") or ""
    example, output = re.findall(r"```(?:python)?\n(.*?)```", readme[readme.index("## Example") :], re.DOTALL)
    assert "from bigarray import PointerArray, PointerArrayWriter" in example and "319600 319600" in output
    for package in ["bigarray", "bigarrays.bigarray"]:
        program = "import multiprocessing\nmultiprocessing.set_start_method('fork')\n"
        program += example.replace("from bigarray import", f"from {package} import")
        program = program.replace("/tmp/array", os.fspath(tmp_path / package))
        for _ in range(2):  # the second time, there is a file, which is removed
            printed = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True).stdout
            assert printed == output
    assert np.load(tmp_path / "bigarrays.bigarray").shape == (800,)


def rows(start: int, count: int, width: int = 3) -> np.ndarray[Any, Any]:
    return np.arange(start, start + count * width, dtype="float32").reshape(count, width)


@pytest.mark.parametrize("shape", [(0, 3), (None, 3), [-1, 3], (10, 3), np.array([2, 3])])
@pytest.mark.parametrize("positions", [(None, None), (None, 0, None), (None, -2)])
def test_rows_go_where_they_go_there(tmp_path: Path, shape: Any, positions: tuple[int | None, ...]) -> None:
    found: dict[str, Any] = {}
    for name, package in [("old", old), ("new", new)]:
        path = str(tmp_path / name)
        writer = package.MmapArrayWriter(path, shape=shape, dtype="float32")
        for number, position in enumerate(positions):
            assert writer.write([rows(number * 100, 2), rows(number * 100 + 50, 3)], position) is writer
        found[name] = (writer.shape, writer.dtype, writer.path == path, writer.is_closed)
        writer.close()
        with package.MmapArrayWriter(path) as more:  # adds to what is there
            more.write(rows(7, 1))
        assert more.is_closed
        found[name] += (np.array(package.MmapArray(path)).tolist(),)
    assert found["new"] == found["old"]


def test_rows_that_were_written_at_a_position_are_not_written_over(tmp_path: Path) -> None:
    for name, package, kept in [("old", old, 1), ("new", new, 3)]:
        writer = package.MmapArrayWriter(str(tmp_path / name), shape=(0, 3), dtype="float32")
        writer.write(np.zeros((3, 3), "float32"), start_position=0)
        writer.write(np.full((2, 3), 50.0))
        writer.close()
        found = package.MmapArray(str(tmp_path / name))[:, 0].tolist()
        assert found.count(0) == kept and found.count(50) == 2


@pytest.mark.parametrize("length", [0, 40])
def test_names_mean_what_they_mean_there(tmp_path: Path, length: int) -> None:
    found: dict[str, Any] = {}
    for name, package in [("old", old), ("new", new)]:
        path = str(tmp_path / name)
        with package.PointerArrayWriter(path, shape=(length, 3), dtype="float32") as f:
            f.write({"a": rows(0, 4), "b": rows(50, 0)})
            f.write({"c": rows(100, 5)}, start_position=20)
            f.write(OrderedDict(a=rows(200, 2), d=rows(300, 1)))
            found[name] = [dict(f.indices.items())]
        x = package.PointerArray(path, "r")
        found[name] += [dict(x.indices.items()), sorted(x.indices), x.shape, float(np.sum(x)), len(x.indices)]
        found[name] += [x[key].tolist() for key in x.indices] + [x[2:9].tolist(), x[-1].tolist(), x[1, 2]]
        found[name] += [(x * 2)[3].tolist(), x.max(axis=0).tolist(), np.concatenate([x, x]).shape]
    if length:
        assert found["new"] == found["old"]
    else:
        # There, what is written at a position does not move the place where rows are added; here, they are appended.
        assert found["new"][0] == {"a": (25, 27), "b": (4, 4), "c": (20, 25), "d": (27, 28)}


def test_its_files_are_read(tmp_path: Path) -> None:
    path = str(tmp_path / "old")
    data = {f"n{k}": rows(k, k % 4) for k in range(20)}
    with old.PointerArrayWriter(path, shape=(0, 3), dtype="float32") as f:
        f.write(data)
    x, there = new.PointerArray(path), old.PointerArray(path)
    assert dict(x.indices) == dict(there.indices) and x.shape == there.shape and x.filesize == there.filesize
    for name, expected in data.items():
        np.testing.assert_array_equal(x[name], expected)
    x["n3"][0] = 70
    x.flush()
    assert old.PointerArray(path)["n3"][0].tolist() == [70] * 3
    copied = new.PointerArray(path, "c")
    copied[:] = 1
    assert old.PointerArray(path)["n3"][0, 0] == 70
    for write in [new.PointerArrayWriter, new.MmapArrayWriter]:
        with pytest.raises(bigarrays.UnsupportedError, match="convert"):
            write(path)
    assert new.PointerArrayWriter(path, shape=(3,), dtype="u1", remove_exist=True).shape == (3,)


@pytest.mark.parametrize("dtype", ["float64", ">f8", "<u2", "bool"])
def test_its_types_are_read(tmp_path: Path, dtype: str) -> None:
    with old.MmapArrayWriter(str(tmp_path / "old"), shape=(4, 3), dtype=dtype) as f:
        f.write(np.arange(12).reshape(4, 3).astype(dtype))
    x = new.MmapArray(str(tmp_path / "old"), "r")
    assert x.dtype == dtype and np.array_equal(x, np.arange(12).reshape(4, 3).astype(dtype))


class Evil:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit",))


@pytest.mark.parametrize("index", [Evil(), {"a": Evil()}, {"a": (0, 99)}, {"a": (-1, 1)}, {"a": (0, 1, 2)}, 7])
def test_other_pickles_are_refused(tmp_path: Path, index: Any) -> None:
    path = str(tmp_path / "old")
    with old.PointerArrayWriter(path, shape=(0,), dtype="f4") as f:
        f.write({"a": np.zeros(2, "f4")})
    with open(path, "ab") as file:
        file.write(pickle.dumps(index) + len(pickle.dumps(index)).to_bytes(8, "big"))
    with pytest.raises(bigarrays.InvalidMetadataError, match="names|rows"):
        new.PointerArray(path)
    with open(path, "ab") as file:
        file.write(b"\xff" * 8)
    with pytest.raises(bigarrays.InvalidMetadataError):
        new.PointerArray(path)


def write_part(job: tuple[new.PointerArrayWriter, int]) -> None:
    writer, number = job
    writer.write({f"{number}/{k}": rows(number * 1000 + k, 2) for k in range(20)})


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_append_to_one_file(tmp_path: Path, method: str) -> None:
    path = str(tmp_path / "new")
    writer = new.PointerArrayWriter(path, shape=(None, 3), dtype="float32")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        list(pool.map(write_part, [(writer, number) for number in range(4)]))
    writer.write({"last": rows(9, 1)})
    writer.close()
    x = pickle.loads(pickle.dumps(new.PointerArray(path, "r")))
    assert isinstance(x, new.PointerArray) and x.mode == "r" and len(x.indices) == 81 and len(x) == 161
    for number in range(4):
        for k in range(20):
            np.testing.assert_array_equal(x[f"{number}/{k}"], rows(number * 1000 + k, 2))


def test_a_writer_is_the_one_that_is_open(tmp_path: Path) -> None:
    path = str(tmp_path / "new")
    writer = new.MmapArrayWriter(path, shape=(4, 3), dtype="float32")
    writer.write(rows(0, 1))
    assert new.MmapArrayWriter(path) is writer is pickle.loads(pickle.dumps(writer))
    writer.write(rows(50, 1))
    writer.close()
    writer.close()
    for use in [lambda: writer.write(rows(0, 1)), writer.flush, lambda: writer.shape]:
        with pytest.raises(RuntimeError, match="closed"):
            use()
    assert new.MmapArrayWriter(path) is not writer
    assert new.MmapArray(path)[:3, 0].tolist() == [0, 50, 0]


def test_what_is_lost_there_is_refused_here(tmp_path: Path) -> None:
    path = str(tmp_path / "new")
    writer = new.PointerArrayWriter(path, shape=(0, 3), dtype="int16")
    wrong: Any
    for wrong in [np.zeros((2, 4), "i2"), np.full((1, 3), 1 << 20), np.full((1, 3), 1.5), np.full((1, 3), np.nan), np.int16(1)]:
        with pytest.raises(bigarrays.InvalidArgumentError):
            writer.write({"a": np.zeros((1, 3), "i2"), "b": wrong})
    with pytest.raises(bigarrays.InvalidArgumentError, match="dict"):
        writer.write([np.zeros((1, 3))])  # type: ignore[arg-type]
    assert writer.shape == (0, 3) and not len(writer.indices)
    writer.write({"a": np.full((1, 3), 7.0), "b": np.full((2, 3), 8)})
    x = new.PointerArray(path, "r")
    assert x["a"].tolist() == [[7] * 3] and x["b"].shape == (2, 3)
    with pytest.raises(KeyError):
        x["no"]
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 3
    with pytest.raises(bigarrays.NotFoundError):
        new.PointerArray(path + "no")
    with pytest.raises(bigarrays.InvalidArgumentError, match="mode"):
        new.MmapArray(path, "w+")
    with pytest.raises(bigarrays.InvalidArgumentError, match="shape and dtype"):
        new.MmapArrayWriter(path + "no", shape=(3,))
    with pytest.raises(bigarrays.InvalidArgumentError, match="folder"):
        new.MmapArrayWriter(str(tmp_path), shape=(3,), dtype="u1", remove_exist=True)
    floats = new.MmapArrayWriter(path + "f", shape=(0,), dtype="float32")
    floats.write(np.array([0.1, np.nan, np.inf]))
    with pytest.raises(bigarrays.InvalidArgumentError, match="float64"):
        floats.write(np.array([1e300]))
    assert floats.write([]) is floats and floats.shape == (3,)
    (tmp_path / "text").write_text("no array")
    with pytest.raises(bigarrays.InvalidMetadataError):
        new.MmapArray(str(tmp_path / "text"))
