"""Measures computing over a climate cube against reading alone, NumPy by hand and dask; see README.md.

bench/compute.py [--shape T,Y,X] [--rounds N] [--memory BYTES] [--only TEXT] [--budgets] [--dir FOLDER]
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bigarrays
import data
import numpy as np

CHUNK = (24, 90, 180)
CODECS = {
    "zstd": [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "zstd", "configuration": {"level": 1, "checksum": False}},
    ],
    "raw": [{"name": "bytes", "configuration": {"endian": "little"}}],
}


def made(folder: Path, name: str, codec: str, shape: list[int]) -> Path:
    """A field that changes smoothly and has noise, unless it is there."""
    place = folder / f"cube-{name}-{codec}-{'x'.join(map(str, shape))}.zarr"
    if not (done := place.with_suffix(".done")).exists():
        shutil.rmtree(place, ignore_errors=True)
        options: dict[str, Any] = {"chunk_shape": CHUNK, "codecs": CODECS[codec], "format": "zarr3"}
        array = bigarrays.create(place, shape=shape, dtype="float32", dimension_names=("time", "y", "x"), **options)
        rng = np.random.default_rng(len(name))
        y, x = np.meshgrid(np.linspace(0, 3, shape[1]), np.linspace(0, 6, shape[2]), indexing="ij")
        for first in range(0, shape[0], CHUNK[0]):
            times = np.arange(first, min(first + CHUNK[0], shape[0]))[:, None, None]
            noise = rng.integers(-20, 20, size=(len(times), *shape[1:])) / 64
            array[first : first + len(times)] = (280 + 20 * np.sin(y + times / 50) * np.cos(x) + noise).astype("float32")
        done.touch()
    return place


def slabs(array: bigarrays.Array) -> range:
    return range(0, array.shape[0], CHUNK[0])


def new(place: Path, like: bigarrays.Array) -> bigarrays.Array:
    shutil.rmtree(place, ignore_errors=True)
    return bigarrays.create(place, like=like)


# Each job: of the inputs, where the result goes, and the budget.
Job = Callable[[bigarrays.Array, bigarrays.Array, Path, int], Any]


def read(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> None:
    for first in slabs(a):
        a[first : first + CHUNK[0]]


def read_and_write(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> None:
    target = new(out, a)
    for first in slabs(a):
        b[first : first + CHUNK[0]]
        target[first : first + CHUNK[0]] = a[first : first + CHUNK[0]]


def mean_by_hand(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> Any:
    total = np.zeros(a.shape[1:])
    for first in slabs(a):
        total += a[first : first + CHUNK[0]].sum(axis=0, dtype="float64")
    return (total / a.shape[0]).astype("float32")


def product_by_hand(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> None:
    target = new(out, a)
    for first in slabs(a):
        target[first : first + CHUNK[0]] = a[first : first + CHUNK[0]] * b[first : first + CHUNK[0]] + np.float32(2)


def mean_lazy(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> Any:
    return a.lazy.mean("time").compute(memory=memory)


def product_lazy(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> None:
    shutil.rmtree(out, ignore_errors=True)
    (a.lazy * b.lazy + 2).save(out, like=a, memory=memory)


def of_dask(array: bigarrays.Array) -> Any:
    # Another module is called as one of this folder.
    sys.path[:] = [place for place in sys.path if place != str(Path(__file__).parent)]
    import dask.array
    import zarr

    return dask.array.from_zarr(zarr.open_array(array.url))


def mean_dask(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> Any:
    return of_dask(a).mean(axis=0, dtype="float64").astype("float32").compute()


def product_dask(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> None:
    import zarr

    new(out, a)
    (of_dask(a) * of_dask(b) + np.float32(2)).store(zarr.open_array(str(out), mode="r+"), lock=False)


def read_both(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> None:
    read(a, b, out, memory)
    read(b, a, out, memory)


def moments(a: bigarrays.Array, b: bigarrays.Array) -> list[bigarrays.Lazy]:
    x, y = a.lazy, b.lazy
    return [(x * x).mean("time"), (y * y).mean("time"), (x * y).mean("time")]


def moments_lazy(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> Any:
    return np.stack(bigarrays.compute(*moments(a, b), memory=memory))


def moments_by_hand(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> Any:
    total = np.zeros((3, *a.shape[1:]))
    for first in slabs(a):
        x, y = a[first : first + CHUNK[0]], b[first : first + CHUNK[0]]
        for at, values in enumerate((x * x, y * y, x * y)):
            total[at] += values.sum(axis=0, dtype="float64")
    return (total / a.shape[0]).astype("float32")


def moments_dask(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> Any:
    import dask

    x, y = of_dask(a), of_dask(b)
    means = [values.mean(axis=0, dtype="float64").astype("float32") for values in (x * x, y * y, x * y)]
    return np.stack(dask.compute(*means))


def ten_nodes(a: bigarrays.Array, b: bigarrays.Array) -> Any:
    x, y = a.lazy, b.lazy
    return np.where(x > y, np.sqrt(np.abs(x * y)) + 2, x * y) - np.minimum(x, y) / 3


def ten_nodes_lazy(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> None:
    shutil.rmtree(out, ignore_errors=True)
    ten_nodes(a, b).save(out, like=a, memory=memory)


def ten_nodes_by_hand(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> None:
    target = new(out, a)
    for first in slabs(a):
        x, y = a[first : first + CHUNK[0]], b[first : first + CHUNK[0]]
        product = x * y
        whole = np.where(x > y, np.sqrt(np.abs(product)) + np.float32(2), product)
        target[first : first + CHUNK[0]] = whole - np.minimum(x, y) / np.float32(3)


def rechunk_lazy(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int) -> None:
    shutil.rmtree(out, ignore_errors=True)
    a.lazy.save(out, format="zarr3", chunk_shape=PENCILS, memory=memory)


#: Chunks of a rechunked cube: all times of a few places.
PENCILS = (744, 24, 24)

JOBS: dict[str, dict[str, Job]] = {
    "mean(time)": {"floor": read, "bigarrays": mean_lazy, "numpy": mean_by_hand, "dask": mean_dask},
    "means of a², b², ab": {
        "floor": read_both,
        "bigarrays": moments_lazy,
        "numpy": moments_by_hand,
        "dask": moments_dask,
    },
    "a*b + 2": {"floor": read_and_write, "bigarrays": product_lazy, "numpy": product_by_hand, "dask": product_dask},
    "ten nodes": {"floor": read_and_write, "bigarrays": ten_nodes_lazy, "numpy": ten_nodes_by_hand},
    "rechunk": {"floor": read_and_write, "bigarrays": rechunk_lazy},
}

#: Of each job, the expressions, and options of the array that they go to.
EXPRESSIONS: dict[str, Callable[[bigarrays.Array, bigarrays.Array], list[bigarrays.Lazy]]] = {
    "mean(time)": lambda a, b: [a.lazy.mean("time")],
    "means of a², b², ab": moments,
    "a*b + 2": lambda a, b: [a.lazy * b.lazy + 2],
    "ten nodes": lambda a, b: [ten_nodes(a, b)],
    "rechunk": lambda a, b: [a.lazy],
}


def predicted(job: str, a: bigarrays.Array, b: bigarrays.Array, memory: int) -> int:
    """The peak that the plan says, for an array in memory that is stored as the result of the job is."""
    lazy = EXPRESSIONS[job](a, b)
    target = None
    if job in ("a*b + 2", "ten nodes", "rechunk"):
        options: dict[str, Any] = {"format": "zarr3", "chunk_shape": PENCILS} if job == "rechunk" else {"like": a}
        target = bigarrays.create(f"memory://predicted/{a.url}/{job}/{memory}", shape=a.shape, dtype="float32", **options)
    plan = bigarrays._bigarrays._Lazy.explain([(one._inner, target) for one in lazy], memory, None, "dict")
    return int(json.loads(plan)["peak_memory"])


def budgets(codec: str, a: Path, b: Path, out: Path) -> None:
    """Measured, predicted and allowed memory of each job, each in a process of its own."""
    print(f"{'':28}{'budget':>8}{'predicted':>11}{'measured':>10}  MiB")
    for job in EXPRESSIONS:
        for memory in (64 << 20, 256 << 20, 1 << 30):
            peaks = predicted(job, bigarrays.open(a), bigarrays.open(b), memory), 0
            command = [sys.executable, __file__, "--cell", job, "bigarrays", str(a), str(b), str(out), str(memory)]
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            peaks = peaks[0], int(done["memory"])
            mib = [number / (1 << 20) for number in (memory, *peaks)]
            holds = peaks[1] <= peaks[0] <= memory and peaks[0] - peaks[1] <= max(peaks[1] // 4, 16 << 20)
            said = "" if holds else "  (not within the bounds)"
            print(f"{codec + ' ' + job:28}{mib[0]:8.0f}{mib[1]:11.1f}{mib[2]:10.1f}{said}", flush=True)


def cell(job: str, tool: str, a: str, b: str, out: str, memory: int) -> None:
    """One job in this process: prints what it took, and a number of the result."""
    work, first, second = JOBS[job][tool], bigarrays.open(a), bigarrays.open(b)
    first[0, 0, 0]
    if tool == "dask":
        of_dask(first)
    Path("/proc/self/clear_refs").write_text("5")
    start = peak()
    cpu, wall = cpu_seconds(), time.perf_counter()
    result = work(first, second, Path(out), memory)
    spent = {"cpu": cpu_seconds() - cpu, "wall": time.perf_counter() - wall, "memory": peak() - start}
    result = bigarrays.open(out)[0] if result is None and tool != "floor" else result
    print(json.dumps(spent | {"check": None if result is None else float(np.asarray(result, "float64").sum())}))


def peak() -> int:
    """The most memory since it was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="744,360,720")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=256 << 20)
    parser.add_argument("--only", default="")
    parser.add_argument("--budgets", action="store_true", help="measure memory under three budgets instead")
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--cell", nargs=6, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cell:
        job, tool, a, b, out, memory = given.cell
        return cell(job, tool, a, b, out, int(memory))
    shape = [int(length) for length in given.shape.split(",")]
    folder = given.dir or data.folder("compute")
    folder.mkdir(parents=True, exist_ok=True)
    if given.budgets:
        for codec in CODECS:
            budgets(codec, *(made(folder, name, codec, shape) for name in ("a", "bb")), folder / "out.zarr")
        return None
    print(f"{'':28}{'CPU s':>8}{'× floor':>9}{'wall s':>8}{'MiB above start':>17}")
    for codec in CODECS:
        a, b = (made(folder, name, codec, shape) for name in ("a", "bb"))
        for job, tools in JOBS.items():
            if given.only in f"{codec} {job}":
                table(job, tools, codec, [str(a), str(b), str(folder / "out.zarr"), str(given.memory)], given.rounds)


def table(job: str, tools: dict[str, Job], codec: str, places: list[str], rounds: int) -> None:
    least: dict[str, dict[str, float]] = {}
    # Interleaved, so that what else the machine does concerns all.
    for _ in range(rounds):
        for tool in tools:
            command = [sys.executable, __file__, "--cell", job, tool, *places]
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout)
            if tool not in least or done["cpu"] < least[tool]["cpu"]:
                least[tool] = done
    checks = [found["check"] for found in least.values() if found["check"] is not None]
    if not np.allclose(checks, checks[0], rtol=1e-6):
        raise SystemExit(f"{job}: results differ: {checks}")
    for tool, found in least.items():
        name, ratio = f"{codec} {job}, {tool}", found["cpu"] / least["floor"]["cpu"]
        print(f"{name:28}{found['cpu']:8.2f}{ratio:9.2f}{found['wall']:8.2f}{found['memory'] / (1 << 20):17.0f}", flush=True)


if __name__ == "__main__":
    main()
