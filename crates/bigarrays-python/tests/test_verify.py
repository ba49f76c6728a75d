from pathlib import Path

import numpy as np
import pytest

import bigarrays


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    array = bigarrays.create(
        tmp_path / "layer", domain="-4:16,0:9,0:7", dtype="uint16", chunk_shape=(8, 8, 8), encoding="png"
    )
    array[...] = np.arange(20 * 9 * 7, dtype=np.uint16).reshape(20, 9, 7)
    return tmp_path / "layer"


def test_what_is_whole_is_true(layer: Path) -> None:
    told: list[tuple[int, int]] = []
    report = bigarrays.verify(layer, progress=lambda done, total: told.append((done, total)))
    assert report and report.whole and str(report).endswith("whole")
    assert told[-1][0] == told[-1][1] > 0
    (array,) = report.arrays
    assert (array["chunks"], array["stored"], array["missing"], array["listed"]) == (6, 6, 0, True)


def test_damage_is_named(layer: Path) -> None:
    chunk = layer / "1_1_1" / "4-12_0-8_0-7"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    (layer / "1_1_1" / "12-16_8-9_0-7").unlink()
    report = bigarrays.verify(layer)
    assert not report and report.problem_count == 1
    (problem,) = report.problems
    assert (problem["kind"], problem["key"], problem["domain"]) == ("chunk", str(chunk), "4:12,0:8,0:7")
    assert str(chunk) in str(report)
    assert bigarrays.verify(layer, missing=True).problem_count == 2
    assert bigarrays.verify(layer, box="-4:3,0:9,0:7").whole
    assert report.to_dict()["arrays"] == report.arrays


def test_arrays_are_compared_by_the_names_of_axes(layer: Path, tmp_path: Path) -> None:
    values = bigarrays.open(layer)[...]
    np.save(tmp_path / "same.npy", values.T)
    assert bigarrays.verify(layer, tmp_path / "same.npy")
    values[3, 2, 1] ^= 1
    np.save(tmp_path / "other.npy", values.T)
    comparison = bigarrays.verify(layer, against=tmp_path / "other.npy").arrays[0]["comparison"]
    assert comparison is not None
    assert (comparison["different"], comparison["max_abs"]) == (1, 1)
    assert comparison["first"][0]["at"] == [-1, 2, 1]


def test_named_slices(tmp_path: Path) -> None:
    with bigarrays.SliceArray(tmp_path / "x.npy", "w", shape=(0, 3), dtype="uint8") as w:
        w.write({"one": np.zeros((2, 3), np.uint8), "two": np.ones((5, 3), np.uint8)})
    report = bigarrays.verify(tmp_path / "x.npy")
    assert report and report.arrays[0]["names"] == 2


def test_an_exception_of_progress_ends_it(layer: Path) -> None:
    def fail(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        bigarrays.verify(layer, progress=fail)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(bigarrays.NotFoundError):
        bigarrays.verify(tmp_path / "nothing")


def test_damage_is_reported_alike_by_processes(tmp_path: Path) -> None:
    values = np.arange(60 * 8 * 8, dtype=np.uint16).reshape(60, 8, 8)
    for name, offset in (("a", 0), ("b", 1)):
        array = bigarrays.create(tmp_path / name, shape=values.shape, dtype="uint16", chunk_shape=(4, 8, 8), format="zarr3", encoding="zstd")
        array[...] = values + offset
    for damaged in ("c/3/0/0", "c/9/0/0"):
        chunk = tmp_path / "a" / damaged
        chunk.write_bytes(chunk.read_bytes()[:-9])
        alone = bigarrays.verify(tmp_path / "a", tmp_path / "b")
        shared = bigarrays.verify(tmp_path / "a", tmp_path / "b", processes=2)
        assert shared.arrays[0]["comparison"] is None and alone.arrays[0]["comparison"] is None
        kinds = [problem["kind"] for problem in shared.problems]
        assert kinds == [problem["kind"] for problem in alone.problems] and kinds[-1] == "different"
        assert shared.problem_count == alone.problem_count
