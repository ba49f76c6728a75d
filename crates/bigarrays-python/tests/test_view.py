"""What `view` serves: tiles are elements, coarser levels are made of them, and closing ends it. What a browser shows of it, and who
is refused, other tests say."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import shutil
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

    def answer(self, path: str, **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Whatever is answered."""
        connection = http.client.HTTPConnection(self.base.netloc)
        connection.request("GET", self.base.path + path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body, answer.headers

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


def ready(viewer: bigarrays.Viewer) -> None:
    """Waits until the levels are kept."""
    for _ in range(600):
        if viewer.pyramids == ["ready"]:
            return
        assert "failed" not in str(viewer.pyramids), viewer.pyramids
        time.sleep(0.1)
    raise AssertionError(viewer.pyramids)


def kept_precomputed(folder: Path) -> Any:
    array = bigarrays.create(folder / "a", shape=(300, 210, 70), origin=(-21, 7, -5), dtype="uint16", chunk_shape=(32, 32, 32))
    array[0:150, 50:150, 0:60] = RANDOM.integers(0, 1 << 16, (150, 100, 60)).astype("uint16")
    return bigarrays.open(folder / "a", mode="r")


def kept_labels(folder: Path) -> Any:
    array = bigarrays.create(folder / "l", shape=(210, 110, 70), origin=(3, 7, -5), dtype="uint64", labels=True, chunk_shape=(32, 32, 32))
    array[...] = RANDOM.integers(0, 3, array.shape).astype("uint64") << 60
    return array


def kept_channels(folder: Path) -> Any:
    shape, names = (2, 3, 70, 150, 130), list("tczyx")
    array = bigarrays.create(folder / "c.zarr", shape=shape, dtype="float32", format="zarr3", dimension_names=names)
    array[...] = RANDOM.normal(size=shape).astype("float32")
    return array


def kept_view(folder: Path) -> Any:
    np.save(folder / "v.npy", RANDOM.integers(-9, 9, (150, 160, 170)).astype("int64"))
    return bigarrays.open(folder / "v.npy").translate((-4, -20, -30)).view[:, ::2, -27:]


@pytest.mark.parametrize("make", [kept_precomputed, kept_labels, kept_channels, kept_view])
def test_kept_levels_are_those_that_are_made_where_one_looks(tmp_path: Path, make: Any) -> None:
    array = make(tmp_path)
    with bigarrays.view(array) as viewer:
        client, made = Client(viewer), []
        layer = "0/at/1" if array.ndim == 5 else "0"
        count = len(client.json("arrays/0/info")["scales"])
        assert count > 1 and viewer.pyramids == [None]
        made = [client.level(layer, number) for number in range(count)]
    for _ in range(2):
        with bigarrays.view(array, pyramid=tmp_path / "kept") as viewer:
            ready(viewer)
            client = Client(viewer)
            assert client.json("pyramids.json") == ["ready"]
            for number, (elements, first) in enumerate(made):
                kept, origin = client.level(layer, number)
                assert origin == first and np.array_equal(kept, elements), number
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_what_was_sampled_is_exact_once_it_is_kept_and_never_of_another_version(tmp_path: Path) -> None:
    data = RANDOM.integers(0, 255, (340, 340, 340)).astype("uint8")
    array = bigarrays.create(tmp_path / "a.zarr", shape=data.shape, dtype="uint8", format="zarr3", chunk_shape=(64, 64, 64))
    array[...] = data

    def means() -> npt.NDArray[Any]:
        made: npt.NDArray[Any] = np.rint(data[:320, :320, :320].reshape(40, 8, 40, 8, 40, 8).mean(axis=(1, 3, 5))).T
        return made

    with bigarrays.view(bigarrays.open(tmp_path / "a.zarr"), pyramid=tmp_path / "kept") as viewer:
        assert viewer.names == ["a.zarr (sampled from afar)"]
        ready(viewer)
        last = len(Client(viewer).json("arrays/0/info")["scales"]) - 1
        assert np.array_equal(Client(viewer).level("0", last)[0][:40, :40, :40, 0], means())
    began = time.monotonic()
    with bigarrays.view(bigarrays.open(tmp_path / "a.zarr"), pyramid=tmp_path / "kept") as viewer:
        assert viewer.pyramids == ["ready"] and time.monotonic() - began < 1
        assert viewer.names == ["a.zarr"]
        assert np.array_equal(Client(viewer).level("0", last)[0][:40, :40, :40, 0], means())
        # The array changes while it is seen, and then while nobody looks.
        array[:8, :8, :8] = 200
        data[:8, :8, :8] = 200
        for _ in range(300):
            if Client(viewer).level("0", last)[0][0, 0, 0, 0] == 200:
                break
            time.sleep(0.1)
        assert np.array_equal(Client(viewer).level("0", last)[0][:40, :40, :40, 0], means())
    array[:8, :8, :8] = 100
    with bigarrays.view(bigarrays.open(tmp_path / "a.zarr"), pyramid=tmp_path / "kept") as viewer:
        assert viewer.pyramids != ["ready"]
        assert Client(viewer).level("0", last)[0][0, 0, 0, 0] == 100
        ready(viewer)
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_levels_of_a_file_that_has_changed_are_made_anew(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((300, 200, 100), 5, "uint16"))
    for value in [5, 7]:
        np.load(tmp_path / "a.npy", mmap_mode="r+")[...] = value
        os.utime(tmp_path / "a.npy")
        for began in [False, True]:
            with bigarrays.view(bigarrays.open(tmp_path / "a.npy"), pyramid=tmp_path / "kept") as viewer:
                assert (viewer.pyramids == ["ready"]) == began
                ready(viewer)
                assert (Client(viewer).level("0", 1)[0] == value).all()


def test_levels_that_somebody_removes_are_not_zeros(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((300, 200, 100), 5, "uint16"))
    with bigarrays.view(bigarrays.open(tmp_path / "a.npy"), pyramid=tmp_path / "kept") as viewer:
        ready(viewer)
        shutil.rmtree(tmp_path / "kept")
        # No tile was looked at before.
        assert (Client(viewer).level("0", 1)[0] == 5).all()
        for _ in range(300):
            if list(tmp_path.glob("kept/*/complete")):
                break
            time.sleep(0.1)
        ready(viewer)
        assert (Client(viewer).level("0", 1)[0] == 5).all()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"layout": "4 panels"}, r'"4 panels" is no layout: there are 4panel, '),
        ({"at": []}, "are no coordinates along some of the first of x, y"),
        ({"at": [1, 2, 3, 4]}, "are no coordinates along some of the first of x, y"),
        ({"at": [1, float("nan"), 3]}, "are no coordinates to begin with"),
    ],
)
def test_what_it_cannot_begin_with_is_refused(options: Any, reason: str) -> None:
    with pytest.raises(bigarrays.InvalidArgumentError, match=reason):
        bigarrays.view(np.zeros((4, 5, 6), "uint8"), **options)


def test_what_is_in_memory_keeps_no_levels(tmp_path: Path) -> None:
    with bigarrays.view(np.zeros((200, 200, 200), "uint8"), pyramid=tmp_path / "kept") as viewer:
        assert viewer.pyramids == [None]
    assert not (tmp_path / "kept").exists()


def stored(folder: Path, array: bigarrays.Array, box: str) -> bytes | None:
    """A chunk as a file has it."""
    (layer,) = [path for path in folder.iterdir() if path.is_dir()]
    plain, zipped = layer / box, layer / f"{box}.gz"
    if zipped.exists():
        return gzip.decompress(zipped.read_bytes())
    return plain.read_bytes() if plain.exists() else None


@pytest.mark.parametrize("content_encoding", ["gzip", "none"])
@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize(
    ("encoding", "dtype", "channels"),
    [("jpeg", "uint8", 1), ("jpeg", "uint8", 3), ("compressed_segmentation", "uint64", 1), ("compressed_segmentation", "uint32", 1)],
)
def test_chunks_are_passed_as_they_are_stored(
    tmp_path: Path, encoding: str, dtype: str, channels: int, sharded: bool, content_encoding: Any
) -> None:
    shape = (100, 70, 60) if channels == 1 else (100, 70, 60, channels)
    data = RANDOM.integers(1, 200, shape).astype(dtype)
    options: dict[str, Any] = {"shape": shape, "origin": (-20, 7, -5, 0)[: len(shape)], "dtype": dtype, "encoding": encoding}
    options |= {"chunk_shape": (64, 32, 32, channels)[: len(shape)], "resolution": (8, 8, 40)}
    plain = bigarrays.create(tmp_path / "plain", content_encoding=content_encoding, **options)
    plain[: -20 + 64, :, :] = data[:64]
    array = plain
    if sharded:
        kind: dict[str, Any] = {"preshift_bits": 1, "hash": "murmurhash3_x86_128", "minishard_bits": 2, "shard_bits": 1}
        kind |= {"data_encoding": "gzip" if content_encoding == "gzip" else "raw"}
        array = bigarrays.create(tmp_path / "sharded", sharding=kind, **options)
        array[: -20 + 64, :, :] = data[:64]
    with bigarrays.view(bigarrays.open(tmp_path / ("sharded" if sharded else "plain"))) as viewer:
        client = Client(viewer)
        scale = client.json("arrays/0/info")["scales"][0]
        assert scale["encoding"] == encoding and scale["chunk_sizes"] == [[64, 32, 32]]
        if dtype.startswith("uint64"):
            assert scale["compressed_segmentation_block_size"] == [8, 8, 8]
        for box in ["-20-44_7-39_-5-27", "-20-44_71-77_27-55", "-20-44_39-71_27-55"]:
            status, body, _ = client.answer(f"arrays/0/0/{box}")
            assert status == 200 and body == stored(tmp_path / "plain", plain, box), box
        # What is not stored is zero to Neuroglancer if it is not found.
        assert client.answer("arrays/0/0/44-80_7-39_-5-27")[0] == 404
        assert client.json("arrays/0/value/-20,7,-5") == [str(x) for x in np.ravel(array[-20, 7, -5])]


def test_damaged_chunks_are_no_answer(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(64, 64, 64), dtype="uint32", encoding="compressed_segmentation", chunk_shape=(32, 32, 32))
    array[...] = RANDOM.integers(1, 9, array.shape).astype("uint32")
    (layer,) = [path for path in (tmp_path / "a").iterdir() if path.is_dir()]
    for path in layer.glob("0-32_0-32_0-32*"):
        path.unlink()
    (layer / "0-32_0-32_0-32").write_bytes(b"\x01\0\0\0" + b"\xff" * 40)
    with bigarrays.view(bigarrays.open(tmp_path / "a")) as viewer:
        status, body, _ = Client(viewer).answer("arrays/0/0/0-32_0-32_0-32")
        assert status == 500 and b"0-32_0-32_0-32" in body, body
        assert Client(viewer).answer("arrays/0/0/32-64_0-32_0-32")[0] == 200


def test_what_takes_too_much_is_computed_once_somebody_lets_it() -> None:
    data = RANDOM.integers(0, 255, (100, 100, 100)).astype("uint8")
    array = bigarrays.create("memory://view-asks", shape=data.shape, dtype="uint8", format="zarr3")
    array[...] = data
    above = array.lazy.astype("int16") - array.lazy.max()
    with bigarrays.view(above, array.lazy + 1, array, tile_bytes=1_500_000, allow_origin=["https://hub.example"]) as viewer:
        client = Client(viewer)
        info = client.json("arrays/0/info")
        assert len(info["scales"]) == 1
        asks = client.json("costs.json")
        assert asks[0]["limit"] == 1_500_000 and asks[0]["bytes"] > 1_500_000 and asks[1]["bytes"] <= 1_500_000 and asks[2] is None
        picture = "arrays/0/picture/1,0/0-100_0-100_50-51/100,100/-/-"
        for path in ["arrays/0/0/0-64_0-64_0-64", picture]:
            status, body, headers = client.answer(path)
            assert status == 507 and b"bytes have to be read" in body
            assert int(headers["bigarrays-needs"]) > 1_500_000
        assert client.answer("arrays/0/value/1,2,3")[0] == 507
        assert client.answer("arrays/1/0/0-64_0-64_0-64")[0] == 200
        # The page itself may let it: no other page, even if that may read; and nothing that is no layer.
        allow = f"arrays/0/allow/{asks[0]['bytes']}"
        assert client.answer(allow, Origin="https://hub.example")[0] == 403
        assert client.answer(allow, Origin="https://evil.example")[0] == 403
        assert client.answer("arrays/7/allow/1")[0] == 404
        assert client.answer("arrays/0/0/0-64_0-64_0-64")[0] == 507
        assert client.json(allow) == {"limit": asks[0]["bytes"]}
        tile = np.frombuffer(client.get("arrays/0/0/0-64_0-64_0-64"), "int16").reshape(64, 64, 64)
        assert np.array_equal(tile, data[:64, :64, :64].astype("int16") - data.max())
        assert client.json("arrays/0/value/1,2,3") == [str(int(data[3, 2, 1]) - int(data.max()))]
        assert client.json("costs.json")[1]["limit"] == 1_500_000


def test_an_affine_matrix_is_of_positions(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(20, 30, 10), origin=(-4, 0, 0), dtype="uint8", resolution=(8, 8, 40))
    turned = [[0, -1, 0, 160], [1, 0, 0, 0], [0, 0, 1, -80]]
    with bigarrays.view(array, array, affine=[None, turned], names=["plain", "turned"]) as viewer:
        state = Client(viewer).json("state.json")
        assert state["layers"][0]["source"] == "precomputed://{here}/arrays/0"
        matrix = state["layers"][1]["source"]["transform"]["matrix"]
        # The linear part is of lengths, and what is added of elements.
        assert matrix == [[0, -1, 0, 20], [1, 0, 0, 0], [0, 0, 1, -2]]
        inverse = np.array(Client(viewer).json("layers.json")[1]["inverse"])
        assert np.allclose(inverse @ [20 - 7.0, 3, 5 - 2, 1], [3, 7, 5])
    with bigarrays.view(array, affine=[np.vstack([turned, [0, 0, 0, 1]])]) as viewer:
        # It begins in the middle, wherever that lies.
        assert Client(viewer).json("state.json")["position"] == [20 - 15.5, 6.5, 5.5 - 2]
    with bigarrays.view(tmp_path / "a", str(tmp_path / "a")) as viewer:
        assert viewer.names == ["a", "a"]
    wrong: list[Any] = [[[1, 2, 3]], np.zeros((3, 4)), np.full((4, 4), np.nan)]
    for bad in wrong:
        with pytest.raises(bigarrays.InvalidArgumentError, match="affine matrix"):
            bigarrays.view(array, affine=[bad])
    with pytest.raises(bigarrays.InvalidArgumentError, match="1 affine matrices of 2 arrays"):
        bigarrays.view(array, array, affine=[turned])


def test_keeping_levels_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(256, 256, 256), dtype="uint16", chunk_shape=(64, 64, 64))
    array[...] = data = RANDOM.integers(0, 1 << 16, array.shape).astype("uint16")
    for _ in range(4):
        with bigarrays.view(array, pyramid=tmp_path / "kept") as viewer:
            assert viewer.pyramids != [None]
    command = [sys.executable, "-c", "import bigarrays, sys, time; v = bigarrays.view(bigarrays.open(sys.argv[1]), pyramid=sys.argv[2]);"]
    command[-1] += "print(v.url, flush=True); time.sleep(60)"
    for pause in [0.0, 0.3, 1.0]:
        with subprocess.Popen([*command, str(tmp_path / "a"), str(tmp_path / "kept")], stdout=subprocess.PIPE) as other:
            assert other.stdout is not None and other.stdout.readline()
            time.sleep(pause)
            other.kill()
    with bigarrays.view(array, pyramid=tmp_path / "kept") as viewer:
        ready(viewer)
        means = np.rint(data.reshape(128, 2, 128, 2, 128, 2).mean(axis=(1, 3, 5)))
        assert np.array_equal(Client(viewer).level("0", 1)[0][..., 0], means)


def test_changes_of_one_of_many_chunks_are_seen(tmp_path: Path) -> None:
    """More than are looked at together."""
    array = bigarrays.create(tmp_path / "a", shape=(70_000,), dtype="uint8", format="zarr3", chunk_shape=(1,))
    array[7] = 200
    for change in [0, 80]:
        array[60_001] = change
        with bigarrays.view(bigarrays.open(tmp_path / "a"), pyramid=tmp_path / "kept") as viewer:
            ready(viewer)
            level, _ = Client(viewer).level("0", 1)
            assert (level[3, 0, 0, 0], level[30_000, 0, 0, 0], level.astype(int).sum()) == (100, change // 2, 100 + change // 2)
