"""`validate`: every fault of a study as a user meets it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.study.catalog import study_files

Refused = Callable[..., str]
File = Callable[..., str]


@pytest.mark.parametrize("name", sorted(study_files()))
def test_every_shipped_study_is_valid(name: str, cli: Callable[..., Any]) -> None:
    answer = cli("validate", name)
    assert answer.code == 0
    assert "no fault" in answer.out
    assert name in answer.out
    # On a busy machine the check of a large network may take more than three seconds.
    assert [line for line in answer.err.splitlines() if not line.startswith("waiting for ")] == []


def test_a_valid_file_is_counted_in_trials_and_epochs(cli: Callable[..., Any], file: File) -> None:
    answer = cli("validate", file())
    assert answer.code == 0
    assert "8 trials" in answer.out
    assert "16 epochs" in answer.out
    assert " MB of disk" in answer.out
    answer = cli("validate", file(), "--seeds", "1,2,3", "--scale-epochs", "0.5")
    assert "12 trials" in answer.out


def test_a_file_that_is_missing_is_said_so(refused: Refused) -> None:
    err = refused("validate", "./none.yaml")
    assert "./none.yaml: 1 fault" in err
    assert "no such file" in err
    assert "launched" not in err


def test_a_file_that_is_no_yaml_is_refused_with_the_line(refused: Refused, file: File) -> None:
    err = refused("validate", file("study: a\nbase: [1, 2\n"))
    assert "no readable YAML" in err
    assert "line" in err


def test_a_list_is_no_study(refused: Refused, file: File) -> None:
    err = refused("validate", file("- study: a\n"))
    assert "expected a study as a mapping" in err
    assert "the list" in err


def test_an_empty_file_is_no_study(refused: Refused, file: File) -> None:
    assert "expected a study as a mapping, got nothing" in refused("validate", file(""))


def test_a_key_that_comes_twice_is_refused_with_both_lines(refused: Refused, file: File) -> None:
    err = refused("validate", file("study: a\nretries: 1\nretries: 2\n"))
    assert "retries" in err
    assert "twice" in err
    assert "lines 2 and 3" in err
    assert "keep one" in err


def test_an_unknown_key_brings_the_nearest(refused: Refused, file: File) -> None:
    err = refused("validate", file(retreis=1))
    assert "retreis" in err
    assert "did you mean 'retries'" in err
    assert "known: study, question, base, axes" in err


def test_a_tag_of_python_runs_nothing(refused: Refused, file: File, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    err = refused("validate", file(f"study: !!python/object/apply:os.system ['touch {trace}']\n"))
    assert "no readable YAML" in err
    assert "python/object/apply:os.system" in err
    assert not trace.exists()


def test_a_value_of_the_wrong_type_is_refused_at_its_path(
    refused: Refused, file: File, base: dict[str, Any]
) -> None:
    base |= {"epochs": "many", "optimizer": {"name": "adam", "lr": [0.1]}}
    err = refused("validate", file(base=base, retries="once"))
    assert "3 faults" in err
    for path, what in {
        "base.epochs": "expected a whole number, got the text 'many'",
        "base.optimizer.lr": "expected a number, got the list [0.1]",
        "retries": "expected a whole number, got the text 'once'",
    }.items():
        [line] = [line for line in err.splitlines() if line.startswith(f"  {path} ")]
        assert what in line


def test_a_rate_of_1e_minus_3_is_a_number(cli: Callable[..., Any], file: File) -> None:
    path = file()
    text = Path(path).read_text()
    assert "lr: 0.01\n" in text
    Path(path).write_text(text.replace("lr: 0.01\n", "lr: 1e-3\n"))
    assert cli("validate", path).code == 0
    assert cli("validate", path, "--set", "base.optimizer.lr=1e-3").code == 0


def test_several_faults_are_told_at_once_with_their_paths_and_the_way_on(
    refused: Refused, file: File, base: dict[str, Any]
) -> None:
    base["weights"] = {"name": "sing"}
    base["layers"]["order"] = ["fc1", "fc9"]
    path = file(base=base, metric={"name": "test/eror"})
    err = refused("validate", path)
    assert err.startswith(f"{path}: 3 faults")
    assert "base.weights.name" in err
    assert "did you mean 'sign'" in err
    assert re.search("known: .*sign", err)
    assert "base.layers.order.1" in err
    assert "metric.name" in err
    assert "did you mean 'test/error'" in err
    assert err.endswith(f"\ncheck again with: bnn-orchestrate validate {path}\n")


def test_an_unknown_layer_brings_the_nearest(
    refused: Refused, file: File, base: dict[str, Any]
) -> None:
    base["layers"]["order"] = ["fc1", "conv2"]
    err = refused("validate", file(base=base))
    assert "base.layers.order.1" in err
    assert "unknown layer 'conv2'" in err
    assert "known: fc1, fc2" in err


def test_an_order_that_never_finishes_says_how_many_epochs_it_takes(
    refused: Refused, file: File
) -> None:
    err = refused("validate", file(), "--set", "base.layers.epochs_per_layer=5")
    assert "fc2 never turn binary in 2 epochs" in err
    assert "set epochs to 6 or more" in err


def test_a_model_that_does_not_take_the_images_is_refused(refused: Refused) -> None:
    err = refused("validate", "mnist300-orders", "--set", "base.model.widths=[700,300,100,10]")
    assert "base.model" in err
    assert "does not take the 1x28x28 images of data set 'mnist'" in err


def test_a_model_of_too_few_classes_is_refused(refused: Refused) -> None:
    err = refused("validate", "mnist300-orders", "--set", "base.model.widths=[784,300,100,9]")
    assert "gives 9 outputs, but 'mnist' has 10 classes" in err


def test_a_last_batch_of_one_image_is_refused(refused: Refused, file: File) -> None:
    # 1077 digits are trained on; batch normalisation cannot learn from one image.
    err = refused("validate", file(), "--set", "base.data.batch_size=269")
    assert "base.data" in err
    assert "269 leaves" in err


@pytest.mark.parametrize(
    ("override", "what", "hint"),
    [
        ("base.epochs", "expected key.path=value", "base.optimizer.lr=0.01"),
        ("base.layers.order=[fc1]", "does nothing: the axis order sets it", "axes.order"),
        ("base.seed=5", "does nothing: the axis seed sets it", "--seeds"),
        ("axes.sede.seeds=[5]", "there is no 'sede', did you mean 'seed'", "known: order, seed"),
        ("base.optimizer.rl=5", "did you mean 'lr'", "known: betas, eps, grad_centralization, lr"),
        ("base.epochs.many=5", "which has no 'many'", ""),
    ],
    ids=["no equals", "set by an axis", "set by the seeds", "unknown axis", "typo", "no mapping"],
)
def test_an_override_that_leads_nowhere_is_refused(
    override: str, what: str, hint: str, refused: Refused, file: File
) -> None:
    err = refused("validate", file(), "--set", override)
    assert override.partition("=")[0] in err
    assert what in err
    assert hint in err
    assert "launched" not in err


@pytest.mark.parametrize("seeds", ["a,b", "1,1", "1,,2", "-1"])
def test_seeds_are_different_whole_numbers(seeds: str, refused: Refused, file: File) -> None:
    err = refused("validate", file(), f"--seeds={seeds}")
    assert "--seeds" in err
    assert "expected" in err


@pytest.mark.parametrize(
    ("scale", "what"), [("0", "(0, 1]"), ("2", "(0, 1]"), ("-1", "(0, 1]"), ("x", "a number")]
)
def test_a_scale_of_epochs_is_a_share(scale: str, what: str, refused: Refused, file: File) -> None:
    err = refused("validate", file(), f"--scale-epochs={scale}")
    assert "--scale-epochs" in err
    assert f"expected {'a factor in ' if '(' in what else ''}{what}" in err
    assert scale in err
