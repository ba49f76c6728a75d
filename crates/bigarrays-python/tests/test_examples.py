"""Runs the examples; each compares what it computes with NumPy."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import bigarrays as ba

EXAMPLES = Path(__file__).parents[3] / "examples"


def run(name: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, EXAMPLES / name, folder], check=True, capture_output=True, text=True)
    return done.stdout


def test_a_century_of_temperatures(tmp_path: Path) -> None:
    for _ in range(2):
        assert "years are more than 2 K above" in run("climate.py", tmp_path)
    assert (tmp_path / "plan.svg").read_text().startswith("<svg")


def test_cubes(tmp_path: Path) -> None:
    for _ in range(2):
        assert "180 × 360 elements onto 500 × 1000" in run("cubes.py", tmp_path)


def test_pictures_are_those_of_the_documentation(tmp_path: Path) -> None:
    assert "drew 6 pictures" in run("pictures.py", tmp_path)
    pictures = EXAMPLES.parent / "docs/pictures"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in pictures.glob("*.svg"))
    for name in names:
        assert (tmp_path / name).read_text() == (pictures / name).read_text(), f"{name}: run examples/pictures.py"


def test_nuclei(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = ba.create(tmp_path / "nuclei", shape=(100, 90, 40), dtype="uint16", resolution=(260, 260, 290))
    labels = ba.create(tmp_path / "labels", shape=(100, 90, 40), dtype="uint32", resolution=(260, 260, 290))
    image[...] = rng.integers(50, 4000, size=image.shape)
    labels[...] = rng.integers(0, 3, size=labels.shape)
    for _ in range(2):
        assert "times as bright as the rest" in run("nuclei.py", tmp_path)
    assert ba.open(tmp_path / "masked").resolution == (260, 260, 290)
