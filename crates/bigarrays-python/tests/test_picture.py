"""Pictures, compared by pixels with NumPy and PIL."""

import base64
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bigarrays as ba

count = itertools.count()


def stored(values: Any, origin: tuple[int, ...] | None = None, **options: Any) -> ba.Array:
    if origin is not None:
        options["origin"] = origin
    known: dict[str, Any] = {"chunk_shape": (8,) * 3} if values.ndim == 3 else {}
    array = ba.create(f"memory://pictures/{next(count)}", shape=values.shape, dtype=values.dtype, **known | options)
    array[...] = values
    return array


def random(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.normal(size=shape).astype(dtype)
    if kind.kind == "b":
        return rng.random(shape) < 0.5
    info = np.iinfo(kind)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def grey(plane: Any, low: float, high: float) -> Any:
    """The grey levels of a plane."""
    share = np.clip((plane.astype("f8") - low) / (high - low), 0, 1)
    return np.floor(share * 255 + 0.5).astype("u1")


def gray3(levels: Any) -> Any:
    return np.repeat(levels[..., None], 3, axis=2)


def nearest(length: int, pixels: int) -> Any:
    """The elements in whose middle pixels lie."""
    return np.floor((np.arange(pixels) + 0.5) * length / pixels).astype(int)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32", "uint64", "int64", "float32", "float64", "bool"])
def test_planes_of_all_axes_and_types(dtype: str) -> None:
    values = random((21, 18, 13), dtype)
    if dtype in {"bool", "float64", "int64"}:
        # Axes that go the other way: the last one goes to the right.
        array = stored(values, format="zarr3", dimension_names=("z", "y", "x"))
    else:
        array = stored(values, origin=(3, -5, 7))
    for axis, name in enumerate(str(name) for name in array.dimension_names):
        plane = np.take(values, 4, axis=axis)
        down = plane if array.format == "zarr3" else plane.T
        low, high = np.percentile(plane.astype("f8"), [1, 99])
        drawn = ba.picture(array, at={name: array.origin[axis] + 4})
        assert drawn.pixels.shape == (*down.shape, 3) and (drawn.width, drawn.height) == down.shape[::-1], name
        assert drawn.contrast == [pytest.approx((low, high), rel=1e-12)]
        np.testing.assert_array_equal(drawn.pixels, gray3(grey(down, low, high if high > low else low + 1)))
        by_number = ba.picture(array, at={axis - 3: array.origin[axis] + 4})
        np.testing.assert_array_equal(by_number.pixels, drawn.pixels)


def test_files_are_read_by_others(tmp_path: Path) -> None:
    values = random((40, 30, 20), "uint16")
    array = stored(values)
    drawn = ba.picture(array, z=7, contrast=(1000, 50000))
    drawn.save(tmp_path / "a.png")
    expected = gray3(grey(values[:, :, 7].T, 1000, 50000))
    for read in (Image.open(tmp_path / "a.png"), Image.open(io.BytesIO(drawn.png)), Image.open(io.BytesIO(drawn._repr_png_()))):
        np.testing.assert_array_equal(np.asarray(read), expected)
    np.testing.assert_array_equal(np.asarray(drawn), expected)


@pytest.mark.parametrize("pixels", [(60, 80), (7, 11), (1, 1), (30, 5)])
def test_sizes_are_those_of_pil(pixels: tuple[int, int]) -> None:
    values = random((40, 30, 5), "uint8")
    drawn = ba.picture(stored(values), z=2, pixels=pixels, contrast="type")
    image = Image.fromarray(np.ascontiguousarray(values[:, :, 2].T)).resize(pixels[::-1], Image.Resampling.NEAREST)
    np.testing.assert_array_equal(drawn.pixels, gray3(np.asarray(image)))


def test_elements_keep_their_proportions() -> None:
    values = random((16, 12, 10), "uint8")
    array = stored(values, resolution=(8, 8, 40))
    drawn = ba.picture(array, y=3, contrast="type")
    assert (drawn.height, drawn.width) == (50, 16)
    np.testing.assert_array_equal(drawn.pixels[..., 0], values[:, 3, :].T.repeat(5, axis=0))
    small = ba.picture(array, y=3, contrast="type", pixels=25)
    assert (small.height, small.width) == (25, 8)
    np.testing.assert_array_equal(small.pixels[..., 1], values[nearest(16, 8), 3, :].T[nearest(10, 25)])


@pytest.mark.parametrize("shape", [(5, 1), (1, 5), (1, 1), (1, 5, 7), (3, 5, 1), (3, 1, 5)])
def test_axes_of_one_element_are_drawn_last_and_where_they_lie(shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape), dtype="uint8").reshape(shape)
    plane = values if len(shape) == 2 else values.reshape([length for length in shape if length > 1])
    height, width = plane.shape
    drawn = ba.picture(values, contrast="type", pixels=(height, width))
    np.testing.assert_array_equal(drawn.pixels[..., 0], plane)


def test_boxes_reach_outside_of_the_domain() -> None:
    values = random((16, 12, 10), "float32")
    values[3, 4, 5] = np.nan
    array = stored(values)
    drawn = ba.picture(array, z=5, box="-2:6,3:14,0:10", contrast=(-1, 1), missing_color="#102030")
    expected = np.full((11, 8, 3), (0x10, 0x20, 0x30), "u1")
    expected[:9, 2:] = gray3(grey(np.nan_to_num(values[:6, 3:, 5].T), -1, 1))
    expected[1, 5] = (0x10, 0x20, 0x30)
    np.testing.assert_array_equal(drawn.pixels, expected)
    # A box of one element along an axis is a plane.
    np.testing.assert_array_equal(ba.picture(array, box="0:16,0:12,2:3", contrast=(-1, 1)).pixels, gray3(grey(values[:, :, 2].T, -1, 1)))


def test_labels_have_stable_colours_and_lie_over_images() -> None:
    labels = random((16, 12, 4), "uint64") % 5 * 2**61
    array = stored(labels, labels=True)
    drawn = ba.picture(array, z=1).pixels
    plane = labels[:, :, 1].T
    assert drawn.shape == (12, 16, 4)
    np.testing.assert_array_equal(drawn[..., 3], np.where(plane == 0, 0, 255))
    colors = {int(label): {tuple(color) for color in drawn[plane == label].tolist()} for label in np.unique(plane)}
    assert all(len(found) == 1 for found in colors.values()) and len(set.union(*colors.values())) == len(colors)
    # Written down: the same on every machine, in every version.
    assert {label: color(label) for label in colors if label} == {label: one.pop()[:3] for label, one in colors.items() if label}
    image = stored(random((16, 12, 4), "uint8"))
    over = ba.picture(image, z=1, overlay=array, opacity=0.25, contrast="type").pixels
    below = ba.picture(image, z=1, contrast="type").pixels.astype("f8")
    mixed = np.floor(below * 0.75 + drawn[..., :3] * 0.25 + 0.5)
    np.testing.assert_array_equal(over, np.where((plane == 0)[..., None], below, mixed))


def color(label: int) -> tuple[int, ...]:
    """The colour of a label, from its definition."""
    wide = (1 << 64) - 1
    mixed = (label + 0x9E3779B97F4A7C15) & wide
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & wide
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & wide
    mixed ^= mixed >> 31
    sector, within = divmod(mixed % 1536, 256)
    value = 192 + (mixed >> 48) % 64
    least = value * (255 - (128 + (mixed >> 32) % 64 * 2)) // 255
    rising = least + (value - least) * within // 255
    falling = least + (value - least) * (255 - within) // 255
    return [
        (value, rising, least), (falling, value, least), (least, value, rising),
        (least, falling, value), (rising, least, value), (value, least, falling),
    ][sector]  # fmt: skip


def test_labels_of_another_resolution_lie_where_they_are_in_space() -> None:
    image = stored(random((16, 12, 4), "uint8"), origin=(-4, 2, 0), resolution=(8, 8, 40))
    labels = random((8, 6, 4), "uint32") % 4
    over = stored(labels, origin=(-2, 1, 0), resolution=(16, 16, 40), labels=True)
    drawn = ba.picture(image, z=3, overlay=over, opacity=1.0, contrast=(300, 400)).pixels
    expected = labels[:, :, 3].T.repeat(2, axis=0).repeat(2, axis=1)
    colors = np.array([(0, 0, 0), color(1), color(2), color(3)])
    np.testing.assert_array_equal(drawn, colors[expected])


def test_channels_are_colours() -> None:
    values = random((12, 16, 3), "uint8")
    photo = ba.create("memory://pictures/photo", shape=values.shape, dtype="uint8", format="zarr3", dimension_names=("y", "x", "c"))
    photo[...] = values
    np.testing.assert_array_equal(ba.picture(photo).pixels, values)
    wide = random((5, 12, 16), "uint16", 3)
    array = ba.create("memory://pictures/channels", shape=wide.shape, dtype="uint16", format="zarr3", dimension_names=("channel", "y", "x"))
    array[...] = wide
    colors = {"red": (255, 0, 0), "#0000ff": (0, 0, 255), "orange": (255, 165, 0)}
    drawn = ba.picture(array, channel=slice(1, 4), colors=list(colors), contrast="5%,95%")
    expected = np.zeros((12, 16, 3))
    for channel, one in zip(wide[1:4], colors.values(), strict=True):
        low, high = np.percentile(channel, [5, 95])
        expected += np.clip((channel - low) / (high - low), 0, 1)[..., None] * one
    np.testing.assert_array_equal(drawn.pixels, np.floor(np.minimum(expected, 255) + 0.5))
    assert len(drawn.contrast) == 3
    # Of five, the first.
    low, high = np.percentile(wide[0], [1, 99])
    np.testing.assert_array_equal(ba.picture(array).pixels, gray3(grey(wide[0], low, high)))


@pytest.mark.parametrize("projection", ["max", "mean"])
def test_projections(projection: Any) -> None:
    values = random((16, 12, 30), "float32")
    values[:4][random((4, 12, 30), "bool")] = np.nan
    values[0, 0] = np.nan
    array = stored(values)
    drawn = ba.picture(array, z=slice(3, 29, 2), projection=projection, contrast=(-1, 2), missing_color="red").pixels
    with np.errstate(all="ignore"):
        line = values[:, :, 3:29:2].astype("f8")
        flat = np.fmax.reduce(line, axis=2) if projection == "max" else np.nansum(line, axis=2) / (~np.isnan(line)).sum(axis=2)
    expected = gray3(grey(np.nan_to_num(flat.T), -1, 2))
    expected[0, 0] = (255, 0, 0)
    difference = np.abs(drawn.astype(int) - expected)
    # Sums may be added up in another order.
    assert difference.max() <= (0 if projection == "max" else 1) and (difference > 0).mean() < 0.01
    np.testing.assert_array_equal(ba.picture(array, projection=projection).pixels, ba.picture(array, z=":", projection=projection).pixels)


def test_montages() -> None:
    values = random((16, 12, 30), "uint8")
    array = stored(values, origin=(0, 0, -10))
    drawn = ba.picture(array, z="-10:20:6", contrast="type")
    planes = [values[:, :, at].T for at in range(0, 30, 6)]
    columns = int(np.ceil(np.sqrt(5 * 12 / 16)))
    rows = -(-5 // columns)
    expected = np.zeros((rows * 14 - 2, columns * 18 - 2), "u1")
    for number, plane in enumerate(planes):
        row, column = divmod(number, columns)
        expected[row * 14 : row * 14 + 12, column * 18 : column * 18 + 16] = plane
    np.testing.assert_array_equal(drawn.pixels, gray3(expected))
    # One contrast for all.
    low, high = np.percentile(np.stack(planes), [1, 99])
    assert ba.picture(array, z="-10:20:6").contrast == [pytest.approx((low, high))]


def test_colour_maps_are_those_of_matplotlib() -> None:
    values = np.arange(256, dtype="uint8").reshape(16, 16, 1)
    for name, expected in {
        # matplotlib.colors.to_hex(matplotlib.colormaps[name](level)) of the levels 0, 100 and 255
        "viridis": ["440154", "2a768e", "fde725"],
        "magma": ["000004", "892881", "fcfdbf"],
        "inferno": ["000004", "902568", "fcffa4"],
    }.items():
        drawn = ba.picture(stored(values), color_map=name, contrast="type").pixels  # type: ignore[arg-type]
        found = ["".join(f"{part:02x}" for part in drawn[level % 16, level // 16]) for level in (0, 100, 255)]
        assert found == expected, name


def test_a_coarser_scale_is_read_if_it_suffices(tmp_path: Path) -> None:
    values = random((64, 48, 16), "uint8")
    for origin in ((0, 0, 0), (-3, 5, 2)):
        array = ba.create(tmp_path / f"layer{origin[0]}", shape=values.shape, origin=origin, dtype="uint8", chunk_shape=(16, 16, 4), resolution=(8, 8, 40))
        array[...] = values
        ba.downsample(array, levels=2, factors=(2, 2, 1))
        array = ba.open(tmp_path / f"layer{origin[0]}")
        assert ba.picture(array, z=6, pixels=33).notes == []
        drawn = ba.picture(array, z=6, pixels=16, contrast="type")
        assert drawn.notes == [f"drawn from the scale {array.scales[2].key}"]
        coarse = ba.open(tmp_path / f"layer{origin[0]}", scale=2)
        x, y = (np.floor_divide(origin[axis] + nearest(length, pixels), 4) for axis, (length, pixels) in enumerate([(64, 16), (48, 12)]))
        box = coarse[...]
        expected = box[np.ix_(x - coarse.origin[0], y - coarse.origin[1], [6 - origin[2]])][..., 0].T
        np.testing.assert_array_equal(drawn.pixels[..., 0], expected)
        # What others show of it, the finest scale shows as well.
        np.testing.assert_array_equal(ba.picture(array.view[:, :, 6], pixels=16, contrast="type").pixels[..., 2], values[nearest(64, 16), :, 6 - origin[2]].T[nearest(48, 12)])


def test_what_is_read_is_bounded(tmp_path: Path) -> None:
    # 2^40 elements, of which a plane has 2^30 bytes in its chunks.
    array = ba.create(tmp_path / "wide", shape=(1 << 15, 1 << 15, 1 << 10), dtype="uint8", chunk_shape=(64, 64, 64))
    array[:64, :64, :64] = 200
    drawn = ba.picture(array, z=3, contrast="type", read_limit=1 << 22)
    assert drawn.pixels.shape == (2048, 2048, 3) and drawn.pixels[0, 0, 0] == 0
    assert len(drawn.notes) == 1 and "instead of 2048 × 2048" in drawn.notes[0], drawn.notes
    with pytest.raises(ba.MemoryBudgetError, match="limit is 1000"):
        ba.picture(array, z=3, read_limit=1000)
    ba.downsample(array, levels=2, factors=(4, 4, 4), method="max")
    drawn = ba.picture(ba.open(tmp_path / "wide"), z=3, contrast="type", read_limit=1 << 30)
    assert drawn.notes[0].startswith(f"drawn from the scale {ba.open(tmp_path / 'wide').scales[2].key}") and drawn.pixels[0, 0, 0] == 200


def test_bars_and_captions_stand_where_they_should() -> None:
    values = np.full((300, 200, 2), 100, "uint8")
    array = stored(values, resolution=(8, 8, 40), chunk_shape=(64, 64, 2))
    drawn = ba.picture(array, z=1, scale_bar=True, captions=True, contrast="type").pixels[..., 0]
    # 2.4 µm across: the longest round length of at most a third is 500 nm, 62.5 pixels long.
    white = np.flatnonzero((drawn[195] == 255) | (drawn[194] == 255))
    assert (white[0], len(white)) == (5, 63) or (white[0], len(white)) == (5, 62), (white[0], len(white))
    assert drawn[0, 0] == 0 and 255 in drawn[:8, :20] and (drawn[20:180] == 100).all() and (drawn[:, 90:] == 100).all()
    plain = ba.picture(stored(values[:, :, :1], format="zarr3"), scale_bar=True)
    assert plain.notes == ["there is no scale bar: the array says no resolution"]


def test_what_makes_no_sense_is_refused() -> None:
    array = stored(random((16, 12, 10), "uint8"))
    for options, error in [
        ({"z": 10}, ba.OutOfBoundsError),
        ({"z": slice(20, 30)}, ba.OutOfBoundsError),
        ({"q": 1}, ba.InvalidArgumentError),
        ({"x": 1, "y": 1}, ba.InvalidArgumentError),
        ({"z": slice(0, 5), "y": slice(0, 5), "at": {}}, ba.InvalidArgumentError),
        ({"z": 1, "at": {"z": 2}}, ba.InvalidArgumentError),
        ({"z": "0:5:0"}, ba.InvalidArgumentError),
        ({"z": 1, "contrast": (5, 5)}, ba.InvalidArgumentError),
        ({"z": 1, "contrast": "1%,101%"}, ba.InvalidArgumentError),
        ({"z": 1, "contrast": "dark"}, ba.InvalidArgumentError),
        ({"z": 1, "pixels": 0}, ba.InvalidArgumentError),
        ({"z": 1, "pixels": (100000, 100000)}, ba.InvalidArgumentError),
        ({"z": 1, "color_map": "jet"}, ba.InvalidArgumentError),
        ({"z": 1, "colors": ["reddish"]}, ba.InvalidArgumentError),
        ({"z": 1, "opacity": 2.0, "overlay": array}, ba.InvalidArgumentError),
        ({"z": 1, "axes": "xz"}, ba.InvalidArgumentError),
        ({"box": "0:0,0:5,0:5"}, ba.InvalidArgumentError),
        ({"z": 1, "labels": True, "box": "0:4,0:4"}, ba.InvalidArgumentError),
    ]:
        with pytest.raises(error):
            ba.picture(array, **options)  # type: ignore[arg-type]
    deep = ba.create("memory://pictures/deep", shape=(4, 4, 1 << 40), dtype="uint8")
    for projection in (None, "max"):
        with pytest.raises(ba.InvalidArgumentError, match="take a step"):
            ba.picture(deep, z=":", projection=projection)
    with pytest.raises(ba.UnsupportedError, match="whole numbers"):
        ba.picture(stored(random((4, 4, 4), "float32")), labels=True)


def test_expressions_are_drawn_as_arrays_are() -> None:
    values = random((16, 12, 10), "uint8")
    array = stored(values, origin=(-4, 2, 7))
    bright = ba.picture(array.lazy > 100, z=9, contrast="type")
    np.testing.assert_array_equal(bright.pixels, gray3((values[:, :, 2].T > 100) * np.uint8(255)))
    shown: list[dict[str, Any]] = [{"z": "7:17:3"}, {"x": -1, "box": "-4:12,0:8,7:20"}, {"projection": "max", "z": slice(8, 12)}, {"z": 7, "labels": True}]
    for options in shown:
        np.testing.assert_array_equal(ba.picture(array.lazy, **options).pixels, ba.picture(array, **options).pixels)
    plane = ba.picture(values, at={2: 3}, contrast="type")
    np.testing.assert_array_equal(plane.pixels, gray3(values[:, :, 3]))
    with pytest.raises(ba.MemoryBudgetError, match="smaller box"):
        ba.picture(array.lazy, z=9, read_limit=100)


def test_arrays_show_their_middle() -> None:
    values = random((64, 48, 9), "uint8")
    array = stored(values)
    encoded = array._repr_html_().split("base64,")[1].split('"')[0]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    np.testing.assert_array_equal(shown, ba.picture(array, z=4, pixels=256, scale_bar=True).pixels)
    # Never more than 4 MiB are read for it; then it says so.
    large = ba.create("memory://pictures/large", shape=(4096, 4096, 4), dtype="uint8", chunk_shape=(4096, 4096, 1), encoding="png")
    html = large._repr_html_()
    assert "There is no picture" in html and "limit is 4194304" in html and "base64" not in html
    line = ba.create("memory://pictures/line", shape=(9,), dtype="uint8", format="zarr3")
    assert "There is no picture" not in line._repr_html_() and "base64" not in line._repr_html_()


def test_missing_values_have_a_colour_of_their_own() -> None:
    # A fill value of floating-point numbers in Zarr 2 stands for missing values, stored or not.
    array = ba.create("memory://pictures/missing", shape=(8, 10), dtype="float32", format="zarr2", fill_value=-9999, chunk_shape=(4, 5))
    values = random((4, 5), "float32")
    values[1, 2] = -9999
    array[4:8, 0:5] = values
    drawn = ba.picture(array, contrast=(-1, 1), missing_color="cyan").pixels
    expected = np.full((8, 10, 3), (0, 255, 255), "u1")
    expected[4:8, 0:5] = gray3(grey(values, -1, 1))
    expected[5, 2] = (0, 255, 255)
    np.testing.assert_array_equal(drawn, expected)
    # In percentiles they do not count.
    low, high = np.percentile(values[values != -9999].astype("f8"), [1, 99])
    assert ba.picture(array).contrast == [pytest.approx((low, high))]
