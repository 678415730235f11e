"""Whether two results come from the same code, and what differs if they do not."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from orchestrator.fingerprint.code import EARLIER, Code, Origin, this_code
from orchestrator.fingerprint.shipped import Shipped
from orchestrator.fingerprint.sources import Sources, installed

Change = Callable[..., Sources]
TRIAL: Mapping[str, Any] = {
    "model": {"name": "mlp"},
    "data": {"name": "digits"},
    "optimizer": {"name": "adam"},
    "weights": {"name": "sign"},
    "layers": {"order": ["fc1"]},
}
TICKET = {**TRIAL, "weights": {"name": "biprop"}}
CONV, VGG5 = ({**TRIAL, "model": {"name": name}} for name in ("conv", "vgg5"))
FIT = "engine/fit.py"


def _shipped(sources: Sources, **results: int) -> Mapping[str, Shipped]:
    """The list of sources as they are, in which some files have a higher number."""
    numbers = {name.replace("__", "/") + ".py": number for name, number in results.items()}
    return {
        name: Shipped(numbers.get(name, 1), digest) for name, digest in sources.units().items()
    }


def test_of_code_as_it_was_shipped_a_result_says_the_number_of_its_results(code: Code) -> None:
    assert code.of(TRIAL) == "results-1"
    assert code.is_same("results-1", TRIAL)
    assert code.changes("results-1", TRIAL) == ()


def test_what_says_nothing_is_taken_as_of_the_same(code: Code) -> None:
    assert code.is_same("", TRIAL)


def test_a_result_of_the_kind_before_is_of_the_first_number() -> None:
    [(earlier, known)] = EARLIER.items()
    assert Origin.read(earlier) == Origin(1) == Origin.read(known)
    sources = installed()
    assert Code(sources, _shipped(sources)).is_same(earlier, TRIAL)
    later = Code(sources, _shipped(sources, engine__fit=2))
    assert later.changes(earlier, TRIAL) == (f"trainers/{FIT}",)


@pytest.mark.parametrize("origin", ["f00df00df00df00d", "results-x", "results-1 what", "later-1"])
def test_of_a_text_that_is_not_known_it_is_not_known_what_changed(origin: str, code: Code) -> None:
    assert not code.is_same(origin, TRIAL)
    assert code.changes(origin, TRIAL) is None


def test_code_that_is_not_as_it_was_shipped_says_where(code: Code, change: Change) -> None:
    mine = Code(change(FIT), code.shipped)
    digest = mine.units(TRIAL)[FIT]
    assert mine.of(TRIAL) == f"results-1 {FIT}={digest}"
    assert mine.is_same(mine.of(TRIAL), TRIAL)
    assert mine.changes("results-1", TRIAL) == (f"trainers/{FIT}",)
    assert code.changes(mine.of(TRIAL), TRIAL) == (f"trainers/{FIT}",)


def test_two_changes_of_one_file_are_two_codes(code: Code, change: Change) -> None:
    first = Code(change(FIT), code.shipped).of(TRIAL)
    second = Code(change(FIT), code.shipped)
    assert second.changes(first, TRIAL) == (f"trainers/{FIT}",)
    assert second.changes(first, TICKET) == (f"trainers/{FIT}",)


def test_what_was_changed_here_and_then_shipped_is_the_same(change: Change) -> None:
    before = _shipped(installed())
    changed = change(FIT)
    mine = Code(changed, before).of(TRIAL)
    for number in (1, 2):
        assert Code(changed, _shipped(changed, engine__fit=number)).is_same(mine, TRIAL)


def test_code_that_was_rewritten_and_gives_the_same_results_is_the_same(change: Change) -> None:
    rewritten = change(FIT)
    code = Code(rewritten, _shipped(rewritten))
    assert code.of(TRIAL) == "results-1"
    assert code.is_same("results-1", TRIAL)


def test_other_results_of_a_file_are_those_of_the_trials_that_use_it() -> None:
    sources = installed()
    code = Code(sources, _shipped(sources, models__mlp=2, models__conv=3))
    assert code.of(TRIAL) == "results-2"
    assert code.changes("results-1", TRIAL) == ("trainers/models/mlp.py",)
    assert code.of(CONV) == "results-3"
    assert code.of(VGG5) == "results-1"
    assert code.is_same("results-1", VGG5)


def test_results_of_a_later_version_are_others(code: Code) -> None:
    assert code.changes("results-2", TRIAL) is None


def test_a_file_that_is_used_no_more_changed(code: Code) -> None:
    origin = str(Origin(1, {"engine/gone.py": "0" * 16}))
    assert code.changes(origin, TRIAL) == ("trainers/engine/gone.py",)


def test_several_trials_say_what_any_of_them_uses(code: Code, change: Change) -> None:
    mine = Code(change("models/mlp.py"), code.shipped)
    assert mine.of(CONV) == "results-1"
    assert mine.of(CONV, TRIAL) == mine.of(TRIAL)
    assert mine.units(CONV, TRIAL) == {**mine.units(CONV), **mine.units(TRIAL)}


def test_what_a_result_says_fits_into_a_tag_of_mlflow() -> None:
    """Also where nothing is as it was shipped, while the code is worked on."""
    assert len(Code(installed(), {}).of(TICKET)) < 5000


def test_the_code_of_this_process_is_looked_at_once() -> None:
    assert this_code() is this_code()
