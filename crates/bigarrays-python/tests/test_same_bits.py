"""Jobs on volumes give the same bits whatever the threads and the memory are."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import bigarrays as ba

SCRIPT = """
import hashlib, sys
import numpy as np
import bigarrays as ba

labels = ba.open(sys.argv[1])
for memory in (3 << 20, 6 << 20, None):
    name = f"memory://same/{memory}"
    parts = ba.components(labels, name + "/parts", connectivity=18, statistics=True, memory=memory)
    numbers, names = ba.renumber(labels, name + "/numbers", memory=memory)
    touching, table = ba.contacts(labels, memory=memory), ba.label_table(labels, memory=memory)
    found = [
        parts.array[...], parts.voxels, parts.boxes, numbers[...], names, touching.pairs, touching.faces, touching.areas,
        table.labels, table.voxels, table.boxes, table.centroids,
    ]
    print(" ".join(hashlib.sha256(np.ascontiguousarray(one).tobytes()).hexdigest() for one in found))
"""


def test_threads_and_memory_do_not_matter(tmp_path: Path) -> None:
    few = np.random.default_rng(3).integers(0, 9, (15, 12, 17))
    values = np.kron(few, np.ones((5, 5, 5), int))[:71, :58, :83].astype("uint32")
    values[np.random.default_rng(4).random(values.shape) < 0.01] = 7
    labels = ba.create(tmp_path / "labels", domain="-3:68,5:63,-21:62", dtype="uint32", chunk_shape=(16, 16, 16), resolution=(3, 4, 5.5))
    labels[...] = values
    told = set()
    for threads in ("1", "2", "5"):
        environment = os.environ | {"BIGARRAYS_THREADS": threads}
        told |= set(subprocess.check_output([sys.executable, "-c", SCRIPT, tmp_path / "labels"], env=environment, text=True).splitlines())
    assert len(told) == 1, told
    whole = ba.renumber(labels, "memory://same/whole")[0][...]
    assert hashlib.sha256(np.ascontiguousarray(whole).tobytes()).hexdigest() in told.pop().split()
