"""Jobs on labels, compared with NumPy and scipy."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays as ba

ndi = pytest.importorskip("scipy.ndimage")


def stored(url: str, values: Any, **options: Any) -> ba.Array:
    array = ba.create(url, shape=values.shape, dtype=values.dtype, **{"chunk_shape": (16, 8, 12)} | options)
    array[...] = values
    return array


def cells(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    few = rng.integers(0, 30, [-(-length // 5) for length in shape])
    values = np.kron(few, np.ones((5,) * len(shape), int))[tuple(slice(length) for length in shape)]
    return (values * (np.iinfo(dtype).max // 40)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64"])
def test_tables_are_those_of_numpy_and_scipy(dtype: str) -> None:
    values = cells(np.random.default_rng(1), (41, 37, 29), dtype)
    labels = stored(f"memory://label-jobs/{dtype}", values, format="zarr3")
    found = ba.label_table(labels, memory=8 << 20)
    names, counts = np.unique(values[values != 0], return_counts=True)
    np.testing.assert_array_equal(found.labels, names)
    np.testing.assert_array_equal(found.voxels, counts)
    numbers = np.searchsorted(names, values) * (values != 0) + (values != 0)
    boxes = [[[s.start, s.stop] for s in box] for box in ndi.find_objects(numbers)]
    np.testing.assert_array_equal(found.boxes, boxes)
    np.testing.assert_allclose(found.centroids, ndi.center_of_mass(values != 0, numbers, range(1, len(names) + 1)), rtol=1e-12)


@pytest.mark.parametrize("unlisted", ["keep", 3, "error"])
def test_labels_by_a_table(unlisted: Any, tmp_path: Path) -> None:
    values = cells(np.random.default_rng(2), (30, 30, 30), "uint32")
    labels = stored(str(tmp_path / "labels"), values)
    names = np.unique(values)
    old = names if unlisted == "error" else names[::2]
    new = np.random.default_rng(3).permutation(len(old)) + 7
    by = dict(zip(old.tolist(), new.tolist(), strict=True))
    due = np.vectorize(lambda one: by.get(one, one if unlisted == "keep" or one == 0 else unlisted))(values).astype("uint32")
    np.save(tmp_path / "table.npy", np.stack([old, new], axis=1))
    (tmp_path / "table.csv").write_text("old,new\n" + "".join(f"{one},{other}\n" for one, other in by.items()))
    for table in (by, (old, new), np.stack([old, new], axis=1), tmp_path / "table.npy", str(tmp_path / "table.csv")):
        lazy = ba.remap(labels, table, unlisted=unlisted)
        assert lazy.dtype == np.uint32
        np.testing.assert_array_equal(lazy.compute(), due)
        np.testing.assert_array_equal((lazy + 1)[3:9, 4, 5:].compute(), due[3:9, 4, 5:] + 1)
    target = ba.relabel(labels, tmp_path / "target", by, unlisted=unlisted)
    np.testing.assert_array_equal(target[...], due)
    saved = ba.remap(labels, by, unlisted=unlisted).save(tmp_path / "saved", format="zarr3", processes=2, scratch=tmp_path)
    np.testing.assert_array_equal(saved[...], due)


def test_tables_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    labels = stored("memory://label-jobs/refused", np.arange(8, dtype="uint8").reshape(2, 2, 2))
    (tmp_path / "table.csv").write_text("1,2\n3,x\n")
    for table in ([1, 2, 3], ([1, 2], [3]), ([1, 1], [2, 3]), ([1.5], [2]), ({1: 300}), tmp_path / "table.csv", {1: 1 << 70}):
        with pytest.raises(ba.InvalidArgumentError):
            ba.remap(labels, table)  # type: ignore[arg-type]
    with pytest.raises(ba.InvalidArgumentError, match="unlisted"):
        ba.remap(labels, {}, unlisted="drop")  # type: ignore[arg-type]
    with pytest.raises(ba.InvalidArgumentError, match="label 2"):
        ba.remap(labels, {1: 1}, unlisted="error").compute()
    assert ba.remap(labels, {1: 300}, dtype="uint16").compute().max() == 300
    assert ba.remap(labels, {}).compute().tolist() == labels[...].tolist()


@pytest.mark.parametrize("first", ["7,9", "\ufeff7,9", "+7,9", '"7","9"', "old,new\n7,9", "\ufeffold,new\r\n7,9"])
def test_the_first_row_of_a_file_counts(first: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"{first}\n3,4\n", encoding="utf-8", newline="")
    labels = np.array([7, 3, 5], "uint8")
    assert ba.remap(labels, tmp_path / "table.csv").compute().tolist() == [9, 4, 5]
    stored(str(tmp_path / "labels"), labels, chunk_shape=(3,), format="zarr3")
    assert ba.relabel(ba.open(tmp_path / "labels"), tmp_path / "target", tmp_path / "table.csv")[...].tolist() == [9, 4, 5]


@pytest.mark.parametrize("first", ["7.0,9", "7,1e3", "7;9", "7\t9", "7\u00b2,9", "7,9,1", "old"])
def test_a_first_row_that_is_none_is_refused(first: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"{first}\n3,4\n", encoding="utf-8")
    with pytest.raises(ba.InvalidArgumentError, match="line 1.*two columns"):
        ba.remap(np.array([7, 3], "uint8"), tmp_path / "table.csv")
    program = Path(__file__).parents[3] / "target/debug/bigarrays"
    if program.exists():
        np.save(tmp_path / "labels.npy", np.array([7, 3], "uint8"))
        command = [str(program), "remap", "labels.npy", "table.csv", "-o", "target"]
        refused = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert refused.returncode == 2 and "line 1" in refused.stderr
    (tmp_path / "table.csv").write_bytes("7,9\n".encode("utf-16"))
    with pytest.raises(ba.InvalidArgumentError, match="UTF-8"):
        ba.remap(np.array([7, 3], "uint8"), tmp_path / "table.csv")


@pytest.mark.parametrize("small", [7, np.uint64(7), np.int8(7)])
def test_tables_have_all_labels_of_64_bits(small: Any) -> None:
    large = (1 << 64) - 1
    labels = np.array([7, large, large - 1], "uint64")
    tables: list[Any] = [
        {small: 1, large: 2},
        ([small, large], [1, 2]),
        [[small, 1], [large, 2]],
        {small: np.uint64(1), np.uint64(large): 2},
        # No type of 64 bits has all of these.
        {-1: 3, small: 1, large: 2},
    ]
    for table in tables:
        assert ba.remap(labels, table).compute().tolist() == [1, 2, large - 1], table
    assert ba.remap(labels, {small: large, large: 1 << 63}).compute().tolist() == [large, 1 << 63, large - 1]
    others: list[Any] = [1 << 63, large, np.uint64(large)]
    for unlisted in others:
        assert ba.remap(labels, {small: 1}, unlisted=unlisted).compute().tolist() == [1, int(unlisted), int(unlisted)]
    array = stored(f"memory://label-jobs/large/{small!r}", labels, chunk_shape=(3,), format="zarr3")
    target = ba.relabel(array, f"memory://label-jobs/large-target/{small!r}", {small: 1}, unlisted=large - 5, format="zarr3")
    assert target[...].tolist() == [1, large - 5, large - 5]
    with pytest.raises(ba.InvalidArgumentError, match="unlisted"):
        ba.remap(labels, {}, unlisted=1 << 64)
    with pytest.raises(ba.InvalidArgumentError, match="unlisted"):
        ba.remap(labels.astype("int64"), {}, unlisted=1 << 63)


def test_groups_have_all_labels_of_64_bits() -> None:
    near = [7, (1 << 63) + 1, (1 << 63) + 2]
    labels = np.array(near, "uint64")
    for given in (labels, near):
        found = ba.lazy([1, 2, 4]).groupby(given, expected=near).sum().compute()
        assert found.tolist() == [1, 2, 4], given
    array = stored("memory://label-jobs/groups", labels, chunk_shape=(3,), format="zarr3")
    assert ba.lazy([1, 2, 4]).groupby(array.lazy.positional, expected=near).sum().compute().tolist() == [1, 2, 4]


def test_images_of_two_axes_have_labels(tmp_path: Path) -> None:
    labels = np.array([[7, 7, 0], [0, 7, 3]], "uint8")
    np.save(tmp_path / "labels.npy", labels)
    array = ba.open(tmp_path / "labels.npy")
    assert ba.components(array, tmp_path / "parts").array[...].tolist() == [[1, 1, 0], [0, 1, 2]]
    assert ba.renumber(array, tmp_path / "numbers")[0][...].tolist() == [[1, 1, 0], [0, 1, 2]]
    assert ba.relabel(array, tmp_path / "by", {7: 9})[...].tolist() == [[9, 9, 0], [0, 9, 3]]
    assert {ba.open(tmp_path / name).format for name in ("parts", "numbers", "by")} == {"zarr3"}


def test_targets_within_the_source_are_refused(tmp_path: Path) -> None:
    labels = stored(str(tmp_path / "labels"), np.ones((4, 4, 4), "uint32"), resolution=(8, 8, 40))
    before = sorted(path for path in tmp_path.rglob("*"))
    for target in (tmp_path / "labels/8_8_40", tmp_path / "labels/8_8_40/in", tmp_path / "labels"):
        for job in (ba.components, ba.renumber, lambda array, place: ba.relabel(array, place, {1: 2})):
            with pytest.raises(ba.InvalidArgumentError, match="overwrite"):
                job(labels, target)
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("by", ["first", "value"])
def test_numbers_one_after_the_other(by: Any) -> None:
    values = cells(np.random.default_rng(4), (33, 34, 35), "int64")
    values[values == values.max()] = -5
    for format in ("precomputed", "zarr3"):
        elements = values if format == "zarr3" else np.abs(values).astype("uint64")
        labels = stored(f"memory://label-jobs/renumber/{by}/{format}", elements, format=format)
        numbers, names = ba.renumber(labels, f"memory://label-jobs/renumbered/{by}/{format}", numbering=by, memory=8 << 20)
        unique, first = np.unique(elements, return_index=True)
        order = np.argsort(first) if by == "first" else np.arange(len(unique))
        due = [name for name in unique[order] if name != 0]
        assert names.tolist() == due
        table = {name: number for number, name in enumerate(due, 1)} | {0: 0}
        np.testing.assert_array_equal(numbers[...], np.vectorize(table.__getitem__)(elements))


def test_contacts_are_counted_across_each_axis() -> None:
    values = cells(np.random.default_rng(5), (40, 20, 30), "uint16")
    labels = stored("memory://label-jobs/contacts", values, resolution=(4, 8, 40))
    found = ba.contacts(labels, memory=4 << 20)
    due: dict[tuple[int, int], list[int]] = {}
    for axis in range(3):
        low, high = np.moveaxis(values, axis, 0)[:-1], np.moveaxis(values, axis, 0)[1:]
        touches = (low != high) & (low != 0) & (high != 0)
        for one, other in zip(low[touches].tolist(), high[touches].tolist(), strict=True):
            due.setdefault((min(one, other), max(one, other)), [0, 0, 0])[axis] += 1
    assert [tuple(pair) for pair in found.pairs.tolist()] == sorted(due)
    assert found.faces.tolist() == [due[pair] for pair in sorted(due)]
    np.testing.assert_allclose(found.areas, found.faces @ np.array([320.0, 160.0, 32.0]))


KILLED = """
import os, sys, bigarrays as ba
def progress(done, total):
    if done >= float(sys.argv[3]) * total:
        os._exit(9)
options = {"resume": sys.argv[2] + ".journal", "memory": 3 << 20, "progress": progress}
ba.renumber(ba.open(sys.argv[1]), sys.argv[2], chunk_shape=(16, 16, 16), **options)
"""


def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    values = cells(np.random.default_rng(6), (64, 48, 80), "uint32")
    stored(str(tmp_path / "labels"), values, chunk_shape=(16, 16, 16))
    target = str(tmp_path / "numbers")
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "labels"), target]
    assert [subprocess.run([*arguments, share]).returncode for share in ("0.3", "0.7", "9")] == [9, 9, 0]
    whole, _ = ba.renumber(ba.open(tmp_path / "labels"), "memory://label-jobs/killed")
    np.testing.assert_array_equal(ba.open(target)[...], whole[...])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "numbers", "numbers.journal.done"]


def test_columns_are_those_of_the_command_line(tmp_path: Path) -> None:
    values = cells(np.random.default_rng(7), (30, 20, 25), "uint32")
    labels = stored(str(tmp_path / "labels"), values, resolution=(4, 8, 40))
    program = Path(__file__).parents[3] / "target/debug/bigarrays"
    if not program.exists():
        pytest.skip("the program is not built")
    table, touching = ba.label_table(labels), ba.contacts(labels)
    parts = ba.components(labels, tmp_path / "parts", statistics=True)
    jobs: list[Any] = [table, touching, parts]
    commands = {"labels": ["labels", "-o"], "contacts": ["contacts", "-o"], "components": ["components", "--statistics"]}
    for (name, (command, option)), found in zip(commands.items(), jobs, strict=True):
        places = [tmp_path / "labels", tmp_path / "of"][: 2 if name == "components" else 1]
        subprocess.run([program, command, *places, option, tmp_path / f"{name}.npy"], check=True)
        written = np.load(tmp_path / f"{name}.npy")
        columns = found.columns()
        assert list(columns) == list(written.dtype.names)
        for column, elements in columns.items():
            np.testing.assert_array_equal(elements, written[column], err_msg=column)
    refused = subprocess.run([program, "labels", tmp_path / "labels", "-o", tmp_path / "a.parquet"], capture_output=True, text=True)
    assert refused.returncode != 0 and ".csv or .npy" in refused.stderr and "columns()" in refused.stderr
    frame = pytest.importorskip("pandas").DataFrame(table.columns())
    assert frame.shape == (len(table.labels), 11)


def test_what_a_format_does_not_keep_is_said_once() -> None:
    labels = stored("memory://label-jobs/noted", np.ones((8, 8, 8), "uint32"), labels=True)
    with pytest.warns(UserWarning) as warned:
        ba.renumber(labels, "memory://label-jobs/noted/n5", format="n5")
    assert [str(one.message) for one in warned] == ["n5 does not keep that elements are labels"]


def made(labels: ba.Array, name: str, place: Path, journal: Path) -> list[Any]:
    """All that a job makes and finds."""
    if name == "renumber":
        numbers, names = ba.renumber(labels, place, dtype="uint8", resume=journal)
        return [numbers[...], names]
    if name == "relabel":
        return [ba.relabel(labels, place, {1 << 40: 5}, unlisted=0, dtype="uint8", resume=journal)[...]]
    found = ba.components(labels, place, statistics=True, resume=journal)
    return [found.array[...], found.count, found.voxels, found.boxes]


@pytest.mark.parametrize("name", ["renumber", "relabel", "components"])
def test_what_is_made_is_not_made_again(tmp_path: Path, name: str) -> None:
    values = np.random.default_rng(4).integers(0, 9, (20, 20, 20)).astype("uint64") << np.uint64(40)
    labels = ba.create(tmp_path / "labels", shape=values.shape, dtype="uint64", chunk_shape=(8, 8, 8))
    labels[...] = values
    first = made(labels, name, tmp_path / "made", tmp_path / "journal")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "made").rglob("*")}
    for one, other in zip(first, made(labels, name, tmp_path / "made", tmp_path / "journal"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "made").rglob("*")}
    # Of another journal nothing is known, and what was made anew is made again.
    with pytest.raises(ba.AlreadyExistsError):
        made(labels, name, tmp_path / "made", tmp_path / "another")
    ba.remove(tmp_path / "made")
    for one, other in zip(first, made(labels, name, tmp_path / "made", tmp_path / "journal"), strict=True):
        np.testing.assert_array_equal(one, other)
    if name == "relabel":
        with pytest.raises(ba.AlreadyExistsError):
            ba.relabel(labels, tmp_path / "made", {1 << 40: 6}, unlisted=0, dtype="uint8", resume=tmp_path / "journal")
