"""Arrays in Neuroglancer, in a browser or a notebook."""

from __future__ import annotations

import atexit
import os
import webbrowser
from collections.abc import Sequence
from html import escape
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import numpy as np
from numpy.typing import ArrayLike

from ._bigarrays import Array, InvalidArgumentError, _Viewer
from ._bigarrays import open as open_array
from ._expressions import lazy
from ._foreign import Sliced
from ._lazy import Lazy


class Viewer:
    """A server that shows arrays in Neuroglancer, until it is closed; `view` returns one.

    It is shown in place by notebooks. As a context manager, it is closed in the end; otherwise when nothing refers to it any more.
    """

    def __init__(self, inner: _Viewer) -> None:
        self._inner = inner
        _OPEN.add(self)

    @property
    def url(self) -> str:
        """What to open in a browser on this machine. Whoever has it can read the arrays."""
        return self._inner.url

    @property
    def base(self) -> str:
        """The address that the arrays are served below: number `k` is a precomputed volume at `arrays/k` there."""
        return self._inner.base

    @property
    def names(self) -> list[str]:
        """The names of the layers, with what Neuroglancer does not show as it is."""
        return self._inner.names

    @property
    def dropped_reads(self) -> int:
        """How many reads ended early, since the browser did not wait for them."""
        return self._inner.dropped_reads

    @property
    def pyramids(self) -> list[str | None]:
        """What there is of kept coarser levels of each array: "looking", "making, 12 %", "ready" or "failed: REASON"; else None."""
        return self._inner.pyramids

    @property
    def closed(self) -> bool:
        """Whether nothing is served any more."""
        return not self._inner.is_open

    def close(self) -> None:
        """Ends the server. Closing it again does nothing."""
        self._inner.close()

    def open(self) -> bool:
        """Opens it in a browser; returns whether one was found."""
        return webbrowser.open(self.url)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Viewer: {self.url if not self.closed else 'closed'}"

    def _repr_html_(self) -> str:
        if self.closed:
            return "<p>This viewer is closed.</p>"
        return (
            f'<iframe src="{escape(self._shown_at())}" width="100%" height="600" style="border: 0" '
            'allow="fullscreen; clipboard-write" title="bigarrays viewer"></iframe>'
        )

    def _shown_at(self) -> str:
        """The address for pages of a notebook: of a hub, that of its proxy."""
        hub, base = os.environ.get("JUPYTERHUB_SERVICE_PREFIX"), urlsplit(self.base)
        return f"{hub}proxy/{base.port}{base.path}" if hub and self.url == self.base else self.url


#: Those that are to be closed before Python ends: their threads may read its objects.
_OPEN: WeakSet[Viewer] = WeakSet()


@atexit.register
def _close_all() -> None:
    for viewer in list(_OPEN):
        viewer.close()


def view(
    *arrays: Array | Lazy | ArrayLike | Sliced | str | os.PathLike[str],
    names: Sequence[str] | None = None,
    labels: Sequence[bool | None] | None = None,
    affine: Sequence[ArrayLike | None] | None = None,
    at: Sequence[float] | None = None,
    layout: str | None = None,
    state: dict[str, Any] | None = None,
    browser: bool = False,
    bind: str = "127.0.0.1",
    port: int = 0,
    allow_origin: Sequence[str] = (),
    neuroglancer: str | None = None,
    tile_bytes: int | None = None,
    pyramid: str | os.PathLike[str] | None = None,
) -> Viewer:
    """Shows arrays in Neuroglancer: what is looked at is read, or computed, tile by tile.

    Nothing is converted or copied before. A sample of each array is read for the contrast. Axes are those that are called x, y
    and z, or the last three; one that is called c or channel, of up to 16 elements, has colours; others have a position.

    Args:
        arrays: Arrays and views, with their coarser scales, or their paths or URLs; expressions; and all that `lazy` takes, such as
            NumPy arrays.
        names: What each is called; if None, by its URL, or "array" and its number.
        labels: Whether the elements of each are labels (a segmentation) rather than intensities; None of one, or of all, is
            what metadata say.
        affine: For each array, a matrix of shape (3, 4) or (4, 4) by which it lies where it is shown, or None: it takes positions
            along x, y and z, in the array's unit, to positions.
        at: The coordinates along x, y and z to begin with; if None, the middle of the first array.
        layout: How panels are laid out, such as "4panel", "xy" or "3d".
        state: Members of Neuroglancer's state that count more than what is made of the arrays.
        browser: Whether to open it in a browser at once.
        bind: The address to listen on. With another than that of this machine alone, whoever sees the URL can read the arrays,
            from anywhere.
        port: The port to listen on; one that is free if 0.
        allow_origin: Origins, such as "https://hub.example.org", whose pages may read the arrays, and by whose names proxies ask.
        neuroglancer: The address of a Neuroglancer to use rather than the one in this package.
        tile_bytes: The most bytes that are read unasked to compute one tile of an expression, 1 GiB if None. The page says what
            a tile takes that is above, and has a button that lets it be read. From farther away than `tile_bytes` allows, an
            expression is not shown.

        pyramid: A folder in which coarser levels are kept of arrays that have none, in a file or bucket: made once, while the
            arrays can be seen already, and anew when an array has changed. `Viewer.pyramids` says how far they are.

    Raises:
        InvalidArgumentError: There are no arrays, one is empty, or there are not as many names, labels or matrices; a matrix is none.
        UnsupportedError: The elements of one are no numbers, or this build has no Neuroglancer.

    Example:
        >>> em = bigarrays.create("memory://view-em", shape=(64, 64, 64), dtype="uint8")
        >>> with bigarrays.view(em, em.lazy > 100, names=["em", "bright"]) as viewer:  # doctest: +SKIP
        ...     print(viewer.url)
        http://127.0.0.1:38121/0f1e2d3c4b5a69788796a5b4c3d2e1f0/
    """
    for what, given in (("names", names), ("labels", labels), ("affine matrices", affine)):
        if given is not None and len(given) != len(arrays):
            raise InvalidArgumentError(f"{len(given)} {what} of {len(arrays)} arrays")
    opened = [open_array(one) if isinstance(one, (str, os.PathLike)) else one for one in arrays]
    layers = [
        (
            names[number] if names is not None else _name(array, number),
            array if isinstance(array, Array) else lazy(array)._inner,
            labels[number] if labels is not None else None,
            None if affine is None or (matrix := affine[number]) is None else np.asarray(matrix, float).tolist(),
        )
        for number, array in enumerate(opened)
    ]
    position = None if at is None else [float(coordinate) for coordinate in at]
    origins = list(allow_origin)
    folder = None if pyramid is None else os.fspath(pyramid)
    viewer = Viewer(
        _Viewer(layers, position, layout, state, bind, port, origins, neuroglancer, tile_bytes, folder)
    )
    if browser:
        viewer.open()
    return viewer


def _name(array: Any, number: int) -> str:
    """The last part of the URL, if there is one."""
    url = array.url.partition("?")[0].partition("|")[0] if isinstance(array, Array) else ""
    name = url.rstrip("/").rpartition("/")[2]
    return name or f"array {number}"
