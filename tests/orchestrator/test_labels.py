"""Names of cells and rows."""

from orchestrator.labels import name_of, row_name, row_of


def test_a_bare_number_gets_the_name_of_its_axis() -> None:
    labels = {"order": "reverse", "seed": "316", "lr": "1e-05", "size": "0.5"}
    assert name_of(labels) == "reverse · seed 316 · lr 1e-05 · size 0.5"


def test_a_row_has_the_labels_of_all_axes_but_the_one_it_is_over() -> None:
    labels = {"width": "2", "order": "forward", "seed": "1", "method": "sign"}
    row = row_of(labels, "order", "seed")
    assert row == ("forward", "method sign", "width 2")
    assert row_name(row) == "forward · method sign · width 2"
    assert row_of({"order": "forward"}, "order", "") == ("forward",)
