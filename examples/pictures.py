"""Draws what docs/computing.md shows: one picture for each kind of computation, as SVG.

    .venv/bin/python examples/pictures.py [FOLDER]

Takes numbers of a generator with a seed, so that the pictures (docs/pictures by default) are always the same.
"""

import sys
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import bigarrays

SIZE, GAP, TOP = 220, 20, 26
INK, BLUE, PALE, RED, GREY = "#333", "#2b5c9e", "#dbe7f2", "#b13f34", "#bbb"


class Picture:
    """Panels side by side, each with a title: planes as `bigarrays.picture` draws them, lines and bars."""

    def __init__(self) -> None:
        self._panels: list[str] = []

    def image(self, title: str, values: Any, grid: int = 0) -> None:
        """Elements as colours, from the least to the largest; lines where blocks of `grid` elements end."""
        values = np.asarray(values, "float64")
        # No contrast by percentiles: outliers are what some of the pictures show.
        contrast = (float(np.nanmin(values)), float(np.nanmax(values)))
        drawn = bigarrays.picture(values, axes=[0, 1], pixels=(SIZE, SIZE), contrast=contrast, color_map="viridis")
        source = f"data:image/png;base64,{b64encode(drawn.png).decode()}"
        parts, tall, wide = [f'<image width="{SIZE}" height="{SIZE}" href="{source}"/>'], SIZE / values.shape[0], SIZE / values.shape[1]
        for at in range(grid, values.shape[0], grid) if grid else ():
            parts.append(f'<path d="M0 {at * tall:.1f}H{SIZE}M{at * wide:.1f} 0V{SIZE}" stroke="#fff" stroke-width="0.8"/>')
        self._add(title, parts)

    def lines(self, title: str, series: Sequence[tuple[Any, str, float]], band: tuple[Any, Any] | None = None) -> None:
        """Lines of a colour and a width each, and what lies between two as a band."""
        everything = [np.asarray(one, "float64") for one in (*(line[0] for line in series), *(band or ()))]
        low, high = min(np.nanmin(one) for one in everything), max(np.nanmax(one) for one in everything)

        def points(values: Any) -> list[str]:
            values = np.asarray(values, "float64")
            places = np.arange(len(values)) / max(len(values) - 1, 1) * SIZE
            heights = SIZE - 4 - (values - low) / (high - low or 1) * (SIZE - 8)
            return [f"{x:.1f},{y:.1f}" for x, y in zip(places, heights, strict=True) if not np.isnan(y)]

        parts = []
        if band:
            outline = [*points(band[0]), *points(band[1])[::-1]]
            parts.append(f'<polygon points="{" ".join(outline)}" fill="{PALE}"/>')
        for values, colour, width in series:
            parts.append(f'<polyline points="{" ".join(points(values))}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        self._add(title, parts)

    def bars(self, title: str, counts: Any) -> None:
        wide, most = SIZE / len(counts), max(counts)
        parts = []
        for at, count in enumerate(counts):
            tall = count / most * (SIZE - 6)
            parts.append(f'<rect x="{at * wide:.1f}" y="{SIZE - tall:.1f}" width="{wide - 1:.1f}" height="{tall:.1f}" fill="{BLUE}"/>')
        self._add(title, parts)

    def _add(self, title: str, parts: list[str]) -> None:
        left = GAP + len(self._panels) * (SIZE + GAP)
        frame = f'<rect width="{SIZE}" height="{SIZE}" fill="none" stroke="{GREY}"/>'
        text = f'<text x="{left}" y="18" font-family="sans-serif" font-size="12" fill="{INK}">{title}</text>'
        self._panels.append(f'{text}\n<g transform="translate({left},{TOP})">{"".join(parts)}{frame}</g>')

    def save(self, path: Path) -> None:
        width, height = GAP + len(self._panels) * (SIZE + GAP), TOP + SIZE + 10
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        path.write_text("\n".join([head, f'<rect width="{width}" height="{height}" fill="#fff"/>', *self._panels, "</svg>\n"]))


def hills(rng: np.random.Generator, shape: tuple[int, int], noise: int) -> Any:
    """Some round hills, and noise."""
    y, x = np.meshgrid(np.linspace(0, 1, shape[0]), np.linspace(0, 1, shape[1]), indexing="ij")
    field = np.zeros(shape)
    for top, at_y, at_x in ((3, 0.3, 0.3), (2, 0.7, 0.6), (-2, 0.2, 0.8), (2, 0.9, 0.1)):
        field += top / (1 + 40 * ((y - at_y) ** 2 + (x - at_x) ** 2))
    return field + rng.integers(-noise, noise + 1, shape) / 64


def functions(rng: np.random.Generator) -> Picture:
    """A function of blocks that sees an element beside each."""

    def slopes(block: Any) -> Any:
        return np.abs(np.roll(block, 1, 0) - np.roll(block, -1, 0)) + np.abs(np.roll(block, 1, 1) - np.roll(block, -1, 1))

    x, picture = hills(rng, (40, 40), 0), Picture()
    found = bigarrays.map_overlap(slopes, bigarrays.lazy(x), depth=1, boundary="nearest", dtype="float64").compute()
    picture.image("elements, and blocks of them", x, grid=10)
    picture.image("map_overlap(slopes, x, depth=1)", found)
    return picture


def windows(rng: np.random.Generator) -> Picture:
    x, picture = np.cumsum(rng.integers(-3, 4, 120)) + rng.integers(-4, 5, 120) * 1.0, Picture()
    x[70] += 40
    lazy = bigarrays.lazy(x)
    mean, median, largest = bigarrays.compute(
        lazy.rolling(9, axis=0, center=True).mean(), lazy.rolling(9, axis=0, center=True).median(), lazy.coarsen(10, axis=0).max()
    )
    picture.lines("x.rolling(9, axis=0).mean()", [(x, GREY, 1), (mean, RED, 2)])
    picture.lines("x.rolling(9, axis=0).median()", [(x, GREY, 1), (median, RED, 2)])
    picture.lines("x.coarsen(10, axis=0).max()", [(x, GREY, 1), (np.repeat(largest, 10), BLUE, 2)])
    return picture


def groups(rng: np.random.Generator) -> Picture:
    months, picture = np.arange(60) % 12, Picture()
    year = np.array([0, 1, 4, 8, 13, 17, 19, 18, 14, 9, 4, 1])
    t = bigarrays.lazy(year[months] + rng.integers(-3, 4, 60) + np.arange(60) / 12)
    of_month = t.groupby(months, axis=0)
    climate, anomaly = bigarrays.compute(of_month.mean().back(), of_month - of_month.mean())
    picture.lines("t.groupby(month).mean().back()", [(t.compute(), GREY, 1.5), (climate, RED, 1.5)])
    picture.lines("g - g.mean()", [(anomaly, BLUE, 1.5), (np.zeros(60), GREY, 1)])
    field = hills(rng, (40, 40), 24)
    places = rng.integers(0, 40, (14, 2))
    y, x = np.mgrid[:40, :40]
    zones = ((y[..., None] - places[:, 0]) ** 2 + (x[..., None] - places[:, 1]) ** 2).argmin(axis=-1)
    of_zone = bigarrays.lazy(field).groupby(zones)
    picture.image("a map", field)
    picture.image("map.groupby(zones).mean().back()", of_zone.mean().back().compute())
    return picture


def statistics(rng: np.random.Generator) -> Picture:
    x, picture = rng.integers(-9, 10, (200, 80)).cumsum(axis=1) / 9 + np.arange(80) / 8, Picture()
    lazy = bigarrays.lazy(x)
    low, median, high = lazy.quantile([0.1, 0.5, 0.9], axis=0).compute()
    counts, _ = lazy.histogram(24)
    picture.lines("x.quantile([0.1, 0.5, 0.9], axis=0)", [(x[0], GREY, 1), (median, RED, 2)], (low, high))
    picture.bars("x.histogram(24)", counts.compute().tolist())
    picture.lines("x.topk(5, axis=0)", [(line, BLUE, 1) for line in lazy.topk(5, axis=0).compute()])
    return picture


def filters(rng: np.random.Generator) -> Picture:
    x, picture = hills(rng, (40, 40), 12), Picture()
    x[rng.random((40, 40)) < 0.03] = 5
    lazy = bigarrays.lazy(x)
    picture.image("x", x)
    picture.image("x.median_filter(3)", lazy.median_filter(3).compute())
    picture.image("x.gaussian_filter(2)", lazy.gaussian_filter(2).compute())
    picture.image("x.median_filter(3).sobel(axis=0)", lazy.median_filter(3).sobel(axis=0).compute())
    return picture


def places(rng: np.random.Generator) -> Picture:
    x, picture = hills(rng, (8, 8), 32), Picture()
    lazy, finer = bigarrays.lazy(x), np.linspace(0, 7, 40)
    picture.image("x", x)
    for of in ("nearest", "linear"):
        made = lazy.interpolate(finer, axis=0, method=of).interpolate(finer, axis=1, method=of)
        picture.image(f"x.interpolate(…, method=&quot;{of}&quot;)", made.compute())
    return picture


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, draw in enumerate((functions, windows, groups, statistics, filters, places)):
        draw(np.random.default_rng(number)).save(folder / f"{draw.__name__}.svg")
    print(f"drew {len(list(folder.glob('*.svg')))} pictures")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs/pictures")
