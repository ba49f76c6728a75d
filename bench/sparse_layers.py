"""Measures what it takes to work on a layer of three thousand million places of which a few hundred are stored, along a
curve: local, and in a bucket behind a latency. Each copy is verified against its source, killed at a random moment,
taken up, and verified again.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from network import ROOT, running

SHAPE, CHUNK = (200_000, 200_000, 20_000), (64, 64, 64)
TARGETS = {
    "precomputed": [],
    "precomputed, shards": ["--sharding"],
    "Zarr 3, shards": ["--format", "zarr3", "--shard-shape", "512,512,512"],
    "N5": ["--format", "n5"],
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=20, help="milliseconds per request (20)")
    parser.add_argument("--build", type=Path, default=ROOT / "target/release", help="the folder of the programs")
    return parser.parse_args()


def create_curve(url: str) -> int:
    """A neurite through the whole domain; the number of chunks that are stored."""
    import bigarrays

    array = bigarrays.create(
        url, shape=SHAPE, dtype="uint32", chunk_shape=CHUNK, encoding="compressed_segmentation"
    )
    for t in np.linspace(0, 1, 130):
        x, y, z = 1_000 + 190_000 * t, 100_000 + 90_000 * np.sin(6 * t), 10_000 + 9_000 * np.cos(9 * t)
        x, y, z = int(x), int(y), int(z)
        array[x : x + 70, y : y + 20, z : z + 20] = np.uint32(7)
    return len(array.chunk_domains(stored=True))


def timed(command: list, env: dict) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return time.perf_counter() - start


def killed(command: list, env: dict, seconds: float) -> None:
    """Starts a copy and kills it at a random moment; one that ends before is removed and made again."""
    while True:
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(random.uniform(0.1, 0.9) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return
        timed([command[0], "rm", "-ry", command[-1]], env)


def measure(where: str, url: str, program: Path, env: dict) -> None:
    os.environ.update(env)
    print(f"{where}: {create_curve(f'{url}/curve')} of {np.prod([n // 64 for n in SHAPE]):.1e} chunks are stored")
    environment = dict(os.environ)
    for number, (name, options) in enumerate(TARGETS.items()):
        copy, verify = [program, "copy", f"{url}/curve", "--create", *options], [program, "verify", f"{url}/curve"]
        target, again = f"{url}/{number}", f"{url}/{number}-again"
        copied, verified = timed([*copy, target], environment), timed([*verify, "--against", target], environment)
        killed([*copy, again], environment, copied)
        resumed = timed([*copy, again], environment)
        timed([*verify, "--against", again], environment)
        print(f"  {name:<20} copied in {copied:5.2f} s, verified {verified:5.2f} s, killed and resumed {resumed:5.2f} s")
    print(f"  removed in {timed([program, 'rm', '-ry', f'{url}/curve'], environment):.2f} s")


def missing(url: str) -> None:
    import bigarrays

    array = bigarrays.create(url, shape=(30_000, 10_000), dtype="uint8", chunk_shape=(10, 10), format="zarr3")
    array[5:25, 5:25] = 1
    start, cpu = time.perf_counter(), time.process_time()
    count = sum(1 for _ in array.missing())
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"  {count} of 3,000,000 chunks are missing, which takes {seconds:.2f} s, {cpu:.2f} s of the CPU")


def main() -> int:
    options = arguments()
    program = options.build / "bigarrays"
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        with ExitStack() as running_here:
            start = lambda *command: running_here.enter_context(  # noqa: E731
                running(options.build / "testbed", *command)
            )
            measure("local", str(folder), program, {})
            missing(f"{folder}/missing")
            s3 = start("serve", "s3s")
            upstream = s3["endpoint"].removeprefix("http://")
            slow = start("proxy", "--latency", f"{options.latency:g}ms", "--upstream", upstream)
            bucket = s3["url"]
            measure("bucket", bucket, program, s3["env"] | {"AWS_ENDPOINT_URL": slow["endpoint"]})
            missing(f"{bucket}/missing")
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
