"""Measures connected components of a layer of labels, in blocks and within a tenth of the volume, against cc3d in memory and reading and
writing by this library; see README.md.

bench/components.py [--size N] [--rounds N] [--connectivity N] [--dir FOLDER]
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import bigarrays
import data
import numpy as np


def made(folder: Path, size: int) -> Path:
    """The layer of labels, unless it is there."""
    place = folder / f"components-{size}"
    if not (done := folder / f"{place.name}.done").exists():
        shutil.rmtree(place, ignore_errors=True)
        data.sources(folder / str(size), size)
        labels = data.load(folder / str(size), next(layer for layer in data.LAYERS if layer.source == "labels"), size)
        array = target(place, labels.shape)
        array[...] = labels
        done.touch()
    return place


def target(place: Path, shape: tuple[int, ...]) -> Any:
    return bigarrays.create(
        place, shape=shape, dtype="uint64", chunk_shape=(64, 64, 64), encoding="compressed_segmentation", labels=True
    )


def ours(source: Path, work: Path, connectivity: int) -> None:
    array = bigarrays.open(source)
    bigarrays.components(array, target(work, array.shape), connectivity=connectivity, memory=array.nbytes // 10)


def cc3d(source: Path, work: Path, connectivity: int) -> None:
    import cc3d as library

    array = bigarrays.open(source)
    found = library.connected_components(array[...], connectivity=connectivity, out_dtype=np.uint64)
    target(work, array.shape)[...] = found


TOOLS = {"bigarrays": ours, "cc3d": cc3d}


def child(tool: str, source: Path, work: Path, connectivity: int) -> None:
    if tool == "cc3d":
        import cc3d as library  # noqa: F401

    def memory(what: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.split(f"{what}:")[1].split()[0]) >> 10

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    cpu, start, before = used(), time.perf_counter(), memory("VmRSS")
    TOOLS[tool](source, work, connectivity)
    print(json.dumps({"wall": time.perf_counter() - start, "cpu": used() - cpu, "peak": memory("VmHWM") - before}))


def is_same(one: Path, other: Path) -> bool:
    """Whether components are the same, but for their numbers."""
    first, second = bigarrays.open(one)[...], bigarrays.open(other)[...]
    pairs = np.unique(np.stack([first.ravel(order="K"), second.ravel(order="K")]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connectivity", type=int, default=26)
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm/bigarrays-bench"))
    parser.add_argument("--check", action="store_true", help="compare the results")
    parser.add_argument("--child", nargs=3)
    options = parser.parse_args()
    if options.child:
        tool, source, work = options.child
        child(tool, Path(source), Path(work), options.connectivity)
        return 0
    options.dir.mkdir(parents=True, exist_ok=True)
    source = made(options.dir, options.size)
    best: dict[str, dict[str, float]] = {}
    for _ in range(options.rounds):
        for tool in TOOLS:
            work = options.dir / f"components-of-{tool}"
            shutil.rmtree(work, ignore_errors=True)
            command = [sys.executable, __file__, "--connectivity", str(options.connectivity)]
            command += ["--child", tool, str(source), str(work)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            best[tool] = {key: min(value, best.get(tool, found)[key]) for key, value in found.items()}
    print("| tool | wall s | CPU s | peak MiB | wall × ours |\n|---|---|---|---|---|")
    for tool, one in best.items():
        ratio = one["wall"] / best["bigarrays"]["wall"]
        print(f"| {tool} | {one['wall']:.2f} | {one['cpu']:.2f} | {one['peak']:.0f} | {ratio:.2f} |")
    if options.check and not is_same(*(options.dir / f"components-of-{tool}" for tool in TOOLS)):
        print("components differ", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
