"""The list of the sources that come with this version."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.fingerprint import shipped as module
from orchestrator.fingerprint.shipped import PATH, Shipped, main, read, renewed, written
from orchestrator.fingerprint.sources import Sources, installed

LIST = {"a.py": Shipped(1, "aa"), "b.py": Shipped(3, "bb"), "b.py:T.x": Shipped(1, "cc")}
NOW = {name: unit.digest for name, unit in LIST.items()}

STALE = """\
the sources of trainers are others than those in orchestrator/fingerprint/shipped.txt.
Run the goldens: pytest tests/trainers/golden
Where they are as before, and no other result changed either, write the list anew:
    python -m orchestrator.fingerprint.shipped
Else name the files whose results changed; studies that use them are then refused to go on:
    python -m orchestrator.fingerprint.shipped FILE ...
differing: """


def test_the_list_is_that_of_the_sources() -> None:
    """New entries may be missing until the next version, and what they alone use."""
    text = PATH.read_text("utf-8")
    listed = {name: unit.digest for name, unit in read(text).items()}
    units = installed().units(listed)
    names = units.keys() | listed.keys()
    differing = sorted(name for name in names if units.get(name) != listed.get(name))
    if differing or text != written(read(text)):
        pytest.fail(STALE + ", ".join(differing))


def test_a_new_entry_waits_for_the_next_list(folder: Path, change: Callable[..., Sources]) -> None:
    (folder / "models" / "mine.py").write_text("class Mine:\n    pass\n")
    imported = "from trainers.models.mlp import Mlp\n"
    change("models/__init__.py", imported, imported + "from trainers.models.mine import Mine\n")
    sources = change("models/__init__.py", '"mlp": Mlp', '"mine": Mine, "mlp": Mlp')
    listed = installed().units()
    assert sources.units(listed) == listed
    assert sources.units().keys() - listed.keys() == {
        "models/mine.py",
        "models/__init__.py:MODELS.mine",
    }


def test_a_list_is_read_as_it_was_written() -> None:
    assert read(written(LIST)) == LIST
    assert written(LIST).splitlines()[1] == "3 bb b.py"


def test_of_a_list_with_conflicts_the_higher_numbers_are_taken() -> None:
    text = "<<<<<<< HEAD\n1 ab a.py\n2 cd b.py\n=======\n3 ef a.py\n1 cd b.py\n>>>>>>> 12ab 3\n"
    assert read(text) == {"a.py": Shipped(3, "ef"), "b.py": Shipped(2, "cd")}


def test_code_that_is_only_rewritten_keeps_its_number() -> None:
    now = {**NOW, "b.py": "new", "d.py": "dd"}
    found = renewed(LIST, now)
    assert found["b.py"] == Shipped(3, "new")
    assert found["d.py"] == Shipped(1, "dd")
    assert renewed({}, NOW) == {name: Shipped(1, digest) for name, digest in NOW.items()}


def test_other_results_get_a_number_that_was_never_given() -> None:
    assert renewed(LIST, NOW, changed=["a.py"])["a.py"] == Shipped(4, "aa")
    # Of a file all of its entries do, unless one is named.
    found = renewed(LIST, NOW, changed=["b.py"])
    assert [found[name].results for name in NOW] == [1, 4, 4]
    found = renewed(LIST, NOW, changed=["b.py:T.x"])
    assert [found[name].results for name in NOW] == [1, 3, 4]


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there is no 'c\.py' among the sources"):
        renewed(LIST, NOW, changed=["c.py"])


def test_a_number_is_not_lost_with_its_file() -> None:
    now = {"a.py": "aa", "new.py": "bb"}
    with pytest.raises(ValueError, match=r"b\.py is gone, .* say where .* b\.py=FILE"):
        renewed(LIST, now)
    found = renewed(LIST, now, moved={"b.py": "new.py"})
    assert found == {"a.py": Shipped(1, "aa"), "new.py": Shipped(3, "bb")}
    with pytest.raises(ValueError, match=r"there is no 'else\.py' among the sources"):
        renewed(LIST, now, moved={"b.py": "else.py"})
    # What never had one of its own may go.
    assert renewed({"a.py": LIST["a.py"]}, {"new.py": "aa"}) == {"new.py": Shipped(1, "aa")}


def test_the_command_writes_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., Sources]
) -> None:
    path = tmp_path / "shipped.txt"
    monkeypatch.setattr(module, "PATH", path)
    assert main([]) == 0
    assert {unit.results for unit in read(path.read_text()).values()} == {1}
    changed = change("engine/fit.py")
    monkeypatch.setattr(module, "installed", lambda: changed)
    assert main(["engine/fit.py"]) == 0
    assert read(path.read_text())["engine/fit.py"] == Shipped(2, changed.units()["engine/fit.py"])
    assert main([]) == 0
    assert read(path.read_text())["engine/fit.py"].results == 2


def test_the_command_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "PATH", tmp_path / "shipped.txt")
    assert main(["fit.py"]) == 2
    assert "there is no 'fit.py' among the sources" in capsys.readouterr().err
    assert not (tmp_path / "shipped.txt").exists()
    assert main([]) == 0
    assert main(["gone.py=engine/fit.py"]) == 2
    assert "gone.py was not in the list" in capsys.readouterr().err
