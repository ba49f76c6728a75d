"""How soon something is seen, how long tiles take, and how much memory the viewer's server has.

    .venv/bin/python bench/view.py [--gib 2] [--seconds 60] [--clients 32]

A .npy file without scales is shown from afar; then clients pan over it for a while, and go away in the middle of requests. The page
itself is not opened: what it asks for is.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np


def peak(process: int) -> int:
    """The most memory that a process had, without pages of files."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmHWM"].split()[0]) - int(fields["RssFile"].split()[0])


def made(folder: Path, gib: float) -> Path:
    """A volume of smooth texture, uint16."""
    side = int((gib * (1 << 30) / 2) ** (1 / 3))
    path = folder / "volume.npy"
    volume = np.lib.format.open_memmap(path, "w+", "uint16", (side, side, side))
    y, x = np.indices((side, side))
    plane = (1000 * np.sin(x / 30) * np.cos(y / 40) + 3000).astype("uint16")
    for z in range(side):
        volume[z] = np.roll(plane, z, axis=1)
    volume.flush()
    return path


class Client:
    def __init__(self, base: str) -> None:
        self.base = urlsplit(base)
        self.connection = http.client.HTTPConnection(self.base.netloc)

    def get(self, path: str) -> bytes:
        self.connection.request("GET", self.base.path + path, headers={"Accept-Encoding": "gzip"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body!r}")
        return body

    def tiles(self, scale: dict[str, Any], at: list[int]) -> list[str]:
        """Those of three planes through a point, as many as a screen shows."""
        size, first, tile = scale["size"], scale["voxel_offset"], scale["chunk_sizes"][0]
        names = []
        for flat in range(3):
            middle = [min(a // t, (s - 1) // t) for a, t, s in zip(at, tile, size, strict=True)]
            for i in range(-3, 4):
                for j in range(-3, 4):
                    k = list(middle)
                    axes = [axis for axis in range(3) if axis != flat]
                    k[axes[0]] += i
                    k[axes[1]] += j
                    if any(q < 0 or q * t >= s for q, t, s in zip(k, tile, size, strict=True)):
                        continue
                    ranges = [(f + q * t, f + min(q * t + t, s)) for q, t, s, f in zip(k, tile, size, first, strict=True)]
                    names.append(f"{scale['key']}/" + "_".join(f"{a}-{b}" for a, b in ranges))
        return sorted(set(names))


def pan(
    base: str, scales: list[dict[str, Any]], until: float, seed: int, times: tuple[list[float], list[float]], known: set[str], errors: list[str]
) -> None:
    """Notes how long tiles took: those that nobody had asked for before, and all others."""
    client, chance = Client(base), random.Random(seed)
    parts = urlsplit(base)
    try:
        while time.monotonic() < until:
            scale = chance.choice(scales)
            at = [chance.randrange(length) for length in scale["size"]]
            for name in client.tiles(scale, at)[: chance.randrange(1, 40)]:
                if chance.random() < 0.1:
                    # As a browser that has panned on.
                    gone = socket.create_connection((parts.hostname or "", parts.port or 0))
                    gone.sendall(f"GET {parts.path}arrays/0/{name} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
                    gone.close()
                    continue
                began = time.monotonic()
                client.get(f"arrays/0/{name}")
                times[name in known].append(time.monotonic() - began)
                known.add(name)
    except Exception as error:
        errors.append(repr(error))


def started(program: str, path: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    """A server, and its address."""
    server = subprocess.Popen([program, "view", str(path), "--no-browser", *options], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, server.stdout.readline().strip()


def seen_from_afar(program: str, path: Path, *options: str) -> tuple[subprocess.Popen[str], Client, float]:
    """A server, and after how long all tiles of its coarsest level were there."""
    began = time.monotonic()
    server, base = started(program, path, *options)
    client = Client(base)
    last = json.loads(client.get("arrays/0/info"))["scales"][-1]
    for name in client.tiles(last, [length // 2 for length in last["size"]]):
        client.get(f"arrays/0/{name}")
    return server, client, time.monotonic() - began


def kept(program: str, path: Path, folder: Path) -> None:
    """What levels that are kept are worth: the first start, which makes them, and the second."""
    began = time.monotonic()
    server, client, first = seen_from_afar(program, path, "--pyramid", str(folder))
    while (state := json.loads(client.get("pyramids.json"))) != ["ready"]:
        if "failed" in str(state):
            raise RuntimeError(state)
        time.sleep(0.05)
    made, memory = time.monotonic() - began, peak(server.pid)
    server.send_signal(2)
    server.wait(timeout=30)
    server, client, second = seen_from_afar(program, path, "--pyramid", str(folder))
    name = json.loads(client.get("state.json"))["layers"][0]["name"]
    state = json.loads(client.get("pyramids.json"))
    server.send_signal(2)
    server.wait(timeout=30)
    print(f"--pyramid: seen from afar after {first:.2f} s, levels made after {made:.1f} s, {memory / 1024:.0f} MiB")
    print(f"--pyramid, second start: seen from afar after {second:.2f} s, exactly; name: {name}, {state}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=2)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--program", default="bigarrays")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        path = made(Path(folder), args.gib)
        kept(args.program, path, Path(folder) / "kept")
        began = time.monotonic()
        server, base = started(args.program, path)
        print(f"address after {time.monotonic() - began:.2f} s")
        client = Client(base)
        scales = json.loads(client.get("arrays/0/info"))["scales"]
        print(f"{len(scales)} levels, tiles of {scales[0]['chunk_sizes'][0]}; name: {json.loads(client.get('state.json'))['layers'][0]['name']}")
        for scale in [scales[-1], scales[len(scales) // 2], scales[0]]:
            names = client.tiles(scale, [length // 2 for length in scale["size"]])
            began = time.monotonic()
            for name in names:
                client.get(f"arrays/0/{name}")
            first = time.monotonic() - began
            times = []
            for name in names:
                began = time.monotonic()
                client.get(f"arrays/0/{name}")
                times.append(time.monotonic() - began)
            print(
                f"level {scale['key']}: {len(names)} tiles in {first:.2f} s, one after the other; "
                f"kept ones at the 95th percentile in {np.percentile(times, 95) * 1e3:.1f} ms"
            )
        times: tuple[list[float], list[float]] = ([], [])
        known: set[str] = set()
        errors: list[str] = []
        until = time.monotonic() + args.seconds
        threads = [threading.Thread(target=pan, args=(base, scales, until, k, times, known, errors)) for k in range(args.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{args.clients} clients, {args.seconds:.0f} s: {sum(map(len, times))} tiles, {len(errors)} errors {errors[:3]}")
        for what, some in zip(["asked for the first time", "asked for before"], times, strict=True):
            if some:
                print(f"{what}: {len(some)}, median {np.median(some) * 1e3:.1f} ms, 95th percentile {np.percentile(some, 95) * 1e3:.1f} ms")
        counts = json.loads(Client(base).get("counts.json"))
        print(f"{counts['reads']} reads were begun, {counts['dropped']} ended early, since their client had gone")
        print(f"peak memory of the server, without pages of files: {peak(server.pid) / 1024:.0f} MiB")
        server.send_signal(2)
        print(f"ended with {server.wait(timeout=30)}")


if __name__ == "__main__":
    main()
