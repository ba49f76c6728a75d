import os
from pathlib import Path
from typing import final

@final
class Cache:
    """Where chunks that are read from behind a network are kept, and how many bytes of them.

    They are kept in memory and, if one is given, in a directory, which processes may share; encoded, as they are stored.
    All arrays that are opened with equal caches share them. Nothing is kept of local files.

    Args:
        directory: Where files are kept; None for memory alone.
        memory_bytes: The most bytes that are kept in memory.
        disk_bytes: The most bytes of files in the directory.

    Example:
        >>> cache = bigarrays.Cache(memory_bytes=64 << 20)
        >>> cache
        Cache(memory_bytes=67108864)
        >>> array = bigarrays.create("memory://cache", shape=(9, 9, 9), dtype="uint8", cache=cache)
    """

    def __new__(
        cls, directory: str | os.PathLike[str] | None = None, *, memory_bytes: int = 268435456, disk_bytes: int = 10737418240
    ) -> Cache: ...
    @property
    def directory(self) -> Path | None:
        """The directory, or None."""

    @property
    def memory_bytes(self) -> int:
        """The most bytes that are kept in memory."""

    @property
    def disk_bytes(self) -> int:
        """The most bytes of files in the directory."""

    @staticmethod
    def default_directory() -> Path:
        """staticmethod(function) -> method

        Convert a function to be a static method.

        A static method does not receive an implicit first argument.
        To declare a static method, use this idiom:

             class C:
                 @staticmethod
                 def f(arg1, arg2, argN):
                     ...

        It can be called either on the class (e.g. C.f()) or on an instance
        (e.g. C().f()). Both the class and the instance are ignored, and
        neither is passed implicitly as the first argument to the method.

        Static methods in Python are similar to those found in Java or C++.
        For a more advanced concept, see the classmethod builtin.
        """

    def info(self) -> dict[str, int]:
        """How many chunks the directory holds, and how many bytes they take: `{"values": …, "bytes": …}`.

        Raises:
            NotFoundError: There is no directory, or nothing was ever kept in it.
        """

    def clear(self) -> dict[str, int]:
        """Removes what the directory holds, and returns what that was, as `info` does.

        Raises:
            NotFoundError: There is no directory, or nothing was ever kept in it.
        """

    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
