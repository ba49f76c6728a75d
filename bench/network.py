"""Measures bigarrays, TensorStore and CloudVolume behind a network: a proxy adds a latency to every
request, and counts requests and bytes. Reads come from nginx, writes go to an S3 server in memory.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

import data
from bench import make_layer
from network_tools import TOOLS

ROOT = Path(__file__).parents[1]
LAYER = next(layer for layer in data.LAYERS if layer.name == "raw 64")
CHUNK = LAYER.chunk[0] ** 3
EDGE, BOXES = 128, 100
OPERATIONS = ["read", "boxes", "write", "box write", "sharded read", "sharded boxes"]
# Boxes that a program has under way at once, where the tool bears it.
AT_ONCE = 8
# Requests under way at once that ideals are reckoned with: our default, and TensorStore is given it.
IN_FLIGHT = 128


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="edge of the cube in voxels (512)")
    parser.add_argument("--latency", type=float, default=20, help="milliseconds per request (20)")
    parser.add_argument("--tools", default=",".join(TOOLS), help="which tools")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the fastest counts (3)")
    parser.add_argument("--only", default="", help="only operations with this in their name")
    parser.add_argument("--stream", type=float, default=10, help="GB to stream through (10)")
    parser.add_argument("--testbed", type=Path, default=ROOT / "target/release/testbed", help="the program")
    parser.add_argument("--dir", type=Path, help="where the data go (in memory, or the temporary folder)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    root = options.dir or data.folder("bigarrays-bench")
    options.dir = root if options.worker else root / str(options.size)
    return options


@contextmanager
def running(*command):
    """The ready line of a testbed program, which ends with the block."""
    process = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.communicate()


def proxy_page(endpoint: str, page: str, body: bytes | None = None) -> dict:
    with urllib.request.urlopen(f"{endpoint}/.testbed/{page}", body) as answer:
        return json.load(answer)


def box(at) -> tuple[slice, ...]:
    return tuple(slice(p, p + EDGE) for p in at)


def new_origin(at, size: int):
    return tuple((p * 3 + 17) % (size - EDGE) for p in at)


def memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def work(job: dict, folder: Path) -> dict:
    """One operation of one tool, in a process of its own."""
    size, operation = job["size"], job["operation"]
    source = data.load(folder, LAYER, size)
    tool = TOOLS[job["tool"]](job["place"], IN_FLIGHT)
    tool.load()
    if operation == "write":
        tool.create(data.info(LAYER, size))
    whole = (slice(0, size),) * 3
    items = data.boxes(BOXES, size, EDGE, 6 if operation == "box write" else 5)
    tool.open(whole, operation.endswith("write"))
    proxy_page(job["proxy"], "reset", b"")
    Path("/proc/self/clear_refs").write_text("5")
    before, found = memory("VmRSS"), None
    start = time.perf_counter()
    if operation in ("read", "sharded read"):
        found = tool.read(whole)
    elif operation == "write":
        tool.write(whole, source)
    elif operation == "box write":
        new = {at: np.asfortranarray(source[box(new_origin(at, size))]) for at in items}
        start = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE if tool.atomic else 1) as pool:
            list(pool.map(lambda at: tool.write(box(at), new[at]), items))
    else:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda at: tool.read(box(at)), items))
    seconds = time.perf_counter() - start
    counts, peak = proxy_page(job["proxy"], "counts"), memory("VmHWM") - before
    if operation == "write":
        right = np.array_equal(tool.read(whole), source)
    elif operation == "box write":
        right = every_voxel_is_from(tool.read(whole), source, items, new)
    elif operation.endswith("boxes"):
        right = all(np.array_equal(part, source[box(at)]) for part, at in zip(found, items))
    else:
        right = np.array_equal(found, source)
    return {"seconds": seconds, "counts": counts, "peak": peak, "right": bool(right)}


def every_voxel_is_from(found: np.ndarray, source: np.ndarray, items: list, new: dict) -> bool:
    """Whether each voxel is what was there or what one of the boxes put there: their order is open."""
    unchanged, possible = np.ones(source.shape, bool), np.zeros(source.shape, bool)
    for at in items:
        unchanged[box(at)] = False
        possible[box(at)] |= found[box(at)] == new[at]
    return bool(np.all(np.where(unchanged, found == source, possible)))


def stream(url: str, size: int, gigabytes: float) -> dict:
    """Reads the layer again and again in blocks; the peak above what was there before."""
    tool = TOOLS["bigarrays"]({"url": url}, IN_FLIGHT)
    tool.load()
    tool.open((slice(0, size),) * 3, False)
    before, done, start = memory("VmRSS"), 0, time.perf_counter()
    half = size // 2
    while done < gigabytes * 1e9:
        for corner in np.ndindex(2, 2, 2):
            done += tool.read(tuple(slice(c * half, (c + 1) * half) for c in corner)).nbytes
    return {"seconds": time.perf_counter() - start, "bytes": done, "peak": memory("VmHWM") - before}


def needed(operation: str, size: int) -> int:
    """Requests that it takes where each is of one chunk."""
    if operation in ("read", "write"):
        return (size // LAYER.chunk[0]) ** 3
    total = 0
    for at in data.boxes(BOXES, size, EDGE, 6 if operation == "box write" else 5):
        touched = np.prod([(p + EDGE - 1) // 64 - p // 64 + 1 for p in at])
        inside = np.prod([(p + EDGE) // 64 - -(-p // 64) for p in at])
        total += int(touched if operation == "boxes" else 2 * touched - inside)
    return total


def curl(endpoint: str, size: int) -> float | None:
    """Seconds in which curl gets all chunks: what the servers here can do."""
    if not shutil.which("curl"):
        return None
    edges = [f"{k}-{k + 64}" for k in range(0, size, 64)]
    names = [f"{x}_{y}_{z}" for x in edges for y in edges for z in edges]
    lines = "".join(f'url="{endpoint}/raw-64/0/{name}"\noutput=/dev/null\n' for name in names)
    command = ["curl", "-s", "-Z", "--no-progress-meter", "--parallel-max", str(IN_FLIGHT), "-K", "-"]
    start = time.perf_counter()
    subprocess.run(command, input=lines, text=True, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def run(options, job: dict) -> dict:
    command = [sys.executable, __file__, "--worker", json.dumps(job), "--dir", str(options.dir)]
    environment = os.environ | job["place"].get("env", {}) | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=900)
    if done.returncode:
        return {"error": done.returncode}
    return json.loads(done.stdout.splitlines()[-1])


def row(options, operation: str, tool: str, best: dict) -> None:
    if "error" in best:
        print(f"{operation:<14} {tool:<12} failed", flush=True)
        return
    counts, size, seconds = best["counts"], options.size, best["seconds"]
    amount = BOXES * EDGE**3 if "box" in operation else size**3
    line = f"{operation:<14} {tool:<12} {seconds:8.3f} s {amount / seconds / 1e6:6.0f} MB/s"
    line += f" {counts['requests']:6} requests {(counts['bytes_down'] + counts['bytes_up']) / 1e6:7.0f} MB"
    line += f" {counts['peak_in_flight']:4} at once {best['peak'] / 2**20:6.0f} MiB"
    if "sharded" not in operation:
        least = needed(operation, size) / IN_FLIGHT * options.latency / 1000
        line += f" {least / seconds:5.0%} of {least:.2f} s"
    print(line + ("" if best["right"] else "  WRONG"), flush=True)


def measure(options, operation: str, web: str, s3: dict, slow_s3: str) -> bool:
    """Rounds that alternate between the tools; the fastest of each is printed. Says whether all is right."""
    results: dict[str, list] = {tool: [] for tool in options.tools.split(",")}
    for number in range(options.rounds):
        for tool, done in results.items():
            endpoint, place = web, {"url": f"{web}/{'sharded-64' if 'sharded' in operation else 'raw-64'}"}
            if operation.endswith("write"):
                env = s3["env"] | {"AWS_ENDPOINT_URL": slow_s3}
                # Boxes are written into what the first round of `write` has written.
                name = f"{tool}-{0 if operation == 'box write' else number}"
                endpoint, place = slow_s3, {"s3": slow_s3, "name": name, "env": env}
            job = {"tool": tool, "operation": operation, "place": place, "proxy": endpoint}
            done.append(run(options, job | {"size": options.size}))
    for tool, done in results.items():
        measured = [one for one in done if "error" not in one]
        results[tool] = min(measured, key=lambda one: one["seconds"]) if measured else done[0]
        row(options, operation, tool, results[tool])
    return all(best.get("right") for best in results.values())


def prepare(options) -> None:
    data.sources(options.dir, options.size)
    make_layer(LAYER, options.dir, options.size)
    sharded = options.dir / "sharded-64"
    if (sharded / "info").exists():
        return
    import bigarrays

    new = {"shape": (options.size,) * 3, "chunk_shape": LAYER.chunk, "encoding": "raw", "sharding": True}
    array = bigarrays.create(str(sharded), dtype="uint8", resolution=(8, 8, 8), **new)
    array[...] = data.load(options.dir, LAYER, options.size)


def main() -> int:
    options = arguments()
    if options.worker:
        job, replies = json.loads(options.worker), os.dup(1)
        os.dup2(2, 1)  # What libraries print is not an answer.
        result = stream(*job["stream"]) if "stream" in job else work(job, options.dir)
        os.write(replies, (json.dumps(result) + "\n").encode())
        return 0
    prepare(options)
    right = True
    with ExitStack() as running_here:
        start = lambda *command: running_here.enter_context(running(options.testbed, *command))  # noqa: E731
        web, s3 = start("serve", "nginx", "--dir", options.dir), start("serve", "s3s")
        slow = ["proxy", "--latency", f"{options.latency:g}ms", "--upstream"]
        slow_web = start(*slow, web["endpoint"].removeprefix("http://"))["endpoint"]
        slow_s3 = start(*slow, s3["endpoint"].removeprefix("http://"))["endpoint"]
        if seconds := curl(slow_web, options.size):
            print(f"curl gets all chunks in {seconds:.3f} s")
        for operation in OPERATIONS:
            if options.only in operation:
                right &= measure(options, operation, slow_web, s3, slow_s3)
        if options.stream and options.only in "stream":
            job = {"stream": [f"{web['endpoint']}/raw-64", options.size, options.stream], "place": {}}
            done = run(options, job)
            print(
                f"stream: {done['bytes'] / 1e9:.1f} GB in {done['seconds']:.1f} s,"
                f" {done['bytes'] / done['seconds'] / 1e6:.0f} MB/s, peak {done['peak'] / 2**20:.0f} MiB"
            )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
