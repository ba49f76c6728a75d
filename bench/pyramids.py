"""Measures coarser scales, file to file, against igneous, TensorStore, and reading and writing alone; see README.md.

bench/pyramids.py [--size N] [--rounds N] [--only TEXT] [--dir FOLDER]
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bigarrays
import data
import numpy as np

CORES = len(os.sched_getaffinity(0))
#: Method, factors, levels.
IMAGE = ("mean", (2, 2, 1), 5)
LABELS = ("mode", (2, 2, 2), 4)
CASES: dict[str, tuple[dict[str, Any], tuple[str, tuple[int, ...], int]]] = {
    "image raw": ({"encoding": "raw"}, IMAGE),
    "image gzip": ({"encoding": "raw", "content_encoding": "gzip"}, IMAGE),
    "labels raw": ({"encoding": "raw"}, LABELS),
    "labels compressed_segmentation": ({"encoding": "compressed_segmentation"}, LABELS),
    "labels gzip": ({"encoding": "raw", "content_encoding": "gzip"}, LABELS),
}


def elements(folder: Path, name: str, size: int) -> Any:
    is_labels = name.startswith("labels")
    layer = next(one for one in data.LAYERS if (one.source == "labels") == is_labels)
    data.sources(folder / str(size), size)
    return data.load(folder / str(size), layer, size)


def made(folder: Path, name: str, size: int) -> Path:
    """The layer of one scale, unless it is there."""
    place = folder / f"pyramid-{name.replace(' ', '-')}-{size}"
    if not (done := folder / f"{place.name}.done").exists():
        shutil.rmtree(place, ignore_errors=True)
        values = elements(folder, name, size)
        options = CASES[name][0] | {"labels": name.startswith("labels"), "resolution": (8, 8, 8)}
        array = bigarrays.create(place, shape=values.shape, dtype=values.dtype, chunk_shape=(64, 64, 64), **options)
        array[...] = values
        done.touch()
    return place


def ours(place: Path, name: str) -> None:
    options, (method, factors, levels) = CASES[name]
    given = {"content_encoding": options["content_encoding"]} if "content_encoding" in options else {}
    array = bigarrays.open(place, mode="r+", **given)
    bigarrays.downsample(array, levels=levels, method=method, factors=factors)  # type: ignore[arg-type]


def tensorstore(place: Path, name: str) -> None:
    import tensorstore as ts

    _, (method, factors, levels) = CASES[name]
    base = {"driver": "neuroglancer_precomputed", "kvstore": {"driver": "file", "path": f"{place}/"}}
    base["context"] = {"cache_pool": {"total_bytes_limit": 0}, "file_io_sync": False}
    info = json.loads((place / "info").read_text())
    finest = info["scales"][0]
    before = ts.open(base | {"scale_index": 0}, open=True).result()
    for level in range(1, levels + 1):
        size = [-(-length // factor**level) for length, factor in zip(finest["size"], factors, strict=True)]
        resolution = [one * factor**level for one, factor in zip(finest["resolution"], factors, strict=True)]
        scale = {key: finest[key] for key in ("encoding", "compressed_segmentation_block_size") if key in finest}
        scale |= {"size": size, "resolution": resolution, "chunk_size": [64, 64, 64], "voxel_offset": [0, 0, 0]}
        after = ts.open(base | {"scale_metadata": scale}, create=True).result()
        coarse = ts.downsample(before, [*factors, 1], method)
        # As much at once as memory bears.
        step = 128
        for x in range(0, size[0], step):
            for y in range(0, size[1], step):
                for z in range(0, size[2], step):
                    box = tuple(slice(at, min(at + step, end)) for at, end in zip((x, y, z), size, strict=True))
                    after[box].write(coarse[box]).result()
        before = after


def igneous(place: Path, name: str) -> None:
    import igneous.task_creation as creation
    from taskqueue import LocalTaskQueue

    options, (_, factors, levels) = CASES[name]
    tasks = creation.create_downsampling_tasks(
        f"file://{place}", mip=0, num_mips=levels, factor=factors, fill_missing=True,
        compress="gzip" if "content_encoding" in options else None,
    )
    queue = LocalTaskQueue(parallel=CORES, progress=False)
    queue.insert_all(tasks)


def floor(place: Path, name: str) -> None:
    """All of the finest scale is read, and all others are written, of elements that are there."""
    _, (_, factors, levels) = CASES[name]
    array = bigarrays.open(place, mode="r+")
    size = array.shape[0]
    for z in range(0, array.shape[2], 64):
        block = array[:, :, z : z + 64]
    for level in range(1, levels + 1):
        shape = tuple(-(-size // factor**level) for factor in factors)
        options = CASES[name][0]
        made = bigarrays.add_scale(
            place, shape=shape, dtype=array.dtype, chunk_shape=(64, 64, 64), key=str(level), **options,
            resolution=tuple(8 * factor**level for factor in factors),
        )
        for z in range(0, shape[2], 64):
            depth = min(64, shape[2] - z)
            made[:, :, z : z + depth] = np.asfortranarray(block[: shape[0], : shape[1], :depth])


TOOLS: dict[str, Callable[[Path, str], None]] = {
    "bigarrays": ours, "floor": floor, "TensorStore": tensorstore, "igneous": igneous,
}


def child(tool: str, place: Path, name: str) -> None:
    if tool == "TensorStore":
        import tensorstore  # noqa: F401
    if tool == "igneous":
        import igneous.task_creation  # noqa: F401

    def used() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(one.ru_utime + one.ru_stime for one in both)

    def memory(what: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.split(f"{what}:")[1].split()[0]) >> 10

    cpu, start, before = used(), time.perf_counter(), memory("VmRSS")
    TOOLS[tool](place, name)
    wall = time.perf_counter() - start
    print(json.dumps({"cpu": used() - cpu, "wall": wall, "peak": memory("VmHWM") - before}))


def cells(options: argparse.Namespace) -> Iterator[str]:
    for name in CASES:
        if options.only in name:
            yield name


def run(options: argparse.Namespace, tool: str, name: str) -> dict[str, float] | None:
    place, work = made(options.dir, name, options.size), options.dir / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(place, work)
    command = [sys.executable, __file__, "--dir", str(options.dir), "--child", tool, str(work), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{tool}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm/bigarrays-bench"))
    parser.add_argument("--child", nargs=3)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], Path(options.child[1]), options.child[2])
        return 0
    options.dir.mkdir(parents=True, exist_ok=True)
    print("| layer | tool | wall s | CPU s | peak MiB | wall × ours | CPU × floor |\n|---|---|---|---|---|---|---|")
    for name in cells(options):
        best: dict[str, dict[str, float]] = {}
        for _ in range(options.rounds):
            for tool in TOOLS:
                # TensorStore does not find chunks that are compressed by gzip.
                if tool == "TensorStore" and "gzip" in name:
                    continue
                found = run(options, tool, name)
                known = best.get(tool)
                if found and (known is None or found["wall"] < known["wall"]):
                    best[tool] = found | {"cpu": min(found["cpu"], known["cpu"] if known else found["cpu"])}
        for tool, one in best.items():
            ratio, cpu = one["wall"] / best["bigarrays"]["wall"], one["cpu"] / best["floor"]["cpu"]
            print(f"| {name} | {tool} | {one['wall']:.2f} | {one['cpu']:.2f} | {one['peak']:.0f} | {ratio:.2f} | {cpu:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
