"""What `view` shows in a real browser, which reaches no other host, is what the arrays have."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import WebDriverWait

import bigarrays

FLAGS = (
    "--headless=new --no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader "
    "--ignore-gpu-blocklist --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=900,700"
)

# What Neuroglancer has at each point of its global coordinates.
VALUES = """
    const layer = window.viewer.layerManager.getLayerByName(arguments[1]).layer;
    const state = {pickedRenderLayer: null, pickedValue: 0n, pickedOffset: 0, pickedAnnotationLayer: undefined};
    return arguments[0].map(point => {
        const value = layer.getValueAt(new Float32Array(point.map(x => x + 0.5)), state);
        if (value === null || value === undefined) return null;
        return Array.isArray(value) ? value.map(String) : [String(value.value ?? value)];
    });"""


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = shutil.which("chromedriver") or "chromedriver"
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


def shown(
    browser: webdriver.Chrome, viewer: bigarrays.Viewer, points: npt.NDArray[Any], layer: int = 0, url: str | None = None
) -> list[Any]:
    """What the page has of a layer at points that are in view."""
    browser.get(url or viewer.url)
    ready = "return !!(window.viewer && window.viewer.isReady() && window.viewer.layerManager.managedLayers.length)"
    WebDriverWait(browser, 60).until(lambda page: page.execute_script(ready))
    found: list[Any] = []

    def known(page: webdriver.Chrome) -> bool:
        found[:] = page.execute_script(VALUES, points.tolist(), viewer.names[layer])
        return all(value is not None for value in found)

    WebDriverWait(browser, 60).until(known)
    errors = [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]  # type: ignore[no-untyped-call]
    assert errors == []
    return found


NEAR = {"crossSectionScale": 0.2, "layout": "xy"}
RANDOM = np.random.default_rng(0)


def precomputed(folder: Path) -> tuple[Any, npt.NDArray[Any], list[int], list[int]]:
    """A sharded layer of labels."""
    data = RANDOM.integers(1, 1 << 40, (61, 45, 12)).astype("uint64")
    sharding: dict[str, str | int] = {"preshift_bits": 1, "hash": "murmurhash3_x86_128", "minishard_bits": 2, "shard_bits": 1}
    array = bigarrays.create(
        folder / "layer",
        shape=data.shape,
        origin=(-20, 7, -5),
        dtype="uint64",
        chunk_shape=(32, 32, 8),
        encoding="compressed_segmentation",
        resolution=(8, 8, 40),
        labels=True,
        sharding=sharding,
    )
    array[...] = data
    return bigarrays.open(folder / "layer"), data, [0, 1, 2], [-20, 7, -5]


def zarr(folder: Path) -> tuple[Any, npt.NDArray[Any], list[int], list[int]]:
    data = RANDOM.normal(size=(12, 45, 61))
    array = bigarrays.create(folder / "a.zarr", shape=data.shape, dtype="float64", format="zarr3", encoding="blosc")
    array[...] = data
    return array, data, [2, 1, 0], [0, 0, 0]


def n5(folder: Path) -> tuple[Any, npt.NDArray[Any], list[int], list[int]]:
    data = RANDOM.integers(-3000, 3000, (61, 45, 12)).astype("int16")
    array = bigarrays.create(folder / "a.n5", shape=data.shape, dtype="int16", format="n5", chunk_shape=(20, 20, 5))
    array[...] = data
    return array, data, [0, 1, 2], [0, 0, 0]


def npy(folder: Path) -> tuple[Any, npt.NDArray[Any], list[int], list[int]]:
    data = RANDOM.integers(-(1 << 31), 1 << 31, (12, 45, 61)).astype("int64")
    np.save(folder / "a.npy", data)
    return bigarrays.open(folder / "a.npy").translate((-4, -20, -30)), data, [2, 1, 0], [-4, -20, -30]


def numpy(folder: Path) -> tuple[Any, npt.NDArray[Any], list[int], list[int]]:
    data = RANDOM.random((12, 45, 61)) > 0.5
    return data, data, [2, 1, 0], [0, 0, 0]


def halves(folder: Path) -> tuple[Any, npt.NDArray[Any], list[int], list[int]]:
    data = RANDOM.normal(size=(45, 61)).astype("float16")
    return data, data, [1, 0], [0, 0]


def expression(folder: Path) -> tuple[Any, npt.NDArray[Any], list[int], list[int]]:
    array, data, axes, origin = n5(folder)
    return (array.lazy > 100).astype("uint8") * 7, (data > 100).astype("uint8") * 7, axes, origin


@pytest.mark.parametrize("make", [precomputed, zarr, n5, npy, numpy, halves, expression])
def test_values_on_screen(
    browser: webdriver.Chrome, tmp_path: Path, make: Callable[[Path], tuple[Any, npt.NDArray[Any], list[int], list[int]]]
) -> None:
    shown_array, data, axes, origin = make(tmp_path)
    # Of the plane that is in view, by x, y and z.
    middle = np.array([origin[axis] + data.shape[axis] // 2 for axis in axes], dtype=np.int64)
    reach = np.array([12, 12, 0], dtype=np.int64)[: len(axes)]
    points = RANDOM.integers(middle - reach, middle + reach + 1, (25, len(axes)))
    columns = np.pad(points, ((0, 0), (0, 3 - len(axes))))
    with bigarrays.view(shown_array, state=NEAR) as viewer:
        found = shown(browser, viewer, columns)
    index = tuple(points[:, axes.index(axis)] - origin[axis] for axis in range(len(axes)))
    expected = data[index]
    if data.dtype.kind == "f":
        assert [np.float32(value[0]) for value in found] == expected.astype("float32").tolist()
    else:
        assert [int(value[0]) for value in found] == expected.astype("int64" if data.dtype.kind != "u" else "uint64").tolist()


def test_channels_are_colours(browser: webdriver.Chrome, tmp_path: Path) -> None:
    data = RANDOM.integers(1, 255, (61, 45, 12, 3)).astype("uint8")
    array = bigarrays.create(tmp_path / "rgb", shape=data.shape, dtype="uint8", resolution=(8, 8, 40))
    array[...] = data
    points = RANDOM.integers((20, 12, 6), (40, 34, 7), (25, 3))
    with bigarrays.view(array, state=NEAR) as viewer:
        found = shown(browser, viewer, np.pad(points, ((0, 0), (0, 0))))
    assert [[int(channel) for channel in value] for value in found] == data[tuple(points.T)].tolist()


def test_time_has_a_position(browser: webdriver.Chrome, tmp_path: Path) -> None:
    data = RANDOM.integers(1, 255, (4, 12, 45, 61)).astype("uint8")
    array = bigarrays.create(tmp_path / "t.zarr", shape=data.shape, dtype="uint8", format="zarr3", dimension_names=list("tzyx"))
    array[...] = data
    points = RANDOM.integers((20, 12, 6), (40, 34, 7), (25, 3))
    for time in [0, 2]:
        with bigarrays.view(array, state=NEAR, at=[30, 22, 6, time + 0.5]) as viewer:
            found = shown(browser, viewer, np.insert(points, 3, time, axis=1))
        assert [int(value[0]) for value in found] == data[(time, *points[:, ::-1].T)].tolist()


def test_coarser_levels_from_afar(browser: webdriver.Chrome) -> None:
    """Zoomed out, what is shown are means of what is near."""
    data = RANDOM.integers(0, 255, (512, 384, 16)).astype("uint8")
    far = {"crossSectionScale": 3.9, "layout": "xy"}
    points = RANDOM.integers((2, 2, 2), (126, 94, 3), (25, 3)) * (4, 4, 4) + 1
    with bigarrays.view(np.ascontiguousarray(data.T), state=far, at=[256, 192, 8.5]) as viewer:
        found = shown(browser, viewer, np.where([True, True, False], points, 8))
    means = data.reshape(128, 4, 96, 4, 4, 4).mean(axis=(1, 3, 5))
    expected = [np.rint(means[x // 4, y // 4, 2]) for x, y, _ in points]
    assert [float(value[0]) for value in found] == expected


class Proxy(BaseHTTPRequestHandler):
    """As jupyter-server-proxy has it: what is below /proxy/PORT/ is asked from that port, under the name of the proxy."""

    def do_GET(self) -> None:
        _, first, port, rest = self.path.split("/", 3)
        assert first == "proxy"
        connection = http.client.HTTPConnection("127.0.0.1", int(port))
        headers = {name: value for name, value in self.headers.items() if name != "Connection"}
        connection.request("GET", f"/{rest}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "date", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_behind_a_proxy(browser: webdriver.Chrome) -> None:
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{proxy.server_port}"
    data = RANDOM.integers(0, 255, (12, 45, 61)).astype("uint8")
    points = RANDOM.integers((20, 12, 6), (40, 34, 7), (25, 3))
    with bigarrays.view(data, state=NEAR, allow_origin=[origin]) as viewer:
        base = urlsplit(viewer.base)
        found = shown(browser, viewer, points, url=f"{origin}/proxy/{base.port}{base.path}")
    assert [int(value[0]) for value in found] == data[tuple(points[:, ::-1].T)].tolist()
    proxy.shutdown()
    proxy.server_close()


def test_picture(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """The picture of the README: cells, their labels, and a filter that nobody has saved."""
    size = (160, 160, 64)
    random = np.random.default_rng(3)
    seeds = random.uniform((0, 0, 0), size, (90, 3))
    places = np.moveaxis(np.indices(size), 0, -1).astype("float32")
    distances = np.full(size, np.inf, "float32")
    labels = np.zeros(size, "uint32")
    for number, seed in enumerate(seeds, 1):
        distance = np.linalg.norm((places - seed.astype("float32")) * (1, 1, 1.5), axis=-1) + 3 * random.random()
        labels = np.where(distance < distances, number, labels).astype("uint32")
        distances = np.minimum(distances, distance)
    labels[distances > 13] = 0
    image = np.clip(200 - 9 * distances + random.normal(0, 18, size), 0, 255).astype("uint8")
    cells = bigarrays.create(tmp_path / "cells", shape=size, dtype="uint8", resolution=(260, 260, 290))
    cells[...] = image
    ids = bigarrays.create(tmp_path / "labels", shape=size, dtype="uint32", resolution=(260, 260, 290), labels=True)
    ids[...] = labels
    with bigarrays.view(cells, ids, cells.lazy.gaussian_filter(2) > 90, names=["cells", "labels", "bright"]) as viewer:
        shown(browser, viewer, np.array([[80, 80, 32]]))
        WebDriverWait(browser, 60).until(lambda page: page.execute_script("return window.viewer.isReady()"))
        picture = browser.get_screenshot_as_png()
    if folder := os.environ.get("PICTURES"):
        Path(folder, "view.png").write_bytes(picture)
    assert len(picture) > 50_000, "there is more than one colour"


def test_values_of_the_array_itself(browser: webdriver.Chrome) -> None:
    """Of what Neuroglancer has no type for, the page shows the value under the pointer."""
    data = RANDOM.integers(-(1 << 62), 1 << 62, (12, 45, 61)).astype("int64")
    with bigarrays.view(data, names=["times"], state=NEAR) as viewer:
        assert viewer.names == ["times (int64 rounded to float32)"]
        shown(browser, viewer, np.array([[30, 22, 6]]))
        browser.execute_script("""
            viewer.mouseState.position = Float32Array.of(31.5, 20.5, 6.5);
            viewer.mouseState.active = true;
            viewer.mouseState.changed.dispatch();""")
        text = "return document.getElementById('bigarrays-values').textContent"
        WebDriverWait(browser, 60).until(lambda page: page.execute_script(text))
        assert browser.execute_script(text) == f"times: {data[6, 20, 31]}"


@pytest.fixture
def plain_browser() -> Iterator[webdriver.Chrome]:
    """One without WebGL."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in ("--headless=new --no-sandbox --disable-gpu --disable-3d-apis --no-first-run --window-size=1200,900").split():
        options.add_argument(flag)
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver") or "chromedriver"))
    yield chrome
    chrome.quit()


def test_the_plain_page(plain_browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = plain_browser
    data = RANDOM.integers(0, 255, (60, 50, 40)).astype("uint8")
    em = bigarrays.create(tmp_path / "em", shape=data.shape, origin=(-7, 3, 0), dtype="uint8", resolution=(8, 8, 40))
    em[...] = data
    ids = bigarrays.create(tmp_path / "ids", shape=data.shape, origin=(-7, 3, 0), dtype="uint64", resolution=(8, 8, 40), labels=True)
    ids[...] = (data // 100).astype("uint64") + (1 << 60)
    times = RANDOM.integers(-(1 << 62), 1 << 62, (9, 20, 30)).astype("int64")
    with bigarrays.view(em, ids, times, names=["em", "ids", "times"]) as viewer:
        page.get(viewer.base + "plain.html")
        drawn = "return typeof window.panels === 'function' && panels().length === 3 && panels().every(p => p.drawn && p.drawn === p.wanted && p.image.complete)"
        WebDriverWait(page, 60).until(lambda page: page.execute_script(drawn))
        assert not page.execute_script("return !!document.createElement('canvas').getContext('webgl2')")
        paths = page.execute_script("return panels().map(panel => panel.drawn)")
        assert len(paths) == 3
        # What is drawn is what `picture` draws.
        for path in paths:
            axes, box, pixels, contrast = path.split("/")[3:7]
            ranges = [re.fullmatch(r"(-?\d+)-(-?\d+)", part) for part in box.split("_")]
            down, right = map(int, axes.split(","))
            own = bigarrays.picture(
                em,
                box=",".join(f"{one[1]}:{one[2]}" for one in ranges if one is not None),
                axes=(down, right),
                pixels=(int(pixels.split(",")[0]), int(pixels.split(",")[1])),
                contrast=(float(contrast.split(",")[0]), float(contrast.split(",")[1])),
            )
            script = "const done = arguments[1]; fetch(arguments[0]).then(r => r.blob()).then(createImageBitmap).then(b => {"
            script += "const c = new OffscreenCanvas(b.width, b.height).getContext('2d'); c.drawImage(b, 0, 0);"
            script += "done([b.width, b.height, Array.from(c.getImageData(0, 0, b.width, b.height).data)]); })"
            width, height, rgba = page.execute_async_script(script, path)
            shown_pixels = np.array(rgba, "uint8").reshape(height, width, 4)[..., :3]
            expected = np.asarray(own)
            expected = expected if expected.ndim == 3 else np.repeat(expected[..., None], 3, axis=2)
            assert np.array_equal(shown_pixels, expected[..., :3])
        # Keys, labels over the array, and another array.
        page.execute_script("panels()[0].figure.dispatchEvent(new KeyboardEvent('keydown', {key: 'PageUp'}))")
        WebDriverWait(page, 60).until(lambda page: page.execute_script(drawn))
        assert page.execute_script("return own.at[2]") == 21
        page.execute_script("const o = document.getElementById('overlay'); o.value = '1'; o.dispatchEvent(new Event('change'))")
        WebDriverWait(page, 60).until(lambda page: page.execute_script(drawn))
        assert all(path.endswith("/1,0.5") for path in page.execute_script("return panels().map(panel => panel.drawn)"))
        page.execute_script("const o = document.getElementById('overlay'); o.value = ''; o.dispatchEvent(new Event('change'))")
        page.execute_script("const l = document.getElementById('layer'); l.value = '2'; l.dispatchEvent(new Event('change'))")
        WebDriverWait(page, 60).until(lambda page: page.execute_script(drawn))
        assert page.execute_script("return document.getElementById('note').textContent") == ""
        page.execute_script("""
            const panel = panels()[0], {left, top, width, height} = panel.figure.getBoundingClientRect();
            const where = {clientX: left + width / 2, clientY: top + height / 2, bubbles: true};
            panel.figure.dispatchEvent(new PointerEvent('pointermove', where));""")
        text = "return document.getElementById('value').textContent"
        WebDriverWait(page, 60).until(lambda page: page.execute_script(text))
        found = dict(part.split("=") for part in page.execute_script(text).split("  ")[0].split())
        value = int(page.execute_script(text).split("  ")[1])
        assert value == times[int(found["z"]), int(found["y"]), int(found["x"])]
        errors = [line["message"] for line in page.get_log("browser") if line["level"] == "SEVERE"]  # type: ignore[no-untyped-call]
        assert errors == []


DRAWN = "return typeof window.panels === 'function' && panels().length > 0 && panels().every(p => p.drawn && p.drawn === p.wanted && (p.needs || p.image.complete))"


def costly(name: str) -> tuple[Any, npt.NDArray[Any]]:
    """An expression of which each element needs all of an array."""
    data = RANDOM.integers(1, 255, (45, 61, 40)).astype("uint8")
    array = bigarrays.create(f"memory://costly-{name}", shape=data.shape, dtype="uint8", format="zarr3", dimension_names=list("zyx"))
    array[...] = data
    return array.lazy.astype("int16") + array.lazy.max(), data.astype("int16") + data.max()


def test_the_plain_page_asks_before_it_reads_much(plain_browser: webdriver.Chrome) -> None:
    page, (sums, expected) = plain_browser, costly("plain")
    with bigarrays.view(sums, names=["sums"], tile_bytes=50_000) as viewer:
        page.get(viewer.base + "plain.html")
        WebDriverWait(page, 60).until(lambda page: page.execute_script(DRAWN))
        ask, button = page.find_element("id", "ask"), page.find_element("id", "allow")
        assert "KiB have to be read" in ask.text and button.is_displayed()
        assert page.execute_script("return panels().every(p => !p.image.getAttribute('src'))")
        assert critical(page) == []
        button.click()
        WebDriverWait(page, 60).until(lambda page: page.execute_script(f"{DRAWN} && panels().every(p => !p.needs)"))
        assert not ask.is_displayed()
        assert page.execute_script("return document.getElementById('note').textContent") == ""
        script = "const d = arguments[0]; fetch('arrays/0/value/7,8,9').then(r => r.json()).then(d)"
        assert page.execute_async_script(script) == [str(expected[9, 8, 7])]


def test_neuroglancer_asks_before_much_is_read(browser: webdriver.Chrome) -> None:
    sums, expected = costly("neuroglancer")
    with bigarrays.view(sums, names=["sums"], tile_bytes=50_000, state=NEAR) as viewer:
        browser.get(viewer.url)
        WebDriverWait(browser, 60).until(lambda page: page.find_elements("css selector", "#bigarrays-asks button"))
        assert "KiB are read" in browser.find_element("id", "bigarrays-asks").text
        browser.find_element("css selector", "#bigarrays-asks button").click()
        reloaded = "return !document.getElementById('bigarrays-asks') && document.readyState === 'complete' && !!window.viewer"
        WebDriverWait(browser, 60).until(lambda page: page.execute_script(reloaded))
        browser.get_log("browser")  # type: ignore[no-untyped-call]
        points = np.stack([RANDOM.integers(10, 30, 25), RANDOM.integers(20, 40, 25), np.full(25, 22)], axis=1)
        found = shown(browser, viewer, points, url=browser.current_url)
    assert [int(value[0]) for value in found] == expected[tuple(points[:, ::-1].T)].tolist()


AXE = Path(__file__).parents[3] / "testbed" / "node_modules" / "axe-core" / "axe.min.js"


def critical(page: webdriver.Chrome) -> list[Any]:
    """What axe-core says keeps people from using the page."""
    page.execute_script(AXE.read_text())
    script = "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(found => done(found.violations"
    script += ".map(one => [one.id, one.impact, one.nodes.map(node => node.html)])))"
    faults = page.execute_async_script(script)
    return [fault for fault in faults if fault[1] in ("serious", "critical")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_plain_page_is_for_all(plain_browser: webdriver.Chrome, tmp_path: Path, scheme: str) -> None:
    """axe-core finds no serious fault, and all can be done by keyboard."""
    page = plain_browser
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    data = RANDOM.integers(0, 255, (3, 60, 50, 40)).astype("uint8")
    em = bigarrays.create(tmp_path / "em.zarr", shape=data.shape, dtype="uint8", format="zarr3", dimension_names=list("tzyx"))
    em[...] = data
    with bigarrays.view(em, np.ones((60, 50, 40), "uint32"), names=["em", "cells"], labels=[False, True]) as viewer:
        page.get(viewer.base + "plain.html")
        WebDriverWait(page, 60).until(lambda page: page.execute_script(DRAWN))
        back = page.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", back)[:3])) > 384) == (scheme == "light"), back
        assert critical(page) == []
        # From one control to the next, to the first plane.
        reached = []
        for _ in range(30):
            ActionChains(page).send_keys(Keys.TAB).perform()
            reached.append(page.execute_script("const e = document.activeElement; return e.id || e.tagName"))
            if reached[-1] == "FIGURE":
                break
        assert {"layer", "overlay", "opacity", "low", "high", "neuroglancer", "INPUT", "FIGURE"} <= set(reached), reached
        for key, axis in [(Keys.PAGE_UP, 2), (Keys.ARROW_LEFT, 0), (Keys.ARROW_DOWN, 1)]:
            before = page.execute_script("return own.at[arguments[0]]", axis)
            ActionChains(page).send_keys(key).perform()
            assert page.execute_script("return own.at[arguments[0]]", axis) != before, key
        scale = page.execute_script("return own.scale")
        ActionChains(page).send_keys("+").perform()
        assert page.execute_script("return own.scale") < scale
        outline = page.execute_script("return getComputedStyle(document.activeElement).outlineWidth")
        assert outline != "0px"


def test_an_affine_matrix_says_where_elements_are(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Sheared, scaled and moved: at a physical point is the element that the matrix takes there."""
    data = RANDOM.integers(1, 255, (60, 50, 20)).astype("uint8")
    array = bigarrays.create(tmp_path / "a", shape=data.shape, origin=(-4, 0, 3), dtype="uint8", resolution=(8, 8, 40))
    array[...] = data
    # In nanometres: x' = 2 y + 400, y' = x + z / 5, z' = z.
    matrix = np.array([[0, 2, 0, 400], [1, 0, 0.2, 0], [0, 0, 1, 0]], dtype=float)
    elements = RANDOM.integers((20, 18, 10), (30, 30, 11), (25, 3))
    middles = (elements + np.array([-4, 0, 3]) + 0.5) * (8, 8, 40)
    physical = middles @ matrix[:, :3].T + matrix[:, 3]
    places = physical / (8, 8, 40)
    with bigarrays.view(array, affine=[matrix], names=["a"], state=NEAR) as viewer:
        # Where Neuroglancer is asked, it adds half an element.
        found = shown(browser, viewer, places - 0.5)
    assert [int(value[0]) for value in found] == data[tuple(elements.T)].tolist()


def test_jpeg_is_passed_as_it_is_stored(browser: webdriver.Chrome, tmp_path: Path) -> None:
    x, y, z = np.indices((128, 128, 64))
    data = (100 + 50 * np.sin(x / 9) + 40 * np.cos((y + z) / 11)).astype("uint8")
    array = bigarrays.create(tmp_path / "a", shape=data.shape, dtype="uint8", encoding="jpeg", chunk_shape=(64, 64, 64))
    array[...] = data
    points = RANDOM.integers((54, 54, 32), (75, 75, 33), (25, 3))
    with bigarrays.view(array, state=NEAR) as viewer:
        found = shown(browser, viewer, points)
        script = "const d = arguments[0]; fetch('arrays/0/info').then(r => r.json()).then(d)"
        assert browser.execute_async_script(script)["scales"][0]["encoding"] == "jpeg"
    # Decoders of JPEG round as they like.
    expected = array[...][tuple(points.T)].astype(int)
    assert np.abs(np.array([int(value[0]) for value in found]) - expected).max() <= 2
