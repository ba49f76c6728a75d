"""Saving that ends early, is killed, and is taken up by the same call."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bigarrays as ba

OPTIONS: dict[str, Any] = {"format": "zarr3", "chunk_shape": (4, 8, 9)}


def cube(place: Path) -> tuple[ba.Array, NDArray[np.float32]]:
    elements = np.random.default_rng(7).normal(size=(24, 128, 126)).astype("float32")
    array = ba.create(place, shape=elements.shape, dtype=elements.dtype, **OPTIONS)
    array[...] = elements
    return array, elements


def expressions(array: ba.Array) -> dict[str, ba.Lazy]:
    x = array.lazy
    apart = x - x.mean(axis=0, keepdims=True)
    months = x.groupby(np.arange(24) % 5, axis=0)
    groups = {"months": months.nanmean(), "anomalies": months - months.mean(), "medians": x.median(axis=0, keepdims=True)}
    own = {"function": ba.map_blocks(lambda block: block * 3, x, dtype="float32")}
    return {"map": x * 2 + 1, "apart": apart, "sums": x.sum(axis=2, keepdims=True), "rechunk": x, **groups, **own}


def stop(done: int, total: int) -> None:
    """Progress that is stopped when something is done."""
    if done > 0:
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "scratch").mkdir()
    return tmp_path / "state/bigarrays/jobs"


def test_the_same_call_takes_up_what_was_stopped(tmp_path: Path, state: Path) -> None:
    array, _ = cube(tmp_path / "cube")
    for name, expression in expressions(array).items():
        options = OPTIONS | {"scratch": tmp_path / "scratch"}
        with pytest.raises(KeyboardInterrupt):
            expression.save(tmp_path / name, resume=True, memory=1 << 20, progress=stop, **options)
        assert len([file for file in state.iterdir() if file.is_file()]) == 1
        with pytest.raises(ba.IncompleteError):
            ba.open(tmp_path / name)
        files = [file for file in (tmp_path / name / "c").rglob("*") if file.is_file()]
        before = {file: file.stat().st_ino for file in files}
        saved = expression.save(tmp_path / name, resume=True, **options)
        # Blocks that were under way may have written some, and are done again.
        assert not before or any(file.stat().st_ino == number for file, number in before.items()), name
        np.testing.assert_array_equal(saved[...], expression.compute())
        assert not saved.incomplete and list(state.iterdir()) == [] and list((tmp_path / "scratch").iterdir()) == []
        # What is done is said to be, and not done again.
        before = {file: file.stat().st_mtime_ns for file in files}
        again = expression.save(tmp_path / name, resume=True, **options)
        assert again.url == saved.url and all(file.stat().st_mtime_ns == time for file, time in before.items())
        with pytest.raises(ba.AlreadyExistsError):
            expression.save(tmp_path / name, **options)


KILLED = """
import sys
import bigarrays as ba
sys.path.insert(0, sys.argv[1])
from test_resume import job
print("ready", flush=True)
job(sys.argv[2], sys.argv[3])
"""


def job(place: str, name: str) -> None:
    """A job that may be killed and done again."""
    array = ba.open(place + "/cube")
    if name == "copy":
        try:
            target = ba.create(place + "/copy", shape=array.shape, dtype=array.dtype, chunk_shape=(24, 5, 6), format="zarr3")
        except ba.AlreadyExistsError:
            target = ba.open(place + "/copy", mode="r+")
        ba.copy(array, target, resume=True, memory=1 << 20)
        return
    known = expressions(array)
    options = OPTIONS | {"resume": True, "memory": 1 << 20, "scratch": place + "/scratch"}
    if name == "rechunk":
        options["chunk_shape"] = (24, 5, 6)
    if name == "several":
        ba.save({f"{place}/several": known["map"], f"{place}/several-sums": known["sums"]}, **options)
    else:
        known[name].save(f"{place}/{name}", **options)


@pytest.mark.parametrize("name", ["map", "apart", "sums", "rechunk", "several", "copy"])
def test_killed_at_random_moments_it_has_the_same_bits(tmp_path: Path, state: Path, name: str) -> None:
    array, _ = cube(tmp_path / "cube")
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path), name]
    rng, killed = np.random.default_rng(11), 0
    for _ in range(10):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            time.sleep(float(rng.uniform(0, 0.05)))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        # An earlier one may have been killed after all was done: then this one was refused.
        if process.returncode != -signal.SIGKILL:
            break
    else:
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    assert killed > 0
    known = expressions(array) | {"several": array.lazy * 2 + 1, "copy": array.lazy}
    np.testing.assert_array_equal(ba.open(tmp_path / name)[...], known[name].compute())
    if name == "several":
        np.testing.assert_array_equal(ba.open(tmp_path / "several-sums")[...], known["sums"].compute())
    assert list(state.iterdir()) == [] and list((tmp_path / "scratch").iterdir()) == []


def test_results_in_memory_go_on_with_what_was_folded(tmp_path: Path, state: Path) -> None:
    array = ba.create(tmp_path / "large", shape=(24, 512, 512), dtype="uint8", format="zarr3", chunk_shape=(4, 512, 512))
    elements = np.random.default_rng(3).integers(0, 200, array.shape, dtype="uint8")
    array[...] = elements
    total, most = array.lazy.sum(), array.lazy.max()
    with pytest.raises(KeyboardInterrupt):
        ba.compute(total, most, resume=True, progress=stop)
    assert [file.suffix for file in sorted(state.iterdir())] == ["", ".parts"]
    assert any(file.is_file() for file in state.rglob("pass-0/*"))
    found = ba.compute(total, most, resume=True)
    np.testing.assert_array_equal(found, [elements.sum(), elements.max()])
    assert list(state.iterdir()) == []


def test_what_changed_meanwhile_is_seen(tmp_path: Path) -> None:
    array, elements = cube(tmp_path / "cube")
    expression = array.lazy * 2 + 1
    with pytest.raises(KeyboardInterrupt):
        expression.save(tmp_path / "a", resume=tmp_path / "journal", memory=1 << 20, progress=stop, **OPTIONS)
    array[...] = elements + 1
    with pytest.warns(UserWarning, match="finished blocks of an earlier run were done again"):
        saved = expression.save(tmp_path / "a", resume=tmp_path / "journal", **OPTIONS)
    np.testing.assert_array_equal(saved[...], (elements + 1) * 2 + 1)
    # A target that somebody else has made, and one that is gone.
    with pytest.raises(KeyboardInterrupt):
        expression.save(tmp_path / "b", resume=tmp_path / "journal", memory=1 << 20, progress=stop, **OPTIONS)
    ba.remove(tmp_path / "b")
    ba.create(tmp_path / "b", shape=array.shape, dtype="float32", **OPTIONS)
    with pytest.raises(ba.AlreadyExistsError, match="complete"):
        expression.save(tmp_path / "b", resume=tmp_path / "journal", **OPTIONS)
    ba.remove(tmp_path / "b")
    with pytest.warns(UserWarning, match="were done again"):
        saved = expression.save(tmp_path / "b", resume=tmp_path / "journal", **OPTIONS)
    np.testing.assert_array_equal(saved[...], expression.compute())


@pytest.mark.parametrize("resume", [True, "journal"])
def test_what_is_saved_is_there_until_something_is_another(tmp_path: Path, resume: Any) -> None:
    array, elements = cube(tmp_path / "cube")
    options: dict[str, Any] = {"resume": resume if resume is True else tmp_path / resume} | OPTIONS

    def save(number: float = 2, **others: Any) -> ba.Array:
        x = ba.open(tmp_path / "cube").lazy
        saved = ba.save({tmp_path / "a": x * number, tmp_path / "b": x[3:20, 5:] - x[3:20, 5:].mean()}, **options | others)
        return saved[tmp_path / "a"]

    save()
    np.testing.assert_array_equal(save(memory=64 << 20)[...], elements * 2)
    for others in ({"number": 3}, {"fill_value": 1}, {"resume": False}):
        with pytest.raises(ba.AlreadyExistsError):
            save(**others)
    # One element of an input that one of the results is of, and its time.
    before = array[9, 9, 9]
    array[9, 9, 9] = before + 1
    with pytest.raises(ba.AlreadyExistsError):
        save()
    ba.remove(tmp_path / "a")
    with pytest.raises(ba.AlreadyExistsError):
        save()
    ba.remove(tmp_path / "b")
    elements[9, 9, 9] += 1
    np.testing.assert_array_equal(save()[...], elements * 2)
    np.testing.assert_array_equal(save()[...], elements * 2)
    # An array of others in its place.
    ba.remove(tmp_path / "a")
    ba.create(tmp_path / "a", shape=array.shape, dtype="float64", **OPTIONS)
    with pytest.raises(ba.AlreadyExistsError):
        save()


@pytest.mark.filterwarnings("ignore:.* finished blocks of an earlier run were done again")
@pytest.mark.parametrize("stopped", [0.3, 1.0])
def test_what_changed_after_a_stop_is_seen_however_late_that_was(tmp_path: Path, stopped: float) -> None:
    array, elements = cube(tmp_path / "cube")

    class Stop(Exception):
        pass

    def progress(done: int, total: int) -> None:
        if total and done >= stopped * total:
            raise Stop

    def save(place: str, **options: Any) -> ba.Array:
        x = ba.open(tmp_path / "cube").lazy
        deviations: ba.Lazy = x - x.mean()
        return deviations.save(tmp_path / place, resume=tmp_path / "journal", scratch=tmp_path, **OPTIONS, **options)

    with pytest.raises(Stop):
        save("a", progress=progress)
    array[9, 9, 9] += 1
    elements[9, 9, 9] += 1
    found = save("a")[...]
    np.testing.assert_allclose(found, elements - elements.mean(), rtol=1e-9, atol=1e-9)


def test_results_of_another_expression_are_never_taken_for_those_that_are_asked_for(tmp_path: Path, state: Path) -> None:
    array, elements = cube(tmp_path / "cube")

    def save(expression: ba.Lazy, name: str, stops: bool = False) -> ba.Array:
        # All is one block: when it is stopped, all is done.
        options = OPTIONS | {"chunk_shape": array.shape}
        return expression.save(tmp_path / name, resume=True, progress=stop if stops else None, **options)

    for name in ("done", "again"):
        with pytest.raises(KeyboardInterrupt):
            save(array.lazy + 1, name, stops=True)
    with pytest.raises(ba.AlreadyExistsError, match="what another computation has made"):
        save(array.lazy + 2, "done")
    np.testing.assert_array_equal(save(array.lazy + 1, "done")[...], elements + 1)
    ba.remove(tmp_path / "again")
    with pytest.warns(UserWarning, match="had begun another expression"):
        np.testing.assert_array_equal(save(array.lazy + 2, "again")[...], elements + 2)
    # A layout that has changed.
    with pytest.raises(KeyboardInterrupt):
        (array.lazy + 1).save(tmp_path / "part", resume=True, memory=1 << 20, progress=stop, **OPTIONS)
    metadata = tmp_path / "cube/zarr.json"
    metadata.write_text(metadata.read_text().replace('"fill_value": 0.0', '"fill_value": 4.0'))
    with pytest.warns(UserWarning, match="inputs of another layout"):
        saved = (ba.open(tmp_path / "cube").lazy + 1).save(tmp_path / "part", resume=True, **OPTIONS)
    np.testing.assert_array_equal(saved[...], elements + 1)
    assert list(state.iterdir()) == []


def test_other_options_of_the_second_call_are_refused(tmp_path: Path, state: Path) -> None:
    array, elements = cube(tmp_path / "cube")
    image = ba.create(tmp_path / "image", shape=(32, 64, 64), dtype="uint8", chunk_shape=(8, 32, 32))
    image[...] = 7
    options: dict[str, Any] = {"format": "precomputed", "chunk_shape": (8, 32, 32), "resume": True}
    with pytest.raises(KeyboardInterrupt):
        (image.lazy + 1).save(tmp_path / "a", memory=1 << 20, progress=stop, encoding="jpeg", **options)
    with pytest.raises(ba.AlreadyExistsError, match="with other options"):
        (image.lazy + 1).save(tmp_path / "a", encoding="raw", **options)
    # Of another format, what is there is never taken for nothing.
    with pytest.raises(ba.AlreadyExistsError, match="of another format"):
        ba.lazy(elements).save(tmp_path / "cube", format="n5")


def test_inputs_that_are_removed_meanwhile_are_errors(tmp_path: Path) -> None:
    array, _ = cube(tmp_path / "cube")

    def remove(done: int, total: int) -> None:
        if done > 0:
            shutil.rmtree(tmp_path / "cube", ignore_errors=True)

    with pytest.raises(ba.StorageError, match="removed while it was read"):
        (array.lazy * 2).save(tmp_path / "a", memory=1 << 20, progress=remove, **OPTIONS)
    with pytest.raises(ba.IncompleteError):
        ba.open(tmp_path / "a")
    array, _ = cube(tmp_path / "cube")
    copied = ba.create(tmp_path / "b", like=array)
    with pytest.raises(ba.StorageError, match="removed while it was read"):
        ba.copy(array, copied, memory=1 << 18, progress=remove)


def test_what_cannot_be_resumed_is_refused_before_anything_is_made(tmp_path: Path, state: Path) -> None:
    array, elements = cube(tmp_path / "cube")
    apart = expressions(array)["apart"]
    with pytest.raises(ba.InvalidArgumentError, match="scratch folder"):
        ba.save({tmp_path / "a": apart, tmp_path / "b": apart.sum(axis=2)}, resume=True, format="zarr3")

    class Foreign:
        shape, dtype = elements.shape, elements.dtype

        def __getitem__(self, key: Any) -> Any:
            return elements[key]

    with pytest.raises(ba.InvalidArgumentError, match="known again"):
        (ba.lazy(Foreign()) + 1).save(tmp_path / "a", resume=True, **OPTIONS)
    assert not any((tmp_path / name).exists() for name in "ab") and list(state.iterdir()) == []
    journal = tmp_path / "something"
    journal.write_text("else")
    with pytest.raises(ba.InvalidArgumentError, match="no journal"):
        (array.lazy + 1).save(tmp_path / "a", resume=journal, **OPTIONS)
    assert journal.read_text() == "else"


def test_journals_have_no_secrets(tmp_path: Path, state: Path) -> None:
    array, _ = cube(tmp_path / "cube")
    options = OPTIONS | {"storage_options": {"aws_secret_access_key": "VERY-SECRET"}}
    with pytest.raises(KeyboardInterrupt):
        (array.lazy + 1).save(tmp_path / "a", resume=True, memory=1 << 20, progress=stop, **options)
    (journal,) = (file for file in state.iterdir() if file.is_file())
    assert "VERY-SECRET" not in journal.read_text() and "plan" in journal.read_text()
