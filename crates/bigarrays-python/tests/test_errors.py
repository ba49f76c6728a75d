import pickle
import subprocess
import sys
from pathlib import Path

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
            bigarrays.open(url)
        assert "HUSH" not in str(caught.value) and "HUSH" not in (caught.value.key or "")
