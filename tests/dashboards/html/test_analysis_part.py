"""Tables of the terminal as tables of a page."""

from rich.table import Table as RichTable
from rich.text import Text

from dashboards.html.analysis_part import from_rich


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
