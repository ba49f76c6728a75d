"""Writes HDF5 files that are to be refused.

    pip install h5py
    python generate.py
"""

import pathlib

import h5py

HERE = pathlib.Path(__file__).parent

# Each group has two links to the next one, so that the dataset in the last has 2**40 paths.
with h5py.File(HERE / "links.h5", "w", libver="latest") as file:
    group = file
    for _ in range(40):
        inner = group.create_group("a")
        group["b"] = inner
        group = inner
    group["x"] = [1]

# Groups in groups, more than are followed.
with h5py.File(HERE / "deep.h5", "w", libver="latest") as file:
    file["/".join("g" * 65) + "/x"] = [1]

# A row that is larger than memory, of which nothing is stored.
with h5py.File(HERE / "row.h5", "w", libver="latest") as file:
    file.create_dataset("x", (1, 1 << 50), dtype="u1")
