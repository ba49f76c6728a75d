"""OME-Zarr: what we write passes the validator of ome-zarr-models, and we read what its models write."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zarr
    from ome_zarr_models.v04.image import Image as Image04
    from ome_zarr_models.v05.image import Image as Image05

import bigarrays

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

IMAGES: dict[str, Any] = {"ome-zarr": Image05, "ome-zarr-0.4": Image04}


@pytest.mark.parametrize("format", IMAGES)
@pytest.mark.parametrize(
    ("names", "origin"), [("zyx", (0, 0, 0)), ("yx", (3, -2)), ("tczyx", (0, 0, -5, 0, 10))], ids=str
)
def test_images_are_valid(tmp_path: Path, format: str, names: str, origin: tuple[int, ...]) -> None:
    shape = (2, 3, 8, 10, 12)[-len(names) :]
    sizes = [1.0, 1.0, 40.0, 8.0, 8.0][-len(names) :]
    options: dict[str, Any] = {"dtype": "uint16", "chunk_shape": (4,) * len(names), "dimension_names": list(names), "format": format}
    if format == "ome-zarr-0.4":
        options["chunk_keys"] = "v2/"
    fine = bigarrays.create(tmp_path / "a", shape=shape, origin=origin, resolution=sizes, **options)
    data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    fine[...] = data
    coarse = [2 * size if name in "yx" else size for name, size in zip(names, sizes, strict=True)]
    half = [-(-length // 2) if name in "yx" else length for name, length in zip(names, shape, strict=True)]
    bigarrays.add_scale(tmp_path / "a", shape=half, resolution=coarse, **options)

    group: Any = zarr.open_group(str(tmp_path / "a"), mode="r")
    image = IMAGES[format].from_zarr(group)
    attributes = image.attributes.ome_attributes if hasattr(image.attributes, "ome_attributes") else image.attributes
    multiscales = getattr(attributes, "ome", attributes).multiscales
    assert [axis.name for axis in multiscales[0].axes] == list(names)
    assert [dataset.path for dataset in multiscales[0].datasets] == ["0", "1"]
    assert np.array_equal(group["0"][...], data)

    again = bigarrays.open(tmp_path / "a")
    assert (again.shape, again.origin) == (shape, origin)
    assert [scale.key for scale in again.scales] == ["0", "1"]
    assert np.array_equal(np.asarray(again[...]), data)
    assert bigarrays.open(tmp_path / "a", scale=1).shape == tuple(half)


def test_other_members_are_kept(tmp_path: Path) -> None:
    options: dict[str, Any] = {"dtype": "uint8", "shape": (4, 4), "format": "ome-zarr"}
    omero = {"channels": [{"color": "FFFFFF", "window": {"min": 0, "max": 1, "start": 0, "end": 1}}]}
    bigarrays.create(tmp_path / "a", attributes={"mine": [1]}, **options)
    path = tmp_path / "a" / "zarr.json"
    document = json.loads(path.read_text())
    document["attributes"]["ome"]["omero"] = omero
    path.write_text(json.dumps(document))
    bigarrays.add_scale(tmp_path / "a", resolution=(2, 2), **options)
    attributes = bigarrays.attributes(tmp_path / "a")
    assert attributes["mine"] == [1] and attributes["ome"]["omero"] == omero
    assert len(attributes["ome"]["multiscales"][0]["datasets"]) == 2
