"""What `view` serves: tiles are elements, coarser levels are made of them, and closing ends it. What a browser shows of it, and who
is refused, other tests say."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pytest

import bigarrays

RANDOM = np.random.default_rng(0)


class Client:
    """Who knows the address."""

    def __init__(self, viewer: bigarrays.Viewer) -> None:
        self.base = urlsplit(viewer.base)

    def get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection(self.base.netloc)
        connection.request("GET", self.base.path + path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, body
        return body

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))

    def level(self, layer: str, number: int) -> tuple[npt.NDArray[Any], list[int]]:
        """All of a level, by x, y, z and channels, and where it begins."""
        info = self.json(f"arrays/{layer}/info")
        scale = info["scales"][number]
        channels = info["num_channels"]
        first, size, tile = scale["voxel_offset"], scale["size"], scale["chunk_sizes"][0]
        whole = np.zeros((*size, channels), info["data_type"])
        for at in np.ndindex(*(-(-length // step) for length, step in zip(size, tile, strict=True))):
            start = [k * step for k, step in zip(at, tile, strict=True)]
            stop = [min(s + step, length) for s, step, length in zip(start, tile, size, strict=True)]
            name = "_".join(f"{s + f}-{e + f}" for s, e, f in zip(start, stop, first, strict=True))
            shape = [e - s for s, e in zip(start, stop, strict=True)]
            elements = np.frombuffer(self.get(f"arrays/{layer}/{number}/{name}"), whole.dtype)
            part = tuple(slice(s, e) for s, e in zip(start, stop, strict=True))
            whole[part] = elements.reshape(*shape, channels, order="F")
        return whole, first


def coarse(data: npt.NDArray[Any], first: list[int], factor: list[int], mode: bool) -> npt.NDArray[Any]:
    """What a level is made of, element by element."""
    low = [f // k for f, k in zip(first, factor, strict=True)]
    high = [-(-(f + n) // k) for f, n, k in zip(first, data.shape, factor, strict=True)]
    out = np.zeros([h - m for m, h in zip(low, high, strict=True)], data.dtype)
    for at in np.ndindex(*out.shape):
        ranges = [
            slice(max((m + k) * step - f, 0), (m + k + 1) * step - f)
            for m, k, step, f in zip(low, at, factor, first, strict=True)
        ]
        cell = data[tuple(ranges)]
        if mode:
            values, counts = np.unique(cell, return_counts=True)
            out[at] = values[counts.argmax()]
        else:
            out[at] = np.rint(cell.mean()) if data.dtype.kind in "iu" else cell.mean()
    return out


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("format", ["zarr3", "n5", "npy"])
def test_tiles_are_the_elements(tmp_path: Path, dtype: str, format: str) -> None:
    data = (RANDOM.normal(size=(20, 70, 130)) * 50).astype(dtype)
    if format == "npy":
        np.save(tmp_path / "a.npy", data)
        array = bigarrays.open(tmp_path / "a.npy").translate((-3, 5, -100))
    else:
        if format == "n5" and dtype in ("bool", "float16"):
            pytest.skip("N5 has no such type")
        array = bigarrays.create(tmp_path / "a", shape=data.shape, dtype=dtype, format=format, dimension_names=["z", "y", "x"])
        array[...] = data
        array = array.translate((-3, 5, -100))
    with bigarrays.view(array) as viewer:
        found, first = Client(viewer).level("0", 0)
        assert first == [-100, 5, -3]
        assert np.array_equal(found[..., 0].T, data.astype(found.dtype))
        at = [-100 + 7, 5 + 8, -3 + 9]
        value = Client(viewer).json(f"arrays/0/value/{','.join(map(str, at))}")
        text = f"{data[9, 8, 7]:d}" if data.dtype.kind in "biu" else value[0]
        assert value == [text] and data.dtype.type(text) == data[9, 8, 7]
        exact = dtype not in ("int64", "float64")
        assert viewer.names == ["a" if format != "npy" else "a.npy"] or not exact


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("origin", [(0, 0, 0), (-7, 3, -5)])
def test_coarser_levels_are_made_as_pyramids_are(labels: bool, origin: tuple[int, int, int]) -> None:
    data = RANDOM.integers(0, 4 if labels else 255, (150, 131, 20)).astype("uint8")
    array = bigarrays.create("memory://view-coarser", shape=data.shape, origin=origin, dtype="uint8", resolution=(8, 8, 30))
    array[...] = data
    with bigarrays.view(array, labels=[labels]) as viewer:
        client = Client(viewer)
        scales = client.json("arrays/0/info")["scales"]
        assert [scale["resolution"] for scale in scales] == [[8, 8, 30], [16, 16, 30], [32, 32, 30]]
        for number, scale in enumerate(scales):
            factor = [int(own / first) for own, first in zip(scale["resolution"], [8, 8, 30], strict=True)]
            found, first = client.level("0", number)
            assert first == [f // k for f, k in zip(origin, factor, strict=True)]
            assert np.array_equal(found[..., 0], coarse(data, list(origin), factor, labels)), factor
    bigarrays.remove("memory://view-coarser")


def test_scales_that_are_stored_are_used(tmp_path: Path) -> None:
    data = RANDOM.integers(0, 255, (200, 130, 20)).astype("uint8")
    array = bigarrays.create(tmp_path / "em", shape=data.shape, dtype="uint8", resolution=(8, 8, 30))
    array[...] = data
    bigarrays.downsample(array, levels=1, method="max")
    with bigarrays.view(bigarrays.open(tmp_path / "em")) as viewer:
        found, _ = Client(viewer).level("0", 1)
    assert np.array_equal(found[..., 0], bigarrays.open(tmp_path / "em", scale=1)[...])


def test_what_is_far_is_sampled_and_says_so() -> None:
    volume = np.broadcast_to(np.arange(2048, dtype="uint16")[:, None, None], (2048, 1024, 1024))
    with bigarrays.view(volume, names=["large"]) as viewer:
        client = Client(viewer)
        assert viewer.names == ["large (sampled from afar)"]
        scales = client.json("arrays/0/info")["scales"]
        last = len(scales) - 1
        found, _ = client.level("0", last)
        factor = 2048 // scales[last]["size"][2]
        # Each is an element that lies in its cell or near it.
        assert set(np.unique(found)) <= set(range(0, 2048, factor)) and len(np.unique(found)) > 8


def test_axes_and_names() -> None:
    rgb = bigarrays.create("memory://view-rgb", shape=(50, 40, 3), dtype="uint8", format="zarr3", dimension_names=("y", "x", "c"))
    rgb[...] = RANDOM.integers(0, 255, (50, 40, 3)).astype("uint8")
    series = bigarrays.create(
        "memory://view-series", shape=(3, 5, 50, 40), dtype="int16", format="zarr3", dimension_names=("t", "z", "y", "x")
    )
    series[...] = RANDOM.integers(-99, 99, (3, 5, 50, 40)).astype("int16")
    with bigarrays.view(rgb, series, at=[20, 25, 0.5, 1.5], layout="xy", state={"showAxisLines": False}) as viewer:
        client = Client(viewer)
        assert viewer.names == ["view-rgb", "view-series"]
        found, _ = client.level("0", 0)
        assert np.array_equal(found[:, :, 0].transpose(1, 0, 2), rgb[...])
        for time_ in range(3):
            found, _ = client.level(f"1/at/{time_}", 0)
            assert np.array_equal(found[..., 0].T, series[time_])
        state = client.json("state.json")
        assert state["layout"] == "xy" and state["showAxisLines"] is False
        assert state["position"] == [20, 25, 0.5, 1.5] and list(state["dimensions"]) == ["x", "y", "z", "t"]
        assert len(state["layers"][1]["source"]) == 3 and "emitRGB" in state["layers"][0]["shader"]
    bare = bigarrays.create("memory://view-bare", shape=(2, 5, 6, 7), dtype="uint8", format="zarr3")
    with bigarrays.view(bare) as viewer:
        assert list(Client(viewer).json("state.json")["dimensions"]) == ["x", "y", "z", "axis0"]
    for name in ["rgb", "series", "bare"]:
        bigarrays.remove(f"memory://view-{name}")


def test_expressions_lie_over_their_arrays() -> None:
    em = bigarrays.create("memory://view-over", shape=(20, 30, 40), origin=(5, 5, 5), dtype="uint8", resolution=(8, 8, 40))
    with bigarrays.view(em, em.lazy > 3, np.zeros((9, 9), "uint8")) as viewer:
        state = Client(viewer).json("state.json")
        infos = [Client(viewer).json(f"arrays/{number}/info")["scales"][0]["resolution"] for number in range(3)]
    assert state["dimensions"] == {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [4e-8, "m"]}
    assert infos == [[8, 8, 40]] * 3 and all(isinstance(layer["source"], str) for layer in state["layers"])
    bigarrays.remove("memory://view-over")


def test_closing() -> None:
    viewer = bigarrays.view(np.zeros((4, 5), "uint8"))
    assert repr(viewer).startswith("Viewer: http://127.0.0.1:") and viewer.url in viewer._repr_html_()
    port = urlsplit(viewer.url).port
    viewer.close()
    viewer.close()
    assert viewer.closed and repr(viewer) == "Viewer: closed" and "closed" in viewer._repr_html_()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port or 0), timeout=10) as late:
        late.sendall(b"GET / HTTP/1.0\r\n\r\n")
        if not late.recv(10):
            raise ConnectionError


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(bigarrays.InvalidArgumentError, match="no array"):
        bigarrays.view()
    with pytest.raises(bigarrays.InvalidArgumentError, match="1 names of 2 arrays"):
        bigarrays.view(np.zeros(3), np.zeros(3), names=["a"])
    with pytest.raises(bigarrays.InvalidArgumentError, match="no elements"):
        bigarrays.view(np.zeros((0, 3)))
    with pytest.raises(bigarrays.InvalidArgumentError, match="labels are whole numbers"):
        bigarrays.view(np.zeros((3, 3)), labels=[True])
    with pytest.raises(bigarrays.InvalidArgumentError, match="no address"):
        bigarrays.view(np.zeros(3), bind="everywhere")
    ones = bigarrays.create("memory://view-refused", shape=(100, 100, 100), dtype="uint8", format="zarr3")
    with pytest.raises(bigarrays.MemoryBudgetError, match="2000000 bytes"):
        bigarrays.view(ones.lazy - ones.lazy.mean(), tile_bytes=1000)
    np.save(tmp_path / "dates.npy", np.zeros(3, "datetime64[s]"))
    with pytest.raises(bigarrays.UnsupportedError):
        bigarrays.view(bigarrays.open(tmp_path / "dates.npy"))


class Slow:
    """Elements that take long, and count how often they are asked for."""

    shape, dtype, chunks = (640, 640, 64), np.dtype("uint8"), (64, 64, 64)

    def __init__(self) -> None:
        self.reads = 0
        self.pause = 0.0

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[np.uint8]:
        self.reads += 1
        time.sleep(self.pause)
        return np.ones([len(range(*one.indices(n))) for one, n in zip(key, self.shape, strict=True)], "uint8")


def test_what_nobody_waits_for_is_not_read() -> None:
    slow = Slow()
    with bigarrays.view(slow) as viewer:
        slow.reads, slow.pause = 0, 0.3
        base = urlsplit(viewer.base)
        for k in range(10):
            for j in range(10):
                tile = f"0-64_{64 * j}-{64 * j + 64}_{64 * k}-{64 * k + 64}"
                with socket.create_connection((base.hostname or "", base.port or 0)) as gone:
                    gone.sendall(f"GET {base.path}arrays/0/0/{tile} HTTP/1.1\r\nHost: {base.netloc}\r\n\r\n".encode())
        slow.pause = 0.0
        until = time.monotonic() + 30
        while viewer.dropped_reads == 0 and time.monotonic() < until:
            time.sleep(0.05)
        assert Client(viewer).get("arrays/0/0/0-64_0-64_0-64") == b"\1" * 64**3
        assert slow.reads < 60, "most of the hundred were dropped before they were read"


def test_a_forked_child_does_not_close_it() -> None:
    program = """
import os, urllib.request, numpy as np, bigarrays
viewer = bigarrays.view(np.zeros((4, 5), "uint8"))
child = os.fork()
if child == 0:
    viewer.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert urllib.request.urlopen(viewer.base + "arrays/0/info").status == 200
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=120)
