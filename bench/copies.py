"""Measures copies of a volume larger than the memory allowed: bigarrays' command line against TensorStore.

Both read and write the same kinds of arrays. With --kills, our copy is also killed at random moments and
taken up again, and the result compared.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import data
import numpy as np

ROOT = Path(__file__).parents[1]
# What is copied to what: of arrays of Zarr 3, chunks and compression, None for none.
CASES = {
    "rechunk": (((128, 128, 128), None), ((64, 64, 64), None)),
    "transcode": (((128, 128, 128), None), ((128, 128, 128), "zstd")),
    "rechunk zstd": (((64, 64, 64), "zstd"), ((256, 256, 32), "zstd")),
    "as it is": (((128, 128, 128), "zstd"), ((128, 128, 128), "zstd")),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="edge of the cube of uint16 in voxels (1024)")
    parser.add_argument("--memory", default="512M", help="the budget of our copy (512M)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds; the fastest counts (2)")
    parser.add_argument("--only", default="", help="only cases with this in their name")
    parser.add_argument("--kills", type=int, default=10, help="how often a copy is killed (10)")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/bigarrays", help="our program")
    parser.add_argument("--dir", type=Path, default=data.folder("bigarrays-bench-copy"))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def codecs(compression: str | None) -> list:
    last = [{"name": compression, "configuration": {"level": 0, "checksum": False}}] if compression else []
    return [{"name": "bytes", "configuration": {"endian": "little"}}, *last]


def spec(path: Path, kind: tuple, size: int) -> dict:
    chunk, compression = kind
    return {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(path), "file_io_sync": False},
        "metadata": {
            "shape": [size] * 3,
            "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
            "codecs": codecs(compression),
        },
    }


def plane(z: int, size: int) -> np.ndarray:
    """A plane of the volume: smooth, with noise in the lower bits."""
    noise = np.random.default_rng(z).integers(0, 16, (size, size), np.uint16)
    y, x = np.ogrid[:size, :size]
    return ((x // 4 + y // 8 + z) * 16 % 60000 + noise).astype(np.uint16)


def make(path: Path, kind: tuple, size: int) -> None:
    import tensorstore as ts

    if path.exists():
        return
    partial = path.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    array = ts.open(spec(partial, kind, size), create=True).result()
    for z in range(0, size, 128):
        array[z : z + 128] = np.stack([plane(k, size) for k in range(z, min(size, z + 128))])
    partial.rename(path)


def tensorstore_copy(job: dict) -> None:
    """In blocks of 256 planes at most, as all at once it would hold the volume in memory."""
    import tensorstore as ts

    context = ts.Context({"data_copy_concurrency": {"limit": os.cpu_count()}})
    source = ts.open(spec(Path(job["source"]), job["from"], job["size"]), context=context, open=True).result()
    target = ts.open(spec(Path(job["target"]), job["to"], job["size"]), context=context, create=True).result()
    for z in range(0, job["size"], job["slab"]):
        part = ts.d[0][z : min(job["size"], z + job["slab"])]
        target[part].write(source[part]).result()


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """Seconds, and the most memory in bytes, of a process that succeeds."""
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
    # What the operating system counts for a child begins with the memory of this process.
    while process.poll() is None:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        peak = max([peak, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))])
        time.sleep(0.01)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return seconds, peak


def ours(options, source: Path, target: Path, kind: tuple) -> list[str]:
    chunk, compression = kind
    command = [options.program, "copy", source, target, "--create", "--memory", options.memory, "--quiet"]
    command += ["--chunk-shape", ",".join(map(str, chunk)), "--codecs", json.dumps(codecs(compression))]
    return [str(word) for word in command]


def same(path: Path, size: int) -> bool:
    import bigarrays

    array = bigarrays.open(path)
    return all(
        np.array_equal(array[z : z + 64], np.stack([plane(k, size) for k in range(z, min(size, z + 64))]))
        for z in range(0, size, 64)
    )


def measure(options, name: str, state: dict[str, str]) -> bool:
    from_kind, to_kind = CASES[name]
    source = options.dir / f"{options.size}-{from_kind[0][0]}-{from_kind[1]}"
    make(source, from_kind, options.size)
    results: dict[str, list] = {"bigarrays": [], "TensorStore": []}
    right = True
    for number in range(options.rounds):
        for tool, done in results.items():
            # Nothing is removed before the end: file systems are slow where many files were just deleted.
            target = options.dir / "targets" / f"{name}-{tool}-{number}"
            job = {"source": str(source), "target": str(target), "from": from_kind, "to": to_kind}
            job |= {"size": options.size, "slab": to_kind[0][0]}
            command = [sys.executable, __file__, "--worker", json.dumps(job)]
            done.append(timed(ours(options, source, target, to_kind) if tool == "bigarrays" else command, state))
            if number == 0:
                right &= same(target, options.size)
            os.sync()
    for tool, done in results.items():
        seconds, peak = min(done)[0], max(peak for _, peak in done)
        rate = options.size**3 * 2 / seconds / 1e6
        print(f"{name:<14} {tool:<12} {seconds:8.2f} s {rate:6.0f} MB/s {peak / 2**20:6.0f} MiB", flush=True)
    if not right:
        print(f"{name:<14} WRONG")
    return right


def killed(options, state: dict[str, str]) -> bool:
    """Kills the copy at random moments, takes it up, and compares."""
    from_kind, to_kind = CASES["rechunk zstd"]
    source = options.dir / f"{options.size}-{from_kind[0][0]}-{from_kind[1]}"
    target = options.dir / "targets" / "killed"
    make(source, from_kind, options.size)
    command = ours(options, source, target, to_kind)
    start = time.perf_counter()
    kills = 0
    for _ in range(options.kills):
        process = subprocess.Popen(command, env=os.environ | state, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.05, 1.5))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
    if process.poll() != 0:
        subprocess.run(command, env=os.environ | state, check=True)
    right = same(target, options.size)
    seconds = time.perf_counter() - start
    print(f"killed {kills} times and taken up: {'right' if right else 'WRONG'}, {seconds:.1f} s in all")
    return right


def main() -> int:
    options = arguments()
    if options.worker:
        tensorstore_copy(json.loads(options.worker))
        return 0
    shutil.rmtree(options.dir / "targets", ignore_errors=True)
    (options.dir / "targets").mkdir(parents=True)
    state = {"XDG_STATE_HOME": str(options.dir / "state")}
    right = all([measure(options, name, state) for name in CASES if options.only in name])
    if options.kills:
        right &= killed(options, state)
    shutil.rmtree(options.dir / "targets")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
