import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays


def test_classes_are_also_the_fitting_builtins() -> None:
    classes = [value for name, value in vars(bigarrays).items() if name.endswith("Error")]
    assert len(classes) == 15 and all(issubclass(each, bigarrays.Error) for each in classes)
    assert issubclass(bigarrays.NotFoundError, FileNotFoundError)
    assert issubclass(bigarrays.OutOfBoundsError, IndexError)
    assert all(getattr(bigarrays, each.__name__) is each and each.__module__ == "bigarrays" for each in classes)


def test_errors_say_where_and_travel(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(8, 8, 8), dtype="uint8", chunk_shape=(8, 8, 8))
    array[...] = 1
    chunk = tmp_path / "a" / "1_1_1" / "0-8_0-8_0-8"
    chunk.write_bytes(b"short")
    with pytest.raises(bigarrays.CorruptDataError) as caught:
        array[...]
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert error.key == str(chunk) and str(chunk) in str(error)
        assert error.operation == "reading chunk" and error.retryable is False


def test_kinds(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(8, 8, 8), dtype="uint8")
    with pytest.raises(bigarrays.NotFoundError, match="nothing"):
        bigarrays.open(tmp_path / "nothing")
    with pytest.raises(bigarrays.AlreadyExistsError):
        bigarrays.create(tmp_path / "a", shape=(8, 8, 8), dtype="uint8")
    with pytest.raises(bigarrays.OutOfBoundsError, match="not the last element"):
        array[-1, 0, 0]
    with pytest.raises(bigarrays.OutOfBoundsError, match="box 0:9,3:4,0:8 reaches outside the domain 0:8,0:8,0:8"):
        array[0:9, 3] = 0
    with pytest.raises(bigarrays.OutOfBoundsError, match="box 1:5,0:8 reaches outside the domain 2:4,0:8"):
        array.view[2:4, 3].write("1:5,0:8", 0)
    with pytest.raises(bigarrays.InvalidArgumentError, match="empty"):
        bigarrays.create(tmp_path / "none", shape=(8, 0, 8), dtype="uint8")
    with pytest.raises(bigarrays.ReadOnlyError, match="r\\+"):
        bigarrays.open(tmp_path / "a")[0, 0, 0] = 1
    with pytest.raises(bigarrays.UnsupportedError):
        bigarrays.open("gopher://nowhere")
    with pytest.raises(bigarrays.MemoryBudgetError):
        bigarrays.copy(array, bigarrays.create(tmp_path / "b", shape=(8, 8, 8), dtype="uint8"), memory=1)
    (tmp_path / "a" / "info").write_text("{}")
    with pytest.raises(bigarrays.InvalidMetadataError):
        bigarrays.open(tmp_path / "a")


def test_an_array_in_memory_is_not_in_another_process() -> None:
    array = bigarrays.create("memory://travels", shape=(8, 8, 8), dtype="uint8")
    pickled = pickle.dumps(array)
    assert pickle.loads(pickled).shape == (8, 8, 8)
    script = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    other = subprocess.run([sys.executable, "-c", script], input=pickled, capture_output=True)
    assert b"NotFoundError" in other.stderr and b"only in the process that created it" in other.stderr


def test_secrets_are_not_repeated() -> None:
    for url in ("http://me:HUSH@127.0.0.1:9/x", "http://127.0.0.1:9/x?token=HUSH", "s3://AKIA:HUSH@bucket/x"):
        with pytest.raises(bigarrays.Error) as caught:
            bigarrays.open(url, storage_options={"retries": 0})
        assert "HUSH" not in str(caught.value) and "HUSH" not in (caught.value.key or "")


def made(place: Path) -> bigarrays.Array:
    array = bigarrays.create(place, shape=(4, 4, 4), dtype="uint32")
    array[...] = 1
    return array


def test_what_makes_no_sense_says_why(tmp_path: Path) -> None:
    array = made(tmp_path / "labels")
    given: Any
    for given, why in ((np.ones((2, 2), "uint8"), "ndarray"), (str(tmp_path / "labels"), "path"), (array.lazy, "Lazy")):
        jobs: list[Any] = [
            lambda x: bigarrays.components(x, tmp_path / "out"),
            lambda x: bigarrays.renumber(x, tmp_path / "out"),
            lambda x: bigarrays.relabel(x, tmp_path / "out", {}),
            bigarrays.label_table,
            bigarrays.contacts,
            lambda x: bigarrays.blank(x, box=array.domain),
        ]
        for job in jobs:
            with pytest.raises(bigarrays.InvalidArgumentError, match=f"has opened or created; this is .*{why}"):
                job(given)
    for function in (bigarrays.normalize, bigarrays.picture, bigarrays.lazy, lambda path: bigarrays.restack(path, 0)):
        with pytest.raises(bigarrays.InvalidArgumentError, match="'em' is a path"):
            function("em")
    with pytest.raises(bigarrays.InvalidArgumentError, match="mask=5"):
        bigarrays.blank(array, mask=5)
    with pytest.raises(bigarrays.InvalidArgumentError, match="domain: the new array has that"):
        bigarrays.components(array, tmp_path / "out", domain=array.domain)
    with pytest.raises(bigarrays.InvalidArgumentError, match=f"{tmp_path}/out"):
        bigarrays.components(array, tmp_path / "out", dtype="int32")
    wrong: list[dict[str, Any]] = [{"factors": 2}, {"factors": (2.0, 2, 2)}, {"factors": "2"}, {"resume": 5}, {"chunk_shape": 64}]
    for options in wrong:
        (name,) = options
        with pytest.raises(bigarrays.InvalidArgumentError, match=f"{name}=.*expected"):
            bigarrays.downsample(array, **options)
    with pytest.raises(bigarrays.InvalidArgumentError, match="resume=5"):
        bigarrays.label_table(array, resume=5)  # type: ignore[arg-type]
    with pytest.raises(bigarrays.InvalidArgumentError, match="processes='x'"):
        bigarrays.label_table(array, processes="x")  # type: ignore[arg-type]
    with pytest.raises(bigarrays.InvalidArgumentError, match="pixels=1099511627776: expected a number from 1 to"):
        bigarrays.picture(array, pixels=1 << 40)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels"]


def test_arrays_that_are_not_written_to_their_end_say_so(tmp_path: Path) -> None:
    labels = made(tmp_path / "labels")
    for format in ("precomputed", "zarr3", "n5"):
        place = tmp_path / format
        bigarrays.create(place, shape=(4, 4, 4), dtype="uint64", format=format, incomplete=True)
        with pytest.raises(bigarrays.AlreadyExistsError, match="not written to its end.*resume.*remove"):
            bigarrays.components(labels, place, format=format)
        bigarrays.create(f"{place}-whole", shape=(4, 4, 4), dtype="uint64", format=format)
        with pytest.raises(bigarrays.AlreadyExistsError) as refused:
            bigarrays.components(labels, f"{place}-whole", format=format)
        assert "not written" not in str(refused.value)
