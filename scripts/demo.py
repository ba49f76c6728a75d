"""Cuts boxes out of the demo's layers, writes one back, and draws the result with labels over it."""

import numpy as np
from PIL import Image

import bigarrays

nuclei = bigarrays.open("nuclei", mode="r+")
labels = bigarrays.open("labels")
cutout = np.load("cutout.npy")
box = np.s_[40:200, 50:210, -10:50]  # z starts ten planes below the volume: those are zeros
assert (cutout == nuclei[box]).all() and not cutout[:, :, :10].any()

# A frame, eight voxels wide, written back across chunk borders: reads show it, its neighbours are untouched.
before = nuclei[...]
bright = before.max()
for part in (np.s_[40:48, 50:210], np.s_[192:200, 50:210], np.s_[40:200, 50:58], np.s_[40:200, 202:210]):
    nuclei[(*part, slice(20, 40))] = bright
after = nuclei[...]
changed = np.zeros(after.shape, bool)
changed[40:200, 50:210, 20:40] = True
changed[48:192, 58:202, 20:40] = False
assert (after[changed] == bright).all() and (after[~changed] == before[~changed]).all()

# One plane of the image, the same with labels over it, and a projection along z with the frame.
plane = before[:, :, 30].astype(float)
gray = np.clip(plane / np.percentile(plane, 99.7), 0, 1)
rgb = np.stack([gray] * 3, axis=-1)
ids = labels[:, :, 30].astype(np.uint64)
hue = (ids * np.uint64(2654435761) % np.uint64(360)).astype(float) / 60
tint = np.stack([np.clip(np.abs((hue + shift) % 6 - 3) - 1, 0, 1) for shift in (0, 4, 2)], axis=-1)
shown = np.where((ids > 0)[..., None], 0.55 * rgb + 0.45 * tint, rgb)
deepest = after.max(axis=2).astype(float)
projection = np.stack([np.clip(deepest / np.percentile(deepest, 99.7), 0, 1)] * 3, axis=-1)
picture = np.concatenate([rgb, shown, projection], axis=0)
Image.fromarray((picture.swapaxes(0, 1) * 255).astype(np.uint8)).save("nuclei.png")
print("wrote demo/nuclei.png: a plane, the same with its labels, and a projection with the frame written back")
