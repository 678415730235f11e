"""Answers that come in pages."""

import gc

from orchestrator.mlflow_reader.pages import whole


class Page(list[int]):
    """Some numbers, and what asks for more of them."""

    def __init__(self, numbers: list[int], token: str | None) -> None:
        super().__init__(numbers)
        self.token = token


def test_all_pages_are_asked_for_and_come_in_their_order() -> None:
    pages = {None: Page([3, 1], "b"), "b": Page([], "c"), "c": Page([2], "")}
    asked: list[str | None] = []

    def page_at(token: str | None) -> Page:
        assert not gc.isenabled()
        asked.append(token)
        return pages[token]

    read: list[int] = []
    assert whole(page_at, read.append) == [3, 1, 2]
    assert read == [2, 2, 3]
    assert asked == [None, "b", "c"]
    assert gc.isenabled()


def test_what_is_not_kept_is_dropped_with_its_page_but_heard_of() -> None:
    pages = {None: Page([3, 1], "b"), "b": Page([4, 5], "")}
    read: list[int] = []
    assert whole(pages.__getitem__, read.append, keep=lambda number: number > 3) == [4, 5]
    assert read == [2, 4]


def test_one_page_may_be_all() -> None:
    assert whole(lambda token: Page([], None)) == []
