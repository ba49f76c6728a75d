from ._array import Array as Array
from ._array import ChunkDomains as ChunkDomains
from ._cache import Cache as Cache
from ._copy import copy as copy
from ._domain import Domain as Domain
from ._errors import AlreadyExistsError as AlreadyExistsError
from ._errors import CancelledError as CancelledError
from ._errors import CorruptDataError as CorruptDataError
from ._errors import Error as Error
from ._errors import InvalidArgumentError as InvalidArgumentError
from ._errors import InvalidMetadataError as InvalidMetadataError
from ._errors import MemoryBudgetError as MemoryBudgetError
from ._errors import NotFoundError as NotFoundError
from ._errors import OutOfBoundsError as OutOfBoundsError
from ._errors import PermissionDeniedError as PermissionDeniedError
from ._errors import ReadOnlyError as ReadOnlyError
from ._errors import StorageError as StorageError
from ._errors import StorageFullError as StorageFullError
from ._errors import UnsupportedError as UnsupportedError
from ._index import ViewIndexer as ViewIndexer
from ._open import add_scale as add_scale
from ._open import create as create
from ._open import open as open
from ._open import remove as remove
from ._open import supported as supported
from ._scale import Scale as Scale

__version__: str
