"""Runs one tool's share of the measurement: `worker.py TOOL`, jobs as lines of JSON on stdin.

The tool is imported once; each job then runs in a child forked from there, so every workload starts
in a fresh process without paying for the import. The child answers each line with one line.
"""

import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import psutil

import data
import reference
from contenders import TOOLS
from limit import Limit

EDGE = 64
# (number of single operations, share of the time budget for one round)
LOOPS = {"boxes": (200, 1.0), "voxels": (10_000, 0.5), "box write": (100, 1.0)}


class Job:
    """One workload of one tool, opened and ready to be timed."""

    def __init__(self, tool: str, job: dict):
        self.layer = next(layer for layer in data.LAYERS if layer.name == job["layer"])
        self.operation, self.size, self.budget = job["operation"], job["size"], job["budget"]
        self.folder, self.work = Path(job["folder"]), Path(job["work"])
        self.stored = self.folder / self.layer.name.replace(" ", "-")
        self.tool = tool
        self.source = self.last = None
        self.rounds: list[int] = []
        self.whole = (slice(0, self.size),) * 3
        if self.operation.endswith("write") or tool == Limit.name:
            self.source = data.load(self.folder, self.layer, self.size)
        if tool == Limit.name:
            self.contender = Limit(self.layer, self.stored, self.size, job["threads"])
            self.contender.prepare(self.operation, self.source, self.work)
        else:
            self.contender = TOOLS[tool](job["threads"])
        if self.operation == "box write":
            shutil.copytree(self.stored, self.work, dirs_exist_ok=True)
        if self.operation not in ("write", "box write"):
            self.work = self.stored
        if self.operation != "write" and tool != Limit.name:
            self.contender.open(self.work, self.layer, self.operation == "box write")
        count, share = LOOPS.get(self.operation, (1, 1.0))
        self.budget *= share
        self.items = {
            "boxes": lambda: data.boxes(count, self.size, EDGE, 5),
            "box write": lambda: data.boxes(count, self.size, EDGE, 6),
            "voxels": lambda: data.voxels(count, self.size),
        }.get(self.operation, lambda: [None])()

    def before_round(self):
        self.last = None
        if self.operation == "write":
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(parents=True)
            (self.work / "info").write_text(json.dumps(data.info(self.layer, self.size)))
            if self.tool != Limit.name:
                self.contender.open(self.work, self.layer, True)

    def round(self) -> dict:
        """Seconds for all items, of the clock and of the processors; stops when the budget is spent
        and then scales up."""
        self.before_round()
        step = getattr(self, "do_" + self.operation.replace(" ", "_"))
        done = 0
        start, start_cpu = time.perf_counter(), self.processor_seconds()
        for item in self.items:
            step(item)
            done += 1
            if done >= 5 and time.perf_counter() - start > self.budget:
                break
        scale = len(self.items) / done
        seconds, cpu = time.perf_counter() - start, self.processor_seconds() - start_cpu
        return {"seconds": seconds * scale, "cpu": cpu * scale, "done": done}

    def processor_seconds(self) -> float:
        kernel = getattr(self.contender, "kernel", None)
        return time.process_time() + (sum(psutil.Process(kernel.pid).cpu_times()[:2]) if kernel else 0)

    def do_read(self, _):
        self.last = self.contender.read(self.whole)

    def do_boxes(self, at):
        self.contender.read(box(at))

    def do_voxels(self, at):
        self.contender.voxel(at)

    def do_write(self, _):
        if self.tool == Limit.name:
            self.contender.write_all()
        else:
            self.contender.write(self.whole, self.source)

    def do_box_write(self, at):
        self.contender.write(box(at), self.source[box(new_origin(at, self.size))])

    def check(self) -> str:
        """Says what is wrong with what was read or written; empty if nothing."""
        if self.tool == Limit.name:
            return ""
        source = self.source
        if source is None:
            source = data.load(self.folder, self.layer, self.size)
        lossy = self.layer.encoding == "jpeg"
        if self.operation in ("write", "box write"):
            return self.check_written(source, lossy)
        expected = source
        if lossy:
            expected = reference.read_layer(self.layer, self.stored, self.size, np.uint8)
        if self.operation == "read":
            return compare(self.last, expected, lossy)
        if self.operation == "boxes":
            pairs = [(self.contender.read(box(at)), expected[box(at)]) for at in self.items[:20]]
        else:
            pairs = [
                (np.asarray(self.contender.voxel(at)).reshape(-1), expected[at].reshape(-1))
                for at in self.items[:50]
            ]
        return next((wrong for pair in pairs if (wrong := compare(*pair, lossy))), "")

    def check_written(self, source: np.ndarray, lossy: bool) -> str:
        written = reference.read_layer(self.layer, self.work, self.size, source.dtype)
        expected = source
        if self.operation == "box write":
            expected = source.copy(order="F")
            # Boxes overlap, and rounds may have ended at different ones.
            for done in self.rounds:
                for at in self.items[:done]:
                    expected[box(at)] = source[box(new_origin(at, self.size))]
        if not lossy:
            return compare(written, expected, False)
        stored = reference.read_layer(self.layer, self.stored, self.size, np.uint8)
        loss, allowed = mean_loss(written, expected), mean_loss(stored, source)
        # Writing boxes decodes and encodes again what surrounds them, each time with some loss.
        allowed *= 1.1 if self.operation == "write" else 2.5
        return "" if loss <= allowed else f"mean loss {loss:.2f}, expected at most {allowed:.2f}"


def box(at) -> tuple[slice, slice, slice]:
    return tuple(slice(p, p + EDGE) for p in at)


def new_origin(at, size: int):
    """Where the data that are written to the box at `at` come from."""
    return tuple((p * 3 + 17) % (size - EDGE) for p in at)


def mean_loss(a: np.ndarray, b: np.ndarray) -> float:
    slabs = range(0, a.shape[2], 32)
    return float(
        np.mean([np.abs(a[..., k : k + 32].astype(np.int16) - b[..., k : k + 32]).mean() for k in slabs])
    )


def compare(found: np.ndarray, expected: np.ndarray, lossy: bool) -> str:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{found.dtype}{found.shape} instead of {expected.dtype}{expected.shape}"
    if lossy:
        # Decoders may round the inverse transform differently.
        worst = int(np.abs(found.astype(np.int16) - expected).max())
        return "" if worst <= 2 else f"a decoded value is off by {worst}"
    return "" if np.array_equal(found, expected) else "values differ"


def memory(field: str) -> int:
    """A field of this process' memory status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def serve(tool: str, job: dict, answer) -> None:
    """The child: prepares, then answers `round` lines until `finish`."""
    if job["threads"] < len(os.sched_getaffinity(0)):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-job["threads"] :])
    work = Job(tool, job)
    # Start the peak of the resident memory anew.
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    answer({"ready": True})
    while sys.stdin.readline().strip() == "round":
        result = work.round()
        work.rounds.append(result["done"])
        answer(result)
    peak = max(0, memory("VmHWM") - before)
    answer({"peak": peak, "wrong": work.check() if job["check"] else ""})


def main() -> None:
    tool = sys.argv[1]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print is not an answer.

    def answer(value: dict) -> None:
        replies.write(json.dumps(value) + "\n")
        replies.flush()

    if tool != Limit.name:
        TOOLS[tool].load()
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            try:
                serve(tool, json.loads(line), answer)
            except BaseException as error:
                if os.environ.get("BENCH_DEBUG"):
                    traceback.print_exc()
                answer({"error": f"{type(error).__name__}: {error}"[:300]})
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            answer({"error": "the process died"})


if __name__ == "__main__":
    main()
