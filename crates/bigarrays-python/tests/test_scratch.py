"""Results of passes in scratch files, where memory does not hold them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import bigarrays as ba

#: Less than results of one layer of the cube take.
LOW = 12 << 20


def cube(tmp_path: Path) -> tuple[ba.Array, NDArray[np.float32]]:
    a = np.random.default_rng(3).normal(size=(2, 900, 2048)).astype("float32")
    array = ba.create(tmp_path / "a", shape=a.shape, dtype=a.dtype, format="zarr3", chunk_shape=(1, 64, 64))
    array[...] = a
    # Coordinates that files cannot have.
    return array.translate([-2, 10, 0]), a


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_results_are_the_same_bits_with_and_without_files(tmp_path: Path, scratch: Path) -> None:
    array, a = cube(tmp_path)
    x = array.lazy
    high = x - x.max(axis=0, keepdims=True)
    wide = (x - x.mean(axis=0, keepdims=True)).std(axis=1)
    assert wide.explain(memory=LOW, scratch=scratch, show="dict")["scratch"] > 0
    assert wide.explain(memory=1 << 30, scratch=scratch, show="dict")["scratch"] == 0
    saved = high.save(tmp_path / "high", format="ome-zarr", chunk_shape=(1, 64, 64), memory=LOW, scratch=scratch)
    np.testing.assert_array_equal(saved[...], a - a.max(axis=0, keepdims=True))
    assert saved.domain == x.domain
    np.testing.assert_array_equal(wide.compute(memory=LOW, scratch=scratch), wide.compute())
    # Also what is asked for, and what more than one pass reads.
    mean = x.mean(axis=0, keepdims=True)
    both = ba.save({tmp_path / "mean": mean, tmp_path / "left": x - mean}, format="zarr3", memory=LOW, scratch=scratch)
    np.testing.assert_array_equal(both[tmp_path / "left"][...], (x - mean).compute())
    np.testing.assert_array_equal(both[tmp_path / "mean"][...], mean.compute())
    assert list(scratch.iterdir()) == []


def test_without_a_folder_they_are_refused_before_anything_is_made(tmp_path: Path, scratch: Path) -> None:
    array, _ = cube(tmp_path)
    expression = array.lazy - array.lazy.max(axis=0, keepdims=True)
    with pytest.raises(ba.MemoryBudgetError, match="name a scratch folder"):
        expression.save(tmp_path / "b", format="zarr3", memory=LOW)
    with pytest.raises(ba.NotFoundError, match="no folder for scratch files"):
        expression.save(tmp_path / "b", format="zarr3", memory=LOW, scratch=scratch / "none")
    with pytest.raises(ba.MemoryBudgetError, match="at least"):
        expression.save(tmp_path / "b.npy", format="npy", memory=1000, scratch=scratch)
    assert not (tmp_path / "b").exists() and list(scratch.iterdir()) == []


def test_files_go_where_the_work_fails_or_is_stopped(tmp_path: Path, scratch: Path) -> None:
    array, _ = cube(tmp_path)
    x = array.lazy
    fails = (x - x.max(axis=0, keepdims=True) + 300).astype("uint8")
    with pytest.raises(ba.InvalidArgumentError, match="does not fit"):
        fails.save(tmp_path / "b", format="zarr3", chunk_shape=(1, 64, 64), memory=LOW, scratch=scratch)

    def stop(done: int, total: int) -> None:
        assert list(scratch.iterdir()) != []
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        (x - x.max(axis=0, keepdims=True)).save(
            tmp_path / "c", format="zarr3", chunk_shape=(1, 64, 64), memory=LOW, scratch=scratch, progress=stop
        )
    assert list(scratch.iterdir()) == []
