import gc
from pathlib import Path

import numpy as np
import pytest

import bigarrays


@pytest.fixture
def array(tmp_path: Path) -> bigarrays.Array:
    return bigarrays.create(
        tmp_path / "a", domain="-10:90,0:80,5:65,0:3", dtype="uint8", chunk_shape=(32, 32, 16), resolution=(8, 8, 40)
    )


def test_properties(array: bigarrays.Array) -> None:
    assert (array.shape, array.origin, array.ndim) == ((100, 80, 60, 3), (-10, 0, 5, 0), 4)
    assert (array.size, array.nbytes, len(array)) == (1440000, 1440000, 100)
    assert (array.dtype, array.dimension_names) == (np.dtype("uint8"), ("x", "y", "z", "channel"))
    assert (array.chunk_shape, array.resolution, array.unit) == ((32, 32, 16, 3), (8.0, 8.0, 40.0, 1.0), "nm")
    assert (array.format, array.encoding, array.mode, array.scale) == ("precomputed", "raw", "r+", 0)
    assert Path(array.url).name == "a" and array.domain == bigarrays.Domain("-10:90,0:80,5:65,0:3")
    scale = array.scales[0]
    assert (scale.key, scale.shape, scale.chunk_shape) == ("8_8_40", array.shape, array.chunk_shape)
    assert (scale.resolution, scale.unit, scale.encoding, scale.sharded) == (array.resolution, "nm", "raw", False)


def test_numpy_takes_arrays(array: bigarrays.Array) -> None:
    array[0, 0, 5, 0] = 9
    everything = np.asarray(array)
    assert everything.shape == array.shape and everything.sum() == 9
    assert np.array(array.view[0, 0, 5], dtype=np.float32).tolist() == [9.0, 0.0, 0.0]
    assert np.asarray(array, dtype="int64").dtype == np.int64
    with pytest.raises(ValueError, match="copy"):
        np.array(array, copy=False)
    other = array.view[0:2, 0:2]
    array[10:12, 10:12] = other
    assert array[10, 10, 5, 0] == 9


def test_iteration_is_refused(array: bigarrays.Array) -> None:
    with pytest.raises(TypeError, match="chunk_domains"):
        iter(array)
    with pytest.raises(TypeError):
        len(array.view[0, 0, 5, 0])


def test_chunks_and_alignment(array: bigarrays.Array) -> None:
    parts = list(array.chunk_domains())
    assert len(parts) == 4 * 3 * 4 and sum(part.size for part in parts) == array.size
    assert parts[0] == bigarrays.Domain("-10:22,0:32,5:21,0:3")
    assert len(list(array.chunk_domains("0:1,0:33,0:99,0:1"))) == 2 * 4
    assert array.align_out("0:1,0:33,6:7,0:1") == bigarrays.Domain("-10:22,0:64,5:21,0:3")
    assert array.align_in("-10:50,0:33,5:65,0:3") == bigarrays.Domain("-10:22,0:32,5:65,0:3")
    with pytest.raises(bigarrays.UnsupportedError):
        array.T.chunk_domains()


def test_permuting_and_moving(array: bigarrays.Array) -> None:
    array[...] = np.random.default_rng(0).integers(0, 255, array.shape, np.uint8)
    data = array[...]
    for axes in ((2, 0, 1, 3), ("z", "x", "y", "channel")):
        np.testing.assert_array_equal(array.transpose(*axes)[...], data.transpose(2, 0, 1, 3))
        np.testing.assert_array_equal(array.transpose(axes)[...], data.transpose(2, 0, 1, 3))
    np.testing.assert_array_equal(array.transpose(-2, 0, 1, -1)[...], data.transpose(2, 0, 1, 3))
    np.testing.assert_array_equal(array.T[...], data.T)
    moved = array.translate((10, 0, -5, 0))
    assert moved.origin == (0, 0, 0, 0) and moved[3, 4, 5, 2] == array[-7, 4, 10, 2]
    for bad in ((0, 0, 1, 2), (0, 1), (0, 1, 2, -5), ("x", "y", "z", "t")):
        with pytest.raises(bigarrays.InvalidArgumentError):
            array.transpose(*bad)


def test_views_keep_the_array_alive(array: bigarrays.Array) -> None:
    view = array.view[0]
    del array
    gc.collect()
    assert view.shape == (80, 60, 3)
    assert not view[...].any()


def test_an_array_like_a_view_has_its_axes_sizes_and_places(tmp_path: Path) -> None:
    z = bigarrays.create(
        tmp_path / "z", shape=(6, 5, 4), dtype="uint16", format="zarr3", resolution=(40, 8, 4), chunk_shape=(3, 2, 1),
        dimension_names=("z", "y", "x"),
    )  # fmt: skip
    turned = bigarrays.create(tmp_path / "t", like=z.T)
    assert (turned.shape, turned.dimension_names, turned.resolution) == ((4, 5, 6), ("x", "y", "z"), (4, 8, 40))
    assert turned.chunk_shape == (1, 2, 3)
    for name, view in {"step": z.view[::2], "cut": z.view[2:4, :, 1:], "at": z.view[3], "back": z.view[:, ::-2]}.items():
        made = bigarrays.create(tmp_path / name, like=view)
        assert (made.shape, made.dimension_names, made.resolution) == (view.shape, view.dimension_names, view.resolution)
        assert bigarrays.create(f"memory://views/{name}", like=made).resolution == view.resolution
    cut = bigarrays.create(tmp_path / "layer", like=bigarrays.open(tmp_path / "cut").T, format="precomputed")
    assert (cut.origin, cut.shape, cut.resolution) == ((1, 0, 2), (3, 5, 2), (4, 8, 40))


def test_axes_of_a_layer_keep_their_names(tmp_path: Path) -> None:
    layer = bigarrays.create(tmp_path / "layer", shape=(6, 5, 4), dtype="uint16", resolution=(4, 8, 40))
    for name in ["zarr3", "zarr2", "n5", "ome-zarr", "ome-zarr-0.4"]:
        made = bigarrays.create(tmp_path / name, like=layer, format=name)
        assert (made.dimension_names, made.resolution) == (("x", "y", "z"), (4, 8, 40)), name
    with pytest.warns(UserWarning, match="precomputed does not keep the names of axes z,y,x"):
        bigarrays.create(tmp_path / "turned", like=layer.T)
