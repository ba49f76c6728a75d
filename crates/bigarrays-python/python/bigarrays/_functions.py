"""Functions of users as text, from which other processes have them again: by module and name, or pickled."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import os
import pickle
import pickletools
import sys
import sysconfig
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import reduce
from typing import Any

from ._bigarrays import InvalidArgumentError

Function = Callable[..., Any]

#: Where what is installed lies.
_INSTALLED = tuple({os.path.join(path, "") for path in sysconfig.get_paths().values()} | {os.path.dirname(__file__)})


def described(function: Function, pass_domain: bool, releases_gil: bool) -> str:
    """What tells a function from others, and how it is called."""
    known = _named(function) or _pickled(function)
    known["sources"] = _sources(known, function)
    return json.dumps(known | {"pass_domain": pass_domain, "releases_gil": releases_gil}, sort_keys=True)


def found(text: str) -> tuple[Function, bool, bool]:
    """The function, and how it is called."""
    known = json.loads(text)
    function = _unpickled(known) if "pickle" in known else _imported(known)
    for module, source in known["sources"].items():
        # What is pickled whole may not need the module.
        if _digest(module) not in (None, source):
            raise InvalidArgumentError(f"the module {module} is not as it was when this was planned, which calls its functions")
    return function, known["pass_domain"], known["releases_gil"]


def _named(function: Function) -> dict[str, Any] | None:
    """The module and the name, if other processes find it there."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return None
    try:
        if _at(module, name) is not function:
            return None
    except (ImportError, AttributeError):
        return None
    return {"module": module, "function": name}


def _at(module: str, name: str) -> Any:
    return reduce(getattr, name.split("."), importlib.import_module(module))


def _sources(known: dict[str, Any], function: Function) -> dict[str, str]:
    """Digests of the files of the user's own modules that the function is of, calls or has objects of."""
    if "pickle" in known:
        # Names of modules are strings in a pickle.
        names = {argument for _, argument, _ in pickletools.genops(b64decode(known["pickle"])) if isinstance(argument, str)}
        waiting = {part for name in names for part in (name, name.partition(" ")[0])}
    else:
        waiting = {known["module"], getattr(inspect.unwrap(function), "__module__", None) or known["module"]}
    found: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in found or (digest := _digest(name)) is None:
            continue
        found[name] = digest
        for value in list(vars(sys.modules[name]).values()):
            of = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
            if isinstance(of, str):
                waiting.add(of)
    return found


def _digest(module: str) -> str | None:
    """The digest of the file of a module that is neither installed nor part of Python."""
    file = getattr(sys.modules.get(module), "__file__", None) if module != "__main__" else None
    if not file or not os.path.isfile(file) or any(file.startswith(place) for place in _INSTALLED):
        return None
    with open(file, "rb") as source:
        return hashlib.sha256(source.read()).hexdigest()


def _imported(known: dict[str, Any]) -> Function:
    module, name = known["module"], known["function"]
    try:
        function: Function = _at(module, name)
    except (ImportError, AttributeError) as error:
        reason = f"{module}.{name}: this plan has a function that is not here"
        raise InvalidArgumentError(reason) from error
    return function


def _pickled(function: Function) -> dict[str, Any]:
    name = getattr(function, "__qualname__", repr(function))
    try:
        cloudpickle = importlib.import_module("cloudpickle")
    except ImportError as error:
        reason = "other processes find functions by module and name, and this has none; put it into a module, or install cloudpickle"
        raise InvalidArgumentError(f"{name}: {reason}") from error
    try:
        whole = cloudpickle.dumps(function)
    except Exception as error:
        raise InvalidArgumentError(f"{name}: other processes cannot have this function: {error}") from error
    return {"pickle": b64encode(whole).decode(), "digest": hashlib.sha256(whole).hexdigest()}


def _unpickled(known: dict[str, Any]) -> Function:
    whole = b64decode(known["pickle"])
    if hashlib.sha256(whole).hexdigest() != known["digest"]:
        raise InvalidArgumentError("this is no plan, or it is damaged: a function is not what its digest says")
    try:
        function: Function = pickle.loads(whole)
    except ModuleNotFoundError as error:
        raise InvalidArgumentError(f"a function of this plan needs a module that is not here: {error}") from error
    return function
