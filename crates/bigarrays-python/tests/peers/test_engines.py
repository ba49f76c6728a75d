"""Ray, MPI and submitit run the tasks of plans: the cases of `engine_cases.py`."""

import importlib.util
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays as ba

CASES = Path(__file__).with_name("engine_cases.py")

#: What each engine is asked for, and whether it listens to more than this machine.
ENGINES: dict[str, tuple[tuple[str, ...], bool]] = {
    "ray": (("same_bits", "killed", "failing", "stopped", "declared"), True),
    "mpi": (("same_bits", "failing", "stopped"), True),
    "submitit": (("same_bits", "killed", "failing", "stopped"), False),
}


@cache
def has_networks() -> bool:
    """Whether a network of its own can be made."""
    try:
        return subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def run(engine: str, folder: Path, *cases: str) -> dict[str, str]:
    """What became of each case."""
    module = {"mpi": "mpi4py"}.get(engine, engine)
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    command = [sys.executable, str(CASES), engine, str(folder), *cases]
    if engine == "mpi":
        launcher = Path(sys.executable).with_name("mpiexec")
        if not launcher.exists():
            pytest.skip("mpiexec is not in the environment of Python")
        command = [str(launcher), "-n", "3", sys.executable, "-m", "mpi4py.futures", *command[1:]]
    if ENGINES[engine][1]:
        if not has_networks():
            pytest.skip("networks of its own are not permitted here, and it listens to more than this machine")
        command = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$0" "$@"', *command]
    quiet = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **quiet}, timeout=600)
    print(done.stdout, done.stderr)
    return dict(re.findall(r"^(\w+): (.*)$", done.stdout, re.MULTILINE))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What became of the cases of each engine that was started."""
    return {}


OPTIONS: dict[str, Any] = {"format": "zarr3", "chunk_shape": (12, 64, 96)}


def cube(folder: Path) -> Any:
    array = ba.create(folder / "cube", shape=(24, 128, 96), dtype="float32", **OPTIONS)
    array[...] = np.random.default_rng(7).normal(size=array.shape).astype("float32")
    return array.lazy


@pytest.mark.parametrize(("engine", "case"), [(name, case) for name, (cases, _) in ENGINES.items() for case in cases])
def test_engines(engine: str, case: str, tmp_path: Path, outcomes: dict[str, dict[str, str]]) -> None:
    if engine not in outcomes:
        cube(tmp_path)
        # Starting takes longer than the cases.
        outcomes[engine] = run(engine, tmp_path, *ENGINES[engine][0])
    assert outcomes[engine].get(case) == "passed"


def test_mpi_ends_with_a_worker_and_its_plan_goes_on(tmp_path: Path) -> None:
    x = cube(tmp_path)
    result = x - x.mean(axis=0, keepdims=True)
    plan = ba.plan({tmp_path / "a": result}, tmp_path / "plan.json", memory=1 << 26, **OPTIONS)
    outcomes = [run("mpi", tmp_path, "killed_plan") for _ in range(3)]
    assert outcomes == [{}, {}, {"killed_plan": "passed"}]
    assert plan.done
    np.testing.assert_array_equal(ba.open(tmp_path / "a")[...], result.compute())
