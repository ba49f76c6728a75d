"""Layers on servers across tools: TensorStore and CloudVolume read there what we write, and we read
what they write. Azure has no such peer. The servers are those of `crates/testbed`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import cloudvolume  # type: ignore[import-untyped]
import numpy as np
import pytest
import tensorstore as ts
from cloudfiles import CloudFiles, paths, secrets  # type: ignore[import-untyped]
from test_precomputed import CSEG, GEOMETRIES, Array, Case, create, info

import bigarrays

ROOT = Path(__file__).parents[4]
PLACES = count()
NEGATIVE: dict[str, Any] = {"geometry": GEOMETRIES["negative"], "geometry_name": "negative"}
CASES = [
    Case("raw", "uint8"),
    Case("raw", "float32", 3, **NEGATIVE),
    Case("jpeg", "uint8", level=95, **NEGATIVE),
    Case("raw", "uint16", compression="gzip", **NEGATIVE),
    Case(CSEG, "uint64", block=(8, 8, 8), compression="gzip"),
    Case("raw", "uint16", compression="br"),
    Case("raw", "uint16", sharding="plain", **NEGATIVE),
    Case("raw", "uint16", sharding="gzip", **NEGATIVE),
    Case(CSEG, "uint64", block=(8, 8, 8), sharding="murmur", **NEGATIVE),
]


@dataclass(frozen=True)
class Server:
    """A running server. A file server serves `folder`, which is where it is written to."""

    kind: str
    url: str
    endpoint: str
    folder: Path | None

    def place(self) -> Place:
        return Place(self, f"place-{next(PLACES)}")


@dataclass(frozen=True)
class Place:
    """Where a new layer goes, as each tool calls it."""

    server: Server
    name: str

    @property
    def url(self) -> str:
        return f"{self.server.url}/{self.name}"

    @property
    def written_url(self) -> str:
        return str(self.server.folder / self.name) if self.server.folder else self.url

    def kvstore(self, written: bool) -> dict[str, Any]:
        path = f"{self.name}/"
        if self.server.folder and written:
            return {"driver": "file", "path": f"{self.server.folder / self.name}/"}
        if self.server.folder:
            return {"driver": "http", "base_url": self.server.endpoint, "path": path}
        if self.server.url.startswith("gs:"):
            return {"driver": "gcs", "bucket": "testbed", "path": path}
        signed = {"aws_region": "us-east-1", "aws_credentials": {"type": "environment"}}
        return {"driver": "s3", "bucket": "testbed", "path": path, "endpoint": self.server.endpoint, **signed}

    def cloudpath(self, written: bool) -> str:
        if self.server.folder:
            return f"file://{self.server.folder / self.name}" if written else self.url
        if self.server.url.startswith("gs:"):
            return self.url
        return f"{self.server.kind}://testbed/{self.name}"


class TensorStore:
    @staticmethod
    def cannot_read(case: Case) -> str | None:
        return None

    @staticmethod
    def cannot_write(case: Case) -> str | None:
        return None if case.compression is None else "it sets no Content-Encoding"

    @staticmethod
    def open(place: Place, written: bool) -> ts.TensorStore:
        spec = {"driver": "neuroglancer_precomputed", "kvstore": place.kvstore(written)}
        return ts.open(spec, open=True).result()

    @classmethod
    def read(cls, place: Place) -> Array:
        return np.asarray(cls.open(place, False).read(order="F").result())

    @classmethod
    def write(cls, place: Place, case: Case, data: Array) -> None:
        kvstore = ts.KvStore.open(place.kvstore(True)).result()
        kvstore.write("info", json.dumps(info(case))).result()
        cls.open(place, True).write(data).result()


class CloudVolume:
    @staticmethod
    def cannot_read(case: Case) -> str | None:
        return None

    cannot_write = cannot_read

    @staticmethod
    def open(place: Place, written: bool, compression: str | None = None) -> Any:
        return cloudvolume.CloudVolume(
            place.cloudpath(written), compress=compression or False, progress=False, fill_missing=True
        )

    @classmethod
    def read(cls, place: Place) -> Array:
        return np.asarray(cls.open(place, False)[...])

    @classmethod
    def write(cls, place: Place, case: Case, data: Array) -> None:
        files = CloudFiles(place.cloudpath(True), progress=False)
        files.put_json("info", info(case))
        volume = cls.open(place, True, case.compression)
        if case.sharding is None:
            volume[...] = data
            return
        # It writes boxes of one shard only; here all of them are made at once.
        image = volume.image
        image.morton_codes = partial(image.morton_codes, same_shard=False)
        chunks = image.make_shard_chunks(data, volume.bounds, mip=0)
        for name, shard in image.shard_spec(0).synthesize_shards(chunks).items():
            files.put(f"4_4_40/{name}", shard)


Peer = type[TensorStore] | type[CloudVolume]
PEERS: list[Peer] = [TensorStore, CloudVolume]
SERVERS = ["s3s", "moto", "fake-gcs", "nginx"]


def pairs(ability: str) -> list[Any]:
    """Every case with every peer and server; what a peer cannot do is skipped and says why."""
    rows = []
    for kind in SERVERS:
        for peer in PEERS:
            for case in CASES:
                reason = getattr(peer, f"cannot_{ability}")(case)
                marks = [] if reason is None else [pytest.mark.skip(reason=f"{peer.__name__}: {reason}")]
                name = f"{kind}-{case}-{peer.__name__}"
                rows.append(pytest.param(kind, case, peer, id=name, marks=marks))
    return rows


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """All servers, each for all tests here, and the environment in which every tool finds them."""
    program = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/testbed"
    if not program.exists():
        subprocess.run(["cargo", "build", "--quiet", "--package", "testbed"], cwd=ROOT, check=True)
    running, environment, found = [], pytest.MonkeyPatch(), {}
    try:
        for kind in SERVERS:
            folder = tmp_path_factory.mktemp(kind) if kind == "nginx" else None
            command = [str(program), "serve", kind, *(["--dir", str(folder)] if folder else [])]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            running.append(process)
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            for key, value in ready["env"].items():
                environment.setenv(key, value)
            if "AWS_ACCESS_KEY_ID" in ready["env"]:
                # CloudFiles takes keys from the environment only together with a session token.
                environment.setitem(secrets.AWS_CREDENTIALS_CACHE, "testbed", ready["env"])
                paths.add_alias(kind, f"s3://{ready['endpoint']}/")
            found[kind] = Server(kind, ready["url"], ready["endpoint"], folder)
        yield found
    finally:
        environment.undo()
        for process in running:
            process.communicate()


@pytest.fixture
def place(servers: dict[str, Server], kind: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    if kind in ("s3s", "moto"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", servers[kind].endpoint)
    return servers[kind].place()


@pytest.mark.parametrize(("kind", "case", "peer"), pairs("read"))
def test_peers_read_ours(place: Place, case: Case, peer: Peer) -> None:
    data = case.sample()
    create(place.written_url, case)[...] = data[..., 0] if case.channels == 1 else data
    ours = read_ours(place, case)
    if not case.lossy:
        np.testing.assert_array_equal(ours, data)
    np.testing.assert_array_equal(peer.read(place), ours)


@pytest.mark.parametrize(("kind", "case", "peer"), pairs("write"))
def test_we_read_theirs(place: Place, case: Case, peer: Peer) -> None:
    data = case.sample()
    peer.write(place, case, data)
    ours = read_ours(place, case)
    np.testing.assert_array_equal(ours, peer.read(place) if case.lossy else data)


def read_ours(place: Place, case: Case) -> Array:
    return np.asarray(bigarrays.open(place.url)[...]).reshape(case.shape, order="F")
