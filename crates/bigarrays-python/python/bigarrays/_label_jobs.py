"""Jobs on labels: which there are and where, what touches what, and other numbers for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._bigarrays import Array, InvalidArgumentError, _contacts, _label_table, _relabel, _renumber
from ._columns import columns_of_boxes
from ._expressions import expect_stored
from ._once import Once
from ._progress import Progress, reporter
from ._remap import Labels, words_of
from ._sharing import Work, shared
from ._targets import journal_of, made_like, place


@dataclass(frozen=True)
class LabelStatistics:
    """The labels of an array, ascending.

    Attributes:
        labels: The labels, shape (n,).
        voxels: How many voxels each has, shape (n,).
        boxes: The first coordinate along each axis, and the one behind the last, shape (n, axes, 2).
        centroids: The mean coordinate of the voxels along each axis, shape (n, axes).
        axis_names: The names of the axes.
    """

    labels: NDArray[Any]
    voxels: NDArray[np.uint64]
    boxes: NDArray[np.int64]
    centroids: NDArray[np.float64]
    axis_names: tuple[str, ...]

    def columns(self) -> dict[str, NDArray[Any]]:
        """All of it as columns with the names that `bigarrays labels` gives them, as `pandas.DataFrame` and `pyarrow.table` take them.

        Example:
            >>> labels = bigarrays.create("memory://label-columns", shape=(4,), dtype="uint64", format="zarr3", dimension_names=["z"])
            >>> labels[...] = [0, 7, 7, 3]
            >>> list(bigarrays.label_table(labels).columns())
            ['label', 'voxels', 'z_start', 'z_stop', 'z_centroid']
        """
        centroids = {f"{name}_centroid": self.centroids[:, axis] for axis, name in enumerate(self.axis_names)}
        return {"label": self.labels, "voxels": self.voxels, **columns_of_boxes(self.boxes, self.axis_names), **centroids}


@dataclass(frozen=True)
class Contacts:
    """Pairs of labels that share faces of voxels.

    Attributes:
        pairs: The two labels, the lesser first, ascending, shape (n, 2).
        faces: How many faces they share across each axis, shape (n, axes).
        areas: The area of these faces, by the resolution: square nanometres of precomputed layers, shape (n,). In voxels' faces where
            no size is known.
        axis_names: The names of the axes.
    """

    pairs: NDArray[Any]
    faces: NDArray[np.uint64]
    areas: NDArray[np.float64]
    axis_names: tuple[str, ...]

    def columns(self) -> dict[str, NDArray[Any]]:
        """All of it as columns with the names that `bigarrays contacts` gives them, as `pandas.DataFrame` and `pyarrow.table` take them."""
        faces = {f"{name}_faces": self.faces[:, axis] for axis, name in enumerate(self.axis_names)}
        return {"label_1": self.pairs[:, 0], "label_2": self.pairs[:, 1], **faces, "area": self.areas}


def label_table(
    labels: Array,
    *,
    background: int | None = None,
    resume: bool | str | PathLike[str] = False,
    memory: int | None = None,
    executor: Any = None,
    processes: int | None = None,
    scratch: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> LabelStatistics:
    """The labels that there are, how many voxels each has, and where these are, in one pass over what is stored.

    Only labels that are met take memory. `label_statistics` has what the elements of an image become of each label.

    Args:
        labels: An array of whole numbers.
        background: The value of elements that have no label; 0 if None.
        resume: As `copy` has it.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
        executor: As `save` has it. Workers do shares of each pass; what is found is joined in this process.
        processes: As `save` has it.
        scratch: A folder that all workers see, for what they leave each other; if None, one beside the labels.
        progress: As `copy` has it.

    Raises:
        InvalidArgumentError: Elements are no whole numbers.
        MemoryBudgetError: A block does not fit into the memory, and nothing was read; or there are more labels than it has room for.

    Example:
        >>> labels = bigarrays.create("memory://label-table/py", shape=(2, 4), dtype="uint64", format="zarr3")
        >>> labels[...] = [[7, 7, 0, 3], [0, 7, 0, 3]]
        >>> found = bigarrays.label_table(labels)
        >>> found.labels, found.voxels
        (array([3, 7], dtype=uint64), array([2, 3], dtype=uint64))
        >>> found.boxes[1].tolist(), found.centroids[0].tolist()
        ([[0, 2], [0, 2]], [0.5, 3.0])
    """
    work = Work(executor, processes, memory, scratch, progress)
    names, voxels, boxes, centroids = _listed(_label_table, "labels", labels, background, resume, work)
    ids = _numbers(names, _wide(labels))
    return LabelStatistics(
        ids,
        _numbers(voxels, "uint64"),
        _numbers(boxes, "int64").reshape(len(ids), labels.ndim, 2),
        _numbers(centroids, "float64").reshape(len(ids), labels.ndim),
        labels.axis_names,
    )


def contacts(
    labels: Array,
    *,
    background: int | None = None,
    resume: bool | str | PathLike[str] = False,
    memory: int | None = None,
    executor: Any = None,
    processes: int | None = None,
    scratch: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Contacts:
    """The pairs of labels that share faces of voxels, and how large their contacts are, in one pass over what is stored.

    Only pairs that are met take memory, and the ends of blocks until those beside them are done. Nothing touches across axes of time and
    channels.

    Args:
        labels: An array of whole numbers.
        background: The value of elements that touch nothing; 0 if None.
        resume: As `copy` has it.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
        executor: As `save` has it. Workers do shares of each pass; what is found is joined in this process.
        processes: As `save` has it.
        scratch: A folder that all workers see, for what they leave each other; if None, one beside the labels.
        progress: As `copy` has it.

    Raises:
        InvalidArgumentError: Elements are no whole numbers.
        MemoryBudgetError: A block does not fit into the memory, and nothing was read; or there are more pairs than it has room for.

    Example:
        >>> labels = bigarrays.create("memory://contacts/py", shape=(2, 4, 1), dtype="uint64", resolution=(8, 8, 40))
        >>> labels[..., 0] = [[7, 7, 0, 3], [0, 5, 7, 7]]
        >>> found = bigarrays.contacts(labels)
        >>> found.pairs.tolist(), found.faces.tolist(), found.areas.tolist()
        ([[3, 7], [5, 7]], [[1, 0, 0], [1, 1, 0]], [320.0, 640.0])
    """
    work = Work(executor, processes, memory, scratch, progress)
    pairs, faces, areas = _listed(_contacts, "contacts", labels, background, resume, work)
    found = _numbers(pairs, _wide(labels)).reshape(-1, 2)
    across = _numbers(faces, "uint64").reshape(len(found), labels.ndim)
    return Contacts(found, across, _numbers(areas, "float64"), labels.axis_names)


def _listed(
    job: Callable[..., Any], command: str, labels: Array, background: int | None, resume: bool | str | PathLike[str], work: Work
) -> tuple[bytes, ...]:
    """What a job finds that reads labels, as bytes of numbers of 64 bits."""
    expect_stored(labels, "labels")
    given: dict[str, Any] = {"background": background}
    if work.is_shared(labels, resume=resume):
        found: tuple[bytes, ...] = shared(job, (labels,), given, work, "reading labels")
        return found
    with journal_of(resume, lambda: f"{command} {place(labels.url)}", level=5) as journal:
        report = reporter(work.progress, "reading labels")
        found = job(labels, **given, memory=work.memory, journal=journal, progress=report)
    return found


def relabel(
    source: Array,
    target: Array | str | PathLike[str],
    table: Labels,
    *,
    unlisted: int | Literal["keep", "error"] = "keep",
    resume: bool | str | PathLike[str] = False,
    memory: int | None = None,
    executor: Any = None,
    processes: int | None = None,
    scratch: str | PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Array:
    """Writes what labels become by a table to another array, block by block. As `remap` saved, but where nothing is stored, nothing is done.

    Args:
        source: An array of whole numbers.
        target: An array of whole numbers of the same shape, opened with mode "r+"; or where one is made, which until all is written is
            marked as incomplete.
        table: As `remap` has it.
        unlisted: As `remap` has it.
        resume: As `copy` has it. Where an earlier call with the same arguments has made the target, nothing is done, and what it
            returned is; whether elements were changed since is not looked up. A file beside
            the journal, whose name ends in `.done`, notes it.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
        executor: As `save` has it. Workers do shares of each pass; what is found is joined in this process.
        processes: As `save` has it.
        scratch: A folder that all workers see, for what they leave each other; if None, one beside the target.
        progress: As `copy` has it.
        options: Those of `bigarrays.create` for a new array, which is like `source`.

    Returns:
        The target.

    Raises:
        InvalidArgumentError: Shapes differ, or a label is to become two different ones or what the type does not reach, or is not in the table
            and an error.
        MemoryBudgetError: A block does not fit into the memory; nothing was read.

    Example:
        >>> labels = bigarrays.create("memory://relabel/py", shape=(5,), dtype="uint8", format="zarr3")
        >>> labels[...] = [0, 3, 9, 3, 4]
        >>> bigarrays.relabel(labels, "memory://relabel/made", {3: 200, 9: 2}, unlisted=0)[...]
        array([  0, 200,   2, 200,   0], dtype=uint8)
    """
    given: dict[str, Any] = {"unlisted": unlisted}
    work = Work(executor, processes, memory, scratch, progress)
    # Workers find it in the folder that they share.
    none: dict[str, Any] = {"table": ((b"", "int64"), (b"", "int64"))}
    by_table: dict[str, Any] = {"table": words_of(table)}
    job = _Writing(_relabel, "relabel", "relabelling", 1, given, by_table, none)
    array, _ = job.written(source, target, work, resume, options)
    return array


def renumber(
    source: Array,
    target: Array | str | PathLike[str],
    *,
    numbering: Literal["first", "value"] = "first",
    background: int | None = None,
    resume: bool | str | PathLike[str] = False,
    memory: int | None = None,
    executor: Any = None,
    processes: int | None = None,
    scratch: str | PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> tuple[Array, NDArray[Any]]:
    """Writes labels as 1, 2, 3 and so on to another array, and background as 0. The source is read twice, block by block.

    Args:
        source: An array of whole numbers.
        target: As `relabel` has it.
        numbering: The order: "first", that of the first voxel of each, the last axis fastest; or "value", that of the labels.
        background: The value of elements that have no label; 0 if None.
        resume: As `copy` has it. Where an earlier call with the same arguments has made the target, nothing is done, and what it
            returned is; whether elements were changed since is not looked up. A file beside
            the journal, whose name ends in `.done`, notes it.
        memory: The most bytes that the work may use; a quarter of what the process may use if None.
        executor: As `save` has it. Workers do shares of each pass; what is found is joined in this process.
        processes: As `save` has it.
        scratch: A folder that all workers see, for what they leave each other; if None, one beside the target.
        progress: As `copy` has it.
        options: Those of `bigarrays.create` for a new array, which is like `source`.

    Returns:
        The target, and the labels in the order of their numbers: the first became 1.

    Raises:
        InvalidArgumentError: Shapes differ, elements are no whole numbers, or there are more labels than the type has numbers.
        MemoryBudgetError: A block does not fit into the memory, and nothing was read; or there are more labels than it has room for, and
            nothing was written.

    Example:
        >>> labels = bigarrays.create("memory://renumber/py", shape=(5,), dtype="uint64", format="zarr3")
        >>> labels[...] = [0, 1 << 60, 9, 1 << 60, 4]
        >>> numbers, names = bigarrays.renumber(labels, "memory://renumber/made", dtype="uint8")
        >>> numbers[...], names.tolist()
        (array([0, 1, 2, 1, 3], dtype=uint8), [1152921504606846976, 9, 4])
    """
    given: dict[str, Any] = {"numbering": numbering, "background": background}
    work = Work(executor, processes, memory, scratch, progress)
    job = _Writing(_renumber, "renumber", "renumbering", 2, given)
    array, words = job.written(source, target, work, resume, options)
    return array, _numbers(words, _wide(source))


class _Writing(NamedTuple):
    """A job that writes labels to another array."""

    job: Callable[..., Any]
    command: str
    what: str
    passes: int
    given: dict[str, Any]
    #: What is given to this process, and to others.
    own: dict[str, Any] = {}
    others: dict[str, Any] = {}

    def written(
        self,
        source: Array,
        target: Array | str | PathLike[str],
        work: Work,
        resume: bool | str | PathLike[str],
        options: dict[str, Any],
    ) -> tuple[Array, Any]:
        """The target, and what the job returns."""
        expect_stored(source, "source")
        is_shared = work.is_shared(source, target, resume=resume)
        given = self.given | self.own | {"memory": work.memory}
        if isinstance(target, Array) and options:
            raise InvalidArgumentError(f"{', '.join(options)}: options of a new array, and the target is there")

        def check(planned: Array) -> None:
            self.job(source, planned, **given, dry_run=True, progress=None)

        once = Once(self.command, source, target, (self.given, self.own), options, resume)
        if (known := once.found()) is not None:
            return known[0], known[1][0]
        with journal_of(resume, lambda: f"{self.command} {place(source.url)} {place(_url(target))}", level=5) as journal:
            array = target if isinstance(target, Array) else made_like(source, target, source.dtype, options, journal, check)
            if is_shared:
                by = self.given | {"dry_run": False}
                return array, shared(
                    self.job, (source, array), by | self.others, work, self.what, passes=self.passes, of_leader=self.own
                )
            report = reporter(work.progress, self.what)
            found = self.job(source, array, **given, dry_run=False, journal=journal, progress=report)
            once.note([found])
            return array, found


def _url(target: Array | str | PathLike[str]) -> str | PathLike[str]:
    return target.url if isinstance(target, Array) else target


def _wide(labels: Array) -> str:
    """The type of 64 bits of labels: with a sign if theirs has one."""
    return "int64" if labels.dtype.kind == "i" else "uint64"


def _numbers(words: bytes, dtype: str) -> NDArray[Any]:
    return np.frombuffer(words, dtype).copy()
