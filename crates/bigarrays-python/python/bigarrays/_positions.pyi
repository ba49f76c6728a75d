from typing import final

@final
class Positions:
    """Where the elements along one axis of an array or view are: element `k` at `start + step * k`, counted from the first
    of its domain.

    Example:
        >>> a = bigarrays.create("memory://positions", domain="-10:90,0:80,0:60", dtype="uint8", resolution=(8, 8, 40))
        >>> z = a.view[:, :, 20:60].positions[2]
        >>> z.start, z.step, z.unit
        (800.0, 40.0, 'nm')
    """

    @property
    def start(self) -> float:
        """Position of the first element, in `unit`: of its centre in OME-Zarr, of its lower corner in precomputed layers."""

    @property
    def step(self) -> float:
        """From each element to the next, in `unit`; negative along an axis that a view reverses."""

    @property
    def unit(self) -> str | None:
        """Name of the unit, such as "nm"; None if the metadata say none."""

    @property
    def labels(self) -> list[str] | None:
        """What each element is called, as the channels of an image are; None if they have no names."""
