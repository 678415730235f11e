"""In what a study differs from its file, and all that follows from it."""

from argparse import Namespace
from dataclasses import fields, replace

import pytest

from orchestrator import vocabulary
from orchestrator.study.given import Given
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant, checked_scale
from trainers.errors import SpecError

SET = {
    "as_published": True,
    "overrides": ("base.optimizer.lr=0.5",),
    "given": Given(orders={"ascend": (2, 1)}),
    "epoch_scale": "0.5",
    "apart": "v2",
}


def test_a_study_is_titled_by_its_name_and_its_changes(study: StudySpec) -> None:
    assert study.title == "tiny"
    changed = replace(study, variant=Variant(overrides=("a=1", "b=2"), epoch_scale="0.5"))
    assert changed.title == "tiny · a=1 · b=2 · 0.5 of the epochs"
    published = replace(study, variant=Variant(as_published=True, overrides=("a=1",)))
    assert published.title == "tiny · as published · a=1"


@pytest.mark.parametrize("name", [member.name for member in fields(Variant)])
def test_each_member_alone_makes_another_variant_and_says_so(name: str) -> None:
    variant = replace(Variant(), **{name: SET[name]})
    assert not variant.is_plain
    assert variant.title("tiny") != "tiny"
    differing = {key for key, text in variant.tags.items() if text not in vocabulary.UNSET}
    assert len(differing) == 1
    assert set(variant.cell_tags) <= differing
    assert variant.to_mapping()[name]


def test_a_plain_variant_sets_nothing() -> None:
    plain = Variant()
    assert plain.is_plain
    assert plain.title("tiny") == "tiny"
    assert plain.told() == []
    assert plain.cell_tags == {}
    assert plain.content == {"epoch_scale": ""}
    assert tuple(plain.tags) == vocabulary.VARIANT_TAGS
    assert all(text in vocabulary.UNSET for text in plain.tags.values())


@pytest.mark.parametrize("override", ["checkpoint.policy=best", "retries=2", "together=2"])
def test_what_changes_no_trial_makes_no_other_variant_but_is_told(override: str) -> None:
    variant = Variant(overrides=(override,))
    assert variant.is_plain
    assert variant.tags == Variant().tags
    assert variant.title("tiny") == "tiny"
    assert variant.told() == [override]
    both = Variant(overrides=(override, "base.optimizer.lr=0.5"))
    assert both.title("tiny") == "tiny · base.optimizer.lr=0.5"
    assert not both.is_plain


def test_what_shows_in_the_base_is_no_part_of_the_identity() -> None:
    variant = Variant(as_published=True, overrides=("a=1",))
    assert variant.content == Variant().content


def test_people_are_told_what_differs() -> None:
    variant = Variant(**SET)
    assert variant.told() == [
        "as published",
        "base.optimizer.lr=0.5",
        "0.5 of all epochs; kept apart from full runs",
        "kept apart as v2",
    ]


def test_flags_make_a_variant() -> None:
    args = Namespace(as_published=False, overrides=["a=1"], scale_epochs="0.50", apart=None)
    assert Variant.from_args(args) == Variant(overrides=("a=1",), epoch_scale="0.5")


@pytest.mark.parametrize(("scale", "text"), [(None, ""), (1, ""), ("0.07", "0.07"), (0.5, "0.5")])
def test_a_scale_is_a_decimal_text(scale: str | float | None, text: str) -> None:
    assert checked_scale(scale) == text


@pytest.mark.parametrize("scale", ["0", "1.5", "half", "1/0"])
def test_what_is_no_factor_is_refused(scale: str) -> None:
    with pytest.raises(SpecError, match="--scale-epochs"):
        checked_scale(scale)
