"""Files that a user names and that cannot be written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli.outputs import OutputError, require_writable_file, write_text


@pytest.mark.parametrize(
    "words",
    [
        ("report", "digits-orders", "-o"),
        ("matrix", "digits-orders", "--latex"),
        ("results", "digits-orders", "--csv"),
        ("export", "best:digits-orders", "-o"),
    ],
)
def test_a_place_below_a_file_is_refused_before_results_are_read(
    words: tuple[str, ...], refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "a").touch()
    err = refused(*words, str(tmp_path / "a" / "b" / "c"))
    assert f"{tmp_path / 'a'} is a file; name another" in err
    assert "there are no results" not in err


def test_a_folder_is_no_file_and_a_new_place_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder; name a file"):
        require_writable_file(tmp_path)
    require_writable_file(tmp_path / "new" / "file")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_with_a_way_out() -> None:
    with pytest.raises(OutputError, match="/dev/full has no room left; name another file"):
        write_text(Path("/dev/full"), "text")
