"""What one needs to repeat a study."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from dashboards.html.provenance import provenance_of
from dashboards.runs import StudyRuns
from orchestrator import vocabulary

MakeRuns = Callable[..., StudyRuns]


@pytest.fixture
def runs(make_runs: MakeRuns) -> StudyRuns:
    """Two cells of two commits, whose second axis is one of seeds."""
    made = make_runs({"forward 1": 0.25, "forward 10": 0.5})
    cells = [
        replace(cell, params={"seed": cell.labels["seed"]}, commit=commit)
        for cell, commit in zip(made.cells, ("aaa", "bbb-dirty"), strict=True)
    ]
    return made.with_cells(cells)


def test_the_command_says_how_the_variant_differs(runs: StudyRuns) -> None:
    tags = {
        vocabulary.AS_PUBLISHED: "true",
        vocabulary.OVERRIDES: '["base.optimizer.lr=0.1", "base.x=a b"]',
        vocabulary.EPOCH_SCALE: "0.5",
        vocabulary.APART: "mine",
    }
    found = provenance_of(replace(runs, tags={**runs.tags, **tags}), "", "")
    assert found.commands[-1] == (
        "bnn-orchestrate sweep tiny --as-published --set base.optimizer.lr=0.1 "
        "--set 'base.x=a b' --scale-epochs 0.5 --apart mine --seeds 1,10"
    )


def test_a_study_of_ones_own_is_repeated_from_the_file_beside_its_report(runs: StudyRuns) -> None:
    found = provenance_of(runs, "", "study: tiny", is_shipped=False)
    assert found.commands[-1] == "bnn-orchestrate sweep ./study.yaml --seeds 1,10"
    assert "study.yaml lies beside this report." in found.note
    shipped = provenance_of(runs, "", "study: tiny", is_shipped=True)
    assert shipped.commands[-1] == "bnn-orchestrate sweep tiny --seeds 1,10"
    assert "study.yaml" not in shipped.note
    # Without its text no file lies beside the report.
    assert provenance_of(runs, "", "", is_shipped=False).commands[-1] == shipped.commands[-1]


def test_code_that_no_commit_has_is_said(runs: StudyRuns) -> None:
    found = provenance_of(runs, "", "")
    assert found.commits == ["aaa", "bbb-dirty"]
    assert found.commands[0] == "git checkout bbb"
    assert "changes that no commit has" in found.note
    assert "several commits" in found.note


def test_an_axis_that_is_not_of_seeds_is_no_flag(runs: StudyRuns) -> None:
    others = [replace(cell, params={"seed": "7"}) for cell in runs.cells]
    found = provenance_of(runs.with_cells(others), "", "")
    assert found.commands[-1] == "bnn-orchestrate sweep tiny"


def test_versions_hardware_and_checksums_are_as_recorded(runs: StudyRuns) -> None:
    made_with = {
        "python": "3.11.7",
        "packages": {"torch": "2.15.0", "gone": ""},
        "num_cpus": 2,
        "memory_bytes": 2**33,
        "gpus": ["A100", "A100"],
    }
    tags = {**runs.tags, vocabulary.DATA_SHA256: "ab12"}
    facts = provenance_of(replace(runs, tags=tags), json.dumps(made_with), "").facts
    assert facts["torch"] == "2.15.0"
    assert facts["memory"] == "8 GiB"
    assert facts["GPUs"] == "A100, A100"
    assert facts["data, SHA-256"] == "ab12"
    assert "gone" not in facts


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '{"packages": 3, "gpus": 3}'])
def test_what_somebody_changed_is_left_out(text: str, runs: StudyRuns) -> None:
    facts = provenance_of(runs, text, "").facts
    assert "torch" not in facts
    assert "GPUs" not in facts
