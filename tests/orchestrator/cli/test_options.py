"""Flags that several commands share."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.main import _parser
from orchestrator.cli.options import (
    add_data_dir,
    add_home,
    add_study,
    add_verbose,
    data_folder_of,
    home_of,
    is_changed,
    study_of,
)


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    for add in (add_study, add_home, add_data_dir, add_verbose):
        add(parser)
    return parser


def test_without_flags_a_study_is_as_its_file_has_it(parser: argparse.ArgumentParser) -> None:
    args = parser.parse_args(["digits-orders"])
    study = study_of(args)
    assert (study.name, study.variant.overrides, study.variant.epoch_scale) == (
        "digits-orders",
        (),
        "",
    )
    assert not is_changed(args)
    assert not args.verbose


def test_flags_change_the_study(parser: argparse.ArgumentParser) -> None:
    line = ["digits-orders", "--seeds", "5,6", "--scale-epochs", "0.1"]
    line += ["--set", "base.optimizer.lr=1e-3", "--set", "retries=0"]
    args = parser.parse_args(line)
    study = study_of(args)
    assert is_changed(args)
    assert study.variant.overrides == ("base.optimizer.lr=1e-3", "retries=0")
    assert study.base.optimizer.options["lr"] == 0.001
    assert study.retries == 0
    assert study.variant.epoch_scale == "0.1"
    assert list(study.axes[1].points) == ["5", "6"]


@pytest.mark.parametrize(
    ("flags", "changed"),
    [
        (["--set", "retries=0"], True),
        (["--scale-epochs", "0.5"], True),
        (["--as-published"], True),
        (["--apart", "v2"], True),
        (["--seeds", "1"], False),
    ],
)
def test_other_seeds_make_no_other_variant(
    flags: list[str], changed: bool, parser: argparse.ArgumentParser
) -> None:
    assert is_changed(parser.parse_args(["digits-orders", *flags])) == changed


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (["matrix"], "for one seed: --where seed=316"),
        (["matrix", "--view", "pairs"], "for one seed: --where seed=316"),
        (["results"], "leave it out"),
        (["status"], "leave it out"),
        (["report", "--out", "folder"], "leave it out"),
    ],
)
def test_what_is_shown_has_all_recorded_seeds(
    words: list[str], instead: str, refused: Callable[..., str]
) -> None:
    command, *more = words
    err = refused(command, "digits-orders", *more, "--seeds", "316,317")
    what = f"--seeds chooses what is trained; {command} shows all recorded seeds; {instead}"
    assert err == f"error: {what}\n"


@pytest.mark.parametrize("command", ["matrix", "results", "status"])
def test_a_command_that_refuses_seeds_does_not_offer_them(
    command: str, cli: Callable[..., Any]
) -> None:
    assert "--seeds" not in cli(command, "--help").out


@pytest.mark.parametrize("text", ["a,b", "1,", "1;2", "1.5", ""])
def test_seeds_are_whole_numbers_with_commas(
    text: str, parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["digits-orders", "--seeds", text])
    err = capsys.readouterr().err
    assert f"such as 316,317; got '{text}'" in err


def test_the_home_is_the_one_that_flags_name(
    parser: argparse.ArgumentParser, tmp_path: Path
) -> None:
    home = home_of(parser.parse_args(["s", "--home", str(tmp_path / "h")]))
    assert home.root == tmp_path / "h"
    assert home.database == tmp_path / "h" / "mlflow.db"
    args = parser.parse_args(["s", "--tracking-uri", "http://server"])
    assert home_of(args).tracking_uri == "http://server"


def test_data_lies_where_flag_environment_or_home_say(
    parser: argparse.ArgumentParser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = parser.parse_args(["s", "--home", str(tmp_path / "h")])
    named = parser.parse_args(["s", "--data-dir", "here"])
    assert data_folder_of(plain) == tmp_path / "h" / "data"
    monkeypatch.setenv("BNN_DATA_DIR", "/data")
    assert data_folder_of(plain) == Path("/data")
    assert data_folder_of(named) == tmp_path / "here"


def test_a_flag_trains_as_published(parser: argparse.ArgumentParser) -> None:
    study = study_of(parser.parse_args(["mnist300-full", "--as-published"]))
    assert study.variant.as_published
    assert study.base.latent_at_eval == "reset"
    assert study.base.weights.options == {"zero": 0}
    assert study.metric.name == "best_on_test/test_error"


def test_cells_are_kept_apart_under_a_name(parser: argparse.ArgumentParser) -> None:
    plain = study_of(parser.parse_args(["digits-orders"]))
    apart = study_of(parser.parse_args(["digits-orders", "--apart", "v2"]))
    other = study_of(parser.parse_args(["digits-orders", "--apart", "v3"]))
    assert (plain.variant.apart, apart.variant.apart) == ("", "v2")
    assert len({plain.variant_id, apart.variant_id, other.variant_id}) == 3
    assert apart.base == plain.base


@pytest.mark.parametrize("name", ["", "a b", "-v2", "a/b", "ü", "a" * 41, "'"])
def test_a_name_that_could_be_mistaken_is_refused(
    name: str, parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["digits-orders", f"--apart={name}"])
    assert "expected up to 40 letters" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("matrix", "tiny", "--csv=~/a"), "csv"),
        (("results", "tiny", "--csv=~/a"), "csv"),
        (("export", "best:tiny", "--output=~/a"), "output"),
        (("hybrid", "best:tiny", "--output=~/a"), "output"),
        (("evaluate", "~/a"), "file"),
        (("inspect", "~/a"), "file"),
    ],
)
def test_a_file_in_the_home_folder_is_found_where_no_shell_looks(
    arguments: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert getattr(_parser().parse_args(arguments), name) == tmp_path / "a"


def test_a_study_and_what_it_extends_lie_in_the_home_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Any, small: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    (tmp_path / "me").mkdir()
    (tmp_path / "me" / "parts.yaml").write_text(small)
    text = "study: mine\nextends: ~/parts.yaml\n"
    for folder in (tmp_path / "me", tmp_path):
        (folder / "mine.yaml").write_text(text)
    for study in ("~/mine.yaml", str(tmp_path / "mine.yaml")):
        answer = cli("validate", study)
        assert answer.code == 0, answer.err
        assert answer.out.startswith("mine: no fault; 3 trials")
    assert "no such file" in cli("validate", "~/none.yaml").err


def test_a_home_folder_that_nobody_knows_is_said(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    for command in (("matrix", "tiny", "--csv=~/a"), ("validate", "~/a.yaml")):
        answer = cli(*command)
        assert answer.code == 2
        assert "set HOME" in answer.err
