"""Files of others become named slices: against what NumPy writes, and Megatron's layout."""

import os
import random
import signal
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays
from bigarrays import SliceArray

CODES = {"u1": 1, "i1": 2, "i2": 3, "i4": 4, "i8": 5, "f8": 6, "f4": 7, "u2": 8}


def expect(path: Path, arrays: dict[str, Any]) -> None:
    """Checks that the slices in `path` are those arrays, in that order."""
    slices = SliceArray(path)
    assert list(slices) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(slices[name], array)
        assert slices[name].dtype == array.dtype
    slices.close()


def draw(seed: int) -> dict[str, Any]:
    """Arrays of one kind under random names."""
    chance = random.Random(seed)
    kind: Any = chance.choice(["f4", ">f4", "i8", "u1", "bool", "c8", "S5", "M8[s]", [("a", "i2"), ("b", "f4", (2,))]])
    inner = chance.choice([(), (3,), (2, 5)])
    numbers = np.random.default_rng(seed)
    arrays = {}
    for k in range(chance.randrange(1, 40)):
        shape = (chance.choice([0, 1, 2, 7, 300]), *inner)
        size = int(np.prod(shape))
        array = np.frombuffer(numbers.bytes(size * np.dtype(kind).itemsize), np.dtype(kind))
        if kind == "bool":
            array = numbers.integers(0, 2, size).astype(bool)
        if kind in ("f4", ">f4", "c8", "M8[s]"):
            array = numbers.integers(0, 99, size).astype(kind)
        array = array.reshape(shape)
        arrays[f"{chance.choice(['', 'a/', 'ä '])}{k}"] = np.asfortranarray(array) if chance.random() < 0.2 else array
    return arrays


@pytest.mark.parametrize("seed", range(12))
def test_archives_of_numpy(tmp_path: Path, seed: int) -> None:
    arrays = draw(seed)
    save = np.savez_compressed if seed % 2 else np.savez
    save(tmp_path / "a.npz", **arrays)
    assert bigarrays.convert(tmp_path / "a.npz", tmp_path / "a.npy") == len(arrays)
    expect(tmp_path / "a.npy", arrays)
    assert sorted(os.listdir(tmp_path)) == ["a.npy", "a.npy.index", "a.npz"]


@pytest.mark.parametrize("seed", range(4))
def test_folders_of_npy(tmp_path: Path, seed: int) -> None:
    arrays = draw(seed)
    for name, array in arrays.items():
        path = tmp_path / f"folder/{name}.npy"
        path.parent.mkdir(exist_ok=True, parents=True)
        np.save(path, array)
    bigarrays.convert(tmp_path / "folder", tmp_path / "a.npy")
    expect(tmp_path / "a.npy", dict(sorted(arrays.items(), key=lambda item: item[0].encode())))


def write_megatron(prefix: Path, documents: list[list[Any]], code: int, modes: bool = False) -> None:
    """Writes sequences in documents as Megatron does."""
    sequences = [sequence for document in documents for sequence in document]
    sizes = np.array([len(sequence) for sequence in sequences], "i4")
    itemsize = sequences[0].itemsize if sequences else 1
    pointers = np.concatenate([[0], np.cumsum(sizes[:-1].astype("i8") * itemsize)]).astype("i8")[: len(sequences)]
    bounds = np.concatenate([[0], np.cumsum([len(document) for document in documents])]).astype("i8")
    with prefix.with_suffix(".idx").open("wb") as index:
        index.write(b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, code, len(sequences), len(bounds)))
        for part in (sizes, pointers, bounds):
            index.write(part.tobytes())
        if modes:
            index.write(bytes(len(sequences)))
    prefix.with_suffix(".bin").write_bytes(b"".join(sequence.tobytes() for sequence in sequences))


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("given", ["corpus", "corpus.idx", "corpus.bin"])
def test_megatron(tmp_path: Path, kind: str, given: str) -> None:
    numbers = np.random.default_rng(CODES[kind])
    count = numbers.integers
    documents: list[list[Any]] = [
        [count(0, 99, count(0, 30)).astype(kind) for _ in range(count(0, 4))] for _ in range(50)
    ]
    write_megatron(tmp_path / "corpus", documents, CODES[kind], modes=kind == "i2")
    assert bigarrays.convert(tmp_path / given, tmp_path / "a.npy") == 50
    expected = {str(k): np.concatenate([np.empty(0, kind), *document]) for k, document in enumerate(documents)}
    expect(tmp_path / "a.npy", expected)


def test_megatron_of_older_versions_has_doubles_under_seven(tmp_path: Path) -> None:
    write_megatron(tmp_path / "corpus", [[np.arange(5, dtype="f8")]], 7)
    bigarrays.convert(tmp_path / "corpus", tmp_path / "a.npy")
    expect(tmp_path / "a.npy", {"0": np.arange(5, dtype="f8")})


def test_damaged_sources_are_errors_that_name_them(tmp_path: Path) -> None:
    def refused(source: str, match: str) -> None:
        with pytest.raises(bigarrays.Error, match=match) as caught:
            bigarrays.convert(tmp_path / source, tmp_path / "a.npy")
        assert source in str(caught.value)
        assert not [name for name in os.listdir(tmp_path) if name.startswith("a.npy")]

    archive, arrays = tmp_path / "a.npz", {"one": np.arange(1000), "two": np.arange(9)}
    for save in (np.savez, np.savez_compressed):
        save(archive, **arrays)  # type: ignore[arg-type]
        good = archive.read_bytes()
        for length in (0, 3, 40, len(good) // 2, len(good) - 1):
            archive.write_bytes(good[:length])
            refused("a.npz", ".")
        at = good.index(b"one.npy") + 400
        archive.write_bytes(good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :])
        refused("a.npz", '"one"')
    with zipfile.ZipFile(archive, "w") as other:
        other.writestr("notes.txt", "no array")
    refused("a.npz", "notes.txt")
    np.savez(archive, objects=np.array([{}], object))
    refused("a.npz", "objects.*Python objects")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_LZMA) as other:
        other.writestr("a.npy", b"x")
    refused("a.npz", "method 14")
    write_megatron(tmp_path / "corpus", [[np.arange(5, dtype="i4")]], 4)
    index = (tmp_path / "corpus.idx").read_bytes()
    for damaged in (index[:-1], index + b"12", index[:17] + b"\x05" + index[18:], index[:17] + b"\x09" + index[18:]):
        (tmp_path / "corpus.idx").write_bytes(damaged)
        refused("corpus.idx", ".")
    (tmp_path / "text").write_text("no arrays at all")
    refused("text", "known are")
    np.save(tmp_path / "plain.npy", np.arange(3))
    refused("plain.npy", "already")
    (tmp_path / "empty").mkdir()
    refused("empty", "no array")


def test_progress_ends_a_conversion_that_then_goes_on(tmp_path: Path) -> None:
    arrays = {f"{k}": np.full((1 << 19, 4), k, "f4") for k in range(4)}
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]

    def stop(done: int, total: int) -> None:
        # The first report is always made; later ones may come too late.
        if done < total:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bigarrays.convert(tmp_path / "a.npz", tmp_path / "a.npy", progress=stop)
    assert not (tmp_path / "a.npy").exists()
    seen: list[tuple[int, int]] = []
    bigarrays.convert(tmp_path / "a.npz", tmp_path / "a.npy", progress=lambda *now: seen.append(now))
    assert seen[-1] == (4 << 23, 4 << 23)
    expect(tmp_path / "a.npy", arrays)


def test_killed_conversions_go_on(tmp_path: Path) -> None:
    """Whenever it is killed, there is either no file or the whole one, and the next conversion ends it."""
    arrays = {f"{k}": np.full((k * 1000 % 90_000, 4), k, "f4") for k in range(100)}
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    old = SliceArray(tmp_path / "a.npy", "x", shape=(None, 2), dtype="i2")
    old["old"] = np.ones((1, 2), "i2")
    old.close()
    code = "import sys, bigarrays; print(flush=True); bigarrays.convert(sys.argv[1], sys.argv[2], overwrite=True)"
    chance = random.Random(1)
    for _ in range(12):
        command = [sys.executable, "-c", code, str(tmp_path / "a.npz"), str(tmp_path / "a.npy")]
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert child.stdout and child.stdout.readline()
        time.sleep(chance.random() * 0.15)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        if (tmp_path / "a.npy").exists() and (tmp_path / "a.npy.index").exists():
            slices = SliceArray(tmp_path / "a.npy")
            assert len(slices) in (1, 100)
            slices.close()
    bigarrays.convert(tmp_path / "a.npz", tmp_path / "a.npy", overwrite=True)
    expect(tmp_path / "a.npy", arrays)
    assert sorted(os.listdir(tmp_path)) == ["a.npy", "a.npy.index", "a.npz"]
