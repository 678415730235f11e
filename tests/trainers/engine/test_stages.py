"""What a stage hands on."""

from collections.abc import Callable

import torch

from trainers.binarize.attach import binarize_weights
from trainers.build import build_model
from trainers.engine.latent import latent_state
from trainers.engine.result import EpochMetrics
from trainers.engine.stages import Later, Selecting, later
from trainers.engine.task import Task

MakeMetrics = Callable[..., EpochMetrics]


def test_a_state_without_binarizers_holds_the_latent_weights() -> None:
    plain = build_model("mlp", widths=[9, 6, 3])
    expected = {name: value.clone() for name, value in plain.state_dict().items()}
    binarize_weights(plain, ["fc1", "fc2"], "biprop")
    found = latent_state(plain.state_dict())
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in found.items())
    assert latent_state(found) == found


def test_epochs_of_a_later_stage_are_counted_on(make_metrics: MakeMetrics) -> None:
    heard: list[EpochMetrics] = []

    class Hearing:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            heard.append(metrics)

    Later(Hearing(), begun=4).on_epoch_end(make_metrics(2))
    assert heard == [later(make_metrics(2), begun=4)]
    assert heard[0].epoch == 6
    first = make_metrics(2)
    assert later(first, begun=0) is first


def test_the_weights_of_the_best_final_epoch_are_handed_on(
    make_task: Callable[..., Task], make_metrics: MakeMetrics
) -> None:
    # The second of two layers turns binary in epoch 1.
    task = make_task(epochs=4)
    selecting, bias = Selecting(task, num_restored=0), task.model.get_parameter("fc1.bias")
    for epoch, error in enumerate((0.1, 0.4, 0.2, 0.3)):
        bias.data.fill_(epoch)
        selecting.on_epoch_end(make_metrics(epoch, validation=error))
    weights = selecting.weights(None, fits=lambda found: True)
    assert weights is not None
    assert weights["fc1.bias"].unique().tolist() == [2.0]


def test_an_epoch_from_before_an_interruption_is_lost_without_its_checkpoint(
    make_task: Callable[..., Task], make_metrics: MakeMetrics
) -> None:
    task = make_task(epochs=3)
    selecting = Selecting(task, num_restored=2)
    for epoch, error in enumerate((0.1, 0.2, 0.3)):
        selecting.on_epoch_end(make_metrics(epoch, validation=error))
    assert selecting.weights(None, fits=lambda found: True) is None
