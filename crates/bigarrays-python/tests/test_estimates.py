"""What `explain` predicts of clusters."""

from pathlib import Path
from typing import Any

import pytest

import bigarrays as ba
from bigarrays._rates import RATES


@pytest.fixture
def cube(tmp_path: Path) -> ba.Array:
    return ba.create(tmp_path / "cube", shape=(640, 512, 512), dtype="float32", format="zarr3", chunk_shape=(64, 64, 64))


def test_requests_time_and_cost(cube: ba.Array, tmp_path: Path) -> None:
    x = cube.lazy + 1
    chunks = 10 * 8 * 8

    def of(**given: Any) -> dict[str, Any]:
        plan: dict[str, Any] = x.explain(tmp_path / "a", like=cube, show="dict", memory=1 << 28, **given)
        return plan

    plan = of(workers=10, latency=0.02, price=(4e-7, 5e-6))
    (one,) = plan["passes"]
    assert plan["estimate"]["reads"] == plan["estimate"]["writes"] == chunks
    assert plan["estimate"]["cost"] == pytest.approx(chunks * (4e-7 + 5e-6))
    assert one["estimate"]["seconds"] == plan["estimate"]["seconds"] > 0
    assert not (tmp_path / "a").exists()
    # A bound of bandwidth, and then of processors: twice the workers, half the time.
    slow = of(workers=4, bandwidth=1e6)
    assert slow["passes"][0]["estimate"]["limited_by"] == "bandwidth"
    moved = 2 * cube.nbytes / RATES["zstd"].ratio if "zstd" in str(one["reads"]) else 2 * cube.nbytes
    assert slow["estimate"]["seconds"] == pytest.approx(moved / 1e6 / 4, rel=0.3)
    times = [of(workers=workers)["estimate"]["seconds"] for workers in (1, 4, 16)]
    assert times[0] > 2 * times[1] > 4 * times[2]
    text = x.explain(tmp_path / "a", like=cube, memory=1 << 28, workers=10, latency=60, price=1e-6)
    assert f"on 10 workers: 4 min 0 s, {chunks:,} reads of" in text and "answers to requests" in text and "which cost 0.00" in text


def test_what_is_unknown_is_said_or_refused(cube: ba.Array) -> None:
    x = cube.lazy.sum()
    with pytest.raises(ba.InvalidArgumentError, match="say how many"):
        x.explain(latency=0.1)
    with pytest.raises(ba.InvalidArgumentError, match="workers=0"):
        x.explain(workers=0)
    with pytest.raises(ba.InvalidArgumentError, match="picture"):
        x.explain(workers=1, show="svg")
    with pytest.raises(ba.InvalidArgumentError, match="show='dict' is how the plan is shown"):
        x.explain(format="dict")
    # The format of the array, as `save` has it.
    assert (cube.lazy + 1).explain("memory://said", format="n5", show="dict", workers=2)["estimate"]["writes"] > 0
    plan = x.explain(workers=1, show="dict")
    assert plan["estimate"]["cost"] is None and plan["estimate"]["assumed"] == []
