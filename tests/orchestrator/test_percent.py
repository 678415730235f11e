"""Summaries in percent."""

from orchestrator.percent import in_percent


def test_errors_and_accuracies_are_times_a_hundred_and_nothing_else_is() -> None:
    values = {"selected/test_error": 0.25, "last/test_accuracy": 0.5, "last/train_loss": 2.0}
    assert in_percent(values) == {
        "selected/test_error_percent": 25.0,
        "last/test_accuracy_percent": 50.0,
    }
    assert in_percent(in_percent(values)) == {}
