"""Libraries that are kept here: as npm has them, with licences, and all that a page loads."""

import hashlib

import pytest

from dashboards.html.render import FOLDER, STATIC, inlined

VENDORED = FOLDER / "vendored"
SUMS = dict(
    reversed(line.split(maxsplit=1))
    for line in (VENDORED / "SHA256SUMS").read_text("utf-8").splitlines()
)


def test_every_library_has_its_checksum() -> None:
    assert set(SUMS) == {path.name for path in VENDORED.glob("*.js")}


@pytest.mark.parametrize("name", sorted(SUMS))
def test_no_library_was_changed(name: str) -> None:
    assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == SUMS[name]


def test_every_library_has_its_licence() -> None:
    names = {name.removesuffix(".min.js").replace("htmx", "htmx.org") for name in SUMS}
    assert {path.name for path in VENDORED.glob("LICENSE.*")} == {f"LICENSE.{n}" for n in names}


@pytest.mark.parametrize("name", sorted(STATIC))
def test_what_a_page_loads_is_there_and_may_stand_in_one(name: str) -> None:
    assert "</script" not in inlined(name).lower()
