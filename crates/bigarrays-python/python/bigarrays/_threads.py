"""Functions of users on one thread each: those of BLAS and OpenMP beside the ones that call them would only wait for each other."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

#: Whether there has been a function of a user in this process: nothing else here uses BLAS.
_has_functions = False
#: What limits the libraries that were loaded when there were so many modules; None if threadpoolctl is not installed.
_known: tuple[int, Any] = (-1, None)


def note_function() -> None:
    """Has computations limit BLAS from now on."""
    global _has_functions
    _has_functions = True


def one_thread_of_blas() -> AbstractContextManager[Any]:
    """For the thread that a computation is called in: the limit of BLAS is one of the whole process."""
    return _limited("blas") if _has_functions else nullcontext()


def one_thread_of_openmp() -> AbstractContextManager[Any]:
    """For the thread that calls a function: OpenMP has a limit for each thread."""
    return _limited("openmp")


def _limited(api: str) -> AbstractContextManager[Any]:
    global _known
    modules = len(sys.modules)
    if _known[0] != modules:
        try:
            from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]
        except ImportError:
            _known = (modules, None)
        else:
            # Importing it adds modules, and functions that are called for the first time may load libraries.
            _known = (len(sys.modules), ThreadpoolController())
    controller = _known[1]
    if controller is None:
        return nullcontext()
    # Of a controller of one kind, only that is set back.
    of_kind = controller.select(user_api=api)
    limited: AbstractContextManager[Any] = of_kind.limit(limits=1) if of_kind.lib_controllers else nullcontext()
    return limited
