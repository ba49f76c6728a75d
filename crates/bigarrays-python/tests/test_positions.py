"""Where elements are."""

from pathlib import Path
from typing import Any

import bigarrays
import numpy as np
import pytest


def said(array: bigarrays.Array) -> list[Any]:
    return [None if p is None else (p.start, p.step, p.unit, p.labels) for p in array.positions]


def test_views_keep_the_positions_of_their_elements() -> None:
    options: dict[str, Any] = {"domain": "-10:90,0:80,5:60", "dtype": "uint8", "resolution": (8, 8, 40)}
    a = bigarrays.create("memory://positions/views", **options)
    assert said(a) == [(-80, 8, "nm", None), (0, 8, "nm", None), (200, 40, "nm", None)]
    assert said(a.view[-5:90, 3, 20:50:2]) == [(-40, 8, "nm", None), (800, 80, "nm", None)]
    assert said(a.view[89:-11:-1, :, 5])[0] == (712, -8, "nm", None)
    assert said(a.view[-20:0, :, 5])[0] == (-160, 8, "nm", None)
    assert repr(a.positions[2]) == "<bigarrays.Positions 200 nm + 40 nm * k>"


@pytest.mark.parametrize("format", ["ome-zarr", "ome-zarr-0.4"])
def test_images_have_units_and_labels_of_their_own(tmp_path: Path, format: str) -> None:
    options: dict[str, Any] = {"dtype": "uint8", "format": format, "dimension_names": ["t", "c", "y", "x"]}
    bigarrays.create(tmp_path / "a", shape=(3, 2, 8, 8), resolution=(1, 1, 0.5, 0.25), **options)
    attributes = bigarrays.attributes(tmp_path / "a")
    image = attributes.get("ome", attributes)
    image["omero"] = {"channels": [{"label": "DAPI"}, {"label": "GFP"}]}
    image["multiscales"][0]["axes"][0]["unit"] = "second"
    image["multiscales"][0]["datasets"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [0.5, 1, 0.5, 0.25]},
        {"type": "translation", "translation": [0, 0, 0.125, -3]},
    ]
    bigarrays.update_attributes(tmp_path / "a", attributes)
    a = bigarrays.open(tmp_path / "a")
    t, c, y, x = said(a)
    assert (t, y, x) == ((0, 0.5, "second", None), (0.125, 0.5, "nm", None), (-3, 0.25, "nm", None))
    assert c == (0, 1, None, ["DAPI", "GFP"])
    assert said(a.view[:, 1:2, 0, -12])[1] == (1, 1, None, ["GFP"])
    assert said(a.view[:, 1:3, 0, -12])[1] == (1, 1, None, None)


@pytest.mark.parametrize(
    ("attributes", "dtype", "fill", "is_missing"),
    [
        ({}, "float32", -9.0, True),
        ({}, "float32", "NaN", True),
        ({}, "float32", 0.0, False),
        ({}, "int16", -9, False),
        ({"scale_factor": 0.5}, "int16", -9, True),
        ({"add_offset": 1}, "int16", 0, True),
    ],
)
def test_fill_values_of_zarr_2_may_stand_for_missing_values(
    tmp_path: Path, attributes: dict[str, Any], dtype: str, fill: Any, is_missing: bool
) -> None:
    for format, expected in (("zarr2", is_missing), ("zarr3", False)):
        options: dict[str, Any] = {"shape": (4,), "dtype": dtype, "fill_value": fill, "attributes": attributes}
        a = bigarrays.create(tmp_path / format, format=format, **options)
        assert a.fill_is_missing == expected
        np.testing.assert_equal(a.fill_value, np.dtype(dtype).type(fill))


def test_nothing_is_invented(tmp_path: Path) -> None:
    a = bigarrays.create(tmp_path / "a", shape=(4, 5), dtype="uint8", format="zarr3")
    assert a.positions == (None, None) and not a.fill_is_missing
