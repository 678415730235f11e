"""The page of results."""

from pathlib import Path

import page
import torch

CPU = torch.device("cpu")


def test_what_failed_stands_in_front_of_what_was_measured() -> None:
    table = page.Table("A net", ["way", "ms"], [["engine", "1.5"]], finding="It is fast.")
    failures = [("right: losses", "how")]
    text = page.text(["losses: 1 of 2"], failures, [table], device=CPU, quick=False, taken=2.4)
    lines = [line for line in text.splitlines() if line]
    assert lines[1:] == [
        "**1 failed:**",
        "- right: losses",
        "- losses: 1 of 2",
        "### A net",
        "| way | ms |",
        "| --- | --- |",
        "| engine | 1.5 |",
        "It is fast.",
    ]


def test_only_what_is_between_the_marks_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"# Before\n\n{page.BEGIN}\nold\n{page.END}\n\nAfter\n")
    page.write(path, "new\n")
    assert path.read_text() == f"# Before\n\n{page.BEGIN}\n\nnew\n\n{page.END}\n\nAfter\n"
    page.write(tmp_path / "other.md", "new\n")
    assert (tmp_path / "other.md").read_text() == f"{page.BEGIN}\n\nnew\n\n{page.END}\n"


def test_a_page_that_cannot_take_results_is_known_before(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    assert page.fault(path) == ""
    path.write_text(f"{page.BEGIN}\nold\n{page.END}\n")
    assert page.fault(path) == ""
    path.write_text("# Something else\n")
    assert "has no place for results" in page.fault(path)
    assert "cannot be read" in page.fault(tmp_path)
    assert "cannot be written" in page.fault(tmp_path / "nowhere" / "page.md")


def test_the_page_of_the_docs_has_its_place() -> None:
    text = page.PAGE.read_text("utf-8")
    assert text.index(page.BEGIN) < text.index(page.END)
