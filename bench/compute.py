"""Measures computing over a climate cube against reading alone, NumPy by hand and other engines; see README.md.

bench/compute.py [--shape T,Y,X] [--rounds N] [--memory BYTES] [--only TEXT] [--dir FOLDER]
                 [--awkward | --wide | --budgets | --limits | --series | --latency MILLISECONDS]
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import bigarrays
import compute_jobs as jobs
import data
import numpy as np
import compute_wide_jobs as wide
from compute_jobs import AWKWARD, CHUNK, EXPRESSIONS, JOBS, PENCILS

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BLOSC = {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": 4, "blocksize": 0}
CODECS: dict[str, list[dict[str, Any]]] = {
    "zstd": [LITTLE, {"name": "zstd", "configuration": {"level": 1, "checksum": False}}],
    "blosc": [LITTLE, {"name": "blosc", "configuration": BLOSC}],
    "raw": [LITTLE],
}
#: What a tool needs that may not be there.
NEEDS = {
    "dask": "dask",
    "dask-array": "dask_array",
    "xarray": "xarray",
    "flox": "flox",
    "cubed": "cubed",
    "blosc2": "blosc2",
    "scipy": "scipy.ndimage",
}
#: All jobs, by name.
ALL = JOBS | AWKWARD | wide.WIDE
ROOT = Path(__file__).parents[1]


def written(place: Path, shape: tuple[int, ...], values: Callable[[slice], Any], **options: Any) -> Path:
    """An array of these values, slab by slab, unless it is there."""
    if not (done := place.with_suffix(".done")).exists():
        shutil.rmtree(place, ignore_errors=True)
        options = {"chunk_shape": CHUNK, "format": "zarr3"} | options
        array = bigarrays.create(place, shape=shape, dtype="float32", **options)
        for first in range(0, shape[0], CHUNK[0]):
            slab = slice(first, min(first + CHUNK[0], shape[0]))
            array[slab] = values(slab)
        done.touch()
    return place


def made(folder: Path, name: str, codec: str, shape: list[int]) -> Path:
    """A field that changes smoothly and has noise."""
    rng = np.random.default_rng(len(name))
    y, x = np.meshgrid(np.linspace(0, 3, shape[1]), np.linspace(0, 6, shape[2]), indexing="ij")

    def field(slab: slice) -> Any:
        times = np.arange(slab.start, slab.stop)[:, None, None]
        noise = rng.integers(-20, 20, size=(len(times), *shape[1:])) / 64
        return (280 + 20 * np.sin(y + times / 50) * np.cos(x) + noise).astype("float32")

    place = folder / f"cube-{name}-{codec}-{'x'.join(map(str, shape))}.zarr"
    names = {"dimension_names": ("time", "y", "x")}
    return written(place, tuple(shape), field, codecs=CODECS[codec], **names)


def made_awkward(place: Path, codec: str) -> None:
    """The same elements in Fortran order, and with short innermost axes."""
    whole = bigarrays.open(place)
    transposed = [{"name": "transpose", "configuration": {"order": [2, 1, 0]}}, *CODECS[codec]]
    written(jobs.beside(place, "f"), whole.shape, lambda slab: whole[slab], codecs=transposed)
    for length in (1, 2, 3, 4):
        shape = (*whole.shape[:2], whole.shape[2] // length, length)
        options = {"chunk_shape": (*CHUNK[:2], CHUNK[2] // length, length), "codecs": CODECS[codec]}
        split = lambda slab, shape=shape: whole[slab].reshape(-1, *shape[1:])  # noqa: E731
        written(jobs.beside(place, f"inner{length}"), shape, split, **options)


def predicted(job: str, a: bigarrays.Array, b: bigarrays.Array, memory: int) -> int:
    """The peak that the plan says, for an array in memory that is stored as the result of the job is."""
    lazy = EXPRESSIONS[job](a, b)
    target = None
    if job in ("a*b + 2", "ten nodes", "rechunk"):
        options: dict[str, Any] = {"format": "zarr3", "chunk_shape": PENCILS} if job == "rechunk" else {"like": a}
        target = bigarrays.create(f"memory://predicted/{Path(a.url).name}/{job}/{memory}", shape=a.shape, dtype="float32", **options)
    plan = bigarrays._bigarrays._Lazy.explain([(one._inner, target) for one in lazy], memory, None, None, "dict")
    return int(json.loads(plan)["peak_memory"])


def budgets(codec: str, a: Path, b: Path, out: Path) -> None:
    """Measured, predicted and allowed memory of each job, each in a process of its own."""
    print(f"{'':28}{'budget':>8}{'predicted':>11}{'measured':>10}  MiB")
    for job in EXPRESSIONS:
        for memory in (64 << 20, 256 << 20, 1 << 30):
            peaks = predicted(job, bigarrays.open(a), bigarrays.open(b), memory), 0
            peaks = peaks[0], int(run(job, "bigarrays", [a, b, out, memory])["memory"])
            mib = [number / (1 << 20) for number in (memory, *peaks)]
            holds = peaks[1] <= peaks[0] <= memory and peaks[0] - peaks[1] <= max(peaks[1] // 4, 16 << 20)
            said = "" if holds else "  (not within the bounds)"
            print(f"{codec + ' ' + job:28}{mib[0]:8.0f}{mib[1]:11.1f}{mib[2]:10.1f}{said}", flush=True)


def limits(codec: str, a: Path, b: Path, out: Path) -> None:
    """Each job in a control group of little memory, without a budget: the limit is found, and kept."""
    group = Path("/sys/fs/cgroup/memory")
    group = (group if group.exists() else Path("/sys/fs/cgroup")) / f"bigarrays-bench-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise SystemExit(f"no control group can be made: {error}") from error
    print(f"{'':28}{'limit':>8}{'MiB above start':>17}")
    try:
        for job in EXPRESSIONS:
            for limit in (256 << 20, 512 << 20):
                names = ("memory.limit_in_bytes", "memory.max")
                next(file for name in names if (file := group / name).exists()).write_text(str(limit))
                done = run(job, "bigarrays", [a, b, out, 0], group)
                print(f"{codec + ' ' + job:28}{limit >> 20:8}{done['memory'] / (1 << 20):17.1f}", flush=True)
    finally:
        group.rmdir()


def series(folder: Path, rounds: int) -> None:
    """Cubes that grow: what a byte costs, and memory, stay as they are."""
    print(f"{'':28}{'GB':>8}{'CPU s per GB':>14}{'MiB above start':>17}")
    for times in (960, 3840, 15360):
        a = made(folder, "a", "zstd", [times, 360, 720])
        size = bigarrays.open(a).nbytes / 1e9
        for job in ("mean(time)", "a*b + 2"):
            # The cube with itself.
            found = [run(job, "bigarrays", [a, a, folder / "out.zarr", 256 << 20]) for _ in range(rounds)]
            least = min(found, key=lambda one: float(one["cpu"]))
            line = f"{job:28}{size:8.1f}{least['cpu'] / size:14.2f}{least['memory'] / (1 << 20):17.0f}"
            print(line, flush=True)


@contextmanager
def behind_a_network(folder: Path, latency: float) -> Iterator[str]:
    """The URL of the folder on a server, each request to which takes so many milliseconds."""
    with ExitStack() as stack:

        def start(*command: str) -> str:
            program = [str(ROOT / "target/release/testbed"), *command]
            process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(process.communicate)
            assert process.stdout is not None
            return str(json.loads(process.stdout.readline())["endpoint"])

        web = start("serve", "nginx", "--dir", str(folder)).removeprefix("http://")
        yield start("proxy", "--latency", f"{latency:g}ms", "--upstream", web)


def far(folder: Path, places: list[Any], latency: float, rounds: int) -> None:
    """Inputs behind a network: seconds, since it is waiting that counts."""
    print(f"{'':28}{'wall s':>8}{'× floor':>9}{'MiB above start':>17}")
    with behind_a_network(folder, latency) as url:
        near = [f"zarr3://{url}/{Path(place).name}" for place in places[:2]]
        for job in ("mean(time)", "a*b + 2"):
            found: dict[str, dict[str, Any]] = {}
            for _ in range(rounds):
                for tool in ("floor", "bigarrays", "numpy"):
                    done = run(job, tool, [*near, *places[2:]])
                    found[tool] = min(found.get(tool, done), done, key=lambda one: float(one["wall"]))
            for tool, done in found.items():
                ratio = done["wall"] / found["floor"]["wall"]
                line = f"{job + ', ' + tool:28}{done['wall']:8.2f}{ratio:9.2f}{done['memory'] / (1 << 20):17.0f}"
                print(line, flush=True)


def run(job: str, tool: str, places: list[Any], group: Path | None = None) -> dict[str, Any]:
    """One cell, in a process of its own, and in a control group if there is one."""
    command = [sys.executable, __file__, "--cell", job, tool, *map(str, places)]
    if group:
        command = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$0" "$@"', *command]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        raise SystemExit(f"{job}, {tool}: {done.returncode}\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def cell(job: str, tool: str, a: str, b: str, out: str, memory: int) -> None:
    """One job in this process: prints what it took, and a number of the result."""
    work, first, second = ALL[job][tool], bigarrays.open(a), bigarrays.open(b)
    first[0, 0, 0]
    if tool == "blosc2":
        # Its files are made before anything is measured.
        jobs.blosc2_of(first), jobs.blosc2_of(second)
    elif tool in NEEDS:
        jobs.without_this_folder()
        importlib.import_module(NEEDS[tool])
    Path("/proc/self/clear_refs").write_text("5")
    start = peak()
    cpu, wall = jobs.cpu_seconds(), time.perf_counter()
    result = work(first, second, Path(out), memory or None)
    cpu, wall = jobs.cpu_seconds() - cpu - jobs.ASIDE["cpu"], time.perf_counter() - wall - jobs.ASIDE["wall"]
    spent = {"cpu": cpu, "wall": wall, "memory": peak() - start}
    if result is None and tool != "floor":
        written = bigarrays.open(out)
        result = written[written.shape[0] // 2]
    print(json.dumps(spent | {"check": None if result is None else float(np.nansum(np.abs(np.asarray(result, "float64"))))}))


def peak() -> int:
    """The most memory since it was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def is_there(tool: str) -> bool:
    # Of others, all but blosc2 read Zarr by its own package; what scipy filters this library reads.
    needs = [NEEDS[tool].split(".")[0], *(["zarr"] if tool not in ("blosc2", "scipy") else [])] if tool in NEEDS else []
    return all(importlib.util.find_spec(module) for module in needs)


def table(job: str, codec: str, places: list[Any], rounds: int) -> None:
    tools = [tool for tool in ALL[job] if is_there(tool)]
    least: dict[str, dict[str, Any]] = {}
    # Interleaved, so that what else the machine does concerns all.
    for _ in range(rounds):
        for tool in tools:
            done = run(job, tool, places)
            wall = min(done["wall"], least.get(tool, done)["wall"])
            least[tool] = min(least.get(tool, done), done, key=lambda one: float(one["cpu"])) | {"wall": wall}
    checks = [found["check"] for found in least.values() if found["check"] is not None]
    if not np.allclose(checks, checks[0], rtol=1e-6):
        raise SystemExit(f"{job}: results differ: {checks}")
    for tool, found in least.items():
        name, ratio = f"{codec} {job}, {tool}", found["cpu"] / least["floor"]["cpu"]
        print(f"{name:38}{found['cpu']:8.2f}{ratio:9.2f}{found['wall']:8.2f}{found['memory'] / (1 << 20):17.0f}", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", default="744,360,720")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", type=int, default=256 << 20)
    parser.add_argument("--only", default="", help="only jobs with this in codec and name")
    parser.add_argument("--awkward", action="store_true", help="shapes and orders that are awkward instead")
    parser.add_argument("--wide", action="store_true", help="windows, groups, order statistics and other chunks instead")
    parser.add_argument("--budgets", action="store_true", help="measure memory under three budgets instead")
    parser.add_argument("--limits", action="store_true", help="run in control groups of little memory instead (as root)")
    parser.add_argument("--series", action="store_true", help="cubes of 1, 4 and 16 GB instead")
    parser.add_argument("--latency", type=float, help="inputs behind so many milliseconds a request instead")
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--cell", nargs=6, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if given.cell:
        job, tool, a, b, out, memory = given.cell
        return cell(job, tool, a, b, out, int(memory))
    shape = [int(length) for length in given.shape.split(",")]
    folder = given.dir or data.folder("compute")
    folder.mkdir(parents=True, exist_ok=True)
    if given.series:
        return series(folder, given.rounds)
    for codec in [codec for codec in CODECS if codec in given.only or not any(one in given.only for one in CODECS)]:
        places = [*(made(folder, name, codec, shape) for name in ("a", "bb")), folder / "out.zarr", given.memory]
        if given.budgets:
            budgets(codec, *places[:3])
        elif given.limits:
            limits(codec, *places[:3])
        elif given.latency is not None:
            far(folder, places, given.latency, given.rounds)
        else:
            print(f"{'':38}{'CPU s':>8}{'× floor':>9}{'wall s':>8}{'MiB above start':>17}")
            if given.awkward:
                [made_awkward(place, codec) for place in places[:2]]
            if given.wide:
                wide.prepare(bigarrays.open(places[0]))
            for job in AWKWARD if given.awkward else wide.WIDE if given.wide else JOBS:
                if given.only in f"{codec} {job}" or given.only == codec:
                    table(job, codec, places, given.rounds)


if __name__ == "__main__":
    main()
