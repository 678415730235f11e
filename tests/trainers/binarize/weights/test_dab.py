"""Two levels a filter."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trainers.binarize.attach import binarize_weights, binarizers, latent_weights
from trainers.binarize.weights import make_weight_binarizer
from trainers.binarize.weights.dab import DabBinarizer, thresholds
from trainers.errors import SpecError
from trainers.export.load import load_packed
from trainers.export.pack import export_packed
from trainers.spec.train_spec import TrainSpec
from trainers.training import RunOptions, run


def test_each_group_gets_the_mean_magnitude_of_its_weights() -> None:
    latent = torch.tensor([[0.1, 0.5, -0.2, 0.7, -1.1]], dtype=torch.float64)
    # With the smallest first, the first weight is the best end, of score 1.21 + 1.21 / 5.
    assert thresholds(latent, published=False).item() == -1.1
    binary = DabBinarizer(latent)(latent)
    assert binary[0].tolist() == pytest.approx([*[1.5 / 4] * 4, -1.1])
    # With the largest first it is the third, of score 1.69 / 3 + 1.69 / 3, but 3 is more than 1.
    assert thresholds(latent, published=True).item() == 0.1
    binary = DabBinarizer(latent, published=True)(latent)
    low = -1.4 / 3
    assert binary[0].tolist() == pytest.approx([low, 0.6, low, 0.6, low])


@pytest.mark.parametrize("published", [False, True])
def test_filters_are_searched_apart_from_each_other(published: bool) -> None:
    rows = torch.randn(20, 30, generator=torch.Generator().manual_seed(1))
    together = thresholds(rows, published=published)
    apart = torch.cat([thresholds(row[None], published=published) for row in rows])
    assert torch.equal(together, apart)
    assert all(at in row for at, row in zip(together, rows, strict=True))


@pytest.mark.parametrize("num", [2, 3, 9, 40])
def test_the_search_finds_what_trying_every_split_finds(num: int) -> None:
    rows = torch.randn(60, num, generator=torch.Generator().manual_seed(num), dtype=torch.float64)
    chosen: dict[bool, list[float]] = {False: [], True: []}
    for row in rows.tolist():
        falling, rising = sorted(row, reverse=True), sorted(row)
        score_falling, k_falling = _best(falling)
        score_rising, k_rising = _best(rising)
        candidates = falling[k_falling - 1], rising[k_rising - 1]
        chosen[False].append(candidates[score_rising > score_falling])
        chosen[True].append(candidates[k_rising > k_falling])
    for published, expected in chosen.items():
        assert thresholds(rows, published=published)[:, 0].tolist() == expected
    assert num == 2 or chosen[False] != chosen[True]


def _best(ordered: list[float]) -> tuple[float, int]:
    """The highest score, and the first k that has it."""
    scores = [_score(ordered, k) for k in range(1, len(ordered) + 1)]
    return max(scores), scores.index(max(scores)) + 1


def _score(ordered: list[float], k: int) -> float:
    first, total = sum(ordered[:k]), sum(ordered)
    return first**2 / k + (total - first) ** 2 / (len(ordered) - k + 1)


def test_filters_of_many_weights_are_split_alike_in_single_and_double_precision() -> None:
    rows = torch.randn(4, 20_000, generator=torch.Generator().manual_seed(2))
    for published in (False, True):
        single = thresholds(rows, published=published)
        assert torch.equal(single.double(), thresholds(rows.double(), published=published))


def _gradient(latent: Tensor, binarizer: DabBinarizer) -> Tensor:
    latent = latent.clone().requires_grad_()
    binarizer(latent).sum().backward()
    assert latent.grad is not None
    return latent.grad


def test_weights_at_the_bound_keep_only_the_smaller_part_of_the_gradient() -> None:
    latent = torch.tensor([[1.0, 0.9, -0.4, -0.5]], dtype=torch.float64)
    # The upper group is the first weight alone.
    grad = _gradient(latent, DabBinarizer(latent))
    low = 1.8 / 3
    expected = [0.75 * 1, *[0.75 * (low + 1 / 3)] * 3]
    assert grad[0].tolist() == pytest.approx(expected)


def test_the_gradient_is_as_precise_as_the_latent_weight() -> None:
    source = torch.Generator().manual_seed(3)
    latent = torch.randn(5, 3, 7, dtype=torch.float64, generator=source)
    rows = latent.flatten(1)
    is_high = rows > thresholds(rows, published=False)
    expected = torch.empty_like(rows)
    for group in (is_high, ~is_high):
        num = group.sum(1, keepdim=True).double()
        level = (rows.abs() * group).sum(1, keepdim=True) / num
        factor = (1 - 1 / 3) * (level * (rows.abs() < 1) + 1 / num)
        expected = torch.where(group, factor, expected)
    grad = _gradient(latent, DabBinarizer(latent))
    assert torch.allclose(grad.flatten(1), expected, rtol=1e-14, atol=0)


def test_the_plain_gradient_passes_whole() -> None:
    latent = torch.randn(3, 4)
    plain = DabBinarizer(latent, gradient="straight_through")
    assert torch.equal(plain(latent), DabBinarizer(latent)(latent))
    assert torch.equal(_gradient(latent, plain), torch.ones(3, 4))
    with pytest.raises(SpecError, match="gradient: unknown value 'whole'; known: published, str"):
        DabBinarizer(latent, gradient="whole")  # type: ignore[arg-type]


def test_latent_weights_are_centred_over_channels_and_clamped_while_binary() -> None:
    latent = nn.Parameter(torch.randn(3, 4, 2, 2) * 2)
    before = latent.detach().clone()
    binarizer = DabBinarizer(latent)
    binarizer.enabled = False
    binarizer.before_batch(latent)
    assert torch.equal(latent, before)
    binarizer.enabled = True
    binarizer.before_evaluation(latent)
    assert torch.equal(latent, (before - before.mean(1, keepdim=True)).clamp(-1, 1))


@pytest.mark.parametrize("row", [[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.5, 0.5, 0.5]])
def test_a_filter_of_zeros_or_of_one_value_stays_finite(row: list[float]) -> None:
    latent = torch.tensor([row])
    for published in (False, True):
        binarizer = DabBinarizer(latent, published=published)
        assert binarizer(latent).isfinite().all()
        assert _gradient(latent, binarizer).isfinite().all()


def test_what_is_no_weight_of_a_layer_is_refused() -> None:
    with pytest.raises(SpecError, match="has 1 dimension; a layer's weight has"):
        make_weight_binarizer("dab", torch.randn(3))


def test_a_layer_of_one_channel_per_group_is_refused_by_its_name() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, groups=4))
    with pytest.raises(SpecError, match=r"^1: has one input channel per group; centred over it"):
        binarize_weights(model, ["0", "1"], "dab")


@pytest.mark.parametrize("options", [{}, {"published": True}, {"gradient": "straight_through"}])
def test_a_trial_ends_with_what_was_evaluated_and_its_file_computes_the_same_bits(
    options: dict[str, object], make_spec: Callable[..., TrainSpec], tmp_path: Path
) -> None:
    spec = make_spec(
        weights={"name": "dab", **options},
        layers={"order": ["fc2"]},
        epochs=2,
        precision="float64",
    )
    result = run(spec, options=RunOptions(device="cpu", num_threads=1))
    model = result.model.eval()
    latent = latent_weights(model)["fc2"].detach()
    # Centred, as before the evaluation, and not stepped since.
    torch.testing.assert_close(latent.mean(1), torch.zeros(len(latent), dtype=latent.dtype))
    assert len(dict(binarizers(model))) == 1
    export_packed(model, tmp_path / "net.bnn")
    images = torch.randn(5, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(load_packed(tmp_path / "net.bnn")(images), model(images))
