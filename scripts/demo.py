"""Cuts boxes out of the demo's layers, writes one back, and draws the result with labels over it."""

import numpy as np
from PIL import Image

import bigarrays

nuclei = bigarrays.open("nuclei", mode="r+")
labels = bigarrays.open("labels")
cutout = np.load("cutout.npy")
box = np.s_[40:200, 50:210, -10:50]  # z starts ten planes below the volume: those are zeros
assert (cutout == nuclei[box]).all() and not cutout[:, :, :10].any()

# A plane of the image, and the same with labels over it.
drawn = [bigarrays.picture(nuclei, z=30, contrast="0%,99.7%", overlay=over, opacity=0.45) for over in (None, labels)]

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

# A projection along z with the frame, beside them.
drawn.append(bigarrays.picture(nuclei, z=slice(None), projection="max", contrast="0%,99.7%"))
Image.fromarray(np.concatenate([picture.pixels for picture in drawn], axis=1)).save("nuclei.png")
print("wrote demo/nuclei.png: a plane, the same with its labels, and a projection with the frame written back")
