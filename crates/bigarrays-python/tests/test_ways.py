"""Elements that are computed in another way than directly, where that reads less: to the bit the same."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_lazy import same, stored

import bigarrays as ba

MEMORY = 3 << 20


def notes(x: ba.Lazy, **options: Any) -> str:
    return " ".join(x.explain(show="dict", **options)["notes"])


def pancakes(dtype: str, shape: tuple[int, ...] = (2000, 40, 60), thick: int = 8) -> tuple[NDArray[Any], ba.Array]:
    rng = np.random.default_rng(1)
    values = (rng.normal(size=shape) * 40).astype(dtype)
    return values, stored(values, [thick, *shape[1:]], [3, -5, 0])


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8"])
def test_medians_along_an_axis_are_made_in_two_stages(dtype: str, tmp_path: Path) -> None:
    values, array = pancakes(dtype)
    median = array.lazy.median(axis=0)
    assert notes(median, memory=1 << 30) == ""
    assert "in two stages" not in notes(median, memory=MEMORY)
    assert "in two stages: what is needed as a whole" in notes(median, memory=MEMORY, scratch=tmp_path)
    found = median.compute(memory=MEMORY, scratch=tmp_path)
    same(found, median.compute())
    same(found, np.median(values.astype("float64"), axis=0).astype(found.dtype))
    assert not list(tmp_path.iterdir())
    groups = array.lazy.groupby(np.arange(len(values)) % 3, axis=0).quantile([0.2, 0.7], method="lower")
    same(groups.compute(memory=MEMORY, scratch=tmp_path), groups.compute())


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16"])
def test_quantiles_of_all_elements_are_found_by_counting(dtype: str) -> None:
    rng = np.random.default_rng(2)
    info = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = rng.integers(*info, (600, 40, 130), endpoint=True).astype(dtype)
    x = stored(values, [50, 40, 130], [3, -5, 0]).lazy
    memory = MEMORY if np.dtype(dtype).itemsize == 1 else 9 << 20
    for method in ("linear", "lower", "nearest", "hazen", "averaged_inverted_cdf"):
        asked = x.quantile([0.0, 0.1, 0.5, 0.77, 1.0], method=method)
        assert "by counting" in notes(asked, memory=memory)
        same(asked.compute(memory=memory), asked.compute())
    if dtype == "int16":
        some = x[::7].quantile([0.1, 0.9], axis=(0, 2))
        same(some.compute(memory=memory), some.compute())
    assert float(x.median().compute(memory=memory)) == np.median(values.astype("float64"))


def of_many_values(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Elements of all of a type, many of them equal, and NaN, infinities and zeros of both signs where there are any."""
    rng = np.random.default_rng(4)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        values = (rng.normal(size=shape) * 10.0 ** rng.integers(-4, 4, shape)).astype(kind)
        values[rng.random(shape) < 0.2] = kind.type(1.5)
        for one in (np.inf, -np.inf, 0.0, -0.0):
            values[rng.random(shape) < 0.01] = one
        return values
    info = np.iinfo(dtype)
    values = rng.integers(info.min, info.max, shape, endpoint=True, dtype=kind)
    near = kind.type(info.max // 3)
    values[rng.random(shape) < 0.5] = near
    return np.where(rng.random(shape) < 0.2, near - rng.integers(0, 9, shape, dtype=kind), values)


WIDE = ["float16", "float32", "float64", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


@pytest.mark.parametrize("dtype", WIDE)
def test_quantiles_of_all_elements_are_found_in_rounds(dtype: str) -> None:
    values = of_many_values(dtype, (120, 40, 65))
    x = stored(values, [10, 20, 65], [3, -5, 0]).lazy
    # Not even half of the elements fit, nor do the counts of all values of 16 bits at the smaller budget.
    small, large = 1 << 20, max(values.nbytes, 2 << 20)
    for method in ("linear", "lower", "nearest", "midpoint", "averaged_inverted_cdf"):
        asked = x.quantile([0.0, 0.1, 0.77, 1.0], method=method)
        assert "of the values in each of several rounds" in notes(asked, memory=small)
        same(asked.compute(memory=small), asked.compute())
    same(asked.compute(memory=large), asked.compute())
    wide = values.astype("float64")
    same(x.median().compute(memory=small), np.median(wide).astype(dtype if values.dtype.kind == "f" else "float64"))
    lowest = np.quantile(values, [0.2, 0.9], method="inverted_cdf")
    same(x.quantile([0.2, 0.9], method="inverted_cdf").compute(memory=small), lowest)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint64"])
def test_rounds_go_over_some_axes_and_pass_nans_over(dtype: str) -> None:
    values = of_many_values(dtype, (3, 500, 300))
    if values.dtype.kind == "f":
        values[1][np.random.default_rng(1).random(values[1].shape) < 0.3] = np.nan
        values[2] = np.nan
    x = stored(values, [3, 20, 50], [3, -5, 0]).lazy
    # One place alone does not fit.
    memory = 1 << 20
    for of in (x.quantile, x.nanquantile):
        asked = of([0.0, 0.25, 0.5, 1.0], axis=(1, 2))
        assert "in each of several rounds" in notes(asked, memory=memory)
        same(asked.compute(memory=memory), asked.compute())
        last = of([0.3], axis=(0, 1), method="higher")[:, 7:9]
        same(last.compute(memory=memory), last.compute())
    with np.errstate(all="ignore"):
        of_numpy = np.nanmedian(values[:2].astype("float64"), axis=(1, 2))
    same(x[3:5].nanmedian(axis=(1, 2)).compute(memory=memory), of_numpy.astype(dtype if dtype[0] == "f" else "float64"))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint64", "uint8", "int16", "float16"])
def test_quantiles_of_groups_that_do_not_fit_are_found_in_rounds(dtype: str) -> None:
    values = of_many_values(dtype, (240, 40, 65) if np.dtype(dtype).itemsize < 4 else (120, 40, 65))
    if dtype == "float32":
        values[5, :, 3] = np.nan
    labels = np.random.default_rng(6).integers(-1, 5, values.shape).astype("int8")
    x = stored(values, [10, 20, 65], [3, -5, 0]).lazy
    by = x.groupby(stored(labels, [10, 20, 65], [3, -5, 0]).lazy, axis=(0, 1, 2), expected=5)
    memory = 1 << 20
    for method, of in (("linear", by.quantile), ("nearest", by.nanquantile)):
        asked = of([0.0, 0.1, 0.77, 1.0], method=method)
        plan = asked.explain(show="dict", memory=memory)
        said = " ".join(plan["notes"])
        assert "passes read the input" in said or "each group has each value" in said
        assert plan["peak_memory"] <= memory
        same(asked.compute(memory=memory), asked.compute())
    same(asked.compute(memory=memory * 5 // 4), asked.compute())
    lowest = by.quantile([0.2, 0.9], method="inverted_cdf").compute(memory=memory)
    of_groups = [np.quantile(values[labels == group], [0.2, 0.9], method="inverted_cdf") for group in range(5)]
    same(lowest, np.stack(of_groups, axis=-1))


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_rounds_of_groups_keep_axes_and_know_groups_without_elements(dtype: str) -> None:
    values = of_many_values(dtype, (3, 500, 300))
    zones = np.random.default_rng(7).integers(0, 3, (500, 300)) * 2
    if dtype == "float32":
        values[1][zones == 2] = np.nan
        values[2][7] = np.nan
    x = stored(values, [3, 20, 50], [3, -5, 0]).lazy
    by = x.groupby(zones, axis=(1, 2), expected=6)
    # One place alone does not fit.
    memory = 3 << 20
    if dtype == "int32":
        with pytest.raises(ValueError, match="group 1, which has no elements"):
            by.quantile([0.5], method="lower").compute(memory=memory)
    for of in (by.quantile, by.nanquantile):
        asked = of([0.25, 0.5])
        assert "passes read the input" in notes(asked, memory=memory)
        same(asked.compute(memory=memory), asked.compute())
        assert np.isnan(asked.compute(memory=memory)[:, :, [1, 3, 5]]).all()
    filled = x.groupby(zones, axis=(1, 2), expected=6, fill=7)
    same(filled.nanmedian().compute(memory=memory), filled.nanmedian().compute())
    assert (filled.nanmedian().compute(memory=memory)[:, [1, 3, 5]] == 7).all()
    last = filled.quantile([0.3], method="higher")[0, 4:]
    same(last.compute(memory=memory), last.compute())


def tight(asked: ba.Lazy) -> int:
    """About the smallest budget that does."""
    memory = 512 << 10
    while True:
        try:
            asked.explain(memory=memory)
        except ba.MemoryBudgetError:
            memory *= 2
        else:
            return memory


@pytest.mark.parametrize("dtype", ["bool", "float32", "int16"])
def test_quantiles_of_groups_by_several_keys_are_those_of_numpy(dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    shape = (48, 30, 42)
    values = rng.random(shape) < 0.4 if dtype == "bool" else of_many_values(dtype, shape)
    if dtype == "float32":
        # Where NumPy's differences of infinities are NaN, quantiles here are not.
        values[np.isinf(values)] = 2
    x = stored(values, [8, 10, 21], [-3, 5, 0]).lazy
    season, zones = np.arange(48) // 3 % 4, rng.integers(0, 3, (30, 42))
    zones[:, :7] = 5
    keys = [(season, 0, 4), (zones, (1, 2), 7)]
    by = x.groupby(tuple(key[0] for key in keys), axis=tuple(key[1] for key in keys), expected=tuple(key[2] for key in keys), fill=1)
    large = 64 << 20
    methods: list[tuple[Any, list[float]]] = [("linear", [0.0, 0.3, 1.0]), ("inverted_cdf", [0.5, 0.9])]
    for method, q in methods:
        asked = by.quantile(q, method=method)
        assert asked.shape == (len(q), 4, 7)
        found = asked.compute(memory=large)
        small = tight(asked)
        said = notes(asked, memory=small)
        assert notes(asked, memory=large) == "" and ("each group has each value" in said or "passes read the input" in said)
        same(asked.compute(memory=small), found)
        for group in [(0, 0), (1, 5), (2, 2), (3, 1), (3, 6)]:
            own = values[season == group[0]][:, zones == group[1]]
            if dtype == "bool":
                own = own.astype("uint8")
            due = np.quantile(own.astype("float64") if method == "linear" else own, q, method=method) if own.size else np.ones(len(q))
            np.testing.assert_allclose(found[:, group[0], group[1]].astype("float64"), np.asarray(due, "float64"), rtol=1e-6)
    part = by.median()[2, 1:4]
    same(part.compute(memory=tight(part)), by.median().compute(memory=large)[2, 1:4])
    # Keys beside an axis that is kept, and the same of a plan in a file.
    kept = x.groupby((season, np.arange(30) % 2), axis=(0, 1), expected=(4, 2)).quantile([0.25, 0.75])
    assert kept.shape == (2, 4, 2, 42)
    due = np.stack([[np.quantile(values[season == i][:, j::2].astype("float64"), [0.25, 0.75], axis=(0, 1)) for j in range(2)] for i in range(4)])
    np.testing.assert_allclose(kept.compute(memory=large), np.moveaxis(due, 2, 0), rtol=1e-6)
    same(kept.compute(memory=tight(kept)), kept.compute(memory=large))


@pytest.mark.parametrize("seed", range(10))
def test_rounds_are_right_at_their_borders(seed: int) -> None:
    """Groups without elements, of one, of NaN alone; axes that are kept, in whatever chunks, from whatever coordinates on."""
    rng = np.random.default_rng(100 + seed)
    dtype = ["float32", "float64", "float16", "int32", "uint64"][seed % 5]
    shape = [(40, 21, 33), (10_001, 4), (50_000,), (3, 71, 130)][seed % 4]
    values = of_many_values(dtype, shape)
    reduced = tuple(sorted(rng.choice(len(shape), rng.integers(1, len(shape) + 1), replace=False)))
    chunk = [int(rng.integers(1, max(length // 3, 2))) if length < 1000 else length // 16 for length in shape]
    x = stored(values, chunk, [int(one) for one in rng.integers(-500, 500, len(shape))]).lazy
    kept = tuple(axis for axis in range(len(shape)) if axis not in reduced)
    labels = rng.integers(-1, 4, [shape[axis] for axis in reduced]) * 2
    labels.flat[labels.size // 2] = 3
    if values.dtype.kind == "f":
        lines = np.moveaxis(values, reduced, range(-len(reduced), 0))
        lines[..., labels == 4] = np.nan
        values[...] = np.moveaxis(lines, range(-len(reduced), 0), reduced)
        x = stored(values, chunk, x.domain.origin).lazy
    by = x.groupby(labels, axis=reduced, expected=8, fill=0)
    lines = np.moveaxis(values, (*kept, *reduced), range(len(shape))).reshape([*(shape[axis] for axis in kept), -1])
    for of, skips in ((by.quantile, False), (by.nanquantile, True)):
        asked = of([0.0, 0.4, 1.0], method="lower")
        direct = asked.compute(memory=1 << 30)
        same(asked.compute(memory=tight(asked)), direct)
        at = 1 + sum(axis < reduced[0] for axis in kept)
        for group in range(8):
            own = lines[..., labels.ravel() == group]
            if own.shape[-1] == 0:
                due = np.zeros((3, *own.shape[:-1]), dtype)
            else:
                with np.errstate(all="ignore"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    due = (np.nanquantile if skips else np.quantile)(own, [0.0, 0.4, 1.0], axis=-1, method="lower")
            np.testing.assert_array_equal(np.take(direct, group, axis=at), due)


def test_rounds_say_how_often_they_read_and_are_the_same_for_all_threads(tmp_path: Path) -> None:
    values = of_many_values("float32", (200, 40, 130))
    array = ba.create(tmp_path / "x", shape=values.shape, dtype="float32", chunk_shape=(10, 20, 65), format="zarr3")
    array[...] = values
    code = """
import sys, bigarrays as ba
x = ba.open(sys.argv[1]).lazy
asked = x.quantile([0.1, 0.5])[1] + x.max()
print(*(asked.compute(memory=memory).tobytes().hex() for memory in (2 << 20, 3 << 20, 200 << 20)))
"""
    found = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "BIGARRAYS_THREADS": threads}
        run = subprocess.run([sys.executable, "-c", code, tmp_path / "x"], env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        found |= set(run.stdout.split())
    assert len(found) == 1
    x = array.lazy
    assert "so that 3 passes read the input" in notes(x.median(), memory=MEMORY)
    plan = x.median().explain(show="dict", memory=MEMORY)
    assert plan["peak_memory"] <= MEMORY
    assert sum(one["bytes_read"] for one in plan["passes"]) == 3 * values.nbytes
    before = bytes_read()
    x.median().compute(memory=MEMORY)
    assert bytes_read() - before < 3.2 * values.nbytes


def test_rounds_decode_each_chunk_once_in_each_round(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(1000, 8, 1024)).astype("float32")
    array = ba.create(tmp_path / "x", shape=values.shape, dtype="float32", chunk_shape=(100, 8, 128), format="zarr3", encoding="zstd")
    array[...] = values
    size = sum(file.stat().st_size for file in (tmp_path / "x").rglob("*") if file.is_file())
    x = array.lazy
    rounds = sum(one["bytes_read"] >= values.nbytes for one in x.median().explain(show="dict", memory=4 << 20)["passes"])
    assert rounds == 3
    before = bytes_read()
    assert float(x.median().compute(memory=4 << 20)) == np.float32(np.median(values.astype("float64")))
    # Segments of powers of two, each of which is a task, would end within chunks.
    assert bytes_read() - before < 1.02 * rounds * size


def test_quantiles_of_very_many_elements_are_planned(tmp_path: Path) -> None:
    shape = (1 << 17, 1 << 16)
    array = ba.create(tmp_path / "x", shape=shape, dtype="float64", chunk_shape=(1 << 5, 1 << 16), format="zarr3")
    plan = array.lazy.nanquantile([0.1, 0.5]).explain(show="dict", memory=1 << 30)
    assert sum(one["bytes_read"] for one in plan["passes"]) == 4 * np.prod(shape) * 8
    assert plan["peak_memory"] <= 1 << 30
    of_groups = array.lazy.groupby(np.arange(1 << 17) % 3, axis=0).quantile(0.5, axis=1)
    plan = of_groups.explain(show="dict", memory=1 << 30)
    assert sum(one["bytes_read"] for one in plan["passes"]) == 4 * np.prod(shape) * 8
    with pytest.raises(ba.UnsupportedError, match="so many groups of more than"):
        array.lazy.groupby(np.arange(1 << 17), axis=0).quantile(np.linspace(0, 1, 30).tolist(), axis=1)
    # Few bits at once, of as many groups.
    of_many = array.lazy[:, :1024].groupby(np.arange(1 << 17), axis=0).quantile([0.5, 0.6, 0.7], axis=1)
    assert of_many.shape == (3, 1 << 17)


def test_what_no_way_can_do_is_refused_with_what_would_do() -> None:
    values, array = pancakes("float32", (300, 40, 130))
    medians = array.lazy.median(), array.lazy.groupby(np.arange(300) % 3, axis=0).median()
    for found, few in zip(medians, (64 << 10, 256 << 10), strict=True):
        with pytest.raises(ba.MemoryBudgetError, match="takes [0-9]+ MiB at least") as raised:
            found.compute(memory=few)
        (least,) = re.findall("takes ([0-9]+) MiB", str(raised.value))
        # Directly, it would take all of the elements.
        assert int(least) << 20 < values.nbytes / 2
        found.compute(memory=int(least) << 20)


@pytest.mark.parametrize("shape", [(2000, 4, 4), (500, 7, 3), (1000, 1, 60)])
def test_pancakes_become_pencils_in_two_stages(shape: tuple[int, ...], tmp_path: Path) -> None:
    values, array = pancakes("float32")
    places = {name: tmp_path / name for name in ("direct", "files", "scratch")}
    places["scratch"].mkdir()
    options: dict[str, Any] = {"format": "zarr3", "chunk_shape": shape, "memory": MEMORY}
    saved = array.lazy.save(places["files"], scratch=places["scratch"], **options)
    assert not list(places["scratch"].iterdir())
    np.testing.assert_array_equal(saved[...], values)
    direct = array.lazy.save(places["direct"], **options)
    np.testing.assert_array_equal(direct[...], values)
    halved = ((array.lazy * 0.5) + 1).save(places["files"].with_name("halved"), scratch=places["scratch"], **options)
    np.testing.assert_array_equal(halved[...], values * np.float32(0.5) + 1)


def test_two_stages_read_less_and_say_so(tmp_path: Path) -> None:
    _, array = pancakes("float32")
    target: dict[str, Any] = {"format": "zarr3", "chunk_shape": (2000, 4, 4)}
    out = ba.create(tmp_path / "out", shape=array.shape, dtype="float32", **target)
    text = ba._bigarrays._Lazy.explain([(array.lazy._inner, out)], MEMORY, tmp_path, None, "text")
    assert "in two stages: the result is first written to" in text and "directly, " in text
    alone = ba._bigarrays._Lazy.explain([(array.lazy._inner, out)], MEMORY, None, None, "text")
    assert "in two stages" not in alone


@pytest.mark.parametrize("seed", range(12))
def test_running_sums_of_whole_axes_are_the_same(seed: int, tmp_path: Path) -> None:
    """Of axes that are longer than segments, and than segments of segments."""
    rng = np.random.default_rng(seed)
    length = [300, 1000, 40_000, 257][seed % 4]
    dtype = ["float32", "float64", "int16", "uint8"][seed // 3 % 4]
    shape = (length, 3, 5) if seed % 2 else (2, length, 4)
    axis = 0 if seed % 2 else 1
    values = (rng.normal(size=shape) * 40).astype(dtype)
    if values.dtype.kind == "f":
        values[rng.random(shape) < 0.01] = np.nan if seed % 3 else -0.0
    chunk = [max(length // 9, 1) if at == axis else one for at, one in enumerate(shape)]
    x = stored(values, chunk, [5, -3, 2]).lazy
    for name in ("cumsum", "cumprod", "cummin", "cummax", *(["ffill"] if values.dtype.kind == "f" else [])):
        made = getattr(x, name)(axis=axis)
        assert "with whole axes in memory" in notes(made, memory=256 << 20)
        whole = made.compute(memory=256 << 20)
        same(made[:, :, 3:4].compute(memory=256 << 20), whole[:, :, 1:2])
        # What is to be resumed is computed in the same way.
        out, options = tmp_path / name, {"format": "zarr3", "chunk_shape": chunk, "scratch": tmp_path}
        same(made.save(out, resume=str(tmp_path / f"{name}-journal"), **options)[...], whole)


def test_running_sums_say_what_they_read(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2000, 40, 60)).astype("float32")
    array = ba.create(tmp_path / "x", shape=values.shape, dtype="float32", chunk_shape=(50, 20, 20), format="zarr3")
    array[...] = values
    sums = array.lazy.cumsum(axis=0)
    assert "with whole axes in memory" in notes(sums, memory=64 << 20)
    assert "reads x" in notes(sums, memory=24 << 20) or "with whole axes" in notes(sums, memory=24 << 20)
    out = sums.save(tmp_path / "direct", format="zarr3", chunk_shape=(50, 20, 20), memory=64 << 20, resume=str(tmp_path / "journal"), scratch=tmp_path)
    same(out[...], sums.compute(memory=128 << 20))
    np.testing.assert_allclose(out[...], values.astype("float64").cumsum(axis=0), rtol=1e-5, atol=1e-4)


def bytes_read() -> int:
    """Bytes that this process has read from files."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


def standardised(x: ba.Lazy, y: ba.Lazy) -> dict[str, ba.Lazy]:
    months = np.arange(x.shape[0]) // 6 % 5
    groups = x.groupby(months, axis=0)
    return {
        "anomaly": x - groups.mean().back(),
        "standardised": (x - x.mean(axis=0, keepdims=True)) / x.std(axis=0, keepdims=True),
        "two": (x - y.mean(axis=0, keepdims=True)) * (y - groups.max().back()),
        "flipped": (x - x.min(axis=0, keepdims=True))[::-1, 3:, ::2],
    }


def test_what_is_reduced_and_taken_again_is_read_once(tmp_path: Path) -> None:
    values = [np.random.default_rng(seed).normal(size=(60, 96, 72)).astype("float32") for seed in (1, 2)]
    values[0][7, 3], values[1][:, 5, 5] = np.nan, np.inf
    lazies = []
    for name, one, chunk in zip("xy", values, [(10, 16, 18), (12, 24, 12)], strict=True):
        array = ba.create(tmp_path / name, shape=one.shape, dtype="float32", chunk_shape=chunk, format="zarr3")
        array[...] = one
        lazies.append(array.lazy)
    for name, lazy in standardised(*lazies).items():
        expected = lazy.compute()
        for memory in (64 << 20, 2 << 20, 1 << 20):
            options: dict[str, Any] = {"chunk_shape": (10, 16, 18), "memory": memory}
            target = f"{tmp_path}/{name}-{memory}|zarr3:"
            plan = ba.explain({target: lazy}, **options)
            before = bytes_read()
            saved = lazy.save(target, **options)
            taken = bytes_read() - before
            np.testing.assert_array_equal(saved[...], expected, strict=True)
            ba.open(target)
            if name == "anomaly":
                assert "boxes of the result" in plan and "directly, 3.2 MiB would be read" in plan
                assert taken < 1.1 * values[0].nbytes
    # What nothing is taken again of is one pass.
    assert "boxes of the result" not in ba.explain({f"{tmp_path}/map|zarr3:": lazies[0] + 1})


def test_what_goes_to_memory_is_read_once_if_there_is_room_beside_it(tmp_path: Path) -> None:
    array = cube_in_boxes(tmp_path)
    x, values = array.lazy, array[...].astype("float64")
    away = x - x.mean(axis=0, keepdims=True)
    due = values - values.mean(axis=0)
    small = [(away > 1).mean(axis=0), away.std(axis=0), x.mean(axis=0), x.max(axis=(0, 2))]
    one_by_one = [lazy.compute(memory=64 << 20) for lazy in small]
    for memory, times in ((1 << 20, 1.1), (64 << 20, 1.1)):
        before = bytes_read()
        found = ba.compute(*small, memory=memory)
        assert bytes_read() - before < times * array.nbytes, memory
        for made, one in zip(found, one_by_one, strict=True):
            same(made, one)
    np.testing.assert_allclose(found[0], (due > 1).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found[1], due.std(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found[2], values.mean(axis=0), rtol=1e-6, atol=1e-6)
    plan = away.explain(show="dict", memory=3 << 20)
    assert plan["boxes"]["count"] > 1 and plan["peak_memory"] <= 3 << 20
    before = bytes_read()
    np.testing.assert_allclose(away.compute(memory=3 << 20), due, rtol=1e-4, atol=1e-6)
    assert bytes_read() - before < 1.1 * array.nbytes


def beside(x: ba.Lazy) -> dict[str, ba.Lazy]:
    """Results over other domains than an anomaly's, which is the first."""
    months = np.arange(x.shape[0]) // 6 % 5
    groups = x.groupby(months, axis=0)
    return {
        "anomaly": x - groups.mean().back(),
        "means": groups.mean(),
        "mean": x.mean(axis=0, keepdims=True),
        "rows": x.sum(axis=(0, 2), keepdims=True),
        "first": x[:1],
    }


@pytest.mark.parametrize("names", [("mean",), ("means", "mean"), ("rows", "anomaly"), ("first",), ("means", "rows", "mean")])
def test_results_over_other_domains_are_made_in_the_same_boxes(names: tuple[str, ...], tmp_path: Path) -> None:
    array = cube_in_boxes(tmp_path)
    x = array.lazy
    known = beside(x)
    results = {name: known[name] for name in dict.fromkeys(("anomaly", *names))}
    expected = {name: lazy.compute(memory=64 << 20) for name, lazy in results.items()}
    places = {tmp_path / name: lazy for name, lazy in results.items()}
    options = IN_BOXES
    plan = ba.explain({f"{place}|zarr3:": lazy for place, lazy in places.items()}, chunk_shape=(10, 16, 18), memory=2 << 20)
    assert "boxes of the result" in plan
    before = bytes_read()
    ba.save(places, **options)
    assert bytes_read() - before < (1.3 if "first" in names else 1.1) * array.nbytes
    for place in places:
        same(ba.open(place)[...], expected[place.name])
    # The same of a run that is taken up, of one by several processes, and of a plan in a file.
    others = {name: {tmp_path / f"{place.name}-{name}": lazy for place, lazy in places.items()} for name in ("resumed", "processes", "planned")}
    with pytest.raises(KeyboardInterrupt):
        ba.save(others["resumed"], resume=tmp_path / "journal", progress=stop_at(0.4), scratch=tmp_path, **options)
    ba.save(others["resumed"], resume=tmp_path / "journal", scratch=tmp_path, **options)
    ba.save(others["processes"], processes=2, **options)
    file = ba.plan(others["planned"], tmp_path / "plan", workers=4, **options)
    for number, stage in enumerate(file.stages):
        for task in range(stage.tasks):
            ba.Plan(tmp_path / "plan").run(number, (task, task + 1), memory=2 << 20)
    file.finish()
    for made in others.values():
        for place in made:
            same(ba.open(place)[...], expected[place.name.split("-")[0]])


def reduced(x: ba.Lazy, values: NDArray[Any]) -> dict[str, tuple[ba.Lazy, Any]]:
    """What is reduced of all elements, along one axis or another, and what is not reduced; and what NumPy makes of it in float64."""
    wide = values.astype("float64")
    zones = np.arange(values.shape[1])[:, None] * 3 // values.shape[1] + np.arange(values.shape[2]) % 2
    edges = np.linspace(-2, 2, 9)
    away = wide - wide.mean(axis=0)
    return {
        "mean": (x.mean(), wide.mean()),
        "most": (x.max(), wide.max()),
        "twice": (x * 2, wide * 2),
        "times": (x.mean(axis=(1, 2)), wide.mean(axis=(1, 2))),
        "map": (x.mean(axis=0), wide.mean(axis=0)),
        "spread": (x.std(axis=0, keepdims=True), wide.std(axis=0, keepdims=True)),
        "rows": (x.min(axis=2), wide.min(axis=2)),
        "where": (x.argmax(axis=0), wide.argmax(axis=0)),
        "histogram": (x.histogram(edges.tolist())[0], np.histogram(values, edges)[0]),
        "zones": (x.groupby(zones, axis=(1, 2), expected=4).sum(), np.stack([wide[:, zones == k].sum(axis=1) for k in range(4)], 1)),
        "away": (x - x.mean(axis=0, keepdims=True), away),
    }


@pytest.mark.parametrize(
    "names",
    [
        ("map", "times"),
        ("zones", "map", "twice"),
        ("twice", "map", "times", "where"),
    ],
)
def test_reductions_along_several_axes_are_one_reading(names: tuple[str, ...], tmp_path: Path) -> None:
    array = ba.create(tmp_path / "x", shape=(120, 192, 144), dtype="float32", chunk_shape=(10, 32, 36), format="zarr3")
    array[...] = np.random.default_rng(1).normal(size=array.shape).astype("float32")
    known = reduced(array.lazy, array[...])
    asked = [known[name][0] for name in names]
    # Not even half of the elements fit.
    memory = 16 << 20
    places = {tmp_path / name: known[name][0] for name in names}
    plan = ba.explain({f"{place}|zarr3:": lazy for place, lazy in places.items()}, show="dict", memory=memory)
    assert plan["boxes"]["count"] > 1 and plan["boxes"]["carried"] > 0 and plan["peak_memory"] <= memory
    assert "from box to box" in " ".join(plan["notes"])
    before = bytes_read()
    ba.save(places, format="zarr3", memory=memory)
    assert bytes_read() - before < 1.1 * array.nbytes
    large = [name for name in names if name in ("twice", "away")]
    small = [lazy for name, lazy in zip(names, asked, strict=True) if name not in large]
    before = bytes_read()
    found = ba.compute(*small, memory=memory)
    assert bytes_read() - before < 1.1 * array.nbytes
    for name, made in zip((name for name in names if name not in large), found, strict=True):
        alone = np.asarray(known[name][0].compute(memory=64 << 20))
        same(np.asarray(made), alone)
        np.testing.assert_allclose(made, known[name][1], rtol=1e-5, atol=1e-5)
    for name in names:
        same(np.asarray(ba.open(tmp_path / name)[...]), np.asarray(known[name][0].compute(memory=64 << 20)))
    # What is taken up, or shared by processes, is done pass by pass where boxes have no parts of results, to the bit the same.
    others = {name: {tmp_path / f"{place.name}-{name}": lazy for place, lazy in places.items()} for name in ("resumed", "processes")}
    with pytest.raises(KeyboardInterrupt):
        ba.save(others["resumed"], format="zarr3", memory=memory, resume=tmp_path / "journal", progress=stop_at(0.4), scratch=tmp_path)
    ba.save(others["resumed"], format="zarr3", memory=memory, resume=tmp_path / "journal", scratch=tmp_path)
    ba.save(others["processes"], format="zarr3", memory=memory, processes=2)
    for made_by in others.values():
        for place in made_by:
            same(np.asarray(ba.open(place)[...]), np.asarray(ba.open(tmp_path / place.name.split("-")[0])[...]))


@pytest.mark.parametrize("seed", range(12))
def test_boxes_of_any_results_have_the_same_bits(seed: int, tmp_path: Path) -> None:
    """Of random shapes, chunks, axes and budgets, against NumPy in float64."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(one) for one in rng.integers(3, 40, 3)) if seed % 3 else (20, 20, 20)
    chunk = tuple(int(rng.integers(1, length + 1)) for length in shape)
    values = rng.normal(size=shape).astype(["float32", "float64"][seed % 2])
    array = ba.create(tmp_path / "x", shape=shape, dtype=values.dtype, chunk_shape=chunk, format="zarr3")
    array[...] = values
    x, wide = array.lazy, values.astype("float64")
    axis, other = (int(one) for one in rng.choice(3, 2, replace=False))
    results = {
        "away": (x - x.mean(axis=axis, keepdims=True), wide - wide.mean(axis=axis, keepdims=True)),
        "mean": (x.mean(axis=axis), wide.mean(axis=axis)),
        "most": (x.max(axis=(axis, other)), wide.max(axis=(axis, other))),
        "other": (x.sum(axis=other, keepdims=True), wide.sum(axis=other, keepdims=True)),
        "all": (x.std(), wide.std()),
    }
    some = ["away", *rng.choice(["mean", "most", "other", "all"], int(rng.integers(1, 4)), replace=False)]
    rng.shuffle(some)
    for memory in (64 << 20, tightest([results[name][0] for name in some])):
        found = ba.compute(*(results[name][0] for name in some), memory=memory)
        places = {tmp_path / f"{name}-{memory}": results[name][0] for name in some}
        ba.save(places, format="zarr3", memory=max(memory, 8 << 20))
        for name, made in zip(some, found, strict=True):
            same(np.asarray(made), np.asarray(results[name][0].compute()))
            np.testing.assert_allclose(made, results[name][1], rtol=1e-5, atol=1e-5)
            same(ba.open(tmp_path / f"{name}-{memory}")[...], np.asarray(made))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [(200_000,), (30, 5000), (70_000, 3), (3, 1100, 1000), (9, 1 << 12, 7)])
def test_what_goes_on_from_box_to_box_has_the_same_bits(shape: tuple[int, ...], seed: int) -> None:
    """Of rows of many tiles, and of axes of several segments, in whatever chunks, from whatever coordinates on."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape).astype("float32") * 10 + 100
    chunk = [max(length // int(rng.integers(2, 9)), 1) for length in shape]
    x = stored(values, chunk, [int(one) for one in rng.integers(-500, 500, len(shape))]).lazy
    along = [axes for count in range(1, len(shape) + 1) for axes in itertools.combinations(range(len(shape)), count)]
    labels = rng.integers(-1, 4, shape[-1])
    known: list[tuple[ba.Lazy, Any]] = [(x.groupby(labels, axis=len(shape) - 1, expected=4).mean(), None)]
    for axes in along:
        known += [(getattr(x, name)(axis=axes), getattr(values.astype("float64"), name)(axis=axes)) for name in ("sum", "std", "max")]
    known += [(x.argmin(axis=axis), values.argmin(axis=axis) + x.domain.origin[axis]) for axis in range(len(shape))]
    # One of each at least, or all would be one pass.
    asked = [known[0], known[-1], *(known[at] for at in rng.choice(range(1, len(known) - 1), min(4, len(known) - 2), replace=False))]
    lazies = [one[0] for one in asked]
    alone = [np.asarray(lazy.compute(memory=1 << 30)) for lazy in lazies]
    least = tightest(lazies)
    for memory in (least, 2 * least, 4 * least, 8 * least):
        for made, one, (_, due) in zip(ba.compute(*lazies, memory=memory), alone, asked, strict=True):
            same(np.asarray(made), one)
            if due is not None:
                np.testing.assert_allclose(made, due, rtol=2e-6)


def tightest(asked: list[ba.Lazy]) -> int:
    """About the smallest budget that does for all together."""
    memory = 128 << 10
    while True:
        try:
            ba.explain(*asked, memory=memory)
        except ba.MemoryBudgetError:
            memory = memory * 3 // 2
        else:
            return memory


def test_results_of_the_same_inputs_are_made_in_the_same_boxes(tmp_path: Path) -> None:
    array = cube_in_boxes(tmp_path)
    x = array.lazy
    results = {
        "anomaly": x - x.mean(axis=0, keepdims=True),
        "share": (x / x.max(axis=0, keepdims=True)).astype("float64"),
        "above": x > x.mean(axis=0, keepdims=True) + x.min(axis=0, keepdims=True),
    }
    expected = {name: lazy.compute() for name, lazy in results.items()}
    places = {tmp_path / name: lazy for name, lazy in results.items()}
    plan = ba.explain({f"{place}|zarr3:": lazy for place, lazy in places.items()}, chunk_shape=(10, 16, 18), memory=3 << 20)
    assert "boxes of the results" in plan
    journal = tmp_path / "journal"
    before = bytes_read()
    with pytest.raises(KeyboardInterrupt):
        ba.save(places, resume=journal, progress=stop_at(0.4), **IN_BOXES | {"memory": 3 << 20})
    first = bytes_read() - before
    ba.save(places, resume=journal, **IN_BOXES | {"memory": 3 << 20})
    # What is read of versions and metadata beside the elements is little.
    assert first < 0.9 * array.nbytes and bytes_read() - before < 1.4 * array.nbytes
    for place in places:
        same(ba.open(place)[...], expected[place.name])
    # Where they have no axis in common that boxes can be cut along, what is reduced goes on from box to box.
    others = {tmp_path / "a": results["anomaly"], tmp_path / "b": x.max(axis=(1, 2), keepdims=True)}
    plan = ba.explain({f"{place}|zarr3:": lazy for place, lazy in others.items()}, chunk_shape=(10, 16, 18), memory=3 << 20)
    assert "goes on from box to box" in plan
    ba.save(others, **IN_BOXES | {"memory": 3 << 20})
    same(ba.open(tmp_path / "b")[...], array[...].max(axis=(1, 2), keepdims=True))


def test_an_input_that_goes_while_boxes_are_made_is_an_error(tmp_path: Path) -> None:
    array = ba.create(tmp_path / "x", shape=(40, 64, 64), dtype="float32", chunk_shape=(10, 16, 16), format="zarr3")
    array[...] = np.random.default_rng(1).normal(size=array.shape).astype("float32")
    x = array.lazy

    def remove(done: int, total: int) -> None:
        if done < total and (tmp_path / "x").exists():
            shutil.rmtree(tmp_path / "x")

    with pytest.raises(ba.StorageError, match="removed"):
        (x - x.mean(axis=0, keepdims=True)).save(
            tmp_path / "y", format="zarr3", chunk_shape=(10, 16, 16), memory=1 << 20, progress=remove
        )
    with pytest.raises(ba.IncompleteError):
        ba.open(tmp_path / "y")


def files_of(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_ino for file in (folder / "c").rglob("*") if file.is_file()}


def stop_at(share: float) -> Any:
    def stop(done: int, total: int) -> None:
        if done >= share * total:
            raise KeyboardInterrupt

    return stop


#: How results of `cube_in_boxes` are saved: in several boxes that hold their inputs.
IN_BOXES: dict[str, Any] = {"format": "zarr3", "chunk_shape": (10, 16, 18), "memory": 2 << 20}


def cube_in_boxes(tmp_path: Path) -> ba.Array:
    array = ba.create(tmp_path / "x", shape=(60, 96, 72), dtype="float32", chunk_shape=(10, 16, 18), format="zarr3")
    array[...] = np.random.default_rng(1).normal(size=array.shape).astype("float32")
    return array


def test_boxes_are_taken_up_where_they_ended(tmp_path: Path) -> None:
    array = cube_in_boxes(tmp_path)
    x = array.lazy
    anomaly = x - x.mean(axis=0, keepdims=True)
    expected, target, journal = anomaly.compute(), tmp_path / "y", tmp_path / "journal"
    before = bytes_read()
    with pytest.raises(KeyboardInterrupt):
        anomaly.save(target, resume=journal, progress=stop_at(0.4), **IN_BOXES)
    first = bytes_read() - before
    made = files_of(target)
    assert 0 < len(made) < 6 * 6 * 4
    with pytest.raises(ba.IncompleteError):
        ba.open(target)
    before = bytes_read()
    saved = anomaly.save(target, resume=journal, **{**IN_BOXES, "memory": 16 << 20})
    # No scratch folder is needed, each chunk is read once, and what was done is looked up alone.
    assert first + bytes_read() - before < 1.1 * array.nbytes
    np.testing.assert_array_equal(saved[...], expected, strict=True)
    assert all(files_of(target)[file] == number for file, number in made.items())
    assert not saved.incomplete and not journal.exists()


def test_boxes_whose_inputs_have_changed_are_made_again(tmp_path: Path) -> None:
    array = cube_in_boxes(tmp_path)
    x = array.lazy
    anomaly = x - x.mean(axis=0, keepdims=True)
    with pytest.raises(KeyboardInterrupt):
        anomaly.save(tmp_path / "y", resume=tmp_path / "journal", progress=stop_at(0.4), **IN_BOXES)
    array[3, 5, 7] = 1000
    (first, *_) = sorted(files_of(tmp_path / "y"))
    first.unlink()
    with pytest.warns(UserWarning, match="finished blocks of an earlier run were done again"):
        saved = anomaly.save(tmp_path / "y", resume=tmp_path / "journal", **IN_BOXES)
    np.testing.assert_array_equal(saved[...], anomaly.compute(), strict=True)


def test_tasks_of_plans_are_boxes_that_read_once(tmp_path: Path) -> None:
    array = cube_in_boxes(tmp_path)
    x = array.lazy
    known = standardised(x, (x + 1))
    # Of small boxes, chunks would be read again.
    del known["flipped"]
    for name, lazy in known.items():
        plan = ba.plan({tmp_path / name: lazy}, tmp_path / f"{name}.plan", workers=4, **IN_BOXES)
        (stage,) = plan.stages
        assert stage.tasks >= 4 and stage.work == "make" and "result 1" in stage.text and "scratch" not in stage.text, name
        before = bytes_read()
        for task in range(stage.tasks):
            ba.Plan(tmp_path / f"{name}.plan").run(0, (task, task + 1), memory=2 << 20)
        taken = bytes_read() - before
        with pytest.raises(ba.IncompleteError):
            ba.open(tmp_path / name)
        made = files_of(tmp_path / name)
        plan.finish() if name == "anomaly" else plan.run()
        np.testing.assert_array_equal(ba.open(tmp_path / name)[...], lazy.compute(), strict=True)
        assert made == files_of(tmp_path / name)
        if name == "anomaly":
            assert taken < 1.2 * array.nbytes
        saved = lazy.save(tmp_path / f"{name}-2", processes=2, **IN_BOXES)
        np.testing.assert_array_equal(saved[...], lazy.compute(), strict=True)


def test_a_plan_of_boxes_is_not_finished_before_all_are_made(tmp_path: Path) -> None:
    array = ba.create(tmp_path / "x", shape=(40, 64, 64), dtype="float32", chunk_shape=(10, 16, 16), format="zarr3")
    array[...] = np.random.default_rng(1).normal(size=array.shape).astype("float32")
    x = array.lazy
    options: dict[str, Any] = {"format": "zarr3", "chunk_shape": (10, 16, 16), "memory": 1 << 20}
    plan = ba.plan({tmp_path / "y": x - x.mean(axis=0, keepdims=True)}, tmp_path / "plan", **options)
    plan.run(0, (0, 1))
    with pytest.raises(ba.InvalidArgumentError, match="have not been run yet"):
        plan.finish()
    plan.run()
    assert not ba.open(tmp_path / "y").incomplete


@pytest.mark.parametrize("way", ["counting", "rounds", "two stages", "whole axis", "rechunk"])
def test_ways_are_taken_up_and_planned(way: str, tmp_path: Path) -> None:
    values, _ = pancakes("int16" if way == "counting" else "float32", (400, 40, 60))
    own = (50, 8, 12) if way == "whole axis" else (8, 40, 60)
    array = ba.create(tmp_path / "x", shape=values.shape, dtype=values.dtype, chunk_shape=own, format="zarr3")
    array[...] = values
    (tmp_path / "scratch").mkdir()
    x = array.lazy
    of: dict[str, tuple[ba.Lazy, int, str]] = {
        "counting": (x.quantile([0.1, 0.5]), 3 << 19, "by counting"),
        "rounds": (x.quantile([0.1, 0.5]), 3 << 19, "in each of several rounds"),
        "two stages": (x.median(axis=0), 3 << 20, "in two stages"),
        "whole axis": (x.cumsum(axis=0), 64 << 20, "with whole axes in memory"),
        "rechunk": (x, 1 << 20, "in two stages"),
    }
    lazy, memory, said = of[way]
    chunk = {"rechunk": (400, 4, 4), "whole axis": own, "two stages": (8, 12)}.get(way, lazy.shape)
    options: dict[str, Any] = {"format": "zarr3", "chunk_shape": chunk, "scratch": tmp_path / "scratch", "memory": memory}
    expected = lazy.compute()
    assert said in ba.explain({tmp_path / "rehearsed": lazy}, **options)
    before = bytes_read()
    with pytest.raises(KeyboardInterrupt):
        lazy.save(tmp_path / "y", resume=tmp_path / "journal", progress=stop_at(0.01), **options)
    saved = lazy.save(tmp_path / "y", resume=tmp_path / "journal", **{**options, "memory": 2 * memory})
    taken = bytes_read() - before
    same(saved[...], expected)
    assert list((tmp_path / "scratch").iterdir()) == []
    if way in ("two stages", "rechunk"):
        # Directly, each pancake would be read for every pencil.
        assert taken < 8 * values.nbytes
    planned = ba.plan({tmp_path / "z": lazy}, tmp_path / "plan", workers=2, **options)
    for number, stage in enumerate(planned.stages):
        for task in range(0, stage.tasks, 5):
            ba.Plan(tmp_path / "plan").run(number, (task, task + 5), memory=memory)
    planned.finish()
    same(ba.open(tmp_path / "z")[...], expected)
    same(lazy.save(tmp_path / "z2", processes=2, **options)[...], expected)


def test_a_refusal_names_the_scratch_folder_that_would_do(tmp_path: Path) -> None:
    _, array = pancakes("float64", (96, 120, 150))
    options: dict[str, Any] = {"format": "zarr3", "memory": 14 << 20, "resume": tmp_path / "journal"}
    scores = array.lazy - array.lazy.median()
    with pytest.raises(ba.MemoryBudgetError, match="or name a scratch folder"):
        scores.save(tmp_path / "a", **options)
    scores.save(tmp_path / "a", scratch=tmp_path, **options)
