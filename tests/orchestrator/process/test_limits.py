"""Limits of this process, as a shell sets them."""

import resource

import pytest

from orchestrator.process import limits
from orchestrator.process.limits import ADDRESSES, LimitError, raise_limits

ENDLESS = resource.RLIM_INFINITY


class _Limits:
    """Limits of a process, as the system gives and takes them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = {
            resource.RLIMIT_NOFILE: (ENDLESS, ENDLESS),
            resource.RLIMIT_AS: (ENDLESS, ENDLESS),
        }
        monkeypatch.setattr(resource, "getrlimit", self.now.__getitem__)
        monkeypatch.setattr(resource, "setrlimit", self.now.__setitem__)
        monkeypatch.setattr(limits.os, "sched_getaffinity", lambda process: {0, 1})


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> _Limits:
    """A system with two CPUs and no limits."""
    return _Limits(monkeypatch)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((64, 4096), (144, 4096)),
        ((64, ENDLESS), (144, ENDLESS)),
        ((144, 144), (144, 144)),
        ((64, 130), (130, 130)),
        ((20000, 20000), (20000, 20000)),
        ((ENDLESS, ENDLESS), (ENDLESS, ENDLESS)),
    ],
)
def test_few_file_handles_become_as_many_as_needed(
    before: tuple[int, int], after: tuple[int, int], system: _Limits
) -> None:
    system.now[resource.RLIMIT_NOFILE] = before
    raise_limits()
    assert system.now[resource.RLIMIT_NOFILE] == after


def test_too_few_file_handles_are_refused_with_what_to_raise(system: _Limits) -> None:
    system.now[resource.RLIMIT_NOFILE] = (64, 100)
    with pytest.raises(LimitError, match=r"may open 100 files \(ulimit -n\).*needs 128"):
        raise_limits()
    assert system.now[resource.RLIMIT_NOFILE] == (64, 100)


def test_few_addresses_become_as_many_as_allowed(system: _Limits) -> None:
    system.now[resource.RLIMIT_AS] = (2**30, 2 * ADDRESSES)
    raise_limits()
    assert system.now[resource.RLIMIT_AS] == (2 * ADDRESSES, 2 * ADDRESSES)


def test_too_few_addresses_are_refused_with_what_to_raise(system: _Limits) -> None:
    system.now[resource.RLIMIT_AS] = (2**30, 4 * 2**30)
    with pytest.raises(LimitError, match=r"4\.0 GiB of addresses \(ulimit -v\)"):
        raise_limits()
