"""Plans in files, whose parts other processes run."""

import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays as ba

OPTIONS: dict[str, Any] = {"format": "zarr3", "chunk_shape": (4, 32, 32)}


def cube(place: Path, shape: tuple[int, ...] = (24, 128, 96)) -> ba.Array:
    array = ba.create(place, shape=shape, dtype="float32", **OPTIONS)
    array[...] = np.random.default_rng(7).normal(size=shape).astype("float32")
    return array


def run_part(plan: ba.Plan, stage: int, first: int, end: int) -> None:
    plan.run(stage, (first, end), memory=1 << 24)


def test_a_pool_of_processes_gives_the_same_bits(tmp_path: Path) -> None:
    x = cube(tmp_path / "x").lazy
    weights = np.random.default_rng(3).normal(size=(24, 128, 96)).astype("float32")
    large = np.arange(24 * 128 * 96 * 2, dtype="int64").reshape(2, 24, 128, 96)
    results = {
        str(tmp_path / "apart"): (x - x.mean(axis=0, keepdims=True)) * weights,
        str(tmp_path / "number"): x - x.mean() + ba.lazy(large).max(axis=0),
    }
    plan = ba.plan(results, tmp_path / "plan.json", memory=1 << 24, scratch=tmp_path, **OPTIONS)
    assert len(plan.stages) > 2 and "make" in repr(plan)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for number, stage in enumerate(plan.stages):
            step = max(stage.tasks // 3, 1)
            # Each twice, at the same time.
            parts = [(first, first + step) for first in range(0, stage.tasks, step)] * 2
            list(pool.map(run_part, [plan] * len(parts), [number] * len(parts), *zip(*parts, strict=True)))
    assert not plan.done
    with pytest.raises(ba.IncompleteError):
        ba.open(tmp_path / "apart")
    plan.run()
    assert ba.Plan(tmp_path / "plan.json").done
    for url, expression in results.items():
        np.testing.assert_array_equal(ba.open(url)[...], expression.compute())
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["apart", "number", "plan.json", "plan.json.operand-1.npy", "plan.json.operand-2.npy", "x"]


def test_what_a_killed_process_has_left_is_done_by_the_next(tmp_path: Path) -> None:
    x = cube(tmp_path / "x").lazy
    # Boxes of both would be whole along all axes, so that there are two stages.
    results = {tmp_path / "y": x * 2 - x.mean(axis=0), tmp_path / "z": x.mean(axis=(1, 2), keepdims=True) + 1}
    plan = ba.plan(results, tmp_path / "plan.json", memory=1 << 24, **OPTIONS)
    code = "import sys, bigarrays; bigarrays.Plan(sys.argv[1]).run(0, (0, 9999), progress=lambda *_: __import__('os')._exit(9))"
    killed = subprocess.run([sys.executable, "-c", code, plan.file], check=False)
    assert killed.returncode == 9
    with pytest.raises(ba.InvalidArgumentError, match="have not been run yet"):
        plan.run(1, (0, 1))
    plan = pickle.loads(pickle.dumps(plan))
    plan.run(0)
    plan.run(1, (0, 1))
    plan.run()
    for url, expression in results.items():
        np.testing.assert_array_equal(ba.open(url)[...], expression.compute())


def test_what_other_processes_cannot_run_is_refused(tmp_path: Path) -> None:
    x = cube(tmp_path / "x").lazy
    with pytest.raises(ba.InvalidArgumentError, match="this process alone"):
        ba.plan({"memory://plans/y": x + 1}, tmp_path / "a.json", **OPTIONS)

    class Foreign:
        shape, dtype = (4,), np.dtype("int8")

        def __getitem__(self, key: Any) -> Any:
            return np.zeros(4, "int8")[key]

    with pytest.raises(ba.InvalidArgumentError, match="other processes cannot read it"):
        ba.plan({tmp_path / "z": ba.lazy(Foreign()) + 1}, tmp_path / "a.json", format="zarr3")
    assert not (tmp_path / "a.json").exists() and not (tmp_path / "z").exists()
    plan = ba.plan({tmp_path / "y": x + 1}, tmp_path / "a.json", storage_options={"sas_token": "VERYSECRET"}, **OPTIONS)
    assert "VERYSECRET" not in (tmp_path / "a.json").read_text()
    with pytest.raises(ba.AlreadyExistsError):
        ba.plan({tmp_path / "w": x + 1}, tmp_path / "a.json", **OPTIONS)
    assert not (tmp_path / "w").exists()
    with pytest.raises(ba.InvalidArgumentError, match="no stage 3"):
        plan.run(3)
    with pytest.raises(ba.InvalidArgumentError, match="say which"):
        plan.run(tasks=(0, 1))
    for odd in ((1,), ("a", 2), (0.5, 2), 3, (-1, 2)):
        with pytest.raises(ba.InvalidArgumentError, match="a stage is a number"):
            plan.run(0, odd)  # type: ignore[arg-type]
    with pytest.raises(ba.InvalidArgumentError, match=r"tasks \(3, 1\)"):
        plan.run(0, (3, 1))


def test_functions_of_python_go_with_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_functions.py").write_text("def slopes(block):\n    return block - block[:1]\n")
    monkeypatch.syspath_prepend(tmp_path)
    import users_functions  # type: ignore[import-not-found]

    x, more = cube(tmp_path / "x").lazy, 3.0
    low, high = ba.map_blocks(lambda a: (a.min(0, keepdims=True) + 0 * a, a * more), x, dtype=["f4", "f4"])
    around = ba.map_overlap(
        users_functions.slopes, x, depth={0: (1, 0)}, boundary={0: "constant"}, fill_value=2, dtype="f4"
    )
    results = {str(tmp_path / "high"): high, str(tmp_path / "apart"): around - high.mean(axis=0), str(tmp_path / "low"): low}
    plan = ba.plan(results, tmp_path / "plan.json", memory=1 << 26, **OPTIONS)
    code = "import sys, bigarrays\nplan = bigarrays.Plan(sys.argv[1])\nfor number in range(len(plan.stages)): plan.run(number)"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    subprocess.run([sys.executable, "-c", code, plan.file], check=True)
    plan.run()
    for url, expression in results.items():
        np.testing.assert_array_equal(ba.open(url)[...], expression.compute(memory=1 << 26))

    # Whoever has no Python, or another function, says so before anything is run.
    ba.plan({tmp_path / "late": around}, tmp_path / "late.json", **OPTIONS)
    (tmp_path / "users_functions.py").write_text("def slopes(block):\n    return block + block[:1]\n")
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path / "late.json")], capture_output=True, text=True, check=False)
    assert "users_functions is not as it was when this was planned" in found.stderr
    # Also what it calls.
    (tmp_path / "users_functions.py").write_text("HELP = 1\ndef slopes(block):\n    return block - block[:1]\n")
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path / "late.json")], capture_output=True, text=True, check=False)
    assert "users_functions is not as it was when this was planned" in found.stderr
    (tmp_path / "users_functions.py").unlink()
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path / "late.json")], capture_output=True, text=True, check=False)
    assert "a function that is not here" in found.stderr
    with pytest.raises(ba.InvalidArgumentError, match="cannot have this function"):
        lock = __import__("threading").Lock()
        ba.plan({tmp_path / "no": ba.map_blocks(lambda a: a if lock else a, x)}, tmp_path / "no.json", **OPTIONS)
    assert not (tmp_path / "no").exists() and not (tmp_path / "no.json").exists()


def test_operands_that_were_changed_are_refused(tmp_path: Path) -> None:
    x = cube(tmp_path / "x").lazy
    ba.plan({tmp_path / "y": x * ba.lazy(np.ones((24, 128, 96)))}, tmp_path / "plan.json", **OPTIONS)
    operand = np.load(tmp_path / "plan.json.operand-1.npy", mmap_mode="r+")
    operand[3, 4, 5] = 2
    operand.flush()
    with pytest.raises(ba.InvalidArgumentError, match="not those that this was planned with"):
        ba.Plan(tmp_path / "plan.json")


def test_numbers_of_tasks_that_there_are_not_change_nothing(tmp_path: Path) -> None:
    x = cube(tmp_path / "x").lazy + 5
    apart = x - x.mean()
    plan = ba.plan({tmp_path / "a": apart}, tmp_path / "plan.json", workers=16, memory=1 << 24, **OPTIONS)
    assert len(plan.stages) > 1
    for number, stage in enumerate(plan.stages):
        plan.run(number, (0, stage.tasks))
        # The mean is one task: none of these is to make it.
        plan.run(number, (stage.tasks, stage.tasks + 9))
        plan.run(number, (0, 0))
    plan.finish()
    np.testing.assert_array_equal(ba.open(tmp_path / "a")[...], apart.compute())


def test_a_plan_for_many_workers_has_as_many_tasks(tmp_path: Path) -> None:
    options: dict[str, Any] = {"format": "zarr3", "chunk_shape": (64, 128, 128)}
    x = ba.create(tmp_path / "x", shape=(4096, 1024, 1024), dtype="float32", **options).lazy
    counts = []
    for workers in (1, 200):
        at: dict[str, Any] = {"file": tmp_path / f"{workers}.json", "workers": workers, "memory": 1 << 28}
        plan = ba.plan({tmp_path / f"a{workers}": x - x.mean()}, **at, **options)
        counts.append(plan.stages[0].tasks)
    assert counts[0] < 100 and counts[1] >= 400, counts


def test_one_long_axis_has_many_tasks(tmp_path: Path) -> None:
    values = np.random.default_rng(7).normal(size=(300_000, 3)).astype("float32")
    array = ba.create(tmp_path / "x", shape=values.shape, dtype="float32", format="zarr3", chunk_shape=(10_000, 3))
    array[...] = values
    x = array.lazy
    options: dict[str, Any] = {"format": "zarr3", "chunk_shape": (3,)}
    plan = ba.plan({tmp_path / "mean": x.mean(axis=0)}, tmp_path / "plan.json", workers=64, **options)
    assert [(stage.work, stage.tasks) for stage in plan.stages] == [("fold", 5), ("merge", 1)]
    for number in (4, 1, 0, 3, 2):
        ba.Plan(tmp_path / "plan.json").run(0, (number, number + 1))
    plan.run()
    found = ba.open(tmp_path / "mean")[...]
    np.testing.assert_array_equal(found, x.mean(axis=0).compute())
    np.testing.assert_array_equal(found, x.mean(axis=0).compute(memory=1 << 20))
    np.testing.assert_allclose(found, values.mean(axis=0, dtype="f8"), rtol=1e-6)


def test_numbers_that_have_changed_are_noticed(tmp_path: Path) -> None:
    array = cube(tmp_path / "x")
    x = array.lazy
    plan = ba.plan({tmp_path / "a": x - x.mean()}, tmp_path / "plan.json", memory=1 << 22, **OPTIONS)
    for number, stage in enumerate(plan.stages):
        plan.run(number, (0, stage.tasks))
    # All blocks have the mean, also those that have nothing else of this chunk.
    array[0, 0, 0] = 1000
    with pytest.warns(UserWarning, match="done again"):
        plan.run()
    np.testing.assert_array_equal(ba.open(tmp_path / "a")[...], (x - x.mean()).compute())


def test_parts_of_sums_keep_their_bits(tmp_path: Path) -> None:
    x = cube(tmp_path / "x").lazy
    sums = (x.astype("float64") / 3).sum(axis=1)
    results = {tmp_path / "sums": sums, tmp_path / "one": sums[:, 7]}
    plan = ba.plan(results, tmp_path / "plan.json", memory=1 << 26, format="zarr3")
    ba.Plan(plan.file).run()
    np.testing.assert_array_equal(ba.open(tmp_path / "one")[...], ba.open(tmp_path / "sums")[...][:, 7])
    np.testing.assert_array_equal(ba.open(tmp_path / "one")[...], sums[:, 7].compute())
