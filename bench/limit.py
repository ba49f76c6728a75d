"""The limit: the least that each workload costs, in the same process shape as the contenders.

raw reads: a copy of the same bytes into a fresh array. raw writes: the same bytes into plain files.
Else: the bare codec over the same chunks, from memory to memory: libdeflate and libjpeg-turbo through
imagecodecs; compressed_segmentation by our own kernel, as no package decodes it on several threads.
"""

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import reference
from data import Layer


BARE_CODEC = Path(__file__).resolve().parents[1] / "target/release/examples/bare_codec"


class Limit:
    name = "limit"

    def __init__(self, layer: Layer, folder: Path, size: int, threads: int):
        self.layer, self.folder, self.size, self.threads = layer, folder, size, threads
        self.chunks = list(reference.chunk_boxes(layer, size))
        self.pool = ThreadPoolExecutor(threads)
        self.local = threading.local()
        self.plain = layer.encoding == "raw" and not layer.suffix
        self.encoded: list[bytes] = []
        self.dense: list[np.ndarray] = []
        self.kernel = None

    def prepare(self, operation: str, source: np.ndarray, scratch: Path):
        self.source, self.scratch = source, scratch
        self.shape = tuple(s.stop - s.start for s in self.chunks[0])
        if self.layer.encoding == "compressed_segmentation":
            command = [os.environ.get("BENCH_BARE_CODEC", BARE_CODEC), self.folder, str(self.threads)]
            self.kernel = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self.kernel.stdout.readline()
            return
        writes = operation.endswith("write")
        if not self.plain or writes:
            self.encoded = [self.path(k).read_bytes() for k in range(len(self.chunks))]
        if writes and not self.plain:
            self.dense = [np.asfortranarray(source[box]) for box in self.chunks]

    def path(self, chunk: int) -> Path:
        return self.folder / "0" / reference.chunk_name(self.layer, self.chunks[chunk])

    def touched(self, box) -> list[int]:
        counts = [-(-self.size // c) for c in self.layer.chunk]
        spans = [range(s.start // c, -(-s.stop // c)) for s, c in zip(box, self.layer.chunk)]
        return [
            i + counts[0] * (j + counts[1] * k)
            for k in spans[2]
            for j in spans[1]
            for i in spans[0]
        ]

    def each(self, work, items):
        """Runs `work(item)` over all items, shared out among the threads."""
        items = list(items)
        if self.kernel:
            for step in {self.decode: ["decode"], self.encode: ["encode"]}.get(work, ["decode", "encode"]):
                self.kernel.stdin.write(" ".join([step, *map(str, items)]) + "\n")
                self.kernel.stdin.flush()
                float(self.kernel.stdout.readline())
            return
        shares = [items[k :: self.threads] for k in range(self.threads)]

        def share(part):
            for item in part:
                work(item)

        if len(items) < 2 or self.threads == 1:
            share(items)
        else:
            list(self.pool.map(share, shares))

    def decode(self, chunk: int):
        if not hasattr(self.local, "out"):
            self.local.out = np.empty(np.prod(self.shape), np.uint8)
        reference.decode(self.layer, self.encoded[chunk], self.shape, self.local.out)

    def encode(self, chunk: int):
        reference.encode(self.layer, self.dense[chunk])

    def put(self, chunk: int):
        with open(self.scratch / f"limit-{chunk}", "wb", buffering=0) as file:
            file.write(self.encoded[chunk])

    def read(self, box):
        if not self.plain:
            return self.each(self.decode, self.touched(box))
        shape = [s.stop - s.start for s in box]
        flat = self.source.reshape(-1, order="F")[: np.prod(shape)]
        out = np.empty(flat.size, flat.dtype)
        if flat.size < 1 << 22:
            out[:] = flat
            return out
        share = -(-flat.size // self.threads)
        parts = [slice(k * share, (k + 1) * share) for k in range(self.threads)]
        self.each(lambda part: np.copyto(out[part], flat[part]), parts)
        return out

    def voxel(self, at):
        chunk = self.touched([slice(p, p + 1) for p in at])[0]
        if not self.plain:
            return self.each(self.decode, [chunk])
        file = os.open(self.path(chunk), os.O_RDONLY)
        os.pread(file, self.layer.item, 0)
        os.close(file)

    def write_all(self):
        self.each(self.put if self.plain else self.encode, range(len(self.chunks)))

    def write(self, box, _data):
        def change(chunk):
            if self.plain:
                self.path(chunk).read_bytes()
                self.put(chunk)
            else:
                self.decode(chunk)
                self.encode(chunk)

        self.each(change, self.touched(box))
