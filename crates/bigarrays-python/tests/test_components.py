"""Connected components, compared with scipy."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays as ba

ndi = pytest.importorskip("scipy.ndimage")

STRUCTURES = {6: ndi.generate_binary_structure(3, 1), 18: ndi.generate_binary_structure(3, 2), 26: ndi.generate_binary_structure(3, 3)}


def stored(url: str, values: Any, origin: tuple[int, ...] = (0, 0, 0), **options: Any) -> ba.Array:
    domain = ba.Domain([(first, first + length) for first, length in zip(origin, values.shape, strict=True)])
    array = ba.create(url, domain=domain, dtype=values.dtype, **{"chunk_shape": (16, 8, 8)} | options)
    array[...] = values
    return array


@pytest.mark.parametrize("connectivity", STRUCTURES)
@pytest.mark.parametrize("origin", [(0, 0, 0), (3, 5, 7), (-21, -7, -5)])
def test_numbers_of_masks_are_those_of_scipy(connectivity: int, origin: tuple[int, ...]) -> None:
    rng = np.random.default_rng(connectivity)
    for share, dtype, chunk in ((0.1, "uint8", (16, 16, 16)), (0.3, "float32", (9, 31, 4)), (0.6, "int16", (64, 5, 5))):
        shape = tuple(int(length) for length in rng.integers(20, 60, 3))
        image = rng.normal(size=shape)
        limit = float(np.quantile(image, 1 - share))
        name = f"memory://scipy/{connectivity}/{origin}/{dtype}"
        mask = stored(f"{name}/mask", (image > limit).astype(dtype) * 7, origin)
        due, count = ndi.label(image > limit, STRUCTURES[connectivity])
        for memory in (2 << 20, None):
            where = f"{name}/{memory}"
            found = ba.components(mask, where, connectivity=connectivity, binary=True, memory=memory, chunk_shape=chunk, statistics=True)
            assert found.count == count and found.array.origin == origin
            np.testing.assert_array_equal(found.array[...], due)
            assert found.voxels is not None and found.boxes is not None
            np.testing.assert_array_equal(found.voxels, np.bincount(due.reshape(-1), minlength=count + 1)[1:])
            boxes = [[[s.start + o, s.stop + o] for s, o in zip(box, origin, strict=True)] for box in ndi.find_objects(due)]
            np.testing.assert_array_equal(found.boxes, np.reshape(boxes, (-1, 3, 2)))
            assert ba.open(where).dtype == np.uint64
        image_array = stored(f"{name}/image", image, origin)
        found = ba.components(image_array, f"{name}/above", connectivity=connectivity, above=limit, dtype="uint32")
        np.testing.assert_array_equal(found.array[...], due)


def test_a_new_array_is_like_the_source_and_of_labels(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (40, 40, 40)).astype("uint8")
    image = stored(str(tmp_path / "image"), values, (1, 2, 3), encoding="jpeg", resolution=(8, 8, 40))
    found = ba.components(image, tmp_path / "parts", above=128)
    assert found.array.resolution == (8, 8, 40)
    assert json.loads((tmp_path / "parts/info").read_text())["type"] == "segmentation"
    with pytest.raises(ba.AlreadyExistsError):
        ba.components(image, tmp_path / "parts", above=128)
    with pytest.raises(ba.InvalidArgumentError, match="6 or 18 or 26"):
        ba.components(image, found.array, connectivity=8)
    with pytest.raises(ba.InvalidArgumentError, match="chunk_shape"):
        ba.components(image, found.array, chunk_shape=(8, 8, 8))
    with pytest.raises(ba.MemoryBudgetError):
        ba.components(image, tmp_path / "other", above=128, memory=1000)
    assert not (tmp_path / "other").exists()
    again = ba.components(image, found.array, above=300)
    assert again.count == 0 and not found.array[...].any()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "int64"])
@pytest.mark.parametrize("limit", [0.1, 0.3, 2.5, 3, -1, 1e300, (1 << 60) + 1, np.inf])
def test_elements_are_above_as_for_numpy_and_expressions(dtype: str, limit: Any) -> None:
    values = np.array([0, 0.1, 0.3, 0.7, 2.5, 3, 0, 7, 100]).astype(dtype)
    array = ba.create(f"memory://above/{dtype}/{limit}", shape=values.shape, dtype=dtype, format="zarr3")
    array[...] = values
    found = ba.components(array, f"memory://above-parts/{dtype}/{limit}", above=limit, format="zarr3").array[...] > 0
    with np.errstate(over="ignore"):
        due = values > (values.dtype.type(limit) if values.dtype.kind == "f" else limit)
    np.testing.assert_array_equal(found, due)
    if values.dtype.kind == "f" or abs(limit) < 200:
        np.testing.assert_array_equal((array.lazy > limit).compute(), due)


KILLED = """
import os, sys, bigarrays as ba
count = 0
def progress(done, total):
    global count
    count += 1
    if done >= float(sys.argv[3]) * total:
        os._exit(9)
ba.components(ba.open(sys.argv[1]), sys.argv[2], resume=sys.argv[2] + ".journal", memory=3 << 20, progress=progress, chunk_shape=(16, 16, 16))
"""


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    values = np.kron(np.random.default_rng(1).integers(0, 4, (16, 12, 20)), np.ones((4, 4, 4), int)).astype("uint32")
    stored(str(tmp_path / "labels"), values, chunk_shape=(16, 16, 16))
    target = str(tmp_path / "parts")
    codes = [
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "labels"), target, share]).returncode for share in ("0.3", "0.7", "9")
    ]
    assert codes == [9, 9, 0]
    whole = ba.components(ba.open(tmp_path / "labels"), "memory://killed")
    np.testing.assert_array_equal(ba.open(target)[...], whole.array[...])
    # What was noted beside the journal says that it is done.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "parts", "parts.journal.done"]


@pytest.mark.parametrize("format", ["precomputed", "zarr2", "zarr3", "n5", "ome-zarr", "ome-zarr-0.4"])
def test_more_components_than_the_type_has_numbers(tmp_path: Path, format: str) -> None:
    values = np.zeros((30, 20, 14), "uint32")
    values[::2, ::2, ::2] = np.arange(1, 1051).reshape(15, 10, 7)
    source = ba.create(tmp_path / "labels", shape=values.shape, dtype="uint32", format=format, chunk_shape=(8, 8, 8))
    source[...] = values
    jobs: list[Any] = [ba.components, ba.renumber]
    for number, job in enumerate(jobs):
        target = tmp_path / f"new-{number}"
        with pytest.raises(ba.InvalidArgumentError, match="uint8"):
            job(source, target, dtype="uint8")
        # Nothing was written, and nobody takes what is there for all of it.
        with pytest.raises(ba.IncompleteError):
            ba.open(target)
        unwritten = ba.open(target, incomplete=True)
        assert ba.verify(tmp_path / "labels").arrays[0]["stored"] > 0 and not unwritten[...].any()
        # What was there before stays as it was.
        kept = ba.create(tmp_path / f"kept-{number}", shape=values.shape, dtype="uint8", format=format, chunk_shape=(8, 8, 8))
        kept[...] = 7
        with pytest.raises(ba.InvalidArgumentError, match="uint8"):
            job(source, kept)
        assert (kept[...] == 7).all() and not kept.incomplete
        ba.remove(target)
        job(source, target, dtype="uint16")
        assert ba.open(target)[...].max() == 1050
