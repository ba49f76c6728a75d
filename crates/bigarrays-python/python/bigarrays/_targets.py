"""The arrays that expressions are saved to: new ones, or those that an earlier run of the same call has begun."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from os.path import abspath
from typing import TYPE_CHECKING, Any, TypeVar

from ._bigarrays import (
    AlreadyExistsError,
    Array,
    InvalidArgumentError,
    NotFoundError,
    _Journal,
    _Lazy,
    _is_stored_as,
    _rehearse,
    create,
    open,
)

if TYPE_CHECKING:
    from ._lazy import Lazy

_Made = TypeVar("_Made")


def target(make: Callable[..., _Made], lazy: Lazy, url: str | PathLike[str], options: dict[str, Any]) -> _Made:
    """What `make`, which takes the options of `create`, gives for an array of this expression."""
    known: dict[str, Any] = {"domain": lazy.domain, "dtype": lazy.dtype, "incomplete": True}
    if any(lazy.dimension_names) and "like" not in options and "dimension_names" not in options:
        known["dimension_names"] = lazy.dimension_names
    if options.get("like") is not None and not options.keys() & {"encoding", "codecs", "level"}:
        # A codec that loses something is used only if it is named.
        known["_exact"] = True
    if twice := known.keys() & options.keys():
        raise InvalidArgumentError(f"{', '.join(sorted(twice))}: the new array has that of what is written to it; leave it out")
    while True:
        try:
            return make(url, **known, **options)
        except InvalidArgumentError as error:
            # A format that has no names but its own, or no coordinates but those from zero.
            if "dimension_names:" in str(error) and "dimension_names" in known:
                del known["dimension_names"]
            elif "domain:" in str(error) and "domain" in known:
                del known["domain"]
                known["shape"] = lazy.shape
            else:
                raise


def expect_apart(results: dict[Any, Lazy]) -> None:
    """Refuses, before anything is made, what would overwrite an input of any result."""
    for url in results:
        for result in results.values():
            result._inner.expect_apart(url)


def expect_room(
    results: dict[Any, Lazy],
    options: dict[str, Any],
    memory: int | None,
    scratch: str | PathLike[str] | None,
    journal: _Journal | None = None,
) -> None:
    """Refuses, before anything is made, what does not fit into the memory."""
    rehearsed = [(result._inner, target(_rehearse, result, url, options)) for url, result in results.items()]
    if all(array is not None for _, array in rehearsed):
        _Lazy.explain(rehearsed, memory, scratch, journal)


def expect_resume(resume: Any) -> None:
    """Refuses what is no answer to the question where the journal is."""
    if not isinstance(resume, bool | str | PathLike):
        raise InvalidArgumentError(f"resume={resume!r}: expected True, False, or the path of a journal")


@contextmanager
def journal_of(
    resume: bool | str | PathLike[str], describe: Callable[[], str], level: int = 4
) -> Iterator[_Journal | None]:
    """The journal at a path, or that of the job that is described so. It is removed if all goes well. Warnings are of the function so many
    levels above."""
    if resume is False:
        yield None
        return
    expect_resume(resume)
    job = describe()
    path = _Journal.default_path(job) if resume is True else resume
    if path is None:
        raise InvalidArgumentError("neither XDG_STATE_HOME nor HOME says where the journal would be: resume= may name a file")
    journal = _Journal(path, job)
    try:
        yield journal
    except BaseException:
        journal.close(False)
        raise
    if journal.began_anew():
        reason = "an earlier run had begun another expression or function, or one of inputs of another layout: all was computed anew"
        warnings.warn(reason, stacklevel=level)
    warn_of_redone(journal.redone(), level + 1)
    journal.close(True)


def warn_of_redone(blocks: int, level: int = 4) -> None:
    """Says how many blocks of an earlier run were done again."""
    if blocks:
        reason = "they, or what they were made of, had changed"
        warnings.warn(f"{blocks} finished blocks of an earlier run were done again: {reason}", stacklevel=level)


def place(url: str | PathLike[str]) -> str:
    """A path as an absolute one; URLs as they are."""
    path = fspath(url)
    return path if "://" in path else abspath(path)


def opening(options: dict[str, Any]) -> dict[str, Any]:
    """What of the options of `create` says how the array is opened again."""
    return {name: options[name] for name in ("format", "storage_options", "durable", "lock") if name in options}


def taken_up(lazy: Lazy, url: str | PathLike[str], options: dict[str, Any], journal: _Journal | None) -> Array:
    """The array that an earlier run has begun, or a new one."""
    if journal is None:
        return target(create, lazy, url, options)
    made = place(url)
    earlier = journal.earlier(made)

    def begun() -> Array:
        array = open(url, mode="r+", incomplete=True, **opening(options))
        if not array.incomplete and not journal.is_done():
            raise AlreadyExistsError(f"{url} is there, complete, and not what this call has begun")
        planned = target(_rehearse, lazy, url, options)
        if planned is not None and not _is_stored_as(array, planned):
            reason = "an earlier run of this call has begun it with other options; say the same, or remove it and the array is made anew"
            raise AlreadyExistsError(f"{url}: {reason}")
        return array

    if earlier == "made":
        try:
            return begun()
        except NotFoundError:
            # It was removed since.
            pass
    try:
        array = target(create, lazy, url, options)
    except AlreadyExistsError:
        # A run may have been killed before it noted that it had made it.
        if earlier == "none":
            raise
        array = begun()
    journal.note_made(made)
    return array


def made_like(
    source: Array,
    url: str | PathLike[str],
    dtype: Any,
    options: dict[str, Any],
    journal: _Journal | None,
    check: Callable[[Array], object],
) -> Array:
    """A new array of labels like `source`, or the one that an earlier run has begun. `check` refuses what would be made before it is."""
    given: dict[str, Any] = {"like": source, "labels": True, "dtype": dtype} | options
    shape = source.lazy.astype(given.pop("dtype"))
    shape._inner.expect_apart(url)
    is_same_code = shape.dtype == source.dtype or source.dtype.name in ("uint32", "uint64")
    if not is_same_code and not options.keys() & {"encoding", "codecs"}:
        # That of an image may have no numbers of so many bits.
        given["encoding"] = "raw"
    try:
        planned = target(_rehearse, shape, url, given)
    except InvalidArgumentError as error:
        # A format that has no mark of labels.
        if "labels" in options or "labels:" not in str(error):
            raise
        del given["labels"]
        planned = target(_rehearse, shape, url, given)
    if planned is not None:
        check(planned)
    return taken_up(shape, url, given, journal)
