"""The tools behind a network, each at the settings that suit it best, behind the same few calls.

A place is `{"url": …}` on a web server, or `{"s3": endpoint, "name": …}` in the bucket `testbed`.
"""

import json
import os

import numpy as np


class Ours:
    atomic = True

    def __init__(self, place: dict, in_flight: int):
        self.url = place.get("url") or f"s3://testbed/{place['name']}"

    def load(self):
        import bigarrays  # noqa: F401

    def create(self, info: dict):
        import bigarrays

        scale = info["scales"][0]
        bigarrays.create(
            self.url,
            dtype=info["data_type"],
            shape=scale["size"],
            chunk_shape=scale["chunk_sizes"][0],
            encoding=scale["encoding"],
            resolution=scale["resolution"],
            key=scale["key"],
        )

    def open(self, whole, writable: bool):
        import bigarrays

        self.array = bigarrays.open(self.url, mode="r+" if writable else "r")

    def read(self, box) -> np.ndarray:
        return self.array[box]

    def write(self, box, values: np.ndarray):
        self.array[box] = values


class TensorStore:
    atomic = True

    def __init__(self, place: dict, in_flight: int):
        self.context = {f"{kind}_request_concurrency": {"limit": in_flight} for kind in ("http", "s3")}
        self.context |= {"data_copy_concurrency": {"limit": 2}, "cache_pool": {"total_bytes_limit": 0}}
        if "url" in place:
            base, name = place["url"].rsplit("/", 1)
            self.store = {"driver": "http", "base_url": base, "path": f"/{name}/"}
        else:
            self.store = {
                "driver": "s3",
                "bucket": "testbed",
                "endpoint": place["s3"],
                "aws_region": "us-east-1",
                "aws_credentials": {"type": "environment"},
                "path": f"{place['name']}/",
            }

    def load(self):
        import tensorstore  # noqa: F401

    def create(self, info: dict):
        import tensorstore as ts

        store = ts.KvStore.open(self.store, context=ts.Context(self.context)).result()
        store.write("info", json.dumps(info)).result()

    def open(self, whole, writable: bool):
        import tensorstore as ts

        spec = {"driver": "neuroglancer_precomputed", "kvstore": self.store, "context": self.context}
        self.array = ts.open(spec, open=True).result()[..., 0]

    def read(self, box) -> np.ndarray:
        return self.array[box].read(order="F").result()

    def write(self, box, values: np.ndarray):
        self.array[box].write(values).result()


class CloudVolume:
    # Two changes of one chunk at once lose one.
    atomic = False

    def __init__(self, place: dict, in_flight: int):
        self.path = place.get("url") or f"slow://testbed/{place['name']}"
        self.s3 = place.get("s3")

    def load(self):
        import cloudvolume  # noqa: F401
        from cloudfiles import paths, secrets

        if self.s3:
            # It takes keys from the environment only together with a session token.
            secrets.AWS_CREDENTIALS_CACHE["testbed"] = dict(os.environ)
            paths.add_alias("slow", f"s3://{self.s3}/")

    def create(self, info: dict):
        from cloudfiles import CloudFiles

        CloudFiles(self.path, progress=False).put_json("info", info)

    def open(self, whole, writable: bool):
        from cloudvolume import CloudVolume

        self.volume = CloudVolume(
            self.path,
            compress=False,
            progress=False,
            non_aligned_writes=True,
            fill_missing=True,
        )

    def read(self, box) -> np.ndarray:
        return np.asarray(self.volume[box])[..., 0]

    def write(self, box, values: np.ndarray):
        self.volume[box] = values[..., None]


TOOLS = {"bigarrays": Ours, "TensorStore": TensorStore, "CloudVolume": CloudVolume}
