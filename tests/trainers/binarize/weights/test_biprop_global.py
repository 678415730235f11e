"""One threshold for the scores of all layers."""

import copy
import logging

import pytest
import torch
from torch import Generator, nn

from trainers.binarize.attach import baked, binarize_weights, binarizers, set_binary, weight_layers
from trainers.binarize.hooks import Hooks
from trainers.binarize.weights import make_weight_binarizer
from trainers.binarize.weights.biprop_global import BipropGlobalBinarizer, global_threshold
from trainers.binarize.weights.scores import num_kept
from trainers.errors import SpecError

LOG = "trainers.binarize.weights.biprop_global"


def _joined(*scores: list[float], keep: float = 0.5) -> list[BipropGlobalBinarizer]:
    """Layers of one filter each, with these scores and one threshold."""
    layers = []
    for row in scores:
        layer = BipropGlobalBinarizer(torch.ones(1, len(row)), keep=keep)
        layer.scores.data.copy_(torch.tensor([row]))
        layers.append(layer)
    BipropGlobalBinarizer.join({f"fc{number}": layer for number, layer in enumerate(layers, 1)})
    return layers


def _compute(*layers: BipropGlobalBinarizer) -> list[int]:
    """How many weights each of them keeps in a pass."""
    return [int((layer(torch.ones_like(layer.scores)) != 0).sum()) for layer in layers]


def _net(keep: float, *, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 15), nn.Linear(15, 10))
    binarize_weights(model, weight_layers(model), "biprop_global", keep=keep)
    return model


def _share(model: nn.Sequential, layers: tuple[str, ...] = ("0", "2", "3")) -> float:
    weights = [model.get_submodule(name).weight for name in layers]
    return sum(int((w != 0).sum()) for w in weights) / sum(w.numel() for w in weights)


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.5, 0.8, 1.0])
def test_a_model_keeps_its_share_whoever_trains_it(keep: float) -> None:
    model = _net(keep)
    set_binary(model, weight_layers(model))
    parameters = [item for item in model.parameters() if item.requires_grad]
    for optimizer in (
        torch.optim.SGD(parameters, lr=5.0, fused=True),
        torch.optim.Adam(parameters, lr=0.1),
    ):
        for _ in range(3):
            optimizer.zero_grad()
            # The pass itself is asked for nothing but its result.
            model(torch.randn(8, 20)).square().sum().backward()
            optimizer.step()
            with torch.no_grad():
                model.eval()(torch.randn(2, 20))
            assert _share(model.train()) == pytest.approx(keep, abs=2e-3)


def test_layers_that_turn_binary_later_change_the_share_of_none_but_all() -> None:
    model = _net(0.3)
    for enabled in (("3",), ("0", "3"), ("0", "2", "3"), ("2",)):
        set_binary(model, enabled)
        model(torch.randn(2, 20))
        assert _share(model, enabled) == pytest.approx(0.3, abs=5e-3)


def test_layers_keep_different_shares_under_one_threshold() -> None:
    model = _net(0.3)
    set_binary(model, weight_layers(model))
    shares = [_share(model, (name,)) for name in ("0", "2", "3")]
    assert max(shares) - min(shares) > 0.03


def test_layers_attached_in_two_calls_have_a_threshold_each() -> None:
    model = nn.Sequential(*(nn.Linear(30, 30) for _ in range(3)))
    binarize_weights(model, ["0"], "biprop_global", keep=0.1)
    binarize_weights(model, ["2", "1"], "biprop_global", keep=0.6)
    set_binary(model, ["0", "1", "2"])
    assert _share(model, ("0",)) == pytest.approx(0.1, abs=2e-3)
    assert _share(model, ("1", "2")) == pytest.approx(0.6, abs=2e-3)


def test_a_copy_of_a_model_shares_no_threshold_with_it() -> None:
    model = _net(0.3)
    set_binary(model, weight_layers(model))
    other = copy.deepcopy(model)
    with torch.no_grad():
        for _, binarizer in binarizers(other):
            binarizer.scores.mul_(100)
    assert _share(other) == pytest.approx(0.3, abs=2e-3)
    assert _share(model) == pytest.approx(0.3, abs=2e-3)
    assert torch.equal(baked(model)[0].weight, model[0].weight)


@pytest.mark.parametrize(
    ("keep", "threshold", "above"),
    [(0.5, 0.3, [2, 1]), (1 / 6, 0.5, [0, 1]), (0.8, 0.1, [2, 3]), (1.0, -1.0, [3, 3])],
)
def test_the_threshold_is_the_largest_magnitude_that_is_not_kept(
    keep: float, threshold: float, above: list[int]
) -> None:
    layers = _joined([0.1, -0.4, 0.5], [-0.9, 0.2, -0.3], keep=keep)
    scores = [layer.scores for layer in layers]
    assert global_threshold(scores, keep=keep).item() == pytest.approx(threshold)
    _compute(*layers)
    assert [layer.num_above for layer in layers] == above
    assert sum(above) == num_kept(6, keep)


def test_scores_of_zero_are_kept_too_where_all_are() -> None:
    assert _compute(*_joined([0.0, 0.0], [0.5], keep=1.0)) == [2, 1]


def test_scores_equal_to_the_threshold_are_not_kept() -> None:
    layers = _joined([0.5, -0.5], [0.5, 0.7])
    _compute(*layers)
    # Two of four would be, and one is.
    assert [layer.num_above for layer in layers] == [0, 1]


def test_the_threshold_is_a_constant_of_the_scores_precision() -> None:
    scores = [nn.Parameter(torch.rand(2, 3, dtype=torch.float64)) for _ in range(2)]
    threshold = global_threshold(scores, keep=0.5)
    assert (threshold.dtype, threshold.shape) == (torch.float64, ())
    assert not threshold.requires_grad


def test_layers_that_are_off_neither_count_nor_change() -> None:
    off, first, second = layers = _joined([9.0, 9.0, 9.0], [0.1, 0.2], [0.3, 0.4])
    off.enabled = False
    off.threshold.fill_(0.25)
    _compute(*layers)
    assert [layer.threshold.item() for layer in layers] == pytest.approx([0.25, 0.2, 0.2])
    assert (first.num_above, second.num_above) == (0, 2)


def test_a_pass_has_one_threshold_and_the_next_one_another() -> None:
    first, second = _joined([0.1, 0.2], [0.3, 0.4])
    _compute(first)
    # Nothing but a second request, or a hook, says that a pass is over.
    second.scores.data.fill_(0.0)
    _compute(second)
    assert second.threshold.item() == pytest.approx(0.2)
    _compute(first)
    assert first.threshold.item() == 0.0
    first.scores.data.fill_(0.7)
    first.before_batch(first.scores)
    _compute(second)
    assert second.threshold.item() == 0.0
    second.scores.data.fill_(0.9)
    second.before_batch(second.scores)
    _compute(second)
    assert second.threshold.item() == pytest.approx(0.7)


def test_the_share_comes_down_where_epochs_are_counted() -> None:
    model = nn.Sequential(nn.Linear(100, 100))
    binarize_weights(model, ["0"], "biprop_global", keep=0.1, ramp_epochs=2)
    set_binary(model, ["0"])
    shares = [_share(model, ("0",))]
    for epoch in range(3):
        Hooks(model).begin_epoch(epoch, Generator())
        shares.append(_share(model, ("0",)))
    assert shares == pytest.approx([0.1, 0.5, 0.1 + 0.4 / 8, 0.1], abs=1e-3)


def test_a_ramp_counts_epochs_and_must_end() -> None:
    layer = BipropGlobalBinarizer(torch.ones(1, 2), keep=0.2, ramp_epochs=4)
    assert (layer.final_from, layer.epoch_options) == (4, {"ramp_epochs": 4})
    layer.check(epochs=5)
    with pytest.raises(SpecError, match=r"ramp_epochs: the final share .* 4 epochs; set epochs"):
        layer.check(epochs=4)
    # Above a half there is none.
    layer = BipropGlobalBinarizer(torch.ones(1, 2), keep=0.6, ramp_epochs=4)
    assert (layer.final_from, layer.epoch_options) == (0, {})
    layer.check(epochs=1)


def test_layers_without_a_weight_above_the_threshold_are_warned_of_once_an_epoch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    layers = _joined([0.1], [0.2], [0.9, 0.8], [0.1])
    layers[3].enabled = False
    caplog.set_level(logging.WARNING, LOG)
    for epoch in (7, 8):
        for layer in layers:
            layer.begin_epoch(epoch, Generator())
        for layer in layers:
            layer.before_evaluation(layer.scores)
    # The ramp is over: half of four.
    text = "no score of fc1, fc2 is above the threshold; the best weight stays"
    assert caplog.messages == [f"epoch 7: {text}", f"epoch 8: {text}"]
    caplog.clear()
    layers[0].enabled = layers[1].enabled = False
    for layer in layers:
        layer.begin_epoch(9, Generator())
        layer.before_evaluation(layer.scores)
    assert caplog.messages == []


def test_a_threshold_of_zero_keeps_what_has_a_score() -> None:
    assert _alone([0.0, 0.1, -0.1], [1.0, 2.0, -4.0]) == [0.0, 3.0, -3.0]


def test_a_layer_below_the_threshold_keeps_its_best_weight() -> None:
    assert _alone([0.1, 0.3, -0.2], [1.0, 2.0, -4.0], threshold=0.5) == [0.0, 2.0, 0.0]


def _alone(scores: list[float], latent: list[float], **options: object) -> object:
    """What a layer whose threshold nobody sets computes with."""
    weight = torch.tensor([latent])
    binarizer = make_weight_binarizer("biprop_global", weight, **options)
    binarizer.scores.data.copy_(torch.tensor([scores]))
    binarizer.begin_epoch(3, Generator())
    binarizer.before_batch(weight)
    binarizer.before_evaluation(weight)
    return binarizer(weight).detach().flatten().tolist()


def test_a_collapsed_layer_is_not_a_number_as_published() -> None:
    latent = torch.ones(1, 3)
    collapsed = make_weight_binarizer("biprop_global", latent, threshold=9.0, published_alpha=True)
    assert collapsed(latent).isnan().all()


def test_a_collapsed_layer_says_so_also_when_its_scores_are_nan_later() -> None:
    latent = torch.ones(1, 3)
    options = {"threshold": 9.0, "published_alpha": True}
    collapsed, other = (make_weight_binarizer("biprop_global", latent, **options) for _ in "ab")
    other.threshold.zero_()
    for binarizer in (collapsed, other):
        binarizer(latent)
        with torch.no_grad():
            binarizer.scores.fill_(torch.nan)
        # Scores of NaN are above no threshold: every layer looks empty then.
        assert binarizer(latent).isnan().all()
    assert collapsed.collapse is not None
    assert "no score is above the threshold" in str(collapsed.collapse)
    assert other.collapse is None
    assert make_weight_binarizer("biprop_global", latent, threshold=9.0).collapse is None
    assert collapsed.state_dict().keys() == {"scores", "threshold"}


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(SpecError, match="ramp_epochs: must be 0 or more"):
        make_weight_binarizer("biprop_global", torch.ones(2, 2), ramp_epochs=-1)
    with pytest.raises(SpecError, match="threshold: must be 0 or more"):
        make_weight_binarizer("biprop_global", torch.ones(2, 2), threshold=-0.5)
