"""Sharded layers."""

from pathlib import Path

import numpy as np
import pytest

import bigarrays

TEXT = "preshift_bits=1,minishard_bits=1,shard_bits=4,data_encoding=gzip"
MEMBERS = {"preshift_bits": 1, "minishard_bits": 1, "shard_bits": 4, "data_encoding": "gzip"}


@pytest.mark.parametrize("sharding", [TEXT, MEMBERS, {"@type": "neuroglancer_uint64_sharded_v1"} | MEMBERS])
def test_parameters(tmp_path: Path, sharding: str | dict[str, str | int]) -> None:
    array = bigarrays.create(
        tmp_path, domain="-9:21,0:20,5:25", dtype="uint16", chunk_shape=(8, 8, 8), sharding=sharding
    )
    assert array.shard_shape == (16, 16, 8)
    assert array.sharding is not None and "shard_bits=4" in array.sharding
    data = np.arange(30 * 20 * 20, dtype="uint16").reshape(30, 20, 20)
    array[...] = data
    array[-3, 4, 9] = 5
    data[6, 4, 4] = 5
    again = bigarrays.open(tmp_path)
    np.testing.assert_array_equal(again[...], data)
    assert again.scales[0].sharded and not list((tmp_path / "1_1_1").glob("*_*"))
    assert 1 < len(list((tmp_path / "1_1_1").glob("?.shard"))) <= 12


def test_parameters_that_fit_the_shape() -> None:
    array = bigarrays.create("memory://fit", shape=(1000, 1000, 300), dtype="uint8", sharding=True)
    assert array.shard_shape == (512, 512, 256)
    assert bigarrays.create("memory://fit-not", shape=(9, 9, 9), dtype="uint8", sharding=False).sharding is None


@pytest.mark.parametrize("sharding", ["shard_bits=3", {"bits": 3}, 7, TEXT.replace("gzip", "zstd")])
def test_impossible_parameters(sharding: object) -> None:
    with pytest.raises(bigarrays.InvalidArgumentError):
        bigarrays.create("memory://impossible", shape=(9, 9, 9), dtype="uint8", sharding=sharding)  # type: ignore[arg-type]
