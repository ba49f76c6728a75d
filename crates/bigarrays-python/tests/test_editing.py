"""Slices that are left out, put in and reordered, and boxes that are blanked, compared with NumPy."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays as ba


def files(place: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file() and ".lock" not in path.name}


KINDS: list[dict[str, Any]] = [
    {"encoding": "raw"},
    {"encoding": "compressed_segmentation"},
    {"sharding": True},
    {"format": "zarr3", "fill_value": 3},
    {"format": "zarr3", "shard_shape": (32, 16, 24)},
    {"format": "n5"},
    {"format": "ome-zarr"},
]


def made(place: Any, options: dict[str, Any], seed: int = 0, share: float = 1.0) -> tuple[ba.Array, Any]:
    """An array of random elements, in which some chunks are missing, and its elements."""
    rng = np.random.default_rng(seed)
    has_origin = "format" not in options or options["format"] == "ome-zarr"
    origin = (-21, -7, 5) if has_origin else (0, 0, 0)
    known: dict[str, Any] = {"origin": origin} if has_origin else {}
    array = ba.create(place, shape=(50, 41, 33), dtype="uint32", chunk_shape=(16, 8, 12), **known, **options)
    values = np.full(array.shape, options.get("fill_value", 0), "uint32")
    for box in array.chunk_domains():
        if rng.random() < share:
            part = tuple(slice(start - first, stop - first) for (start, stop), first in zip(box.ranges, origin, strict=True))
            values[part] = rng.integers(1, 1 << 20, values[part].shape)
            array[box.slices] = values[part]
    return array, values


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_boxes_are_blanked(tmp_path: Path, options: dict[str, Any], share: float) -> None:
    array, values = made(tmp_path / "a", options, share=share)
    fill = options.get("fill_value", 0)
    rng = np.random.default_rng(1)
    for _ in range(4):
        low = [int(rng.integers(0, length - 1)) for length in array.shape]
        high = [int(rng.integers(at + 1, length + 1)) for at, length in zip(low, array.shape, strict=True)]
        box = tuple((a + o, b + o) for a, b, o in zip(low, high, array.origin, strict=True))
        before = files(tmp_path)
        would = ba.blank(ba.open(tmp_path / "a"), box=box, dry_run=True)
        assert files(tmp_path) == before
        assert ba.blank(array, box=box) == would
        values[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = fill
        np.testing.assert_array_equal(ba.open(tmp_path / "a")[...], values)
        assert ba.verify(tmp_path / "a")
        # Again, only parts of chunks are left to be looked at.
        assert ba.blank(array, box=box)[0] == 0
    ba.blank(array, box=array.domain)
    assert (ba.open(tmp_path / "a")[...] == fill).all()
    assert ba.roi(array) is None and len(array.chunk_domains(stored=True)) == 0


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_masks_are_blanked(tmp_path: Path, options: dict[str, Any]) -> None:
    array, values = made(tmp_path / "a", options, seed=2, share=0.7)
    fill = options.get("fill_value", 0)
    mask = np.random.default_rng(3).random(array.shape) < 0.4
    mask[:32, :16] = True
    mask[:, 24:32] = False
    removed, changed = ba.blank(array, mask=mask)
    values[mask] = fill
    np.testing.assert_array_equal(ba.open(tmp_path / "a")[...], values)
    assert removed > 0 and changed > 0
    # An expression of another array, in a box.
    first = array.origin
    box = tuple((o + 5, o + 29) for o in first)
    ba.blank(array, mask=array.lazy > 1 << 19, box=box)
    inside = values[5:29, 5:29, 5:29]
    inside[inside > 1 << 19] = fill
    np.testing.assert_array_equal(ba.open(tmp_path / "a")[...], values)
    # A mask of a part only covers that part, and a view is blanked by its own coordinates.
    part = ba.create(tmp_path / "mask", shape=(4, 4, 4), dtype="int16", format="zarr3").translate(tuple(o + 10 for o in first))
    part[...] = -1
    ba.blank(array, mask=part)
    values[10:14, 10:14, 10:14] = fill
    view = array.view[:, :, ::-1].transpose(2, 0, 1)
    ba.blank(view, box=tuple((start + 3, start + 20) for start in view.origin))
    shown = values[:, :, ::-1].transpose(2, 0, 1)
    shown[3:20, 3:20, 3:20] = fill
    np.testing.assert_array_equal(ba.open(tmp_path / "a")[...], values)


def test_blanking_touches_nothing_else(tmp_path: Path) -> None:
    array, _ = made(tmp_path / "a", {"encoding": "raw"})
    before = files(tmp_path)
    # Two whole chunks, and a part of two others.
    assert ba.blank(array, box="-5:11,-7:1,5:33") == (2, 1)
    after = files(tmp_path)
    assert len(before.keys() - after.keys()) == 2 and not after.keys() - before.keys()
    assert sum(after[path] != before[path] for path in after) == 1


KILLED = """
import os, signal, sys, bigarrays as ba
array, mask = ba.open(sys.argv[1], mode="r+"), ba.open(sys.argv[2])
def progress(done, total):
    if done >= float(sys.argv[3]) * total:
        os.kill(os.getpid(), signal.SIGKILL)
ba.blank(array, box="0:45,0:48,0:48", mask=mask.lazy > 100, memory=16 << 20, progress=progress)
"""


@pytest.mark.parametrize("options", [{"encoding": "raw"}, {"format": "zarr3", "shard_shape": (16, 16, 16)}])
def test_blanking_that_was_killed_is_finished_by_the_same_call(tmp_path: Path, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    values = rng.integers(1, 255, (48, 48, 48), dtype="uint8")
    mask = rng.integers(0, 255, values.shape, dtype="uint8")
    mask[:16], mask[16:32, :16] = 255, 0
    for name, elements in (("a", values), ("b", values), ("mask", mask)):
        array = ba.create(tmp_path / name, shape=values.shape, dtype="uint8", chunk_shape=(4, 4, 4), **options)
        array[...] = elements
    expected = np.where((mask > 100) & (np.arange(48) < 45)[:, None, None], 0, values)
    before, states = files(tmp_path / "a"), []
    for share in ("0.2", "0.5", "9"):
        killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a", tmp_path / "mask", share])
        states.append((killed.returncode, files(tmp_path / "a") == before))
        elements = ba.open(tmp_path / "a")[...]
        # Every element is as it was, or as it is to be.
        assert ((elements == values) | (elements == expected)).all() and ba.verify(tmp_path / "a")
        if killed.returncode:
            assert not (elements == expected).all()
    assert states == [(-9, False), (-9, False), (0, False)]
    np.testing.assert_array_equal(elements, expected)
    ba.blank(ba.open(tmp_path / "b", mode="r+"), box="0:45,0:48,0:48", mask=ba.open(tmp_path / "mask").lazy > 100)
    assert [path.name for path in files(tmp_path / "a")] == [path.name for path in files(tmp_path / "b")]


def test_huge_sparse_layers_cost_what_is_stored(tmp_path: Path) -> None:
    array = ba.create(tmp_path / "a", shape=(200_000, 200_000, 20_000), dtype="uint64", chunk_shape=(64, 64, 64))
    for x, y, z in [(1000, 150_000, 3), (70_001, 9, 19_999), (50_000, 100, 100)]:
        array[x, y, z] = 1
    assert ba.blank(array, box="0:60000,0:200000,0:20000") == (2, 0)
    assert str(ba.roi(array)) == "70001:70002,9:10,19999:20000"


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    array, values = made(tmp_path / "a", {"encoding": "raw"})
    with pytest.raises(ba.InvalidArgumentError, match="neither a box nor a mask"):
        ba.blank(array)
    with pytest.raises(ba.InvalidArgumentError):
        ba.blank(array, box="0:5,0:5")
    with pytest.raises(ba.ReadOnlyError):
        ba.blank(ba.open(tmp_path / "a"), box=array.domain)
    with pytest.raises(ba.MemoryBudgetError):
        ba.blank(array, box=array.domain, memory=1000)
    x = array.lazy
    for mask in (x.maximum_filter(3) == 4, x > x.mean(axis=0, keepdims=True), x[::-1].translate(x.domain.origin) > 4):
        with pytest.raises(ba.InvalidArgumentError, match="save it to another array"):
            ba.blank(array, mask=mask)
    np.testing.assert_array_equal(array[...], values)


def test_slices_are_restacked(tmp_path: Path) -> None:
    array, values = made(tmp_path / "a", {"encoding": "raw"})
    lazy = ba.restack(array, "z", keep=[(30, 38), 5, 5, slice(None, 8), range(20, 22)])
    places = np.r_[25:33, 0, 0, 0:3, 15:17]
    np.testing.assert_array_equal(lazy.compute(), values[:, :, places])
    assert lazy.domain.origin == array.origin
    saved = lazy.save(tmp_path / "b", like=array)
    np.testing.assert_array_equal(saved[...], values[:, :, places])
    other = np.full((50, 2, 33), 7, "uint32")
    mixed = ba.restack(array, 1, delete=[-7, (0, 3), slice(30, None)], insert=[(1, other), (34, other + 1), (1, array.view[:, 4:5])])
    expected = np.concatenate([values[:, 1:7], other, values[:, 11:12], values[:, 10:37], other + 1], axis=1)
    np.testing.assert_array_equal(mixed.compute(), expected)
    # More runs than are put together one by one.
    many = np.random.default_rng(0).permutation(np.r_[0:33].repeat(20))
    np.testing.assert_array_equal(ba.restack(array, "z", keep=(many + 5).tolist()).compute(), values[:, :, many])
    wrong: list[dict[str, Any]] = [
        {"keep": [50]},
        {"delete": [(0, 100)]},
        {"delete": [(5, 38)]},
        {"insert": [(100, values)]},
        {"insert": [(5, values.astype("u1"))]},
        {"insert": [(5, values[:5])]},
        {"keep": [7], "delete": [8]},
    ]
    for options in wrong:
        with pytest.raises((ba.InvalidArgumentError, ba.OutOfBoundsError)):
            ba.restack(array, "z", **options)


def test_slices_are_named_by_any_whole_numbers() -> None:
    x = np.arange(10)
    keeps: list[Any] = [np.arange(3), [np.int64(3), 4], [(np.int8(2), np.uint64(4))], [slice(np.int64(7), None)], [range(3), [5, 7]], (0, 5)]
    for keep, due in zip(keeps, [[0, 1, 2], [3, 4], [2, 3], [7, 8, 9], [0, 1, 2, 5, 6], [0, 5]], strict=True):
        assert ba.restack(x, 0, keep=keep).compute().tolist() == due, keep
    middle: Any = np.arange(1, 9)
    assert ba.restack(x, 0, delete=middle).compute().tolist() == [0, 9]
    first: Any = np.int64(1)
    assert ba.restack(x, 0, insert=[(first, [77])]).compute().tolist() == [0, 77, *range(1, 10)]
    wrong: list[Any] = [[(0, 4, 2)], [slice(0, 4, 2)], [range(0, 4, 2)], [(1,)], [1.5], [(0, 2.5)], ["1"], "12", 3, slice(0, 4), [None]]
    for slices in wrong:
        for name in ("keep", "delete"):
            with pytest.raises(ba.InvalidArgumentError):
                ba.restack(x, 0, **{name: slices})
    between: Any = 1.5
    with pytest.raises(ba.InvalidArgumentError):
        ba.restack(x, 0, insert=[(between, [77])])


@pytest.mark.parametrize("format", ["precomputed", "ome-zarr", "ome-zarr-0.4", "n5"])
def test_scales_are_deleted(tmp_path: Path, format: str) -> None:
    key = {"n5": "s0"}.get(format)
    place = tmp_path / "a"
    array = ba.create(place, shape=(40, 32, 24), dtype="uint8", chunk_shape=(8, 8, 8), format=format, resolution=(8, 8, 8), key=key)
    values = np.random.default_rng(0).integers(1, 255, array.shape, dtype="uint8")
    array[...] = values
    keys = ba.downsample(array, levels=3, factors=(2, 2, 2))
    assert len(keys) == 3
    middle = ba.open(place, scale=keys[1])[...]
    before = files(place)
    refused: list[list[Any]] = [[keys[0], 0], ["none"], [7]]
    for wrong in refused:
        with pytest.raises((ba.InvalidArgumentError, ba.NotFoundError)):
            ba.delete_scales(place, wrong)
    assert files(place) == before
    if format == "n5":
        with pytest.raises(ba.InvalidArgumentError, match="at the end"):
            ba.delete_scales(place, [1, 3])
        assert files(place) == before
        assert ba.delete_scales(place, [2, keys[2], 3]) == [keys[2], keys[1]]
        keys[0], keys[1], middle = keys[1], keys[0], ba.open(place, scale=1)[...]
    else:
        assert ba.delete_scales(place, [1, keys[2], 3]) == [keys[2], keys[0]]
    assert [scale.key for scale in ba.open(place).scales] == [array.scales[0].key, keys[1]]
    np.testing.assert_array_equal(ba.open(place)[...], values)
    np.testing.assert_array_equal(ba.open(place, scale=1)[...], middle)
    assert ba.verify(place)
    assert not (place / keys[0]).exists() and not (place / keys[2]).exists()
    with pytest.raises(ba.InvalidArgumentError, match="finest"):
        ba.remove(place, scale=0)
    # As one leaves it that was killed: nobody reads a half of the scale, and the same call finishes it.
    marked = place / {"precomputed": "info", "ome-zarr": f"{keys[1]}/zarr.json", "ome-zarr-0.4": f"{keys[1]}/.zarray", "n5": f"{keys[1]}/attributes.json"}[format]
    document = json.loads(marked.read_text())
    of = {"precomputed": lambda: document["scales"][1], "ome-zarr": lambda: document.setdefault("attributes", {})}.get(format, lambda: document)()
    of["bigarrays"] = {"incomplete": {"by": "a killed one"}}
    marked.write_text(json.dumps(document))
    chunk = next(path for path in (place / keys[1]).rglob("*") if path.is_file() and path != marked and not path.name.startswith(".z"))
    chunk.unlink()
    with pytest.raises(ba.IncompleteError):
        ba.open(place, scale=keys[1])
    np.testing.assert_array_equal(ba.open(place)[...], values)
    assert ba.delete_scales(place, [keys[1]]) == [keys[1]]
    assert len(ba.open(place).scales) == 1 and ba.verify(place)
    assert not any(path.is_file() for path in (place / keys[1]).rglob("*"))
