"""Fetches every page of an MLflow query."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from orchestrator.process.gc_pause import uncollected

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

LARGEST_PAGE = 1000
"""Most items that MLflow puts on one page."""


class Page(Protocol[T_co]):
    """One page of results; `token` fetches the next page, and is empty on the last."""

    @property
    def token(self) -> str | None:
        """The token of the next page; empty on the last page."""
        ...

    def __iter__(self) -> Iterator[T_co]:
        """The items on the page."""
        ...


def whole(
    page_at: Callable[[str | None], Page[T]],
    heard: Callable[[int], None] = lambda num: None,
    *,
    keep: Callable[[T], bool] | None = None,
) -> list[T]:
    """Fetches every page of an MLflow query and returns its items in order.

    Args:
        page_at: Fetches the page with this token; None: the first page.
        heard: Hears after each page how many items are read.
        keep: Which items to return, so that no others stay in memory; None: all.
    """
    found: list[T] = []
    num = 0
    token: str | None = None
    while True:
        with uncollected():
            page = page_at(token)
            items = list(page)
            found.extend(items if keep is None else filter(keep, items))
        num += len(items)
        heard(num)
        token = page.token
        if not token:
            return found
