"""How fast one thread decodes and encodes, as `bench/codec_rates.py` has measured it."""

from typing import NamedTuple


class Rate(NamedTuple):
    """Megabytes of elements a second, and how many times smaller than these what is stored is."""

    decode: float
    encode: float
    ratio: float


#: By the name of the codec that compresses; of a pipeline that has none of them, "raw". On one core of a server, November 2026: of
#: a climate field in float32 (raw, zstd, gzip, blosc), grey texture (jpeg, png), and boxes of labels.
RATES = {
    "raw": Rate(decode=6700, encode=3100, ratio=1.0),
    "zstd": Rate(decode=1400, encode=840, ratio=1.3),
    "gzip": Rate(decode=380, encode=76, ratio=1.3),
    "blosc": Rate(decode=2000, encode=1300, ratio=1.7),
    "jpeg": Rate(decode=920, encode=360, ratio=20.0),
    "png": Rate(decode=700, encode=310, ratio=2.4),
    "compressed_segmentation": Rate(decode=4700, encode=1200, ratio=30.0),
}

#: What codecs are taken for that were not measured, and change the size of what is stored.
OTHERS = "gzip"

#: Codecs that cost little beside what compresses, and change no size.
FREE = {"bytes", "endian", "transpose", "raw", "crc32c", "sharding_indexed", "bitround", "none"}

#: Megabytes of elements that a loop over them goes through in a second.
LOOP = 4000.0
