"""Runs the examples of every docstring and of the README."""

import doctest
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bigarrays
import bigarrays.xarray


def documented() -> Iterator[tuple[str, str]]:
    yield "bigarrays", bigarrays.__doc__ or ""
    yield "bigarrays.xarray", bigarrays.xarray.__doc__ or ""
    for name in bigarrays.__all__:
        member = getattr(bigarrays, name)
        yield name, inspect.getdoc(member) or ""
        if inspect.isclass(member) and not issubclass(member, Exception):
            for inner, value in vars(member).items():
                if not inner.startswith("_"):
                    yield f"{name}.{inner}", inspect.getdoc(value) or ""


def test_everything_public_is_documented() -> None:
    assert [name for name, text in documented() if not text] == []


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, text in documented() if ">>>" in text])
def test_examples(name: str, text: str) -> None:
    test = doctest.DocTestParser().get_doctest(text, {"bigarrays": bigarrays}, name, None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    report: list[str] = []
    assert runner.run(test, out=report.append).failed == 0, "".join(report)


README = Path(__file__).parents[3] / "README.md"


def test_the_examples_of_the_readme() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        subprocess.run([sys.executable, "-c", block], check=True)  # in a process whose memory:// is empty
