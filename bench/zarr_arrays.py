"""Measures arrays of Zarr 3 against TensorStore, zarr-python and zarr-python with zarrs; see README.md.

bench/zarr_arrays.py [--size N] [--rounds N] [--only TEXT] [--tools NAMES] [--dir FOLDER]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import data
import numpy as np

CHUNK, INNER = 256, 64
# Chunks that a round trip has under way at once.
AT_ONCE = len(os.sched_getaffinity(0))
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
ZSTD = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
SHARDS = {
    "name": "sharding_indexed",
    "configuration": {
        "chunk_shape": [INNER] * 3,
        "codecs": [BYTES, ZSTD],
        "index_codecs": [BYTES, {"name": "crc32c"}],
        "index_location": "end",
    },
}
CODECS = {"uncompressed": [BYTES], "zstd": [BYTES, ZSTD], "zstd in shards": [SHARDS]}
Box = tuple[slice, ...]


class Ours:
    def __init__(self) -> None:
        import bigarrays

        self.lib = bigarrays

    def open(self, path: Path, writable: bool = False) -> Any:
        return self.lib.open(path, mode="r+" if writable else "r")

    def read(self, array: Any, box: Box) -> np.ndarray:
        return array[box]

    def write(self, array: Any, box: Box, values: np.ndarray) -> None:
        array[box] = values


class TensorStore(Ours):
    def __init__(self) -> None:
        import tensorstore

        self.lib = tensorstore

    def open(self, path: Path, writable: bool = False) -> Any:
        # Nobody waits for the disk, and no decoded chunks are kept.
        context = {"cache_pool": {"total_bytes_limit": 0}, "data_copy_concurrency": {"limit": AT_ONCE}}
        context["file_io_sync"] = False
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/"}, "context": context}
        return self.lib.open(spec, open=True, read=True, write=writable).result()

    def read(self, array: Any, box: Box) -> np.ndarray:
        return array[box].read().result()

    def write(self, array: Any, box: Box, values: np.ndarray) -> None:
        array[box].write(values).result()


class ZarrPython(Ours):
    def __init__(self) -> None:
        import zarr

        self.lib = zarr

    def open(self, path: Path, writable: bool = False) -> Any:
        return self.lib.open_array(str(path), mode="r+" if writable else "r")


class Zarrs(ZarrPython):
    def __init__(self) -> None:
        super().__init__()
        import zarrs  # noqa: F401

        self.lib.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})


TOOLS = {"bigarrays": Ours, "TensorStore": TensorStore, "zarr-python": ZarrPython, "zarr + zarrs": Zarrs}


def boxes(size: int, edge: int) -> Iterator[Box]:
    """The cubes of an array, in C order."""
    starts = product(range(0, size, edge), repeat=3)
    return (tuple(slice(at, min(at + edge, size)) for at in start) for start in starts)


def operations(name: str) -> dict[str, int]:
    """What is measured, and the edge of what is read at once; all for none."""
    inner = {"inner chunks": INNER} if name == "zstd in shards" else {}
    return {"read all": 0, "chunks": CHUNK, **inner, "round trip": CHUNK}


def source(folder: Path, size: int) -> np.ndarray:
    """The image as u16 in C order, in a file so that no process holds it."""
    return np.load(folder / f"u16-{size}.npy", mmap_mode="r")


def prepare(folder: Path, size: int) -> None:
    """Makes the image and the arrays, by zarr-python, unless they are there."""
    done = folder / f"zarr-{size}.done"
    if done.exists():
        return
    import zarr

    data.sources(folder / str(size), size)
    image = data.load(folder / str(size), data.LAYERS[0], size)
    target = np.lib.format.open_memmap(folder / f"u16-{size}.npy", "w+", "uint16", image.shape)
    target[...] = image
    del target
    for name, codecs in CODECS.items():
        place = folder / f"{name}-{size}"
        shutil.rmtree(place, ignore_errors=True)
        compressors = [ZSTD] if name == "zstd" else None
        options = {"serializer": codecs[0], "compressors": compressors, "filters": None, "fill_value": 0}
        array = zarr.create_array(str(place), shape=image.shape, dtype="uint16", chunks=(CHUNK,) * 3, **options)
        array[...] = source(folder, size)
    done.touch()


def memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def measured(work: Callable[[], Any]) -> tuple[dict, Any]:
    """What `work` takes, and its result."""
    Path("/proc/self/clear_refs").write_text("5")
    before, start = memory("VmRSS"), time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak": memory("VmHWM") - before}, result


def work(folder: Path, size: int, tool_name: str, name: str, operation: str) -> dict:
    """One operation of one tool, in a process of its own, and whether the elements are right."""
    tool, place = TOOLS[tool_name](), folder / f"{name}-{size}"
    array, expected, edge = tool.open(place), source(folder, size), operations(name)[operation]
    if operation == "read all":
        found, result = measured(lambda: tool.read(array, (slice(0, size),) * 3))
        return found | {"right": bool(np.array_equal(result, expected))}
    if operation == "round trip":
        target = folder / f"copy-{size}"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        shutil.copy(place / "zarr.json", target)
        copy = tool.open(target, writable=True)

        def move() -> None:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda box: tool.write(copy, box, tool.read(array, box)), boxes(size, edge)))

        found, _ = measured(move)
        tool, array = ZarrPython(), ZarrPython().open(target)
        tool.lib.config.reset()
    else:

        def walk() -> None:
            for box in boxes(size, edge):
                tool.read(array, box)

        found, _ = measured(walk)
    right = all(np.array_equal(tool.read(array, box), expected[box]) for box in boxes(size, edge))
    return found | {"right": right}


def run(options: argparse.Namespace, *job: str) -> dict:
    command = [sys.executable, __file__, "--worker", json.dumps(job), "--size", str(options.size)]
    done = subprocess.run([*command, "--dir", str(options.dir)], stdout=subprocess.PIPE, text=True)
    return {"error": done.returncode} if done.returncode else json.loads(done.stdout.splitlines()[-1])


def measure(options: argparse.Namespace, name: str, operation: str) -> bool:
    """Rounds that alternate between the tools; the least of each counts. Says whether all is right."""
    results: dict[str, list[dict]] = {tool: [] for tool in options.tools.split(",")}
    for _ in range(options.rounds):
        for tool, done in results.items():
            done.append(run(options, tool, name, operation))
    best = {}
    for tool, done in results.items():
        good = [one for one in done if "error" not in one]
        if not good:
            print(f"| {name} | {operation} | {tool} | failed | | |", flush=True)
            continue
        right = all(one["right"] for one in good)
        best[tool] = [min(one[field] for one in good) for field in ("seconds", "peak")] + [right]
    for tool, (seconds, peak, right) in best.items():
        ours = best.get("bigarrays", [seconds, peak])
        amount = f"{seconds:.3f} s, {2 * options.size**3 / seconds / 1e6:.0f} MB/s | {peak / 2**20:.0f} MiB"
        ratio = f"{seconds / ours[0]:.2f}, {peak / max(ours[1], 1):.2f}"
        print(f"| {name} | {operation} | {tool} | {amount} | {ratio}{'' if right else ' WRONG'} |", flush=True)
    return len(best) == len(results) and all(right for _, _, right in best.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="edge of the cube of u16 [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the least counts [%(default)s]")
    parser.add_argument("--only", default="", help="only arrays and operations with this in their names")
    parser.add_argument("--tools", default=",".join(TOOLS), help="which tools")
    parser.add_argument("--dir", type=Path, help="where the data go [in memory, or the temporary folder]")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.dir = options.dir or data.folder("bigarrays-bench")
    if options.worker:
        print(json.dumps(work(options.dir, options.size, *json.loads(options.worker))))
        return 0
    options.dir.mkdir(parents=True, exist_ok=True)
    prepare(options.dir, options.size)
    print("| array | operation | tool | fastest | memory | × ours: seconds, memory |\n|---|---|---|---|---|---|")
    right = True
    for name in CODECS:
        for operation in operations(name):
            if options.only in f"{name}: {operation}":
                right &= measure(options, name, operation)
    shutil.rmtree(options.dir / f"copy-{options.size}", ignore_errors=True)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
