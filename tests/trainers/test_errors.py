"""Faults and the wording of a failed lookup."""

from types import SimpleNamespace

import pytest

from trainers.errors import (
    LONGEST,
    BadLossError,
    Fault,
    MissingDataError,
    SpecError,
    UnknownNameError,
    choose,
    did_you_mean,
    require_at_least,
    unknown_keys,
)

TABLE = {"sign": 1, "xnor": 2, "biprop": 3}


def test_fault_reads_path_then_finding_then_hint() -> None:
    assert str(Fault("a.b", "is odd", "try 2")) == "a.b: is odd; try 2"
    assert str(Fault("", "is odd")) == "is odd"
    assert str(Fault("a", "is odd")) == "a: is odd"


def test_fault_under_a_prefix_joins_paths_with_points() -> None:
    assert Fault("b", "is odd").under("a").path == "a.b"
    assert Fault("", "is odd").under("a").path == "a"
    assert Fault("b", "is odd", "hint").under("") == Fault("b", "is odd", "hint")


def test_spec_error_carries_every_fault_and_shows_a_line_for_each() -> None:
    error = SpecError(Fault("a", "is odd"), "is alone")
    assert error.faults == (Fault("a", "is odd"), Fault("", "is alone"))
    assert str(error) == "a: is odd\nis alone"
    assert [fault.path for fault in error.under("x")] == ["x.a", "x"]


def test_choose_returns_the_entry_itself() -> None:
    assert choose("weight binarizer", TABLE, "xnor") == 2


def test_choose_names_the_nearest_and_all_known_in_order() -> None:
    expected = r"unknown weight binarizer 'xnr', did you mean 'xnor'\?; known: biprop, sign, xnor"
    with pytest.raises(UnknownNameError, match=expected) as raised:
        choose("weight binarizer", TABLE, "xnr")
    assert raised.value.options == ("biprop", "sign", "xnor")


def test_choose_offers_no_neighbour_when_none_is_near() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown layer 'qqqq'; known: "):
        choose("layer", TABLE, "qqqq")


def test_did_you_mean_takes_any_value() -> None:
    assert did_you_mean(3, ["batch"]) == ""
    assert did_you_mean("epoch", ["epochs", "seed"]) == ", did you mean 'epochs'?"


def test_every_field_below_its_least_value_is_a_fault() -> None:
    record = SimpleNamespace(every=0, keep=0, interval_s=-0.5)
    require_at_least(record, {"every": 0, "keep": 0})
    with pytest.raises(SpecError, match="every: must be 1 or more, got 0") as raised:
        require_at_least(record, {"every": 1, "keep": 0, "interval_s": 0})
    assert [fault.path for fault in raised.value.faults] == ["every", "interval_s"]


def test_what_a_user_can_mend_is_a_spec_error_and_a_bad_loss_is_none() -> None:
    assert issubclass(UnknownNameError, SpecError)
    assert issubclass(MissingDataError, SpecError)
    assert issubclass(SpecError, ValueError)
    assert not issubclass(BadLossError, SpecError)


def test_unknown_keys_come_with_their_neighbours_and_all_that_is_known() -> None:
    faults = unknown_keys(["lr", "epoch", 3], ("epochs", "lr"))
    assert [str(fault) for fault in faults] == [
        "epoch: unknown key, did you mean 'epochs'?; known: epochs, lr",
        "3: unknown key; known: epochs, lr",
    ]


def test_a_fault_that_quotes_too_much_is_cut() -> None:
    fault = Fault("x" * 5000, "y" * 5000, "z" * 5000)
    for name, most in LONGEST.items():
        assert len(getattr(fault, name)) == most + len("...")
    assert str(Fault("a", "b", "c")) == "a: b; c"
