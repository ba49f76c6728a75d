"""Connected components of labels, compared with cc3d: the same up to numbers, and numbers in coordinate order."""

from typing import Any

import numpy as np
import pytest

import bigarrays as ba

cc3d = pytest.importorskip("cc3d")


def renumbered(labels: Any) -> Any:
    """Numbers in the order of their first voxels, the last axis fastest."""
    names, first, places = np.unique(labels, return_index=True, return_inverse=True)
    is_background = names == 0
    order = np.argsort(np.where(is_background, -1, first), kind="stable")
    numbers = np.empty(len(names), "uint64")
    numbers[order] = np.arange(len(names)) + (0 if is_background.any() else 1)
    return numbers[places].reshape(labels.shape)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "uint64", "int64"])
def test_labels_are_those_of_cc3d(connectivity: int, dtype: str) -> None:
    rng = np.random.default_rng(connectivity)
    for round, format in enumerate(("precomputed", "zarr3", "n5")):
        shape = tuple(int(length) for length in rng.integers(17, 70, 3))
        # Cells and noise; some values are far apart.
        coarse = rng.integers(0, 5, [-(-length // 6) for length in shape])
        values = np.kron(coarse, np.ones((6, 6, 6), int))[: shape[0], : shape[1], : shape[2]]
        noisy = rng.random(shape) < 0.2 * round
        values = np.where(noisy, rng.integers(0, 3, shape), values)
        values = np.array([0, 1, 2, np.iinfo(dtype).max, 100], dtype)[values]
        url = f"memory://cc3d/{connectivity}/{dtype}/{format}"
        labels = ba.create(f"{url}/labels", shape=shape, dtype=dtype, format=format, chunk_shape=(16, 8, 12))
        labels[...] = values
        found = ba.components(labels, f"{url}/parts", connectivity=connectivity, memory=4 << 20, chunk_shape=(8, 16, 24))
        due = cc3d.connected_components(values, connectivity=connectivity)
        np.testing.assert_array_equal(found.array[...], renumbered(due))
