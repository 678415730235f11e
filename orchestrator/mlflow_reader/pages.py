"""What MLflow's client answers in pages, as a whole."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from orchestrator.mlflow_reader.gc_pause import uncollected

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LARGEST_PAGE = 1000
"""Most that MLflow puts on one."""


class Page(Protocol[T_co]):
    """A part of an answer; `token` asks for the next one, and is empty on the last."""

    @property
    def token(self) -> str | None:
        """What the next page is asked for with."""
        ...

    def __iter__(self) -> Iterator[T_co]:
        """What is on it."""
        ...


def whole(page_at: Callable[[str | None], Page[T]]) -> list[T]:
    """What is on all pages, in their order.

    Args:
        page_at: Asks for a page by its token; for the first one by None.
    """
    found: list[T] = []
    token: str | None = None
    while True:
        with uncollected():
            page = page_at(token)
            found.extend(page)
        token = page.token
        if not token:
            return found
