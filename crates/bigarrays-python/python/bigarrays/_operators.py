"""Operators of expressions."""

from __future__ import annotations

from numpy.lib.mixins import NDArrayOperatorsMixin as _Mixin


class Operators(_Mixin):
    """Operators by `__array_ufunc__`. Nothing is changed in place: `x += y` gives a new expression the name `x`."""

    __iadd__ = _Mixin.__add__
    __isub__ = _Mixin.__sub__
    __imul__ = _Mixin.__mul__
    __itruediv__ = _Mixin.__truediv__
    __ifloordiv__ = _Mixin.__floordiv__
    __imod__ = _Mixin.__mod__
    __ipow__ = _Mixin.__pow__
    __ilshift__ = _Mixin.__lshift__
    __irshift__ = _Mixin.__rshift__
    __iand__ = _Mixin.__and__
    __ior__ = _Mixin.__or__
    __ixor__ = _Mixin.__xor__
    __imatmul__ = _Mixin.__matmul__
