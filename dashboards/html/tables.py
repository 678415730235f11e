"""Tables as templates show them: text only."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of a table.

    Args:
        text: What it says.
        href: An address that it leads to; empty: none.
    """

    text: str
    href: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of a table; its first field names it.

    Args:
        cells: Its fields.
        is_strong: Whether it stands out.
    """

    cells: Sequence[Cell]
    is_strong: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table.

    Args:
        caption: What it shows.
        head: The names of its columns.
        lines: Its lines.
        words: Numbers of the columns that hold words, not numbers; the first always does.
    """

    caption: str
    head: Sequence[str]
    lines: Sequence[Line]
    words: frozenset[int] = frozenset()

    def is_word(self, column: int) -> bool:
        """Whether a column holds words."""
        return column == 0 or column in self.words


def line(*texts: str | Cell, is_strong: bool = False) -> Line:
    """A line of texts."""
    cells = [text if isinstance(text, Cell) else Cell(text) for text in texts]
    return Line(cells=cells, is_strong=is_strong)
