"""Measures bigarrays against its peers and prints one table. See README.md for how to read it."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import data
import reference
from contenders import PEERS, TOOLS, Ours
from limit import Limit
from worker import EDGE, LOOPS

OPERATIONS = ["read", "boxes", "voxels", "write", "box write"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="256³, one short round: a trial run")
    parser.add_argument("--only", metavar="PATTERN", help="only workloads that match, as 'jpeg.*read'")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, as 1,2")
    parser.add_argument("--rounds", type=int, help="rounds per workload; the fastest counts (3)")
    parser.add_argument("--budget", type=float, help="seconds for a round of a loop (2)")
    parser.add_argument("--size", type=int, help="edge of the cube in voxels (512)")
    parser.add_argument("--tools", help=f"of {','.join(TOOLS)}")
    parser.add_argument("--dir", type=Path, help="where the data go (in memory, or the temporary folder)")
    parser.add_argument(
        "--cpu", action="store_true", help="count processor seconds: for a machine that others use"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there, too")
    options = parser.parse_args()
    options.size = options.size or (256 if options.quick else 512)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.budget = options.budget or (0.3 if options.quick else 2.0)
    options.tools = options.tools.split(",") if options.tools else list(TOOLS)
    options.threads = [int(n) for n in options.threads.split(",")]
    root = options.dir or data.folder("bigarrays-bench")
    options.dir = root / str(options.size)
    return options


def make_layer(layer: data.Layer, folder: Path, size: int) -> None:
    """Writes the layer that all tools read, unless it is there."""
    root = folder / layer.name.replace(" ", "-")
    if (root / "info").exists():
        return
    source = data.load(folder, layer, size)
    (root / "0").mkdir(parents=True, exist_ok=True)

    def put(box):
        chunk = source[box].copy(order="F")
        (root / "0" / reference.chunk_name(layer, box)).write_bytes(reference.encode(layer, chunk))

    with ThreadPoolExecutor() as pool:
        list(pool.map(put, reference.chunk_boxes(layer, size)))
    (root / "info").write_text(json.dumps(data.info(layer, size)))


class Worker:
    """A running worker.py, asked and answered in turn."""

    def __init__(self, tool: str):
        self.tool = tool
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), tool],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, line: str) -> dict:
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            reply = self.process.stdout.readline()
        except BrokenPipeError:
            reply = ""
        return json.loads(reply) if reply else {"error": "the worker is gone"}


def measure(workers: list[Worker], layer, operation: str, threads: int, options) -> dict:
    """Seconds and memory of each tool: {tool: {seconds, rounds, done, peak, wrong} or {error}}."""
    results, live = {}, []
    for worker in workers:
        tool = TOOLS.get(worker.tool)
        if tool and (reason := tool.cannot(layer)):
            results[worker.tool] = {"error": reason, "expected": True}
            continue
        job = {
            "layer": layer.name,
            "operation": operation,
            "threads": threads,
            "size": options.size,
            "budget": options.budget,
            "folder": str(options.dir),
            "work": str(options.dir / f"work-{worker.tool}"),
            # What one thread gets right, several may not.
            "check": threads == max(options.threads),
        }
        Path(job["work"]).mkdir(parents=True, exist_ok=True)
        results[worker.tool] = worker.ask(json.dumps(job)) | {"rounds": []}
        if "error" not in results[worker.tool]:
            live.append(worker)
    for _ in range(options.rounds):
        for worker in list(live):
            reply = worker.ask("round")
            result = results[worker.tool]
            if "error" in reply:
                result.update(reply)
                live.remove(worker)
                continue
            result["rounds"].append(reply["cpu" if options.cpu else "seconds"])
            result["done"] = min(reply["done"], result.get("done", reply["done"]))
    for worker in live:
        results[worker.tool].update(worker.ask("finish"))
        results[worker.tool]["seconds"] = min(results[worker.tool]["rounds"])
    for worker in workers:
        shutil.rmtree(options.dir / f"work-{worker.tool}", ignore_errors=True)
    return results


def decoded_bytes(layer: data.Layer, operation: str, size: int) -> int:
    if operation in ("read", "write"):
        return size**3 * layer.item
    count = LOOPS[operation][0]
    return count * layer.item * (1 if operation == "voxels" else EDGE**3)


class Table:
    """The rows as they come: workload, then seconds, MB/s and MiB of each tool, then ratios."""

    def __init__(self, tools: list[str]):
        self.tools = tools
        self.notes: list[str] = []
        names = "".join(f" | {tool:^24}" for tool in tools)
        units = "".join(f" | {'s':>8} {'MB/s':>7} {'MiB':>7}" for _ in tools)
        print(f"{'':32}{names} | {'limit':^8} | {'× best':>6} | {'of the':>6}")
        print(f"{'layer':<15} {'operation':<9} {'thr':>3}   {units} | {'s':>8} | {'peer':>6} | {'limit':>6}")

    def add(self, layer, operation: str, threads: int, results: dict, size: int) -> dict:
        row = f"{layer.name:<15} {operation:<9} {threads:>3}   "
        amount = decoded_bytes(layer, operation, size)
        for tool in self.tools:
            row += " | " + self.cell(f"{layer.name} {operation}", tool, results[tool], amount, operation)
        limit = results[Limit.name].get("seconds")
        ours = results.get(Ours.name, {}).get("seconds")
        peers = [results.get(peer.name, {}).get("seconds") for peer in PEERS]
        best = min((seconds for seconds in peers if seconds), default=None)
        ratios = {
            "best_peer": best / ours if ours and best else None,
            "limit": limit / ours if ours and limit else None,
        }
        row += f" | {limit:8.3f}" if limit else f" | {'–':>8}"
        row += f" | {ratios['best_peer']:6.2f}" if ratios["best_peer"] else f" | {'–':>6}"
        row += f" | {ratios['limit']:6.0%}" if ratios["limit"] else f" | {'–':>6}"
        print(row, flush=True)
        return ratios

    def cell(self, workload: str, tool: str, result: dict, amount: int, operation: str) -> str:
        if wrong := result.get("wrong"):
            self.notes.append(f"WRONG: {tool}, {workload}: {wrong}")
        if "seconds" not in result:
            note = f"{tool}, {workload}: {result.get('error', 'not measured')}"
            self.notes += [note] if note not in self.notes and not result.get("expected") else []
            return f"{'n/a' if result.get('expected') else 'failed':^24}"
        seconds, peak = result["seconds"], result.get("peak", 0) / 2**20
        mark, speed = " ", f"{amount / seconds / 1e6:7.0f}"
        if operation in LOOPS and result["done"] < LOOPS[operation][0]:
            mark = "~"
        if operation == "voxels":
            speed = f"{LOOPS[operation][0] / seconds:5.0f}/s"
        return f"{mark}{seconds:7.3f} {speed} {peak:7.0f}"


def main() -> int:
    options = arguments()
    begun = time.perf_counter()
    workloads = [
        (layer, operation, threads)
        for layer in data.LAYERS
        for operation in OPERATIONS
        for threads in options.threads
        if not options.only or re.search(options.only, f"{layer.name} {operation} {threads}")
    ]
    print(f"Preparing {options.size}³ voxels in {options.dir}", file=sys.stderr)
    data.sources(options.dir, options.size)
    for layer in dict.fromkeys(layer for layer, _, _ in workloads):
        make_layer(layer, options.dir, options.size)
    workers = [Worker(tool) for tool in [*options.tools, Limit.name]]
    table, rows = Table(options.tools), []
    for layer, operation, threads in workloads:
        results = measure(workers, layer, operation, threads, options)
        ratios = table.add(layer, operation, threads, results, options.size)
        rows.append(
            {"layer": layer.name, "operation": operation, "threads": threads}
            | {"bytes": decoded_bytes(layer, operation, options.size), "tools": results, "ratios": ratios}
        )
    print("~: fewer were measured and the time scaled up; n/a: the tool cannot read gzip files (.gz).")
    print(f"fastest of {options.rounds} rounds, {time.perf_counter() - begun:.0f} s in all")
    for note in table.notes:
        print(note)
    if options.json:
        options.json.write_text(json.dumps({"size": options.size, "rows": rows}, indent=1) + "\n")
    return 1 if table.notes else 0


if __name__ == "__main__":
    sys.exit(main())
