"""Templates: what is a name stays a name."""

from dashboards.html.render import rendered
from dashboards.html.tables import Cell, Table, line


def test_long_names_may_break_and_markup_in_them_is_text() -> None:
    table = Table(
        caption='a "caption" & more',
        head=["selected/test_error", "<b>"],
        lines=[line(Cell("<i>", "/study/a?b=1&c=2"), "1 < 2", is_strong=True)],
    )
    where = type("Where", (), {"last": 1})()
    text = rendered("studies.html", table=table, pages=where, poll="/?seen=1")
    assert '<th scope="col">&lt;b&gt;</th>' in text
    assert ">selected/<wbr>test_<wbr>error</th>" in text
    assert '<a href="/study/a?b=1&amp;c=2">&lt;i&gt;</a>' in text
    assert '<tr class="strong">' in text
    assert "1 &lt; 2" in text
    assert "<i>" not in text
