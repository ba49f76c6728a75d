"""Coarser scales of layers, compared with NumPy."""

import itertools
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import bigarrays as ba


def reference(values: Any, factor: tuple[int, ...], reduce: Any) -> Any:
    """Cells from the first element on, of which those at the end are shorter."""
    shape = [-(-length // one) for length, one in zip(values.shape, factor, strict=True)]
    out = np.empty(shape, values.dtype)
    for index in itertools.product(*map(range, shape)):
        cell = values[tuple(slice(at * one, (at + 1) * one) for at, one in zip(index, factor, strict=True))]
        out[index] = reduce(cell.reshape(-1))
    return out


def mean(cell: Any) -> Any:
    kept = cell[~np.isnan(cell)].astype("f8")
    return kept.mean() if len(kept) else np.nan


def layer(place: Any, values: Any, **options: Any) -> ba.Array:
    known: dict[str, Any] = {"chunk_shape": (8, 8, 8), "resolution": (8, 8, 8)}
    array = ba.create(place, shape=values.shape, dtype=values.dtype, **known | options)
    array[...] = values
    return array


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_elements_that_are_no_numbers_do_not_count(dtype: str) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(21, 18, 13)).astype(dtype)
    values[rng.random(values.shape) < 0.6] = np.nan
    values[:4, :4, :4] = np.nan
    array = ba.create(f"memory://pyramid/{dtype}", shape=values.shape, dtype=dtype, format="ome-zarr", chunk_shape=(8, 8, 8))
    array[...] = values
    keys = ba.downsample(array, levels=2, factors=(2, 2, 2))
    for level, key in enumerate(keys, 1):
        due = reference(values, (2**level,) * 3, mean)
        found = ba.open(f"memory://pyramid/{dtype}", scale=key)[...]
        # NumPy adds up in another order.
        np.testing.assert_allclose(found, due, rtol=1e-12 if dtype == "float64" else 0)
    assert np.isnan(ba.open(f"memory://pyramid/{dtype}", scale=1)[0, 0, 0])


def test_means_are_exact_where_others_overflow_or_drift() -> None:
    values = np.full((8, 8, 8), 2**63 + 1, "uint64")
    layer("memory://pyramid/wide", values)
    ba.downsample(ba.open("memory://pyramid/wide", mode="r+"), levels=3, factors=(2, 2, 2), method="mean")
    assert ba.open("memory://pyramid/wide", scale=3)[...].item() == 2**63 + 1
    rising = np.add.outer(np.add.outer(np.linspace(0, 90, 160), np.linspace(0, 80, 160)), np.linspace(0, 60, 64))
    noise = (rising + np.random.default_rng(0).integers(0, 20, rising.shape)).astype("uint8")
    layer("memory://pyramid/bias", noise)
    ba.downsample(ba.open("memory://pyramid/bias", mode="r+"), levels=5, factors=(2, 2, 2), method="mean")
    assert abs(ba.open("memory://pyramid/bias", scale=5)[...].astype("f8").mean() - noise.mean()) < 0.05
    sums = np.array([1e8, 1, 1, -1e8], "float32").reshape(4, 1, 1)
    layer("memory://pyramid/f4", sums)
    ba.downsample(ba.open("memory://pyramid/f4", mode="r+"), levels=1, factors=(4, 1, 1))
    assert ba.open("memory://pyramid/f4", scale=1)[...].item() == 0.5


def test_a_value_may_be_ignored() -> None:
    rng = np.random.default_rng(2)
    labels = np.where(rng.random((24, 20, 16)) < 0.8, 0, rng.integers(1, 4, (24, 20, 16))).astype("uint32")

    def mode(cell: Any) -> Any:
        kept = cell[cell != 0]
        if not len(kept):
            return 0
        found, counts = np.unique(kept, return_counts=True)
        return found[counts.argmax()]

    layer("memory://pyramid/sparse", labels, labels=True)
    keys = ba.downsample(ba.open("memory://pyramid/sparse", mode="r+"), levels=2, factors=(2, 2, 2), ignore=0)
    for level, key in enumerate(keys, 1):
        due = reference(labels, (2**level,) * 3, mode)
        np.testing.assert_array_equal(ba.open("memory://pyramid/sparse", scale=key)[...], due)


def test_scales_go_on_from_any_and_boxes_are_made_anew(tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(0, 200, (50, 40, 30), dtype="uint8")
    finest = layer(tmp_path / "a", values)
    first = ba.downsample(finest, levels=2, factors=(2, 2, 2))
    with pytest.raises(ba.AlreadyExistsError, match="coarser scale"):
        ba.downsample(finest, levels=1)
    second = ba.downsample(ba.open(tmp_path / "a", scale=2, mode="r+"), levels=1, factors=(2, 2, 2))
    assert [scale.key for scale in ba.open(tmp_path / "a").scales] == ["8_8_8", *first, *second]
    # An edit, and the box around it.
    finest[7:19, 3:9, 11] = 255
    whole = layer(tmp_path / "b", finest[...])
    ba.downsample(whole, levels=2, factors=(2, 2, 2))
    ba.downsample(ba.open(tmp_path / "b", scale=2, mode="r+"), levels=1, factors=(2, 2, 2))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*") if path.is_file()}
    ba.remove(tmp_path / "a", scale=second[0])
    ba.remove(tmp_path / "b", scale=second[0])
    ba.downsample(ba.open(tmp_path / "a", mode="r+"), box="7:19,3:9,11:12")
    for key in first:
        np.testing.assert_array_equal(ba.open(tmp_path / "a", scale=key)[...], ba.open(tmp_path / "b", scale=key)[...])
    changed = [path for path, time in before.items() if path.exists() and path.stat().st_mtime_ns != time]
    assert 0 < len(changed) < len(before) // 2


ENCODINGS = {
    "precomputed": ["raw", "jpeg", "png"],
    "n5": ["raw", "gzip", "zstd", "blosc", "xz", "bzip2", "lz4"],
    "ome-zarr": ["raw", "gzip", "zstd", "blosc"],
    "ome-zarr-0.4": ["raw", "gzip", "zstd", "blosc", "zlib", "bz2"],
}


@pytest.mark.parametrize(("format", "encoding"), [(format, one) for format, all in ENCODINGS.items() for one in all])
def test_levels_are_encoded_as_their_source(tmp_path: Path, format: str, encoding: str) -> None:
    values = np.random.default_rng(7).integers(0, 250, (20, 18, 16), dtype="uint8")
    options = {"key": "s0"} if format == "n5" else {}
    level = {"gzip": {"level": 3}, "zstd": {"level": 2}}.get(encoding, {})
    array = layer(tmp_path / "a", values, format=format, encoding=encoding, **options, **level)
    (key,) = ba.downsample(array, levels=1, factors=(2, 2, 2), method="max")
    coarse = ba.open(tmp_path / "a", scale=key)
    assert coarse.encoding == array.encoding
    if encoding != "jpeg":
        np.testing.assert_array_equal(coarse[...], values.reshape(10, 2, 9, 2, 8, 2).max(axis=(1, 3, 5)))
    if format == "n5":
        both = [json.loads((tmp_path / f"a/s{scale}/attributes.json").read_text())["compression"] for scale in range(2)]
        assert both[0] == both[1]


def test_cells_of_no_numbers_alone_are_none_whatever_is_ignored(tmp_path: Path) -> None:
    values = np.full((16, 4, 4), np.nan, "f4")
    values[:2], values[2:4], values[6:8, 0] = 1, 5, 5
    for method in ("mean", "min", "max", "median", "mode"):
        for ignore, expected in {None: [1, 5, np.nan, 5], 5: [1, 5, np.nan, 5], 1: [1, 5, np.nan, 5]}.items():
            array = layer(tmp_path / f"{method}-{ignore}", values)
            keys = ba.downsample(array, levels=2, factors=(2, 2, 2), method=method, ignore=ignore)
            first, second = (ba.open(array.url, scale=key)[...] for key in keys)
            np.testing.assert_array_equal(first[:4, 0, 0], np.array(expected, "f4"), err_msg=f"{method} {ignore}")
            assert np.isnan(first[4:]).all() and np.isnan(second[2:]).all()


@pytest.mark.parametrize("format", ["precomputed", "n5", "ome-zarr"])
def test_what_ended_early_is_never_listed_and_goes_on(tmp_path: Path, format: str) -> None:
    values = np.random.default_rng(7).integers(0, 60000, (100, 90, 80), dtype="uint16")
    options = {"key": "s0"} if format == "n5" else {}
    for name in ("a", "b"):
        layer(tmp_path / name, values, format=format, **options)
    ba.downsample(ba.open(tmp_path / "b", mode="r+"), levels=3, factors=(2, 2, 2))

    def stop(done: int, total: int) -> None:
        if done > 0:
            raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            ba.downsample(
                ba.open(tmp_path / "a", mode="r+"), levels=3, factors=(2, 2, 2), resume=tmp_path / "journal", progress=stop
            )
        assert len(ba.open(tmp_path / "a").scales) == 1
    keys = ba.downsample(ba.open(tmp_path / "a", mode="r+"), levels=3, factors=(2, 2, 2), resume=tmp_path / "journal")
    assert not (tmp_path / "journal").exists()
    for key in keys:
        np.testing.assert_array_equal(ba.open(tmp_path / "a", scale=key)[...], ba.open(tmp_path / "b", scale=key)[...])
    # Without a journal, chunks that nobody lists are in the way, or beside, and are not mixed with new ones.
    layer(tmp_path / "c", values, format=format, **options)
    with pytest.raises(KeyboardInterrupt):
        ba.downsample(ba.open(tmp_path / "c", mode="r+"), levels=3, factors=(2, 2, 2), progress=stop)
    again = ba.open(tmp_path / "c", mode="r+")
    if format == "ome-zarr":
        assert len(ba.downsample(again, levels=3, factors=(2, 2, 2))) == 3
        np.testing.assert_array_equal(ba.open(tmp_path / "c", scale=1)[...], ba.open(tmp_path / "b", scale=1)[...])
        return
    with pytest.raises(ba.AlreadyExistsError, match="chunks without metadata") as raised:
        ba.downsample(again, levels=3, factors=(2, 2, 2))
    # It says what removes these, and nothing else.
    (folder,) = re.findall(r'remove\("(.*)", recursive=True\)', str(raised.value))
    ba.remove(folder, recursive=True)
    ba.downsample(ba.open(tmp_path / "c", mode="r+"), levels=1, factors=(2, 2, 2))
    np.testing.assert_array_equal(ba.open(tmp_path / "c", scale=1)[...], ba.open(tmp_path / "b", scale=1)[...])


@pytest.mark.parametrize("shape", [(20, 20, 20), (5, 17, 6), (101, 77, 33)])
def test_factors_are_said_as_they_were_given(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = ba.create(tmp_path / "a", shape=shape, dtype="uint8", chunk_shape=(4, 4, 4), format="n5", key="s0")
    array[...] = 1
    ba.downsample(array, levels=3, factors=(2, 2, 2))
    expected = [[scale] * 3 for scale in (1, 2, 4, 8)]
    assert json.loads((tmp_path / "a/attributes.json").read_text())["scales"] == expected
    found = [json.loads((tmp_path / f"a/s{level}/attributes.json").read_text()) for level in range(4)]
    assert [own.get("downsamplingFactors", [1] * 3) for own in found] == expected
    # So a box can be made anew.
    array = ba.open(tmp_path / "a", mode="r+")
    array[0:4, 0:4, 0:4] = 9
    ba.downsample(array, box="0:4,0:4,0:4")
    assert ba.open(tmp_path / "a", scale=2)[0, 0, 0] == 9


@pytest.mark.parametrize("names", [("t", "y", "x"), ("c", "y", "x")])
def test_channels_and_times_stay(tmp_path: Path, names: tuple[str, ...]) -> None:
    options: dict[str, Any] = {"shape": (8, 8, 8), "dtype": "uint8", "format": "ome-zarr", "dimension_names": names}
    array = ba.create(tmp_path / "a", **options)
    with pytest.raises(ba.InvalidArgumentError, match=f"the axis {names[0]} is none of space"):
        ba.downsample(array, levels=2, factors=(2, 2, 2))
    ba.downsample(array, levels=2, factors=(1, 2, 2))
    assert [scale.shape for scale in ba.open(tmp_path / "a").scales] == [(8, 8, 8), (8, 4, 4), (8, 2, 2)]


def bytes_read() -> int:
    """Bytes that this process has read from files."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


@pytest.mark.parametrize("method", ["mean", "mode"])
def test_the_source_is_read_once(tmp_path: Path, method: Literal["mean", "mode"]) -> None:
    values = np.random.default_rng(6).integers(0, 99, (256, 256, 128), dtype="uint16")
    array = layer(tmp_path / "a", values, chunk_shape=(32, 32, 32))
    before = bytes_read()
    ba.downsample(array, levels=4, factors=(2, 2, 2), method=method)
    # Beside elements, there are the metadata.
    assert values.nbytes <= bytes_read() - before < values.nbytes * 1.01


@pytest.mark.parametrize("origin", [(3, 5, 7), (-21, -7, -5)])
@pytest.mark.parametrize(("factors", "levels", "method"), [((2, 2, 2), 4, "mode"), ((2, 2, 1), 5, "mean")])
def test_the_source_is_read_once_wherever_it_begins(
    tmp_path: Path, origin: tuple[int, ...], factors: tuple[int, ...], levels: int, method: Literal["mean", "mode"]
) -> None:
    values = np.random.default_rng(6).integers(0, 99, (200, 190, 120), dtype="uint32")
    # Encoded chunks are read as a whole, however little of one is wanted.
    array = layer(tmp_path / "a", values, chunk_shape=(32, 32, 32), origin=origin, encoding="compressed_segmentation")
    stored = sum(file.stat().st_size for file in (tmp_path / "a").rglob("*_*") if file.is_file())
    before = bytes_read()
    keys = ba.downsample(array, levels=levels, factors=factors, method=method)
    read = bytes_read() - before
    assert stored <= read < stored * 1.1
    # The same as where units are whole on their own, and read what they need.
    layer(tmp_path / "b", values, chunk_shape=(32, 32, 32), origin=origin)
    given: dict[str, Any] = {"levels": levels, "factors": factors, "method": method}
    assert ba.downsample(ba.open(tmp_path / "b", mode="r+"), resume=tmp_path / "journal", **given) == keys
    assert_same_scales(tmp_path / "a", tmp_path / "b", levels)


def stored_bytes(place: Path) -> int:
    return sum(file.stat().st_size for file in (place / "8_8_8").iterdir())


@pytest.mark.parametrize("origin", [(3, 5, 7), (-21, -7, -5)])
@pytest.mark.parametrize(("way", "most"), [("sharding", 1.1), ("box", 1.1), ("resume", 1.6), ("processes", 0)])
def test_little_of_the_source_is_read_twice_wherever_it_begins(
    tmp_path: Path, origin: tuple[int, ...], way: str, most: float
) -> None:
    values = np.random.default_rng(6).integers(0, 99, (200, 190, 120), dtype="uint32")
    # What is kept between stages is read as well: of the largest of elements, little.
    given: dict[str, Any] = {"levels": 4, "factors": (2, 2, 2), "method": "max"}
    known: dict[str, Any] = {"chunk_shape": (32, 32, 32), "origin": origin}
    layer(tmp_path / "plain", values, **known)
    ba.downsample(ba.open(tmp_path / "plain", mode="r+"), **given)
    array = layer(tmp_path / "a", values, **known, encoding="compressed_segmentation")
    if way == "box":
        ba.downsample(array, **given)
        for scale in range(1, 5):
            ba.open(tmp_path / "a", scale=scale, mode="r+")[...] = 7
        given = {"method": "max", "box": array.domain}
    if way == "resume":
        given["resume"] = tmp_path / "journal"
    if way == "sharding":
        given["sharding"] = True
    if way == "processes":
        given["processes"] = 2
    before = bytes_read()
    ba.downsample(array, **given)
    read = bytes_read() - before
    assert way == "processes" or stored_bytes(tmp_path / "a") <= read < stored_bytes(tmp_path / "a") * most
    assert_same_scales(tmp_path / "plain", tmp_path / "a", 4)


@pytest.mark.parametrize("box", [((3, 9), (20, 31), (8, 9)), ((-1, 2), (-3, 40), (30, 41)), ((39, 43), (44, 45), (44, 47))])
def test_boxes_are_made_anew_wherever_a_layer_begins(tmp_path: Path, box: Any) -> None:
    rng, origin = np.random.default_rng(9), (-5, -3, 7)
    values = rng.integers(0, 200, (48, 48, 40), dtype="uint8")
    given: dict[str, Any] = {"levels": 3, "factors": (2, 2, 2), "method": "mean"}
    array = layer(tmp_path / "a", values, origin=origin)
    ba.downsample(array, **given)
    array[tuple(slice(*along) for along in box)] = rng.integers(0, 200, [end - first for first, end in box], dtype="uint8")
    layer(tmp_path / "b", array[...], origin=origin)
    ba.downsample(ba.open(tmp_path / "b", mode="r+"), **given)
    ba.downsample(ba.open(tmp_path / "a", mode="r+"), box=box, method="mean")
    assert_same_scales(tmp_path / "a", tmp_path / "b", 3)


def test_what_is_stored_of_a_layer_that_begins_anywhere_is_made_alone(tmp_path: Path) -> None:
    domain = ((3, 403), (5, 405), (7, 207))
    for name in ("a", "b"):
        array = ba.create(tmp_path / name, domain=domain, dtype="uint16", chunk_shape=(32, 32, 32), resolution=(8, 8, 8))
        for at in ((3, 5, 7), (66, 68, 70), (256, 131, 100), (396, 398, 200)):
            array[tuple(slice(first, first + 7) for first in at)] = 9
    given: dict[str, Any] = {"levels": 4, "factors": (2, 2, 2), "method": "max"}
    ba.downsample(ba.open(tmp_path / "a", mode="r+"), **given)
    ba.downsample(ba.open(tmp_path / "b", mode="r+"), resume=tmp_path / "journal", **given)
    assert_same_scales(tmp_path / "a", tmp_path / "b", 4)
    count = [len(list((tmp_path / name).rglob("*-*"))) for name in ("a", "b")]
    assert count[0] == count[1]


@pytest.mark.parametrize("place", [True, "journal"])
def test_what_is_made_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    resume = place if place is True else tmp_path / place
    values = np.arange(24**3, dtype="uint16").reshape(24, 24, 24)
    layer(tmp_path / "a", values)
    options: dict[str, Any] = {"levels": 2, "factors": (2, 2, 2), "resume": resume}

    def made(**more: Any) -> list[str]:
        return ba.downsample(ba.open(tmp_path / "a", mode="r+"), **options | more)

    keys = made()
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "a").rglob("*")}
    assert made() == keys == ["16_16_16", "32_32_32"]
    assert files == {file: file.stat().st_mtime_ns for file in (tmp_path / "a").rglob("*")}
    # What another call would make is in the way.
    for other in ({"method": "max"}, {"levels": 1}, {"ignore": 0}, {"encoding": "compressed_segmentation"}, {"resume": False}):
        with pytest.raises(ba.AlreadyExistsError, match="coarser"):
            made(**other)
    # And so is what was changed by others.
    ba.remove(tmp_path / "a", scale=2)
    ba.downsample(ba.open(tmp_path / "a", mode="r+", scale=1), levels=1, factors=(2, 2, 2), method="min")
    with pytest.raises(ba.AlreadyExistsError, match="coarser"):
        made()


METHODS = [("mean", "uint8"), ("mode", "uint64"), ("median", "int16"), ("min", "float32"), ("max", "uint16"), ("stride", "bool")]


def assert_same_scales(one: Path, other: Path, count: int) -> None:
    for scale in range(1, count + 1):
        found, expected = (ba.open(place, scale=scale) for place in (one, other))
        assert found.domain == expected.domain
        np.testing.assert_array_equal(found[...], expected[...])


@pytest.mark.parametrize(("method", "dtype"), METHODS)
def test_units_that_are_made_go_on_as_one(tmp_path: Path, method: str, dtype: str) -> None:
    # Blocks of one value, so that some cells have one and others several.
    values = np.kron(np.random.default_rng(11).integers(0, 4, (25, 20, 15)), np.ones((4, 4, 4))).astype(dtype)
    values[40:60] = np.random.default_rng(12).integers(0, 200, (20, 80, 60)).astype(dtype)
    options: dict[str, Any] = {"levels": 4, "factors": (2, 2, 2), "method": method}
    for name in ("whole", "parts", "others"):
        layer(tmp_path / name, values, origin=(-21, 3, 5))
    ba.downsample(ba.open(tmp_path / "whole", mode="r+"), **options)
    ba.downsample(ba.open(tmp_path / "others", mode="r+"), processes=2, memory=1 << 20, **options)
    assert_same_scales(tmp_path / "others", tmp_path / "whole", 4)

    # Stopped again and again, each time a little later.
    options |= {"resume": tmp_path / "journal", "memory": 1 << 20}
    for step in range(1, 6):

        def stop(done: int, total: int, step: int = step) -> None:
            if 6 * done >= step * total:
                raise KeyboardInterrupt

        if len(ba.open(tmp_path / "parts").scales) == 1:
            with pytest.raises(KeyboardInterrupt):
                ba.downsample(ba.open(tmp_path / "parts", mode="r+"), progress=stop, **options)
    if len(ba.open(tmp_path / "parts").scales) == 1:
        ba.downsample(ba.open(tmp_path / "parts", mode="r+"), **options)
    assert_same_scales(tmp_path / "parts", tmp_path / "whole", 4)


def test_cells_that_were_kept_and_are_gone_are_made_again(tmp_path: Path) -> None:
    values = np.random.default_rng(5).integers(0, 9, (96, 96, 96), dtype="uint16")
    options: dict[str, Any] = {"levels": 4, "factors": (2, 2, 2), "method": "mode"}
    for name in ("whole", "parts"):
        layer(tmp_path / name, values)
    ba.downsample(ba.open(tmp_path / "whole", mode="r+"), **options)
    options |= {"resume": tmp_path / "journal", "memory": 1 << 20}

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ba.downsample(ba.open(tmp_path / "parts", mode="r+"), progress=stop, **options)
    cells = [file for file in (tmp_path / "journal.parts").rglob("*_*_*") if file.is_file()]
    assert len(cells) > 1
    cells[0].unlink()
    cells[1].write_bytes(cells[1].read_bytes()[:-1])
    with pytest.raises(ba.CorruptDataError, match="remove the file"):
        ba.downsample(ba.open(tmp_path / "parts", mode="r+"), **options)
    cells[1].unlink()
    with pytest.warns(UserWarning, match="again"):
        ba.downsample(ba.open(tmp_path / "parts", mode="r+"), **options)
    assert_same_scales(tmp_path / "parts", tmp_path / "whole", 4)


KILLED = """
import os, signal, sys
import bigarrays as ba
place, journal, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
def kill(done, total, told=[]):
    told.append(done)
    if len(told) > most:
        os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    array = ba.open(place, mode="r+")
    ba.downsample(array, levels=4, factors=(2, 2, 2), method="mode", resume=journal, memory=32 << 20, sharding=True, progress=kill)
"""


def test_what_is_killed_again_and_again_goes_on(tmp_path: Path) -> None:
    values = np.kron(np.random.default_rng(3).integers(0, 9, (20, 20, 20)), np.ones((8, 8, 8))).astype("uint64")
    values[::3, ::5, ::7] += 1
    for name in ("whole", "parts"):
        layer(tmp_path / name, values)
    ba.downsample(ba.open(tmp_path / "whole", mode="r+"), levels=4, factors=(2, 2, 2), method="mode")
    kills = 0
    for most in range(1, 11):
        command = [sys.executable, "-c", KILLED, str(tmp_path / "parts"), str(tmp_path / "journal"), str(3 * most)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
        assert len(ba.open(tmp_path / "parts").scales) == 1
    else:
        ba.downsample(
            ba.open(tmp_path / "parts", mode="r+"), levels=4, factors=(2, 2, 2), method="mode", resume=tmp_path / "journal",
            memory=32 << 20, sharding=True,
        )
    assert kills > 3
    assert_same_scales(tmp_path / "parts", tmp_path / "whole", 4)
    assert ba.verify(tmp_path / "parts").whole


@pytest.mark.parametrize("format", ["precomputed", "n5", "ome-zarr"])
def test_processes_make_shards_and_what_is_sparse(tmp_path: Path, format: str) -> None:
    values = np.zeros((160, 96, 96), "uint16")
    values[40:44, 50:70, 3:90] = np.random.default_rng(2).integers(0, 999, (4, 20, 87))
    options = {"key": "s0"} if format == "n5" else {}
    for name in ("whole", "others"):
        layer(tmp_path / name, values, format=format, **options)
    made: dict[str, Any] = {"levels": 3, "factors": (2, 2, 2), "sharding": format == "precomputed"}
    told: list[tuple[int, int]] = []
    ba.downsample(ba.open(tmp_path / "whole", mode="r+"), **made)
    other = ba.open(tmp_path / "others", mode="r+")
    ba.downsample(other, processes=2, memory=8 << 20, progress=lambda *done: told.append(done), **made)
    assert_same_scales(tmp_path / "others", tmp_path / "whole", 3)
    assert told[-1] == (values.nbytes, values.nbytes) and told == sorted(told)
    assert ba.verify(tmp_path / "others").whole
    # After an edit, a box.
    other[100:120, 5:9, 5:9] = 77
    ba.open(tmp_path / "whole", mode="r+")[100:120, 5:9, 5:9] = 77
    for name, processes in (("whole", None), ("others", 2)):
        ba.downsample(ba.open(tmp_path / name, mode="r+"), box=((100, 120), (5, 9), (5, 9)), processes=processes)
    assert_same_scales(tmp_path / "others", tmp_path / "whole", 3)
    with pytest.raises(ba.InvalidArgumentError, match="resume="):
        ba.downsample(other, processes=2, resume=True)
    with pytest.raises(ba.AlreadyExistsError, match="coarser"):
        ba.downsample(other, processes=2)


def test_translations_of_images_are_those_of_the_middles_of_their_elements(tmp_path: Path) -> None:
    values = np.zeros((37, 45, 54), "uint8")
    array = ba.create(
        tmp_path / "image", domain="3:40,5:50,7:61", dtype="uint8", format="ome-zarr", chunk_shape=(8, 16, 16),
        resolution=(40, 4, 4), dimension_names=("z", "y", "x"),
    )
    array[...] = values
    ba.downsample(array, levels=4)
    found = json.loads((tmp_path / "image/zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]["datasets"]
    factors = [(1, 1, 1), (1, 2, 2), (1, 4, 4), (1, 8, 8), (2, 16, 16)]
    for dataset, factor in zip(found, factors, strict=True):
        scale, translation = (one[one["type"]] for one in dataset["coordinateTransformations"])
        assert scale == [size * one for size, one in zip((40, 4, 4), factor, strict=True)]
        assert translation == [
            (first + (one - 1) / 2) * size for first, size, one in zip((3, 5, 7), (40, 4, 4), factor, strict=True)
        ]
    assert ba.verify(tmp_path / "image").whole


def test_work_follows_what_is_stored(tmp_path: Path) -> None:
    labels = ba.create(tmp_path / "huge", shape=(200_000, 200_000, 20_000), dtype="uint8", labels=True)
    labels[640:704, 64:128, 64:128] = 7
    labels[199_936:200_000, 0:64, 0:64] = 9
    counted: list[int] = []
    keys = ba.downsample(labels, levels=6, progress=lambda done, total: counted.append(total))
    assert len(keys) == 6 and counted[-1] < 16 << 20
    coarse = ba.open(tmp_path / "huge", scale=keys[-1])
    # The resolution is as that of all axes.
    assert coarse[10, 1, 1] == 7 and coarse[3124, 0, 0] == 9
    files = [file for file in (tmp_path / "huge").rglob("*") if file.is_file() and not file.name.startswith(".")]
    assert len(files) == 1 + 2 * 7
    assert ba.verify(tmp_path / "huge").whole


def test_work_follows_what_is_stored_wherever_cells_begin(tmp_path: Path) -> None:
    # Chunks of coarser levels lie across those of finer ones.
    domain = "-100_001:99_999,3:200_003,5:20_005".replace("_", "")
    labels = ba.create(tmp_path / "huge", domain=domain, dtype="uint8", labels=True, chunk_shape=(64, 64, 64))
    values = np.zeros((128, 128, 128), "uint8")
    values[50:90, 30:77, 41:99] = np.random.default_rng(3).integers(0, 5, (40, 47, 58))
    labels[-1024:-896, 2048:2176, 1024:1152] = values
    keys = ba.downsample(labels, levels=6, factors=(2, 2, 2), method="max")
    for level, key in enumerate(keys, 1):
        box = tuple(slice(first >> level, (first + 128) >> level) for first in (-1024, 2048, 1024))
        np.testing.assert_array_equal(
            ba.open(tmp_path / "huge", scale=key)[box], reference(values, (2**level,) * 3, np.max), err_msg=key
        )
    assert len(list((tmp_path / "huge").rglob("*-*"))) < 400


def test_factors_of_scales_are_known_where_no_size_of_elements_is(tmp_path: Path) -> None:
    values = np.random.default_rng(8).integers(0, 200, (12, 5, 17), dtype="uint8")
    array = ba.create(tmp_path / "a", shape=values.shape, dtype="uint8", chunk_shape=(8, 6, 16), format="n5", key="s0")
    array[...] = values
    keys = ba.downsample(array, levels=2, factors=(3, 1, 2), method="max")
    # That follows from no shape: 12 to 2, and 17 to 5.
    assert [scale.resolution for scale in ba.open(tmp_path / "a").scales] == [(1, 1, 1), (3, 1, 2), (9, 1, 4)]
    array = ba.open(tmp_path / "a", mode="r+")
    array[...] = values + 1
    assert ba.downsample(array, box=array.domain, method="max") == keys
    due = reference(values + 1, (9, 1, 4), np.max)
    np.testing.assert_array_equal(ba.open(tmp_path / "a", scale=2)[...], due)


def test_levels_without_elements_are_refused_if_they_are_asked_for() -> None:
    values = np.ones((3, 3, 3), "uint8")
    array = ba.create("memory://pyramid/none", domain="5:8,5:8,5:8", dtype="uint8", resolution=(8, 8, 8), chunk_shape=(2, 2, 2))
    array[...] = values
    with pytest.raises(ba.InvalidArgumentError, match="level 2 has no elements"):
        ba.downsample(array, levels=3, factors=(3, 3, 3), method="stride")
    assert len(ba.open(array.url).scales) == 1


def test_shards_are_as_large_as_the_budget_allows(tmp_path: Path) -> None:
    values = np.arange(256 * 256 * 128, dtype="uint64").reshape(256, 256, 128) // 7
    for name in ("small", "large"):
        array = layer(tmp_path / name, values, chunk_shape=(32, 32, 32))
        with pytest.raises(ba.MemoryBudgetError, match="MiB at least"):
            ba.downsample(array, levels=2, factors=(2, 2, 2), sharding=True, memory=1 << 20)
        assert len(ba.open(tmp_path / name).scales) == 1
        memory = 16 << 20 if name == "small" else 256 << 20
        assert len(ba.downsample(array, levels=2, factors=(2, 2, 2), sharding=True, memory=memory)) == 2
    small, large = (len(list((tmp_path / name / "16_16_16").glob("*.shard"))) for name in ("small", "large"))
    assert small > large == 1
    assert_same_scales(tmp_path / "small", tmp_path / "large", 2)


def test_absurd_requests_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    array = layer(tmp_path / "a", np.zeros((20, 20, 20), "uint8"))
    before = sorted(tmp_path.rglob("*"))
    for options, kind, words in [
        ({"factors": (0, 2, 2)}, ba.InvalidArgumentError, "factors"),
        ({"factors": (2, 2)}, ba.InvalidArgumentError, "axes"),
        ({"factors": (1, 1, 1)}, ba.InvalidArgumentError, "factors"),
        ({"method": "average"}, ba.InvalidArgumentError, "mean, mode"),
        ({"ignore": 300}, ba.InvalidArgumentError, "300"),
        ({"memory": 1000}, ba.MemoryBudgetError, "MiB at least"),
        ({"box": "0:5,0:5,0:5"}, ba.InvalidArgumentError, "no coarser scale"),
        ({"encoding": "jpeg", "chunk_shape": (0, 1, 1)}, ba.InvalidArgumentError, "chunk"),
    ]:
        with pytest.raises(kind, match=words):
            ba.downsample(array, **options)  # type: ignore[arg-type]
    with pytest.raises(ba.ReadOnlyError):
        ba.downsample(ba.open(tmp_path / "a"))
    with pytest.raises(ba.UnsupportedError, match="no scales"):
        ba.downsample(ba.create(tmp_path / "plain", shape=(9, 9), dtype="uint8", format="zarr3"))
    assert sorted(path for path in tmp_path.rglob("*") if "plain" not in str(path)) == before
