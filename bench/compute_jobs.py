"""What bench/compute.py has each tool compute: jobs of two cubes, by tool.

A job is a function of two arrays of this library, of where its result goes, and of a budget of bytes, if there is one. It returns the result, or
None if the result was written.
"""

import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bigarrays
import numpy as np

CHUNK = (24, 90, 180)
#: Chunks of a rechunked cube: all times of a few places.
PENCILS = (744, 24, 24)

Job = Callable[[bigarrays.Array, bigarrays.Array, Path, int | None], Any]
#: An expression of two arrays, by the functions of a module such as NumPy: elements, or means over time.
Formula = Callable[[Any, Any, Any], Any]


def product(a: Any, b: Any, xp: Any) -> Any:
    return a * b + 2.0


def chosen(a: Any, b: Any, xp: Any) -> Any:
    return xp.where(a > b, xp.sqrt(a * b) + 2.0, a * b)


def ten_nodes(a: Any, b: Any, xp: Any) -> Any:
    return xp.where(a > b, xp.sqrt(xp.abs(a * b)) + 2.0, a * b) - xp.minimum(a, b) / 3.0


def moments(a: Any, b: Any, xp: Any) -> list[Any]:
    return [a * a, b * b, a * b]


#: What making values has taken that a floor writes: it is not counted.
ASIDE = {"cpu": 0.0, "wall": 0.0}


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def aside() -> Iterator[None]:
    """What is done within is not counted."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    yield
    ASIDE["cpu"] += cpu_seconds() - cpu
    ASIDE["wall"] += time.perf_counter() - wall


def slabs(array: bigarrays.Array) -> range:
    return range(0, array.shape[0], CHUNK[0])


def new(place: Path, like: bigarrays.Array) -> bigarrays.Array:
    shutil.rmtree(place, ignore_errors=True)
    return bigarrays.create(place, like=like)


def read(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
    for first in slabs(a):
        a[first : first + CHUNK[0]]


def read_both(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
    read(a, b, out, memory)
    read(b, a, out, memory)


def read_and_write(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
    target = new(out, a)
    for first in slabs(a):
        b[first : first + CHUNK[0]]
        target[first : first + CHUNK[0]] = a[first : first + CHUNK[0]]


def copy_by_read_and_write(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
    target = new(out, a)
    for first in slabs(a):
        target[first : first + CHUNK[0]] = a[first : first + CHUNK[0]]


def elements_by_hand(formula: Formula) -> Job:
    def work(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
        target = new(out, a)
        for first in slabs(a):
            slab = slice(first, first + CHUNK[0])
            target[slab] = formula(a[slab], b[slab], np)

    return work


def means_by_hand(formula: Callable[[Any, Any, Any], list[Any]]) -> Job:
    def work(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
        totals: list[Any] = []
        for first in slabs(a):
            slab = slice(first, first + CHUNK[0])
            sums = [values.sum(axis=0, dtype="float64") for values in formula(a[slab], b[slab], np)]
            totals = [total + more for total, more in zip(totals, sums, strict=True)] if totals else sums
        return np.stack([(total / a.shape[0]).astype("float32") for total in totals])

    return work


def mean_by_hand(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
    total = np.zeros(a.shape[1:])
    for first in slabs(a):
        total += a[first : first + CHUNK[0]].sum(axis=0, dtype="float64")
    return (total / a.shape[0]).astype("float32")


def elements(formula: Formula) -> Job:
    def work(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
        shutil.rmtree(out, ignore_errors=True)
        formula(a.lazy, b.lazy, np).save(out, like=a, memory=memory)

    return work


def mean(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
    return a.lazy.mean(0).compute(memory=memory)


def means(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
    return np.stack(bigarrays.compute(*(one.mean(0) for one in moments(a.lazy, b.lazy, np)), memory=memory))


def rechunk(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
    shutil.rmtree(out, ignore_errors=True)
    a.lazy.save(out, format="zarr3", chunk_shape=PENCILS, memory=memory)


def without_this_folder() -> None:
    """Another module is called as one of this folder."""
    sys.path[:] = [place for place in sys.path if place != str(Path(__file__).parent)]


def opened(array: bigarrays.Array) -> Any:
    import zarr

    return zarr.open_array(array.url, mode="r")


def dask_of(module: str) -> dict[str, Job]:
    """Jobs of dask.array, or of what replaces it."""

    def functions() -> Any:
        without_this_folder()
        __import__(module)
        return sys.modules[module]

    def work_elements(formula: Formula) -> Job:
        def work(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
            import zarr

            da = functions()
            new(out, a)
            whole = formula(da.from_zarr(opened(a)), da.from_zarr(opened(b)), da)
            da.store([whole], [zarr.open_array(str(out), mode="r+")], lock=False)

        return work

    def work_mean(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
        return functions().from_zarr(opened(a)).mean(axis=0, dtype="float64").astype("float32").compute()

    def work_means(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
        import dask

        da = functions()
        values = moments(da.from_zarr(opened(a)), da.from_zarr(opened(b)), da)
        return np.stack(dask.compute(*(one.mean(axis=0, dtype="float64").astype("float32") for one in values)))

    return {
        "mean": work_mean,
        "means": work_means,
        "product": work_elements(product),
        "chosen": work_elements(chosen),
        "ten nodes": work_elements(ten_nodes),
    }


def cubed_elements(formula: Formula) -> Job:
    def work(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
        cubed, xp, spec = cubed_modules(out)
        shutil.rmtree(out, ignore_errors=True)
        cubed.to_zarr(formula(cubed.from_zarr(a.url, spec=spec), cubed.from_zarr(b.url, spec=spec), xp), str(out))

    return work


def cubed_modules(out: Path) -> Any:
    without_this_folder()
    import cubed
    import cubed.array_api

    return cubed, cubed.array_api, cubed.Spec(str(out.with_suffix(".cubed")), allowed_mem="2GB", executor_name="threads")


def cubed_mean(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
    cubed, xp, spec = cubed_modules(out)
    return xp.mean(cubed.from_zarr(a.url, spec=spec), axis=0).compute()


def cubed_means(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
    cubed, xp, spec = cubed_modules(out)
    values = moments(cubed.from_zarr(a.url, spec=spec), cubed.from_zarr(b.url, spec=spec), xp)
    return np.stack(cubed.compute(*(xp.mean(one, axis=0) for one in values)))


def xarray_of(array: bigarrays.Array) -> Any:
    """A variable as xarray reads one, in dask's chunks of the stored ones."""
    without_this_folder()
    import dask.array
    import xarray

    return xarray.Variable(("time", "y", "x"), dask.array.from_zarr(opened(array)))


def xarray_mean(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
    return xarray_of(a).mean("time", dtype="float64").astype("float32").to_numpy()


def xarray_means(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
    import xarray

    values = moments(xarray_of(a), xarray_of(b), np)
    both = {str(at): one.mean("time", dtype="float64").astype("float32") for at, one in enumerate(values)}
    return np.stack([one.to_numpy() for one in xarray.Dataset(both).compute().variables.values()])


def xarray_elements(formula: Formula) -> Job:
    def work(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
        import zarr

        new(out, a)
        functions = type("functions", (), {"sqrt": np.sqrt, "abs": np.abs, "minimum": np.minimum, "where": where})
        data = formula(xarray_of(a), xarray_of(b), functions).data
        data.store(zarr.open_array(str(out), mode="r+"), lock=False)

    def where(condition: Any, one: Any, other: Any) -> Any:
        return one.where(condition, other)

    return work


def blosc2_of(array: bigarrays.Array) -> Any:
    """The same elements as blosc2 stores them, made once, in the same chunks."""
    import blosc2

    place = Path(array.url).with_suffix(".b2nd")
    if not place.exists():
        made = blosc2.empty(array.shape, dtype="float32", chunks=CHUNK, urlpath=str(place), mode="w")
        for first in slabs(array):
            made[first : first + CHUNK[0]] = array[first : first + CHUNK[0]]
    return blosc2.open(str(place), mode="r")


def blosc2_mean(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
    return blosc2_of(a).mean(axis=0, dtype=np.float64).astype("float32")


def blosc2_means(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
    values = moments(blosc2_of(a), blosc2_of(b), None)
    return np.stack([one.mean(axis=0, dtype=np.float64).astype("float32") for one in values])


def blosc2_elements(formula: Formula) -> Job:
    def work(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
        import blosc2

        place = out.with_suffix(".b2nd")
        place.unlink(missing_ok=True)
        made = formula(blosc2_of(a), blosc2_of(b), blosc2).compute(urlpath=str(place), chunks=CHUNK, mode="w")
        return made[0]

    return work


DASK, DASK_ARRAY = dask_of("dask.array"), dask_of("dask_array")

#: Where `b` is another array than a cube like `a`: its axes are those of a field of one time, or it has another order.
JOBS: dict[str, dict[str, Job]] = {
    "mean(time)": {
        "floor": read,
        "bigarrays": mean,
        "numpy": mean_by_hand,
        "dask": DASK["mean"],
        "dask-array": DASK_ARRAY["mean"],
        "xarray": xarray_mean,
        "cubed": cubed_mean,
        "blosc2": blosc2_mean,
    },
    "means of a², b², ab": {
        "floor": read_both,
        "bigarrays": means,
        "numpy": means_by_hand(moments),
        "dask": DASK["means"],
        "dask-array": DASK_ARRAY["means"],
        "xarray": xarray_means,
        "cubed": cubed_means,
        "blosc2": blosc2_means,
    },
    "a*b + 2": {
        "floor": read_and_write,
        "bigarrays": elements(product),
        "numpy": elements_by_hand(product),
        "dask": DASK["product"],
        "dask-array": DASK_ARRAY["product"],
        "xarray": xarray_elements(product),
        "cubed": cubed_elements(product),
        "blosc2": blosc2_elements(product),
    },
    "where(a > b, …)": {
        "floor": read_and_write,
        "bigarrays": elements(chosen),
        "numpy": elements_by_hand(chosen),
        "dask": DASK["chosen"],
        "dask-array": DASK_ARRAY["chosen"],
        "xarray": xarray_elements(chosen),
        "cubed": cubed_elements(chosen),
        "blosc2": blosc2_elements(chosen),
    },
    "ten nodes": {
        "floor": read_and_write,
        "bigarrays": elements(ten_nodes),
        "numpy": elements_by_hand(ten_nodes),
        "dask": DASK["ten nodes"],
    },
    "rechunk": {"floor": copy_by_read_and_write, "bigarrays": rechunk},
}


def beside(place: Path, kind: str) -> Path:
    return place.with_name(f"{place.stem}-{kind}{place.suffix}")


def f_order(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
    """`b` has its chunks in Fortran order."""
    elements(product)(a, bigarrays.open(beside(Path(b.url), "f")), out, memory)


def read_f_order(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
    read_and_write(a, bigarrays.open(beside(Path(b.url), "f")), out, memory)


def broadcast(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
    """A field of one time, and one of the places along x, with each time."""
    field = b[0]
    shutil.rmtree(out, ignore_errors=True)
    ((a.lazy - field) * field[0] + field[:, :1]).save(out, like=a, memory=memory)


def broadcast_by_hand(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> None:
    field, target = b[0], new(out, a)
    for first in slabs(a):
        slab = slice(first, first + CHUNK[0])
        target[slab] = (a[slab] - field) * field[0] + field[:, :1]


def short(length: int, work: Job) -> Job:
    """The same elements with an innermost axis of this length."""

    def on_short(a: bigarrays.Array, b: bigarrays.Array, out: Path, memory: int | None) -> Any:
        one, other = (bigarrays.open(beside(Path(array.url), f"inner{length}")) for array in (a, b))
        return work(one, other, out, memory)

    return on_short


#: Shapes and orders that are awkward for loops over elements.
AWKWARD: dict[str, dict[str, Job]] = {
    "C and F order, a*b + 2": {"floor": read_f_order, "bigarrays": f_order},
    "broadcasts": {"floor": copy_by_read_and_write, "bigarrays": broadcast, "numpy": broadcast_by_hand},
} | {
    f"inner axis of {length}, a*b + 2": {
        "floor": short(length, read_and_write),
        "bigarrays": short(length, elements(product)),
        "numpy": short(length, elements_by_hand(product)),
    }
    for length in (1, 2, 3, 4)
}

#: Of each job, the expressions that it computes.
EXPRESSIONS: dict[str, Callable[[bigarrays.Array, bigarrays.Array], list[bigarrays.Lazy]]] = {
    "mean(time)": lambda a, b: [a.lazy.mean(0)],
    "means of a², b², ab": lambda a, b: [one.mean(0) for one in moments(a.lazy, b.lazy, np)],
    "a*b + 2": lambda a, b: [product(a.lazy, b.lazy, np)],
    "ten nodes": lambda a, b: [ten_nodes(a.lazy, b.lazy, np)],
    "rechunk": lambda a, b: [a.lazy],
}
