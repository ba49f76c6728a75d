"""Simulates a cluster of thousands of workers on a cube of a petabyte, with a virtual clock: the product's own planner makes the plan,
and its own loop (`bigarrays._executors`) gives out the tasks. Prints what planning takes, how large the journal becomes and how
fast it grows, how requests spread over prefixes of keys, and what is lost to stragglers, dead workers and a throttled bucket.

bench/simulation.py [--workers N,N…] [--terabytes N,N…] [--seed N]

Assumed, and no more than that:
- A cube in float32 with zstd, of chunks of (32, 512, 512), 32 MiB. One job is x - x.mean(), into chunks alike: a stage folds, one
  gathers what was folded, one merges that, one reads again and writes. The other is x - x.mean(time): 65,536 times of a box of places are folded one after the other, so
  that there are as many tasks as such boxes at the most. 4 GiB a worker, which has one processor.
- Rates of codecs are those of `bigarrays/_rates.py`; each worker gets 100 MB/s from the bucket, an answer takes 30 ms.
- To read what a task has folded, from a shared file system, and to gather or merge it takes 2 ms.
- A worker is slow with a chance of 1 in 100, four times slower than others, for all of its life. A part that takes long is given to one or
  two idle workers as well, which may be slow; who is called off stops within 1 s, and is waited for where stages make results.
- A worker dies once in 500 hours on average, and is replaced after 120 s; its part is run again.
- The bucket takes 5,500 reads and 3,500 writes a second for each prefix of keys that it tells apart; it tells apart as many as the first axis
  has chunks (keys are c/T/Y/X), once it has split so far; 20 of them in the throttled runs, which have not begun to split.
- The network has room for all workers; opening the plan takes each part 1 s.
- Of a plan of more than 10,000 tasks, workers look up in the end what all have done: a request for each chunk that was read or written,
  32 of them under way.
- To give out a part costs the caller what it costs here: that time is real, and is printed beside the virtual.
"""

import argparse
import heapq
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bigarrays
from bigarrays import _executors
from bigarrays._engines import PATIENCE, Engine
from bigarrays._estimates import estimated
from bigarrays._plan import PlannedStage

CHUNK = (32, 512, 512)
MEMORY = 4 << 30
BANDWIDTH, LATENCY = 100e6, 0.03
SLOW, SLOWER = 0.01, 4.0
MERGING = 0.002
LIFE, AGAIN = 500 * 3600.0, 120.0
READS, WRITES, FEW = 5500, 3500, 20
OPENING = 1.0
STOPPING = 1.0
JOBS: dict[str, Callable[[bigarrays.Lazy], bigarrays.Lazy]] = {
    "x - x.mean()": lambda x: x - x.mean(),
    "x - x.mean(time)": lambda x: x - x.mean(axis=0, keepdims=True),
}
RECORD = 64


def shape(terabytes: int) -> tuple[int, ...]:
    """A cube of so many terabytes: 20,480 × 20,480 places, and time."""
    side = 20480
    times = round(terabytes * 1e12 / 4 / side / side / CHUNK[0])
    return times * CHUNK[0], side, side


@dataclass
class Cluster:
    workers: int
    has_stragglers: bool
    has_losses: bool
    is_throttled: bool


class Virtual(Engine):
    """Workers that do nothing, each for as long as its tasks would take."""

    def __init__(self, cluster: Cluster, prefixes: int, seed: int) -> None:
        super().__init__(None, MEMORY)
        self.count, self.threads = cluster.workers, 1
        self.clock = self.lost = self.busy = self.settled = 0.0
        self.losses = self.given = self.stopped = 0
        self.most = 0
        self._cluster, self._random = cluster, random.Random(seed)
        slow = [cluster.has_stragglers and self._random.random() < SLOW for _ in range(cluster.workers)]
        self._speed = [SLOWER if one else 1.0 for one in slow]
        self._free = [(0.0, worker) for worker in range(cluster.workers)]
        self._events: list[tuple[float, int, Future[Any], Exception | None]] = []
        self._bucket, self.prefixes = 0.0, min(prefixes, FEW) if cluster.is_throttled else prefixes
        #: Seconds of a task, and its reads and writes, of the stage that is run.
        self.each: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def now(self) -> float:
        return self.clock

    def submit(self, work: Any, *arguments: Any) -> Future[Any]:
        first, end = arguments[-1]
        seconds, reads, writes = (one * (end - first) for one in self.each)
        free, worker = heapq.heappop(self._free)
        start = max(free, self.clock)
        # All share what the bucket gives; a part has its share once those before it have theirs.
        self._bucket = max(self._bucket, start) + (reads / READS + writes / WRITES) / self.prefixes
        done = max(start + OPENING + seconds * self._speed[worker], self._bucket)
        future: Future[Any] = Future()
        error = None
        if self._cluster.has_losses and (died := self._random.expovariate(1 / LIFE)) < done - start:
            error, done = RuntimeError("the worker is lost"), start + died
            self.lost, self.losses = self.lost + died + AGAIN, self.losses + 1
        self.busy += done - start
        future.add_done_callback(lambda future: self._call_off(worker, start, done) if future.cancelled() else None)
        heapq.heappush(self._free, (done + (AGAIN if error else 0.0), worker))
        heapq.heappush(self._events, (done, self.given, future, error))
        self.given += 1
        self.most = max(self.most, len(self._events))
        return future

    def _call_off(self, worker: int, start: float, done: float) -> None:
        """A worker stops, and is free again."""
        ends = min(done, max(start, self.clock + STOPPING))
        self.busy -= done - ends
        self.settled, self.stopped = max(self.settled, ends), self.stopped + 1
        self._free = [(ends if one == worker else free, one) for free, one in self._free]
        heapq.heapify(self._free)

    def ended(self) -> list[Future[Any]]:
        while self._events[0][2].cancelled():
            heapq.heappop(self._events)
        if len(self._events) < self.count and self._events[0][0] > self.clock + PATIENCE:
            # As others do that have waited for long: who is idle may have something to do.
            self.clock += PATIENCE
            return []
        self.clock, _, future, error = heapq.heappop(self._events)
        future.set_exception(error) if error else future.set_result(None)
        return [future]

    def stop(self, under_way: Any) -> None:
        raise SystemExit("the simulated run has failed")


class Planned:
    """What `_run_stage` asks of a plan."""

    file = "/nowhere/plan.json"

    def __reduce__(self) -> Any:
        return object, (self.file, {})


def plan_cell(job: str, terabytes: int, workers: int) -> None:
    """Plans for so many workers in this process, and prints what that took, and the plan."""
    folder = Path(tempfile.mkdtemp(prefix="simulation-"))
    try:
        options: dict[str, Any] = {"chunk_shape": CHUNK, "encoding": "zstd"}
        url = f"{folder}/a|zarr3:"
        cube = bigarrays.create(f"{folder}/cube|zarr3:", shape=shape(terabytes), dtype="float32", **options)
        x = cube.lazy
        result = JOBS[job](x)
        before = peak()
        explained = result.explain(url, memory=MEMORY, scratch=folder, show="dict", workers=workers, **options)
        begun = time.perf_counter()
        plan = bigarrays.plan({url: result}, folder / "plan.json", memory=MEMORY, workers=workers, **options)
        seconds = time.perf_counter() - begun
        begun = time.perf_counter()
        bigarrays.Plan(folder / "plan.json")
        opening = time.perf_counter() - begun
        found = {
            "seconds": seconds,
            "opening": opening,
            "memory": peak() - before,
            "size": (folder / "plan.json").stat().st_size,
            "stages": [(stage.work, stage.tasks) for stage in plan.stages],
            "passes": estimated(explained, 1, BANDWIDTH, LATENCY)["passes"],
            "prefixes": -(-cube.shape[0] // CHUNK[0]),
        }
        print(json.dumps(found))
    finally:
        shutil.rmtree(folder)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def planned(job: str, terabytes: int, workers: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--plan", job, str(terabytes), str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def simulated(plan: dict[str, Any], cluster: Cluster, seed: int) -> Virtual:
    """Runs all stages of a plan."""
    engine = Virtual(cluster, plan["prefixes"], seed)
    passes = iter(plan["passes"])
    one: dict[str, Any] = {}
    parts = [*plan["stages"], *plan["stages"]] if sum(tasks for _, tasks in plan["stages"]) > _executors._LOOKED_UP else plan["stages"]
    looks_up = False
    for number, (work, tasks) in enumerate(parts):
        if number == len(plan["stages"]):
            # Workers look up versions: of what was read and of what was written.
            passes, looks_up = iter(plan["passes"]), True
        if work in ("gather", "merge"):
            engine.each = (MERGING * parts[number - 1][1] / tasks, 0.0, 0.0)
        else:
            one = next(passes)["estimate"]
            reads, writes = one["reads"] / tasks, one["writes"] / tasks
            engine.each = (one["seconds"] / tasks, reads, writes)
            if looks_up:
                engine.each = ((reads + writes) * LATENCY / 32, reads + writes, 0.0)
        stage = PlannedStage(tasks, work, "", 0, False)
        for _ in _executors._run_stage(Planned(), number, stage, engine):  # type: ignore[arg-type]
            pass
        # A barrier: whoever is done waits for the last, and for those that were called off if they may be about to write results.
        if work in ("make", "merge"):
            engine.clock = max(engine.clock, engine.settled)
        engine._events.clear()
        engine._free = [(max(engine.clock, free), worker) for free, worker in engine._free]
        heapq.heapify(engine._free)
    return engine


def hours(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def table(job: str, terabytes: int, workers: int, seed: int) -> None:
    plan = planned(job, terabytes, workers)
    tasks = sum(tasks for _, tasks in plan["stages"])
    reads, writes = (sum(one["estimate"][name] for one in plan["passes"]) for name in ("reads", "writes"))
    print(f"\n{job}: {terabytes:,} TB, {' × '.join(map(str, shape(terabytes)))} float32, {workers:,} workers; tasks: ", end="")
    print(", ".join(f"{work} {tasks:,}" for work, tasks in plan["stages"]))
    print(f"  planning {plan['seconds']:.2f} s, {plan['memory'] >> 20} MiB above start", end="; ")
    print(f"opening {plan['opening']:.2f} s; {plan['size']:,} bytes")
    print(f"  journal {tasks * RECORD / 1e6:,.1f} MB; {reads:,} reads, {writes:,} writes, over {plan['prefixes']:,} prefixes")
    print(f"  {'':20}{'virtual':>9}{'worker h':>10}{'idle':>7}{'journal/s':>11}{'req/s':>8}{'a prefix':>10}{'lost':>8}", end="")
    print(f"{'parts':>9}{'ms a part':>11}{'under way':>11}{'losses':>8}{'done again':>12}{'called off':>12}")
    kinds = {
        "nothing goes wrong": Cluster(workers, False, False, False),
        "stragglers": Cluster(workers, True, False, False),
        "losses": Cluster(workers, False, True, False),
        "throttled": Cluster(workers, False, False, True),
        "all three": Cluster(workers, True, True, True),
    }
    first = 0.0
    for name, cluster in kinds.items():
        begun = time.process_time()
        engine = simulated(plan, cluster, seed)
        real = time.process_time() - begun
        first = first or engine.clock
        rate, all_of_it = (reads + writes) / engine.clock, engine.clock * workers
        line = f"  {name:20}{hours(engine.clock):>9}{all_of_it / 3600:10,.0f}{1 - engine.busy / all_of_it:7.0%}"
        line += f"{tasks * RECORD / engine.clock / 1e3:8,.1f} kB{rate:8,.0f}{rate / engine.prefixes:10,.1f}{engine.clock / first - 1:+8.1%}"
        line += f"{engine.given:9,}{real / engine.given * 1e3:11.3f}{engine.most:11,}{engine.losses:8,}{engine.lost / all_of_it:12.2%}{engine.stopped:12,}"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1000,10000")
    parser.add_argument("--terabytes", default="1,1000")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plan", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plan:
        return plan_cell(given.plan[0], *map(int, given.plan[1:]))
    for job in JOBS:
        for terabytes in given.terabytes.split(","):
            for workers in given.workers.split(","):
                table(job, int(terabytes), int(workers), given.seed)


if __name__ == "__main__":
    main()
