import os
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest

import bigarrays

from conftest import Served


def test_views_are_copied_between_chunk_shapes(tmp_path: Path) -> None:
    source = bigarrays.create(tmp_path / "a", shape=(40, 30, 20), dtype="uint16", chunk_shape=(16, 16, 16))
    source[...] = np.random.default_rng(0).integers(0, 2**16, source.shape, np.uint16)
    view = source.view[5:35:2, ::-1, 3:]
    target = bigarrays.create(tmp_path / "b", shape=view.shape, origin=(-9, 0, 4), dtype="uint16", chunk_shape=(7, 8, 9))
    told: list[tuple[int, int]] = []
    bigarrays.copy(view, target, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(target[...], view[...])
    assert told[-1] == (target.nbytes, target.nbytes)


def test_shapes_and_types_must_be_the_same(tmp_path: Path) -> None:
    arrays = [
        bigarrays.create(tmp_path / str(k), shape=shape, dtype=dtype)
        for k, (shape, dtype) in enumerate([((8, 8, 8), "uint8"), ((8, 8, 9), "uint8"), ((8, 8, 8), "uint16")])
    ]
    for target in arrays[1:]:
        with pytest.raises(bigarrays.InvalidArgumentError):
            bigarrays.copy(arrays[0], target)


@pytest.fixture
def held(tmp_path: Path, served: Served) -> tuple[bigarrays.Array, bigarrays.Array]:
    """Two arrays. The first is `a` on a web server that keeps its last chunk back: no copy of it comes to its end."""
    array = bigarrays.create(tmp_path / "a", shape=(128, 128, 64), dtype="uint8", chunk_shape=(16, 16, 16))
    array[...] = 1
    target = bigarrays.create(tmp_path / "b", shape=array.shape, dtype="uint8", chunk_shape=(8, 8, 8))
    served.held = "/112-128_112-128_48-64"
    return bigarrays.open(f"{served.url}/a"), target


def test_an_interrupt_stops_the_copy(held: tuple[bigarrays.Array, bigarrays.Array]) -> None:
    source, target = held
    interrupts = iter([signal.SIGINT])

    def interrupt(done: int, total: int) -> None:
        for number in interrupts:
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        bigarrays.copy(source, target, memory=1 << 18, progress=interrupt)
    copied = target[...]
    assert not copied.all()
    whole = copied.reshape(16, 8, 16, 8, 8, 8).sum(axis=(1, 3, 5), dtype=int)
    assert set(np.unique(whole)) <= {0, 512}


def test_an_exception_of_progress_stops_the_copy(held: tuple[bigarrays.Array, bigarrays.Array]) -> None:
    source, target = held

    def fail(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        bigarrays.copy(source, target, memory=1 << 18, progress=fail)
    assert not target[...].all()


def test_casts_are_asked_for(tmp_path: Path) -> None:
    source = bigarrays.create(tmp_path / "a", shape=(8, 8, 8), dtype="float32")
    source[...] = np.linspace(-3, 300, 512, dtype="f4").reshape(8, 8, 8)
    target = bigarrays.create(tmp_path / "b", like=source, dtype="uint8", chunk_shape=(3, 4, 5))
    assert (target.dtype, target.shape, target.chunk_shape) == (np.dtype("u1"), source.shape, (3, 4, 5))
    with pytest.raises(bigarrays.InvalidArgumentError, match="does not fit into uint8"):
        bigarrays.copy(source, target, rounding="nearest")
    bigarrays.copy(source, target, rounding="floor", out_of_range="clip")
    np.testing.assert_array_equal(target[...], np.floor(source[...]).clip(0, 255).astype("u1"))
    with pytest.raises(bigarrays.InvalidArgumentError, match="wrap"):
        bigarrays.copy(source, target, out_of_range="saturate")  # type: ignore[arg-type]


def test_a_copy_goes_on_where_it_ended(
    tmp_path: Path, served: Served, held: tuple[bigarrays.Array, bigarrays.Array]
) -> None:
    source, target = held
    journal = tmp_path / "journal"

    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > total // 8:
            raise Enough

    with pytest.raises(Enough):
        bigarrays.copy(source, target, memory=1 << 18, progress=stop, resume=journal)
    done = np.count_nonzero(target[...])
    assert journal.exists() and 0 < done < target.size
    # What was done is found again, but for what the source has changed since.
    bigarrays.open(tmp_path / "a", mode="r+")[:, :, 32:] = 2
    served.released.set()
    with warnings.catch_warnings():
        # Blocks of what has changed may have been done.
        warnings.simplefilter("ignore", UserWarning)
        bigarrays.copy(source, target, memory=1 << 18, resume=journal)
    assert not journal.exists()
    np.testing.assert_array_equal(target[...], source[...])
