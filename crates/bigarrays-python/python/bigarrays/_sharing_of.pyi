from collections.abc import Callable
from typing import final

@final
class _Sharing:
    @staticmethod
    def _leading(folder: str, memory: int | None, share_out: Callable[[int, int], object]) -> _Sharing: ...
    @staticmethod
    def _share(folder: str, pass_number: int, number: int, of: int) -> _Sharing: ...
