"""Tables of the terminal as tables of a page."""

from collections.abc import Callable, Sequence

from rich.table import Table as RichTable
from rich.text import Text

from dashboards.html.analysis_part import analysis_part, from_rich
from dashboards.runs import StudyRuns
from orchestrator.study.spec import StudySpec


def test_a_table_of_the_terminal_keeps_words_numbers_and_what_is_bold() -> None:
    table = RichTable()
    table.add_column(Text("order"))
    table.add_column("minus [95 %]", justify="right")
    table.add_column(Text("verdict"))
    table.add_row(Text("a[b]"), "+1.0", Text("differs"), style="bold")
    table.add_row(Text("c"), "[bold]2[/bold]", Text("cannot be told apart"))
    found = from_rich(table, "what it shows")
    assert found.words == {0, 2}
    texts = [[cell.text for cell in one.cells] for one in found.lines]
    assert texts == [["a[b]", "+1.0", "differs"], ["c", "2", "cannot be told apart"]]
    assert [one.is_strong for one in found.lines] == [True, False]


def test_a_study_with_no_curves_yet_has_views_all_the_same(
    make_study: Callable[..., StudySpec], make_runs: Callable[..., StudyRuns]
) -> None:
    runs = make_runs({"forward 1": 0.25, "reverse 1": 0.5}, make_study())

    def read(run_ids: Sequence[str], name: str) -> dict[str, list[tuple[int, float]]]:
        return {}

    assert "No cell has an epoch" in analysis_part("budget", runs, read).sentences[0]
    part = analysis_part("positions", runs, read)
    assert part.chart is not None
    assert [cell.text for cell in part.table.lines[0].cells] == ["fc1", "25.00", "50.00"]
