"""The docstrings of the stubs: those of the compiled module, which has them from the Rust code.

Run as a program, it writes them into the stubs.
"""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bigarrays import _bigarrays

STUBS = Path(__file__).parents[1] / "python" / "bigarrays"

Definition = ast.ClassDef | ast.FunctionDef


class Documented(NamedTuple):
    """A public class, method, property or function of a stub."""

    name: str
    node: Definition
    # What the compiled module says; None of what it does not have, such as the types of dicts.
    text: str | None


def documented(tree: ast.Module) -> Iterator[Documented]:
    """Everything public in a stub."""
    for node in tree.body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        found = getattr(_bigarrays, node.name, None)
        yield Documented(node.name, node, None if found is None else inspect.getdoc(found) or "")
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                text = inspect.getdoc(vars(found)[inner.name]) or "" if found is not None else None
                yield Documented(f"{node.name}.{inner.name}", inner, text)


def with_docs(source: str) -> str:
    """The stub with the docstrings of the compiled module."""
    lines = source.split("\n")
    # From the last on, so that the lines of the others stay where they are.
    for _, node, text in sorted(documented(ast.parse(source)), key=lambda found: -found.node.lineno):
        if text is None:
            continue
        first = node.body[0]
        if ast.get_docstring(node) is not None:
            start, end = first.lineno - 1, first.end_lineno or first.lineno
        elif isinstance(first, ast.Expr):
            # The body is `...`, in the line of the colon.
            start = end = first.lineno
            lines[start - 1] = lines[start - 1].rstrip().removesuffix("...").rstrip()
        else:
            decorators = first.decorator_list if isinstance(first, Definition) else []
            start = end = min([first.lineno, *(decorator.lineno for decorator in decorators)]) - 1
        docs = quoted(text, " " * (node.col_offset + 4))
        lines[start:end] = docs + [""] if end < len(lines) and lines[end] else docs
    return "\n".join(lines)


def quoted(text: str, indent: str) -> list[str]:
    """The lines of a docstring."""
    first, *rest = text.replace("\\", "\\\\").split("\n")
    if not rest:
        return [f'{indent}"""{first}"""']
    return [f'{indent}"""{first}', *(f"{indent}{line}".rstrip() for line in rest), f'{indent}"""']


if __name__ == "__main__":
    for path in sorted(STUBS.glob("*.pyi")):
        path.write_text(with_docs(path.read_text(encoding="utf-8")), encoding="utf-8")
