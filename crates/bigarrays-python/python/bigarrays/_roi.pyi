from ._array import Array
from ._domain import Box, Domain

def roi(array: Array, *, box: Box | None = None, memory: int | None = None) -> Domain | None:
    """The smallest box that has all elements other than the fill value, or None if there are none.

    The store is asked what there is; of that, only chunks at the ends of each axis are read, until they have such elements.

    Args:
        array: An array or view.
        box: Looks only in this box; in all of the array if None.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.

    Raises:
        MemoryBudgetError: A chunk does not fit into the memory.

    Example:
        >>> a = bigarrays.create("memory://roi", shape=(1000000, 1000000, 100), dtype="uint8")
        >>> a[7:100, 5, 20:22] = 1
        >>> bigarrays.roi(a)
        Domain("7:100,5:6,20:22")
    """
