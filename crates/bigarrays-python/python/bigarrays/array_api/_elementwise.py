"""Functions of elements. All are lazy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .._expressions import apply
from .._lazy import Lazy
from ._creation import zeros_like
from ._data_types import bool as _bool
from ._operands import Number, elementwise, expression

Operand = Lazy | Number


def _of_one(name: str, numpy_name: str, doc: str) -> Callable[[Lazy], Lazy]:
    def function(x: Lazy, /) -> Lazy:
        return apply(numpy_name, [expression(x)])

    return _called(function, name, doc)


def _of_two(name: str, numpy_name: str, doc: str) -> Callable[[Operand, Operand], Lazy]:
    def function(x1: Operand, x2: Operand, /) -> Lazy:
        return elementwise(numpy_name, x1, x2)

    return _called(function, name, doc)


def _called(function: Callable[..., Lazy], name: str, doc: str) -> Callable[..., Lazy]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


abs = _of_one("abs", "absolute", "The absolute value of each element.")
acos = _of_one("acos", "arccos", "The arc cosine of each element, in radians.")
acosh = _of_one("acosh", "arccosh", "The inverse hyperbolic cosine of each element.")
add = _of_two("add", "add", "The sums of elements. Sums of integers wrap.")
asin = _of_one("asin", "arcsin", "The arc sine of each element, in radians.")
asinh = _of_one("asinh", "arcsinh", "The inverse hyperbolic sine of each element.")
atan = _of_one("atan", "arctan", "The arc tangent of each element, in radians.")
atan2 = _of_two("atan2", "arctan2", "The arc tangent of x1 / x2, in the quadrant of both signs, in radians.")
atanh = _of_one("atanh", "arctanh", "The inverse hyperbolic tangent of each element.")
bitwise_and = _of_two("bitwise_and", "bitwise_and", "The bits that are set in both of two integers or booleans.")
bitwise_invert = _of_one("bitwise_invert", "invert", "The bits that are not set of each integer or boolean.")
bitwise_left_shift = _of_two("bitwise_left_shift", "left_shift", "The bits of x1, moved by x2 places to the left.")
bitwise_or = _of_two("bitwise_or", "bitwise_or", "The bits that are set in one or both of two integers or booleans.")
bitwise_right_shift = _of_two("bitwise_right_shift", "right_shift", "The bits of x1, moved by x2 places to the right.")
bitwise_xor = _of_two("bitwise_xor", "bitwise_xor", "The bits that are set in one of two integers or booleans.")
ceil = _of_one("ceil", "ceil", "Each element, rounded up.")
copysign = _of_two("copysign", "copysign", "The absolute values of x1 with the signs of x2.")
cos = _of_one("cos", "cos", "The cosine of each element, in radians.")
cosh = _of_one("cosh", "cosh", "The hyperbolic cosine of each element.")
divide = _of_two("divide", "divide", "The quotients of elements, as floating-point numbers.")
equal = _of_two("equal", "equal", "Whether elements are equal.")
exp = _of_one("exp", "exp", "e to the power of each element.")
expm1 = _of_one("expm1", "expm1", "e to the power of each element, less 1, exact near 0.")
floor = _of_one("floor", "floor", "Each element, rounded down.")
greater = _of_two("greater", "greater", "Whether elements of x1 are greater than those of x2.")
greater_equal = _of_two("greater_equal", "greater_equal", "Whether elements of x1 are not less than those of x2.")
hypot = _of_two("hypot", "hypot", "The square root of the sum of the squares of elements.")
isfinite = _of_one("isfinite", "isfinite", "Whether each element is neither infinite nor NaN.")
isinf = _of_one("isinf", "isinf", "Whether each element is infinite.")
isnan = _of_one("isnan", "isnan", "Whether each element is NaN.")
less = _of_two("less", "less", "Whether elements of x1 are less than those of x2.")
less_equal = _of_two("less_equal", "less_equal", "Whether elements of x1 are not greater than those of x2.")
log = _of_one("log", "log", "The natural logarithm of each element.")
log10 = _of_one("log10", "log10", "The logarithm to base 10 of each element.")
log1p = _of_one("log1p", "log1p", "The natural logarithm of each element plus 1, exact near 0.")
log2 = _of_one("log2", "log2", "The logarithm to base 2 of each element.")
logaddexp = _of_two("logaddexp", "logaddexp", "The natural logarithm of the sum of exponentials of elements.")
logical_and = _of_two("logical_and", "logical_and", "Whether both elements are true.")
logical_not = _of_one("logical_not", "logical_not", "Whether each element is false.")
logical_or = _of_two("logical_or", "logical_or", "Whether one element or both are true.")
logical_xor = _of_two("logical_xor", "logical_xor", "Whether one element is true and the other is not.")
maximum = _of_two("maximum", "maximum", "The larger elements of two; NaN if one is.")
minimum = _of_two("minimum", "minimum", "The smaller elements of two; NaN if one is.")
multiply = _of_two("multiply", "multiply", "The products of elements. Products of integers wrap.")
negative = _of_one("negative", "negative", "Each element with the opposite sign.")
nextafter = _of_two("nextafter", "nextafter", "The floating-point numbers next to those of x1, on the side of x2.")
not_equal = _of_two("not_equal", "not_equal", "Whether elements are not equal.")
positive = _of_one("positive", "positive", "Each element as it is.")
pow = _of_two("pow", "power", "x1 to the power of x2. An integer to a negative integer power is an error when it is computed.")
remainder = _of_two("remainder", "remainder", "The remainder of x1 / x2, with the sign of x2.")
sign = _of_one("sign", "sign", "-1, 0 or 1 as each element is negative, zero or positive; NaN of NaN.")
signbit = _of_one("signbit", "signbit", "Whether the sign of each element is set, also that of -0 and of NaN.")
sin = _of_one("sin", "sin", "The sine of each element, in radians.")
sinh = _of_one("sinh", "sinh", "The hyperbolic sine of each element.")
sqrt = _of_one("sqrt", "sqrt", "The square root of each element.")
square = _of_one("square", "square", "The square of each element.")
subtract = _of_two("subtract", "subtract", "The differences of elements. Differences of integers wrap.")
tan = _of_one("tan", "tan", "The tangent of each element, in radians.")
tanh = _of_one("tanh", "tanh", "The hyperbolic tangent of each element.")
trunc = _of_one("trunc", "trunc", "Each element, rounded toward zero.")


def clip(x: Lazy, /, min: Operand | None = None, max: Operand | None = None) -> Lazy:
    """Each element, or the bound that it is beyond; NaN if the element or a bound is.

    Example:
        >>> bigarrays.array_api.clip(bigarrays.lazy([1, 5, 9]), 2, 6).compute()
        array([2, 5, 6])
    """
    found = expression(x)
    found = found if min is None else elementwise("maximum", found, min)
    return found if max is None else elementwise("minimum", found, max)


def floor_divide(x1: Operand, x2: Operand, /) -> Lazy:
    """The quotients of elements, rounded down; of integers, 0 if divided by 0.

    Where an element is infinite, the quotient itself: the operator `//` gives NaN or -1 there, as NumPy's does.
    """
    found = elementwise("floor_divide", x1, x2)
    if found.dtype.kind != "f":
        return found
    plain = elementwise("logical_and", _is_finite(x1), _is_finite(x2))
    return elementwise("where", plain, found, elementwise("divide", x1, x2))


def _is_finite(x: Operand) -> Operand:
    return math.isfinite(x) if isinstance(x, Number) else isfinite(x)


def reciprocal(x: Lazy, /) -> Lazy:
    """1 divided by each element."""
    return elementwise("divide", 1, expression(x))


def round(x: Lazy, /) -> Lazy:
    """Each element, rounded to the nearest integer, and to the even one of two."""
    x = expression(x)
    return apply("rint", [x]) if x.dtype.kind == "f" else _number(x, "round")


def conj(x: Lazy, /) -> Lazy:
    """Each element as it is: there are no complex types."""
    return _number(x, "conj")


def real(x: Lazy, /) -> Lazy:
    """Each element as it is: there are no complex types."""
    return _number(x, "real")


def imag(x: Lazy, /) -> Lazy:
    """Zeros: there are no complex types."""
    return zeros_like(_number(x, "imag"))


def _number(x: Any, name: str) -> Lazy:
    found = expression(x)
    if found.dtype == _bool:
        raise TypeError(f"{name} of booleans")
    return found
