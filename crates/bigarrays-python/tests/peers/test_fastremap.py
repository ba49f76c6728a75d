"""Jobs on labels, compared with fastremap and cc3d."""

from typing import Any

import numpy as np
import pytest

import bigarrays as ba

cc3d = pytest.importorskip("cc3d")
fastremap = pytest.importorskip("fastremap")


def labels_of(url: str, seed: int, dtype: str = "uint32") -> tuple[ba.Array, Any]:
    rng = np.random.default_rng(seed)
    shape = tuple(int(length) for length in rng.integers(40, 70, 3))
    few = rng.integers(0, 60, [-(-length // 7) for length in shape])
    values = np.kron(few, np.ones((7, 7, 7), int))[: shape[0], : shape[1], : shape[2]].astype(dtype)
    values[rng.random(shape) < 0.02] = 0
    array = ba.create(url, shape=shape, dtype=dtype, chunk_shape=(16, 16, 16), resolution=(4, 4, 40))
    array[...] = values
    return array, values


def test_remapped_and_renumbered_labels_are_those_of_fastremap() -> None:
    labels, values = labels_of("memory://fastremap/labels", 1)
    names, counts = fastremap.unique(values, return_counts=True)
    table = ba.label_table(labels)
    assert dict(zip(table.labels.tolist(), table.voxels.tolist(), strict=True)) == {
        int(name): int(count) for name, count in zip(names, counts, strict=True) if name
    }
    by = {int(name): int(number) for number, name in enumerate(names[::-1])}
    due = fastremap.remap(values.copy(), by)
    np.testing.assert_array_equal(ba.remap(labels, by).compute(), due)
    np.testing.assert_array_equal(ba.relabel(labels, "memory://fastremap/relabelled", by)[...], due)
    due, mapping = fastremap.renumber(np.ascontiguousarray(values), preserve_zero=True)
    numbers, old = ba.renumber(labels, "memory://fastremap/renumbered")
    np.testing.assert_array_equal(numbers[...], due)
    assert {int(name): number for number, name in enumerate(old.tolist(), 1)} == {
        int(name): int(number) for name, number in mapping.items() if name
    }


def test_contacts_and_statistics_are_those_of_cc3d() -> None:
    labels, values = labels_of("memory://cc3d/contacts", 2)
    found = ba.contacts(labels, memory=6 << 20)
    due = cc3d.contacts(values, connectivity=6, surface_area=True, anisotropy=(4, 4, 40))
    areas = {(int(one), int(other)): area for (one, other), area in zip(found.pairs, found.areas, strict=True)}
    assert areas.keys() == {(int(min(pair)), int(max(pair))) for pair in due}
    for pair, area in due.items():
        assert areas[int(min(pair)), int(max(pair))] == pytest.approx(area)
    table = ba.label_table(labels)
    stats = cc3d.statistics(values)
    for row, label in enumerate(table.labels.tolist()):
        assert table.voxels[row] == stats["voxel_counts"][label]
        np.testing.assert_allclose(table.centroids[row], stats["centroids"][label])
        box = stats["bounding_boxes"][label]
        assert table.boxes[row].tolist() == [[side.start, side.stop] for side in box]
