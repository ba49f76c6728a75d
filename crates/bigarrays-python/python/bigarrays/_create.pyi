from collections.abc import Mapping, Sequence
from typing import Any, Literal

from numpy.typing import DTypeLike

from ._array import Array
from ._domain import Box
from ._open import CacheLike, ContentEncoding, Place, Prefer, StorageOptions, Validate

def create(
    path_or_url: Place,
    *,
    like: Array | None = None,
    dtype: DTypeLike | None = None,
    shape: Sequence[int] | None = None,
    domain: Box | None = None,
    origin: Sequence[int] | None = None,
    chunk_shape: Sequence[int] | None = None,
    encoding: str | None = None,
    level: int | None = None,
    block_shape: Sequence[int] | None = None,
    resolution: Sequence[float] | None = None,
    labels: bool | None = None,
    key: str | None = None,
    sharding: bool | str | Mapping[str, str | int] | None = None,
    shard_shape: Sequence[int] | None = None,
    shard_order: Literal["c", "morton", "hilbert"] | None = None,
    dimension_names: Sequence[str | None] | None = None,
    fill_value: Any = None,
    codecs: Sequence[str | Mapping[str, Any]] | None = None,
    chunk_keys: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    format: str | None = "precomputed",
    incomplete: bool = False,
    strict: bool = False,
    outside: Literal["error", "crop"] = "error",
    drop_fill: bool = False,
    durable: bool = False,
    lock: bool = True,
    lock_timeout: float | None = None,
    prefer: Prefer | None = None,
    content_encoding: ContentEncoding | None = None,
    storage_options: StorageOptions | None = None,
    cache: CacheLike = None,
    validate: Validate | None = None,
) -> Array:
    """Creates an array at a path or URL, and opens it with mode "r+".

    What is left open is as in `like`, as far as the format can hold it.

    Args:
        path_or_url: Where the array will be; nothing may be there.
        like: An array, or a view of one, whose box, type, axes, chunks, codecs, shards, resolution, attributes and, unless
            `format` or the URL names another, format the new one has.
        dtype: Type of the elements, as numpy names it.
        shape: Number of elements along each axis.
        domain: The box of coordinates that the array covers, instead of `shape` and `origin`. Arrays of Zarr start at
            zero. A precomputed layer has the axes x, y, z and, where there are several channels, channel.
        origin: First coordinate on each axis; zeros by default.
        chunk_shape: Shape of a chunk, in elements along each axis.
        encoding: Name of the encoding of chunks: a codec of `supported()["codecs"]` that the format has.
        level: Quality of a lossy encoding, or level of compression, in the encoding's own terms.
        block_shape: Shape of the blocks of compressed_segmentation, along x, y and z.
        resolution: Size of an element along each axis, in nanometres for precomputed.
        labels: Whether elements are labels rather than intensities; by default the encoding tells.
        key: Name of the first scale. For N5, "s0" makes a group of scales.
        sharding: True packs chunks into shards, as is good for the shape. A dict, as the member `sharding` of precomputed
            metadata, or a text such as "preshift_bits=9,minishard_bits=6,shard_bits=11" gives the parameters.
        shard_shape: Shape of a shard of Zarr, in elements along each axis, a multiple of that of a chunk.
        shard_order: The order in which chunks lie in shards of Zarr: "c", "morton" or "hilbert".
        dimension_names: Names of the axes, None for an axis without one, where the format keeps them.
        fill_value: Value of elements that are not stored: a number, or what metadata of Zarr say for one.
        codecs: Codecs as metadata of Zarr 3 list them, instead of `encoding`.
        chunk_keys: How keys of chunks of Zarr are made: "default/", "default.", "v2/" or "v2.".
        attributes: The user's attributes, as JSON has them.
        format: Name of the format; if neither this nor the URL nor `like` says one, "precomputed", or "zarr3" where `like` has other
            axes than x, y, z and channels.
        incomplete: Marks the array as incomplete until `Array.complete` is called: meanwhile `open` refuses it unless it is told
            `incomplete` as well. A format without a place for the mark says so in `Array.notes`.
        strict: As for `open`, and so are all that follow.
        outside: As for `open`.
        drop_fill: As for `open`.
        durable: As for `open`.
        lock: As for `open`.
        lock_timeout: As for `open`.
        prefer: As for `open`.
        content_encoding: As for `open`.
        storage_options: As for `open`.
        cache: As for `open`.
        validate: As for `open`.

    Warns:
        UserWarning: The format does not keep something that `like` says, such as its resolution.

    Raises:
        AlreadyExistsError: There is something at the path or URL.
        InvalidArgumentError: The format cannot hold what is described; the error names the option.
        UnsupportedError: This version does not write the encoding or the format.

    Example:
        >>> array = bigarrays.create("memory://create", domain="-50:50,0:80,0:60", dtype="uint32",
        ...     chunk_shape=(32, 32, 32), encoding="compressed_segmentation", resolution=(8, 8, 40))
        >>> array.origin, array.scales[0].key
        ((-50, 0, 0), '8_8_40')
        >>> bigarrays.create("memory://alike", like=array, format="ome-zarr", encoding="zstd").shape
        (100, 80, 60)
    """

def _is_stored_as(array: Array, other: Array) -> bool: ...
def _rehearse(path_or_url: Place, **options: Any) -> Array | None: ...
def add_scale(
    path_or_url: Place,
    *,
    like: Array | None = None,
    dtype: DTypeLike | None = None,
    shape: Sequence[int] | None = None,
    domain: Box | None = None,
    origin: Sequence[int] | None = None,
    chunk_shape: Sequence[int] | None = None,
    encoding: str | None = None,
    level: int | None = None,
    block_shape: Sequence[int] | None = None,
    resolution: Sequence[float] | None = None,
    labels: bool | None = None,
    key: str | None = None,
    sharding: bool | str | Mapping[str, str | int] | None = None,
    shard_shape: Sequence[int] | None = None,
    shard_order: Literal["c", "morton", "hilbert"] | None = None,
    dimension_names: Sequence[str | None] | None = None,
    fill_value: Any = None,
    codecs: Sequence[str | Mapping[str, Any]] | None = None,
    chunk_keys: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    format: str | None = None,
    incomplete: bool = False,
    strict: bool = False,
    outside: Literal["error", "crop"] = "error",
    drop_fill: bool = False,
    durable: bool = False,
    lock: bool = True,
    lock_timeout: float | None = None,
    prefer: Prefer | None = None,
    content_encoding: ContentEncoding | None = None,
    storage_options: StorageOptions | None = None,
    cache: CacheLike = None,
    validate: Validate | None = None,
) -> Array:
    """Adds a scale to the layer at a path or URL, and opens it with mode "r+".

    The scale stands in the layer's list by its resolution, finest first. Arguments are those of `create`; the format, names
    of axes, labels and attributes are those of the layer.

    Raises:
        AlreadyExistsError: There is a scale of that key.
        NotFoundError: There is no layer.
        InvalidArgumentError: The scale does not go with the layer.

    Example:
        >>> array = bigarrays.create("memory://scales", shape=(100, 80, 60), dtype="uint8", resolution=(4, 4, 40))
        >>> coarse = bigarrays.add_scale("memory://scales", shape=(50, 40, 60), dtype="uint8", resolution=(8, 8, 40))
        >>> [scale.key for scale in coarse.scales], coarse.scale
        (['4_4_40', '8_8_40'], 1)
    """
