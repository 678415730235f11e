"""The studies of training tricks share one network, and the one with a teacher names its study."""

from orchestrator.study.catalog import load_study
from orchestrator.study.expansion import expand
from orchestrator.study.teachers import runs_named
from trainers.spec.probe import model_layers


def test_distillation_has_a_row_for_each_way_to_learn_from_the_study_of_the_teacher() -> None:
    study = load_study("tricks-distillation")
    cells = expand(study)
    assert study.matrix.rows == "teaching"
    ways = {cell.labels["teaching"]: cell.train.distillation.name for cell in cells}
    assert ways == {
        "base": "none",
        "with distillation": "kl",
        "with features": "features",
        "with label refinery": "label_refinery",
    }
    assert len(cells) == len({cell.id for cell in cells}) == 12
    assert runs_named(cells) == ("best:tricks-teacher",)
    assert {cell.labels["teaching"] for cell in cells if cell.train.teacher is None} == {"base"}


def test_the_network_that_learns_alone_is_the_one_without_tricks() -> None:
    alone, base = (
        {cell.id for cell in expand(load_study(name)) if cell.labels[axis] == "base"}
        for name, axis in (("tricks-distillation", "teaching"), ("tricks-ablation", "tricks"))
    )
    assert len(alone) == 3
    assert alone == base


def test_the_teacher_is_the_same_network_in_full_precision_and_is_kept() -> None:
    study = load_study("tricks-teacher")
    [teacher] = expand(study)
    taught = expand(load_study("tricks-distillation"))[-1].train
    assert study.checkpoint.policy == "best"
    assert (teacher.train.layers.order, teacher.train.activations) == ((), None)
    assert model_layers(teacher.train.model) == model_layers(taught.model)
    assert (teacher.train.data, teacher.train.epochs) == (taught.data, taught.epochs)


def test_ids_of_the_ablation_are_what_they_were_before_its_base_was_shared() -> None:
    study = load_study("tricks-ablation")
    assert study.variant_id == "7520e5612d22c9a8"
    assert expand(study)[0].id == "86e8f1c8d4fa37f2"


def test_the_matrix_of_the_ablation_ranks_effects() -> None:
    matrix = load_study("tricks-ablation").matrix
    assert (matrix.control, matrix.sort) == ("base", "effect")


def test_as_published_the_ablation_differs_in_how_lighting_counts_alone() -> None:
    plain, published = (
        expand(load_study("tricks-ablation", as_published=flag)) for flag in (False, True)
    )
    assert [cell.labels for cell in plain] == [cell.labels for cell in published]
    changed = 0
    for one, other in zip(plain, published, strict=True):
        ours, theirs = one.train.to_mapping(), other.train.to_mapping()
        light = ours["data"].get("augment", {}).get("lighting")
        if light is not None:
            light["arithmetic"] = "published"
            changed += 1
        assert ours == theirs
    # With lighting, all, and all but each of the other 13; three seeds.
    assert changed == 45
