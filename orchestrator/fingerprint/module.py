"""One source file: what it imports, its tables of names, and what each entry of them needs."""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from orchestrator.fingerprint.syntax import (
    bound_names,
    imported,
    is_for_types_alone,
    is_text_alone,
    names_in,
    plain,
)

DIGITS = 16


class Part:
    """Nodes of a module that count together.

    Args:
        nodes: In the order of the source.
        imports: All that the module imports at its top: the name, and what of.
        private: Names that are defined in these nodes for them alone.
    """

    def __init__(
        self,
        nodes: Sequence[ast.stmt | ast.expr],
        imports: Mapping[str, str],
        private: frozenset[str] = frozenset(),
    ) -> None:
        self.nodes, self.private = nodes, private
        used = names_in(nodes)
        self._bound = {
            name: origin for name, origin in imports.items() if name.partition(".")[0] in used
        }

    @cached_property
    def digest(self) -> str:
        """Hexadecimal digits of what the nodes do, and of where the names they import lie."""
        origins = (f"{name} = {origin}" for name, origin in sorted(self._bound.items()))
        text = "\n".join([*origins, *map(plain, self.nodes)])
        return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]

    @cached_property
    def origins(self) -> set[str]:
        """What is imported for the nodes, also inside of functions: `torch.nn`, ..."""
        inside = (imported(found) for node in self.nodes for found in ast.walk(node))
        return {*self._bound.values(), *(origin for pairs in inside for _, origin in pairs)}


class Module:
    """A source, in parts: one for each entry of its tables, and one for all else.

    What only entries use, such as the import of a network or the function of a loss, is theirs.

    Args:
        path: The file.
        tables: Which of its dictionaries are tables of names, if they are written as literals.
    """

    def __init__(self, path: Path, tables: frozenset[str]) -> None:
        self.imports: dict[str, str] = {}
        self.tables: dict[str, dict[str, ast.expr]] = {}
        self._statements: list[ast.stmt] = []
        for node in ast.parse(path.read_bytes()).body:
            self._sort_in(node, tables)
        self._defined: dict[str, list[ast.stmt]] = {}
        for statement in self._statements:
            for name in bound_names(statement):
                self._defined.setdefault(name, []).append(statement)
        values = [value for table in self.tables.values() for value in table.values()]
        for_entries = names_in(values)
        kept = (node for node in self._statements if not for_entries & set(bound_names(node)))
        own = self._with_all_they_use(kept)
        self.own = Part(own, self.imports)
        self.entries = dict(self._entries(frozenset(own)))
        """By table and key: `MODELS.mlp`."""

    def _sort_in(self, node: ast.stmt, tables: frozenset[str]) -> None:
        names, value = bound_names(node), getattr(node, "value", None)
        if pairs := imported(node):
            self.imports |= dict(pairs)
        elif tables & set(names) and (entries := _entries_of(value)) is not None:
            self.tables[names[0]] = entries
        elif not (is_text_alone(node) or is_for_types_alone(node) or names == ["__all__"]):
            self._statements.append(node)

    def _entries(self, own: frozenset[ast.stmt]) -> Iterator[tuple[str, Part]]:
        for table, content in self.tables.items():
            for key, value in content.items():
                theirs = [node for node in self._with_all_they_use([value]) if node not in own]
                private = frozenset(name for node in theirs for name in bound_names(node))
                yield f"{table}.{key}", Part([value, *theirs], self.imports, private)

    def _with_all_they_use(self, nodes: Iterable[ast.AST]) -> list[ast.stmt]:
        """The statements among the nodes and those that they use, in the order of the source."""
        wanted = list(nodes)
        found = {node for node in wanted if isinstance(node, ast.stmt)}
        while wanted:
            for name in names_in([wanted.pop()]):
                new = [node for node in self._defined.get(name, []) if node not in found]
                found.update(new)
                wanted += new
        return [node for node in self._statements if node in found]


def _entries_of(value: object) -> dict[str, ast.expr] | None:
    """The entries of a dictionary that is written as a literal, with texts as keys."""
    if not isinstance(value, ast.Dict):
        return None
    entries: dict[str, ast.expr] = {}
    for key, item in zip(value.keys, value.values, strict=True):
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            return None
        entries[key.value] = item
    return entries
