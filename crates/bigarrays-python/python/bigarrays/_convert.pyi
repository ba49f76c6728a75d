import os
from collections.abc import Callable

def convert(
    old: str | os.PathLike[str],
    new: str | os.PathLike[str],
    *,
    key: str | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> int:
    """Copies arrays of other files into a new `.npy` file, each as a slice of its name. Sources are a file of Python's `bigarray`,
    NumPy's `.npz`, HDF5, a folder of `.npy` files, an LMDB file of them, and Megatron's `.idx` and `.bin`, whose documents are named by
    their numbers; which one it is, its bytes say. Elements are copied in pieces, and nothing in a file is executed.

    A conversion that ended early, by whatever, goes on when the same one is asked for again; until it is whole, there is only
    the draft `x.npy.unfinished`.

    Args:
        old: The source; it stays as it is. Of Megatron's two files, either of them.
        new: The `.npy` file; its names go into an index beside it.
        key: Only the array of this key, whose rows then have no names; or if arrays are below it, only those, by the rest of
            their names.
        overwrite: Replaces a new file that is there.
        progress: A function of (done, total), called now and then, and at the end, with bytes of elements. An exception that it
            raises, or Ctrl-C, ends the conversion.

    Returns:
        How many names there are.

    Raises:
        NotFoundError: There is no source, or no array in it.
        InvalidMetadataError: The source is damaged, or nothing that is known.
        InvalidArgumentError: The arrays have elements or rows of several kinds, or names that cannot be names.
        CorruptDataError: The elements of an array are damaged or cut short.
        AlreadyExistsError: The new file is there, and `overwrite` is not given.

    Example:
        >>> import pathlib, tempfile, numpy as np
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> np.savez(folder / "samples.npz", first=np.ones((2, 3), "f4"), second=np.zeros((4, 3), "f4"))
        >>> bigarrays.convert(folder / "samples.npz", folder / "samples.npy")
        2
        >>> bigarrays.SliceArray(folder / "samples.npy")["second"].shape
        (4, 3)
    """
