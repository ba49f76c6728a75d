"""What codecs work in is part of the memory that plans predict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
BLOSC = {"clevel": 9, "shuffle": "shuffle", "typesize": 4, "blocksize": 0}
CODECS: dict[str, list[dict[str, Any]]] = {
    "blosc": [BYTES, {"name": "blosc", "configuration": BLOSC | {"cname": "lz4"}}],
    "blosc with zstd": [BYTES, {"name": "blosc", "configuration": BLOSC | {"cname": "zstd"}}],
    "zstd 19": [BYTES, {"name": "zstd", "configuration": {"level": 19, "checksum": False}}],
    "bz2": [BYTES, {"name": "numcodecs.bz2", "configuration": {"level": 9}}],
    "lzma": [BYTES, {"name": "numcodecs.lzma", "configuration": {"format": 1, "check": -1, "preset": None, "filters": None}}],
    "pcodec": [{"name": "numcodecs.pcodec", "configuration": {"level": 8}}],
}
SHAPE, CHUNK = (48, 180, 360), (24, 90, 180)

PROGRAM = """
import json, sys, bigarrays
source, target, codecs = sys.argv[1:]

def field(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))

array = bigarrays.open(source, mode="r")
# What is loaded at the first computation is no part of it.
(bigarrays.lazy([1.0]) + 1).compute()
options = {"chunk_shape": array.chunk_shape, "codecs": json.loads(codecs)} if codecs else {}
made = array.lazy + 1 if codecs else array.lazy.mean(axis=0)
plan = made.explain(target or None, memory=256 << 20, show="dict", **options)
open("/proc/self/clear_refs", "w").write("5")
before = field("VmRSS")
made.save(target, memory=256 << 20, **options) if codecs else made.compute(memory=256 << 20)
predicted = (json.loads(plan) if isinstance(plan, str) else plan)["peak_memory"]
print(json.dumps([field("VmHWM") - before, predicted]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of memory anew")
@pytest.mark.parametrize("codec", CODECS)
def test_what_codecs_work_in_is_predicted(tmp_path: Path, codec: str) -> None:
    data = np.random.default_rng(0).integers(-3, 4, SHAPE).cumsum(axis=2).astype("float32")
    options: dict[str, Any] = {"shape": SHAPE, "dtype": "float32", "chunk_shape": CHUNK, "format": "zarr3"}
    codecs = CODECS[codec]
    for name, own in [("plain", [BYTES]), ("coded", codecs)]:
        bigarrays.create(tmp_path / name, codecs=own, **options)[...] = data

    def run(source: str, target: str, written: str) -> None:
        given = [str(tmp_path / source), target, written]
        threads = os.environ | {"BIGARRAYS_THREADS": "2"}
        done = subprocess.run([sys.executable, "-c", PROGRAM, *given], check=True, stdout=subprocess.PIPE, env=threads, timeout=300)
        measured, predicted = json.loads(done.stdout)
        assert measured <= predicted, (source, measured >> 20, predicted >> 20)

    run("coded", "", "")
    run("plain", f"{tmp_path}/made|zarr3:", json.dumps(codecs))
