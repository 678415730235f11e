"""Names with numbers in them."""

from dashboards.natural import natural


def test_numbers_inside_names_are_ordered_by_size() -> None:
    names = ["seed 10", "seed 2", "seed 0.5", "layer2.1.conv", "layer10.0.conv", "fc3", "conv1"]
    assert sorted(names, key=natural) == [
        *("conv1", "fc3", "layer2.1.conv", "layer10.0.conv", "seed 0.5", "seed 2", "seed 10"),
    ]
