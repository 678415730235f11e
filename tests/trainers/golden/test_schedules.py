"""Which layers were binary in which epoch of the reference's runs, by layer number."""

from typing import Any

from trainers.binarize.schedule import LayerSchedule


def _schedule(setup: dict[str, Any]) -> LayerSchedule[int]:
    assert not setup["reverse"]
    return LayerSchedule(order=tuple(setup["order"]), epochs_per_layer=setup["epochs_per_layer"])


def test_vgg5_turns_binary_in_ascending_order(cases: dict[str, Any]) -> None:
    case = cases["schedule_vgg5_ascend"]
    setup, expected = case["setup"], case["expected"]["binarized_by_epoch"]
    schedule = _schedule(setup)
    # The reference counts its epochs from 1 there; we count from 0.
    assert setup["first_epoch"] == 1
    binary = [sorted(schedule.binarized_at(epoch)) for epoch in range(setup["epochs"])]
    assert binary == expected
    schedule.check(epochs=setup["epochs"])
    assert schedule.final_from(epochs=setup["epochs"]) == expected.index([1, 2, 3, 4, 5])


def test_a_restart_of_resnet21_goes_on_with_the_layers_of_its_epoch(cases: dict[str, Any]) -> None:
    case = cases["schedule_resnet21_imagenet_restart"]
    setup, expected = case["setup"], case["expected"]["binarized_by_epoch"]
    schedule = _schedule(setup)
    epochs = range(setup["start_epoch"], setup["epochs"])
    assert [sorted(schedule.binarized_at(epoch)) for epoch in epochs] == expected
