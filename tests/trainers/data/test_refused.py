"""Pictures that cannot be used: named, counted, with what to do."""

from pathlib import Path

import pytest

from trainers.data.refused import NAMED, Kind, PicturesError, Refused, UnusableError


def test_nothing_refused_is_no_error() -> None:
    refused = Refused()
    assert not refused
    refused.check()


@pytest.mark.parametrize("num", [1, NAMED, NAMED + 1, 1234])
def test_the_first_are_named_and_all_are_counted(num: int) -> None:
    refused = Refused()
    for number in range(num):
        refused.add(Path(f"{number}.png"), UnusableError(Kind.FILE, "is empty"))
    with pytest.raises(PicturesError, match=r"folder: 0\.png is empty; mend") as raised:
        refused.check()
    faults = raised.value.faults
    assert sum("is empty" in fault.what for fault in faults) == min(num, NAMED)
    assert [fault.what for fault in faults if fault.hint] == ["0.png is empty"]
    more = [fault.what for fault in faults if " in all" in fault.what]
    assert more == ([f"and {num - NAMED:,} more; {num:,} in all"] if num > NAMED else [])


def test_each_kind_says_what_to_do_once() -> None:
    refused = Refused()
    for kind in Kind:
        for name in ("a.png", "b.png"):
            refused.add(Path(name), UnusableError(kind, "is odd"))
    with pytest.raises(PicturesError, match="alpha: white") as raised:
        refused.check()
    assert len(raised.value.faults) == 2 * len(Kind)
    assert sum(bool(fault.hint) for fault in raised.value.faults) == len(Kind)
