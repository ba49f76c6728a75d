"""Store, cut out and change N-d arrays larger than memory.

>>> import numpy as np
>>> import bigarrays
>>> em = bigarrays.create(
...     "memory://em", domain="-100:412,0:512,0:64", dtype="uint8", chunk_shape=(64, 64, 64), resolution=(8, 8, 40)
... )
>>> em[0:200, 50:100, 10] = np.uint8(7)  # written at once; scalars and arrays broadcast as in numpy
>>> em[-5:5, 60, 10]  # read at once; coordinates are absolute, -5 lies left of the origin
array([0, 0, 0, 0, 0, 7, 7, 7, 7, 7], dtype=uint8)
>>> em[199, 99, 10]
np.uint8(7)
>>> plane = em.view[::2, ::2, 10]  # sliced without reading
>>> plane.domain, plane.resolution
(Domain("-50:206,0:256"), (16.0, 16.0))

A place is a path or a URL; see `supported`. Errors are subclasses of `Error`, each also of the fitting builtin
exception. Reading, writing and opening leave other threads running.
"""

from ._attributes import Attributes
from ._batches import Batches, batches
from ._bigarrays import (
    AlreadyExistsError,
    Array,
    Cache,
    CancelledError,
    CorruptDataError,
    Domain,
    Error,
    FlatArray,
    IncompleteError,
    InvalidArgumentError,
    InvalidMetadataError,
    MemoryBudgetError,
    NotFoundError,
    OutOfBoundsError,
    PermissionDeniedError,
    Picture,
    Positions,
    ReadOnlyError,
    Report,
    Scale,
    SliceArray,
    StorageError,
    StorageFullError,
    UnsupportedError,
    __version__,
    add_scale,
    convert,
    attributes,
    create,
    delete_scales,
    create_group,
    ls,
    open as open,
    remove,
    resize,
    roi,
    supported,
    update_attributes,
)
from ._components import Components, components
from ._computing import compute, explain, save
from ._contrast import normalize
from ._copying import copy
from ._downsampling import downsample
from ._counts import unique
from ._editing import blank, restack
from ._expressions import concatenate, lazy, stack
from ._label_jobs import Contacts, LabelStatistics, contacts, label_table, relabel, renumber
from ._label_table import label_statistics
from ._lazy import Lazy
from ._mapping import map_blocks, map_overlap
from ._metadata import Metadata
from ._pictures import picture
from ._plan import Plan, plan
from ._products import matmul, tensordot
from ._reading import Padded
from ._remap import remap
from ._together import Together
from ._verifying import verify
from ._viewing import Viewer, view
from ._windows import Windows

# Not `open`: `from bigarrays import *` is to leave Python's own.
__all__ = [
    "AlreadyExistsError",
    "Array",
    "Attributes",
    "Batches",
    "Cache",
    "CancelledError",
    "Components",
    "Contacts",
    "CorruptDataError",
    "Domain",
    "Error",
    "FlatArray",
    "IncompleteError",
    "InvalidArgumentError",
    "InvalidMetadataError",
    "LabelStatistics",
    "Lazy",
    "MemoryBudgetError",
    "Metadata",
    "NotFoundError",
    "OutOfBoundsError",
    "Padded",
    "PermissionDeniedError",
    "Picture",
    "Plan",
    "Positions",
    "ReadOnlyError",
    "Report",
    "Scale",
    "SliceArray",
    "StorageError",
    "StorageFullError",
    "Together",
    "UnsupportedError",
    "Viewer",
    "Windows",
    "__version__",
    "add_scale",
    "batches",
    "blank",
    "components",
    "compute",
    "concatenate",
    "contacts",
    "convert",
    "attributes",
    "copy",
    "delete_scales",
    "downsample",
    "create",
    "create_group",
    "explain",
    "label_statistics",
    "label_table",
    "lazy",
    "ls",
    "map_blocks",
    "map_overlap",
    "matmul",
    "normalize",
    "picture",
    "plan",
    "relabel",
    "remap",
    "remove",
    "renumber",
    "resize",
    "restack",
    "roi",
    "save",
    "stack",
    "supported",
    "tensordot",
    "unique",
    "update_attributes",
    "verify",
    "view",
]
