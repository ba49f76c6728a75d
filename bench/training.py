"""Measures epochs of PyTorch's DataLoader over named slices, with workers and without; see README.md.

bench/training.py [--names N] [--rounds N] [--only TEXT] [--dir FOLDER]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flat import WIDTH, samples, table
from flat_contenders import NAMED
from torch.utils.data import DataLoader, Dataset, RandomSampler

import bigarrays
import bigarrays.torch

BATCH = 64
METHOD = "fork"


class Slices(Dataset):
    """Slices by position, of a contender that knows names: each process opens the file for itself."""

    def __init__(self, name: str, path: Path, count: int) -> None:
        self.contender, self.opened = NAMED[name](path), None
        # One array of text and not a list: a list's counters of references would be written to in every worker.
        self.names = np.array([name for name, _ in samples(count)])

    def __len__(self) -> int:
        return len(self.names)

    def __getitems__(self, indices: list[int]) -> list[np.ndarray]:
        if self.opened is None:
            self.opened = self.contender.open()
        return self.contender.get_many(self.opened, [str(self.names[index]) for index in indices])


class Nothing(Dataset):
    """What a worker needs without any file."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitems__(self, indices: list[int]) -> list[np.ndarray]:
        return [np.ones((50, WIDTH), "float32")] * len(indices)


def loader_of(name: str, path: Path, count: int, workers: int) -> DataLoader:
    options: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0}
    if workers:
        options["multiprocessing_context"] = METHOD
    if name == "bigarrays, batches":
        dataset = bigarrays.torch.IterableDataset(bigarrays.SliceArray(path), BATCH, shuffle=True, pad=0)
        return DataLoader(dataset, batch_size=None, **options)
    if name == "bigarrays, samples":
        dataset = bigarrays.torch.Dataset(bigarrays.SliceArray(path))
    else:
        dataset = Nothing(count) if name == "nothing" else Slices(name, path, count)
    return DataLoader(dataset, BATCH, sampler=RandomSampler(dataset), collate_fn=bigarrays.torch.pad, **options)


def private_mib(pid: int) -> float:
    """Memory of a process that no other can share: not that of mapped files, whose pages the kernel counts as private
    while nobody else has looked at them."""
    private, is_shared = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):
            is_shared = rest[0].endswith("s")
        elif name.startswith("Private_") and not is_shared:
            private += int(rest[0])
    return private / 1024


def measure(name: str, path: Path, count: int) -> dict[str, float]:
    found: dict[str, float] = {}
    torch.set_num_threads(1)
    for workers in [0, 2]:
        loader = loader_of(name, path, count, workers)
        for epoch in range(2):  # the first one starts the workers and fills their memory
            start, cpu, rows = time.perf_counter(), time.process_time(), 0
            for batch in loader:
                rows += int(batch.lengths.sum())
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        found[f"samples/s, {workers} workers"] = count / seconds
        if not workers:
            found["samples/CPU s"] = count / cpu
        else:
            pids = [worker.pid for worker in loader._iterator._workers]
            found["MiB a worker"] = max(map(private_mib, pids))
    return found if name == "nothing" else found | {"check": rows}


def run(name: str, path: Path, count: int, rounds: int) -> dict[str, float]:
    """The best of rounds in processes of their own."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        command = [sys.executable, __file__, "--worker", name, str(path), str(count)]
        for step, value in json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout).items():
            better = max if "samples" in step else min
            best[step] = better(value, best.get(step, value))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=1_000_000, help="named slices [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="contenders whose name contains this")
    parser.add_argument("--dir", type=Path, help="where the files are [a temporary folder]")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        name, path, count = args.worker
        print(json.dumps(measure(name, Path(path), int(count))))
        return
    rows: dict[str, dict[str, float]] = {}
    names = ["bigarrays, batches", "bigarrays, samples", *(name for name in NAMED if name != "bigarrays"), "nothing"]
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        for name in (name for name in names if args.only in name):
            kind = name.partition(",")[0]
            path = Path(folder, f"{kind}.npy")
            if kind in NAMED and not path.exists():
                NAMED[kind](path).write(samples(args.names), WIDTH)
            rows[name] = run(name, path, args.names, args.rounds)
    table(f"Epochs over {args.names} names of 10 to 100 rows of {WIDTH} float32, {BATCH} a batch, padded", rows)


if __name__ == "__main__":
    main()
