"""The tools, each at the settings that suit it best, behind the same few calls.

A contender opens a layer whose metadata exist, reads boxes into fresh arrays, x fastest, and writes
boxes from such arrays. What a tool cannot do is said by `cannot`.
"""

import os
from pathlib import Path

import numpy as np

from data import GZIP_LEVEL, Layer

Box = tuple[slice, slice, slice]


class Ours:
    name = "bigarrays"

    @staticmethod
    def load():
        import bigarrays  # noqa: F401

    @staticmethod
    def cannot(layer: Layer) -> str | None:
        return None

    def __init__(self, threads: int):
        os.environ["BIGARRAYS_THREADS"] = str(threads)

    def open(self, folder: Path, layer: Layer, writable: bool):
        import bigarrays

        options = {"content_encoding": layer.suffix} if layer.suffix and writable else {}
        self.array = bigarrays.open(str(folder), mode="r+" if writable else "r", **options)

    def read(self, box: Box) -> np.ndarray:
        return self.array[box]

    def voxel(self, at):
        return self.array[at]

    def write(self, box: Box, data: np.ndarray):
        self.array[box] = data


class TensorStore:
    name = "tensorstore"

    @staticmethod
    def load():
        import tensorstore  # noqa: F401

    @staticmethod
    def cannot(layer: Layer) -> str | None:
        return "cannot read or write the files' .gz" if layer.suffix else None

    def __init__(self, threads: int):
        self.threads = threads

    def open(self, folder: Path, layer: Layer, writable: bool):
        import tensorstore as ts

        context = {
            "data_copy_concurrency": {"limit": self.threads},
            "file_io_concurrency": {"limit": self.threads},
            # Off by default everywhere else; on, every file would wait for the disk.
            "file_io_sync": False,
        }
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "scale_index": 0,
            # Otherwise it leaves out chunks of zeros, which the others write.
            "store_data_equal_to_fill_value": True,
        }
        store = ts.open(spec, context=ts.Context(context), open=True, write=writable).result()
        self.array = store[ts.d["channel"][0]]

    def read(self, box: Box) -> np.ndarray:
        return self.array[box].read(order="F").result()

    def voxel(self, at):
        return self.array[at].read().result()

    def write(self, box: Box, data: np.ndarray):
        self.array[box].write(data).result()


class CloudVolume:
    name = "cloudvolume"

    @staticmethod
    def load():
        import cloudvolume  # noqa: F401

    @staticmethod
    def cannot(layer: Layer) -> str | None:
        return None

    def __init__(self, threads: int):
        # Its further processes start anew for each call and pass data through shared memory,
        # which costs more than a second core gives here: its threads alone are its best.
        pass

    def open(self, folder: Path, layer: Layer, writable: bool):
        import cloudvolume

        self.volume = cloudvolume.CloudVolume(
            f"file://{folder}",
            bounded=True,
            cache=False,
            compress=layer.suffix or False,
            compress_level=GZIP_LEVEL if layer.suffix else None,
            fill_missing=True,
            green_threads=False,
            non_aligned_writes=True,
            parallel=1,
            progress=False,
        )

    def read(self, box: Box) -> np.ndarray:
        return np.asarray(self.volume[box])[..., 0]

    def voxel(self, at):
        return self.volume[at]

    def write(self, box: Box, data: np.ndarray):
        self.volume[box] = data


PEERS = [TensorStore, CloudVolume]
TOOLS = {tool.name: tool for tool in [Ours, *PEERS]}
