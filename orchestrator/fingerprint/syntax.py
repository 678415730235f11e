"""What Python reads in a source, as text: without comments, docstrings and layout."""

import ast
from collections.abc import Iterable


def plain(node: ast.AST) -> str:
    """A syntax tree as text, the same in every version of Python.

    Strings that stand alone, as docstrings do, are left out. `ast.dump` writes fields that later
    versions of Python added, and then leaves others out.
    """
    parts: list[str] = []
    _write(node, parts)
    return "".join(parts)


def is_text_alone(node: ast.AST) -> bool:
    """Whether a statement is a string and nothing else: it does nothing."""
    return isinstance(node, ast.Expr) and (
        isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )


def is_for_types_alone(node: ast.stmt) -> bool:
    """Whether a statement is an `if TYPE_CHECKING`: never run."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Every name that stands in them."""
    return {found.id for node in nodes for found in ast.walk(node) if isinstance(found, ast.Name)}


def bound_names(node: ast.stmt) -> list[str]:
    """The names that a statement of a module's top level defines, imports aside."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def imported(node: ast.AST) -> list[tuple[str, str]]:
    """The names that an import binds, and what of: `("nn", "torch.nn")`.

    `import torch.nn` gives `("torch.nn", "torch.nn")`, though it is `torch` that it binds.
    """
    if isinstance(node, ast.ImportFrom):
        return [(item.asname or item.name, f"{node.module}.{item.name}") for item in node.names]
    if isinstance(node, ast.Import):
        return [(item.asname or item.name, item.name) for item in node.names]
    return []


def _write(value: object, parts: list[str]) -> None:
    if isinstance(value, ast.AST):
        parts.append(f"{type(value).__name__}(")
        for name in value._fields:
            field = getattr(value, name, None)
            if name not in ("kind", "type_comment") and field is not None and field != []:
                parts.append(f"{name}=")
                _write(field, parts)
                parts.append(",")
        parts.append(")")
    elif isinstance(value, list):
        parts.append("[")
        for item in value:
            if not is_text_alone(item):
                _write(item, parts)
                parts.append(",")
        parts.append("]")
    else:
        parts.append(repr(value))
