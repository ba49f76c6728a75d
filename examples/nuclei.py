"""Cell nuclei under a microscope: a threshold, a mask, and the brightness of what is labelled, block by block.

    .venv/bin/python examples/nuclei.py [FOLDER]

Takes the layers that `scripts/demo` imports (demo by default), computes over them within 64 MiB, and saves a new layer beside
them, which Neuroglancer shows. NumPy confirms what comes out.
"""

import sys
from pathlib import Path

import numpy as np

import bigarrays

MEMORY = 64 << 20


def main(folder: Path) -> None:
    image, labels = bigarrays.open(folder / "nuclei"), bigarrays.open(folder / "labels")
    x, inside = image.lazy, labels.lazy != 0

    # How bright nuclei and background are, in one pass over both layers.
    bright = np.where(inside, x, 0).sum()
    count = inside.count_nonzero()
    whole, least, most = x.sum(), x.min(), x.max()
    values = bigarrays.compute(bright, count, whole, least, most, memory=MEMORY)
    a, b = image[...].astype("int64"), labels[...] != 0
    assert [int(value) for value in values] == [a[b].sum(), b.sum(), a.sum(), a.min(), a.max()]
    nuclei, background = a[b].mean(), a[~b].mean()
    print(f"nuclei fill {b.mean():.1%} of the volume and are {nuclei / background:.1f} times as bright as the rest")

    # The image between 0 and 255, black where no nucleus is: a layer of the same place and resolution.
    scaled = np.minimum((x.astype("float64") - float(values[3])) / float(nuclei) * 128, 255)
    masked = np.where(inside, scaled, 0).astype("uint8")
    if (folder / "masked").exists():
        bigarrays.remove(folder / "masked")
    layer = masked.save(folder / "masked", like=image, memory=MEMORY)
    expected = np.where(b, np.minimum((a - int(values[3])) / nuclei * 128, 255), 0).astype("uint8")
    assert np.array_equal(layer[...], expected) and layer.resolution == image.resolution
    # A projection along z, and the depth at which each place is the brightest.
    highest, depth = bigarrays.compute(masked.max("z"), masked.argmax("z"), memory=MEMORY)
    assert np.array_equal(highest, expected.max(axis=2)) and np.array_equal(depth, expected.argmax(axis=2))
    print(f"open {folder}/masked in Neuroglancer")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
