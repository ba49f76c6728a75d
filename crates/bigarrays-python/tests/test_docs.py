"""Checks docstrings, and runs the examples of every docstring and of the READMEs."""

import ast
import doctest
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from stub_docs import STUBS, documented as documented_in_stub, with_docs

import bigarrays
import bigarrays.array_api
import bigarrays.bigarray
import bigarrays.xarray
from bigarrays import _bigarrays


# scripts/test-torch installs it.
HAS_TORCH = importlib.util.find_spec("torch") is not None


def documented() -> Iterator[tuple[str, str]]:
    yield "bigarrays.xarray", bigarrays.xarray.__doc__ or ""
    yield "ViewIndexer", _bigarrays.ViewIndexer.__doc__ or ""
    yield from members(bigarrays)
    yield from members(bigarrays.bigarray)
    yield from members(bigarrays.array_api)
    if HAS_TORCH:
        yield from members(importlib.import_module("bigarrays.torch"))


def members(module: ModuleType) -> Iterator[tuple[str, str]]:
    yield module.__name__, module.__doc__ or ""
    for name in module.__all__:
        if module is bigarrays.array_api and not callable(getattr(module, name)):
            continue  # constants and types of NumPy
        member = getattr(module, name)
        yield name, inspect.getdoc(member) or ""
        if inspect.isclass(member) and not issubclass(member, Exception):
            for base in member.__mro__:
                if not base.__module__.startswith("bigarrays"):
                    continue
                for inner, value in sorted(vars(base).items(), key=lambda one: one[0]):
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


@pytest.mark.parametrize("stub", sorted(STUBS.glob("*.pyi")), ids=lambda path: path.name)
def test_stubs_say_what_help_says(stub: Path) -> None:
    source = stub.read_text(encoding="utf-8")
    assert source == with_docs(source), "run tests/stub_docs.py, which writes the docstrings of the module into the stubs"
    found = [name for name, node, _ in documented_in_stub(ast.parse(source)) if not ast.get_docstring(node)]
    assert found == [], "these have no docstring"


def test_a_stub_with_another_docstring_is_found() -> None:
    source = "class Scale:\n    @property\n    def key(self) -> str:\n        \"\"\"Something else.\"\"\"\n"
    assert "Something else" not in with_docs(source) and "Its name in the layer" in with_docs(source)
    bare = "class Scale:\n    @property\n    def key(self) -> str: ...\n"
    assert with_docs(bare) == with_docs(source)


REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("readme", ["README.md", "crates/bigarrays-python/README.md", "docs/training.md", "docs/computing.md", "docs/viewing.md"])
def test_the_examples_of_the_readme(readme: str) -> None:
    text = (REPOSITORY / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        if "torch" in block and not HAS_TORCH:
            continue
        subprocess.run([sys.executable, "-c", block], check=True)  # in a process whose memory:// is empty
