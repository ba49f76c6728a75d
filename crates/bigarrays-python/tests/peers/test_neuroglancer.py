"""Neuroglancer, in a real browser, shows the values that we wrote."""

from __future__ import annotations

import io
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import neuroglancer  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

import bigarrays

FLAGS = (
    "--headless=new --no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader "
    "--ignore-gpu-blocklist --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=700,500"
)


class Files(SimpleHTTPRequestHandler):
    """Static files and ranges of them, for pages of other origins."""

    def end_headers(self) -> None:
        for name in ["Access-Control-Allow-Origin", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers"]:
            self.send_header(name, "*")
        super().end_headers()

    def do_OPTIONS(self) -> None:
        self.send_response(204)
        self.end_headers()

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if wanted is None or not path.is_file():
            return super().send_head()
        whole, first = path.read_bytes(), int(wanted[1])
        part = whole[first : int(wanted[2]) + 1]
        if not part:
            self.send_error(416)
            return None
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        return io.BytesIO(part)

    #: Paths that were asked for.
    asked: ClassVar[list[str]] = []

    def log_message(self, format: str, *args: Any) -> None:
        self.asked.append(self.path)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in FLAGS.split():
        options.add_argument(flag)
    driver = shutil.which("chromedriver") or "chromedriver"
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def values(
    browser: webdriver.Chrome, url: str, kind: str, center: list[float], points: npt.NDArray[np.int64],
    zoom: float = 0.2, depth: int = 40,
) -> list[Any]:
    """What the viewer holds at each point, once it has drawn the plane around `center`, of which a pixel is `zoom` voxels, of `depth` nm along z."""
    neuroglancer.set_server_bind_address("127.0.0.1", 0)
    viewer = neuroglancer.Viewer()
    with viewer.txn() as state:
        source = f"{url}/|neuroglancer-precomputed:"
        layer = neuroglancer.ImageLayer if kind == "image" else neuroglancer.SegmentationLayer
        state.layers["data"] = layer(source=source)
        state.dimensions = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=[8, 8, depth])
        state.position = center
        state.cross_section_scale = zoom
        state.layout = "xy"
    browser.get(viewer.get_viewer_url())
    ready = "return !!(window.viewer && window.viewer.isReady() && window.viewer.layerManager.managedLayers[0].isReady())"
    WebDriverWait(browser, 60).until(lambda page: page.execute_script(ready))
    script = """
        const layer = window.viewer.layerManager.managedLayers[0].layer;
        const state = {pickedRenderLayer: null, pickedValue: 0n, pickedOffset: 0, pickedAnnotationLayer: undefined};
        return arguments[0].map(point => {
            const value = layer.getValueAt(new Float32Array(point.map(x => x + 0.5)), state);
            if (value === null || value === undefined) return null;
            return Array.isArray(value) ? value.map(String) : [String(value.value ?? value)];
        });"""
    found: list[Any] = []

    def shown(page: webdriver.Chrome) -> bool:
        found[:] = page.execute_script(script, points.tolist())
        return all(value is not None for value in found)

    WebDriverWait(browser, 60).until(shown)
    return found


CASES = [
    ("raw", "uint8", 1, "image"),
    ("raw", "float32", 1, "image"),
    ("raw", "int16", 1, "image"),
    ("png", "uint16", 1, "image"),
    ("png", "uint8", 3, "image"),
    ("jpeg", "uint8", 1, "image"),
    ("raw", "uint64", 1, "segmentation"),
    ("compressed_segmentation", "uint64", 1, "segmentation"),
    ("compressed_segmentation", "uint32", 1, "segmentation"),
]


# Points of a plane that is in view, of layers that begin at (-20, 7, -5).
CENTER = [10.5, 28.5, 2.5]
POINTS = np.random.default_rng(0).integers((-12, 12, 2), (30, 46, 3), (25, 3))


@pytest.mark.parametrize(("encoding", "dtype", "channels", "kind"), CASES)
def test_values_on_screen(
    browser: webdriver.Chrome, served: tuple[Path, str], encoding: str, dtype: str, channels: int, kind: str
) -> None:
    folder, url = served
    origin, shape = (-20, 7, -5), (61, 45, 12)
    grid = np.indices(shape).sum(axis=0)
    data = ((grid * 3) % 200 + 1).astype(dtype)
    if dtype == "uint64":
        data += np.uint64(1 << 40)
    if channels > 1:
        data = np.stack([data, data + 20, data + 40], axis=-1).astype(dtype)
    array = bigarrays.create(
        folder / "layer",
        shape=data.shape,
        origin=origin if channels == 1 else (*origin, 0),
        dtype=dtype,
        chunk_shape=(32, 16, 8),
        encoding=encoding,
        resolution=(8, 8, 40),
        labels=kind == "segmentation",
        level=100 if encoding == "jpeg" else None,
    )
    array[...] = data
    found = values(browser, f"{url}/layer", kind, CENTER, POINTS)
    for point, value in zip(POINTS, found, strict=True):
        expected = np.atleast_1d(data[tuple(point - origin)])
        if encoding == "jpeg":
            assert abs(int(value[0]) - int(expected[0])) <= 8, point
        else:
            assert [float(v) if dtype == "float32" else int(v) for v in value] == expected.tolist(), point


# Of 4 × 6 × 3 chunks, whose ids have 2 + 3 + 2 bits: preshift, hash, minishard and shard bits, and encodings.
SHARDINGS = [
    (3, "identity", 2, 2, "raw", "raw"),
    (3, "identity", 2, 2, "gzip", "gzip"),
    (0, "identity", 7, 0, "gzip", "raw"),
    (7, "identity", 0, 0, "raw", "gzip"),
    (1, "murmurhash3_x86_128", 2, 3, "raw", "raw"),
    (0, "murmurhash3_x86_128", 3, 1, "gzip", "gzip"),
    (2, "murmurhash3_x86_128", 0, 9, "gzip", "raw"),
]


@pytest.mark.parametrize(("preshift", "hash_", "minishard", "shard", "index", "data_encoding"), SHARDINGS)
@pytest.mark.parametrize("kind", ["image", "segmentation"])
def test_values_of_shards_on_screen(
    browser: webdriver.Chrome,
    served: tuple[Path, str],
    kind: str,
    preshift: int,
    hash_: str,
    minishard: int,
    shard: int,
    index: str,
    data_encoding: str,
) -> None:
    folder, url = served
    origin, shape = (-20, 7, -5), (61, 45, 12)
    segmentation = kind == "segmentation"
    data = np.random.default_rng(1).integers(1, 1 << 40 if segmentation else 200, shape)
    data = data.astype("uint64" if segmentation else "uint8")
    array = bigarrays.create(
        folder / "layer",
        shape=shape,
        origin=origin,
        dtype=data.dtype,
        chunk_shape=(16, 8, 4),
        encoding="compressed_segmentation" if segmentation else "raw",
        resolution=(8, 8, 40),
        labels=segmentation,
        sharding={
            "preshift_bits": preshift,
            "hash": hash_,
            "minishard_bits": minishard,
            "shard_bits": shard,
            "minishard_index_encoding": index,
            "data_encoding": data_encoding,
        },
    )
    array[...] = data
    found = values(browser, f"{url}/layer", kind, CENTER, POINTS)
    assert [int(value[0]) for value in found] == [int(data[tuple(point - origin)]) for point in POINTS]


def has_asked(start: str, browser: webdriver.Chrome) -> bool:
    """Whether a page has asked for something whose path begins so."""
    return any(path.startswith(start) for path in Files.asked)


@pytest.mark.parametrize(("kind", "sharding"), [("image", False), ("segmentation", False), ("segmentation", True)])
def test_two_scales_have_the_same_value_at_a_point(
    browser: webdriver.Chrome, served: tuple[Path, str], kind: str, sharding: bool
) -> None:
    folder, url = served
    origin, shape = (-20, 8, -4), (64, 48, 16)
    # Cells that both scales have whole.
    cells = np.random.default_rng(5).integers(1, 250, (16, 12, 4))
    data = np.kron(cells, np.ones((4, 4, 4), "int64")).astype("uint8" if kind == "image" else "uint64")
    array = bigarrays.create(
        folder / "layer", shape=shape, origin=origin, dtype=data.dtype, chunk_shape=(16, 16, 8), resolution=(8, 8, 8),
        labels=kind == "segmentation",
    )
    array[...] = data
    assert bigarrays.downsample(array, levels=2, factors=(2, 2, 2), sharding=sharding) == ["16_16_16", "32_32_32"]
    points = np.random.default_rng(0).integers((-12, 14, 2), (30, 46, 3), (25, 3))
    expected = [int(data[tuple(point - origin)]) for point in points]
    for zoom, scale, other in [(0.2, "8_8_8", None), (4.2, "32_32_32", "8_8_8")]:
        Files.asked.clear()
        found = values(browser, f"{url}/layer", kind, [10.5, 28.5, 2.5], points, zoom, depth=8)
        assert [int(value[0]) for value in found] == expected

        # A near view begins with what is coarse.
        wanted = f"/layer/{scale}/"
        WebDriverWait(browser, 60).until(partial(has_asked, wanted))
        assert other is None or not has_asked(f"/layer/{other}/", browser)
