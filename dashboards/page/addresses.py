"""The addresses of views; each says all that it shows, so that it can be shared."""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.mlflow_reader.cells import RecordedVariant

VIEWS: Mapping[str, str] = {"Matrix": "", "Curves": "/curves", "Cells": "/cells", "More": "/more"}
"""The views of a study, and how their addresses end."""


def address(path: str, query: Mapping[str, str]) -> str:
    """A path with the values of a query that are not empty."""
    given = {key: value for key, value in query.items() if value}
    return f"{path}?{urllib.parse.urlencode(given)}" if given else path


def of_study(study: str, view: str = "", **query: str) -> str:
    """The address of a view of a study.

    Args:
        study: The study's name.
        view: How the address ends, such as `/cells`.
        query: What it shows; empty values are left out.
    """
    return address(f"/study/{urllib.parse.quote(study, safe='')}{view}", query)


def in_mlflow(store: str, variant: RecordedVariant, run_id: str) -> str:
    """The address of a run on MLflow's own pages; empty if the store is no server.

    Args:
        store: MLflow's store as it may be shown, without a password.
        variant: Whose run it is.
        run_id: The run.
    """
    if not store.startswith(("http://", "https://")):
        return ""
    base = store.rstrip("/")
    # MLflow's default is a page for language models.
    return (
        f"{base}/#/experiments/{variant.experiment_id}/runs/{run_id}?workflowType=machine_learning"
    )


@dataclass(frozen=True, slots=True)
class Pages:
    """Which part of a long list is shown.

    Args:
        number: The page, from 1.
        last: The last page.
        size: Items of a page.
        before: The address of the page before; empty: there is none.
        after: The same for the page after.
    """

    number: int
    last: int
    size: int
    before: str
    after: str

    @property
    def part(self) -> slice:
        """Where its items are in the list."""
        return slice((self.number - 1) * self.size, self.number * self.size)


def pages(path: str, query: Mapping[str, str], *, num: int, size: int) -> Pages:
    """The page that a query asks for; the nearest one if there is no such page.

    Args:
        path: The path of the view.
        query: What was asked; `page` counts from 1.
        num: Number of items.
        size: Items of a page.
    """
    text, last = query.get("page", ""), max(1, -(-num // size))
    number = min(max(1, int(text)), last) if text.isdecimal() and len(text) < 9 else 1

    def at(page: int) -> str:
        is_there = 1 <= page <= last
        return address(path, {**query, "page": str(page) if page > 1 else ""}) if is_there else ""

    return Pages(number=number, last=last, size=size, before=at(number - 1), after=at(number + 1))
