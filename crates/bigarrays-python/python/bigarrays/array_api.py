"""The array API of expressions, https://data-apis.org/array-api: what `Lazy.positional.__array_namespace__()` gives."""

from __future__ import annotations

#: The versions of the standard.
VERSIONS = ("2023.12", "2024.12", "2025.12")
