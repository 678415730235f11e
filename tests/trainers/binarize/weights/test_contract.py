"""What every entry of WEIGHT_BINARIZERS promises."""

import io
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trainers.binarize.attach import binarize_weights, binarizers, latent_weights, set_binary
from trainers.binarize.weights import WEIGHT_BINARIZERS, make_weight_binarizer
from trainers.binding import options_of
from trainers.errors import SpecError, UnknownNameError

SHAPES = ((4, 3), (1, 1), (3, 2, 3, 3), (2, 5, 1, 1))
COLLAPSING = {"dab"}
"""Those that refuse a layer with one input channel."""


def _xnor_gradient(latent: Tensor, upstream: Tensor) -> Tensor:
    rows = latent.flatten(1)
    num, scale = rows.shape[1], rows.abs().mean(1, keepdim=True)
    factor = num * (1 - 1 / latent.shape[1]) * (scale * (rows.abs() < 1) + 1 / num)
    return upstream * factor.view_as(latent)


CLOSED_FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mcdonnell": lambda latent, upstream: upstream,
    "sign": lambda latent, upstream: upstream,
    "xnor": _xnor_gradient,
}
"""Gradient to the latent weight, by name, from that weight and the gradient that arrives."""

REAL = {"biprop_fixed", "biprop_sampled"}
"""Those that choose among real weights, as published, and make none binary."""

DROPPING = {"biprop", "biprop_global"} | REAL
"""Those that set some weights to 0."""

DRAWING = {"biprop_sampled"}
"""Those that draw anew every time."""

SPLITTING = {"dab"}
"""Those that split weights elsewhere than at 0."""

MINUS_AT_ZERO = {"xnor"}
"""Those whose sign of 0 is minus, as published."""

UNTRAINED = {"biprop_fixed"}
"""Those of which nothing is trained."""

every_binarizer = pytest.mark.parametrize("name", sorted(WEIGHT_BINARIZERS))


def _except(names: set[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", sorted(set(WEIGHT_BINARIZERS) - names))


def _each_with_its_shapes(names: set[str]) -> pytest.MarkDecorator:
    """Each of these binarizers with each shape that it takes."""
    pairs = [
        (name, shape)
        for name in sorted(names)
        for shape in SHAPES
        if name not in COLLAPSING or shape[1] > 1
    ]
    return pytest.mark.parametrize(("name", "shape"), pairs)


def _latent(shape: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal numbers with a zero of either kind in front, where there is room for them."""
    latent = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    flat = latent.view(-1)
    flat[:1] = 0.0
    if len(flat) > 1:
        flat[1] = -0.0
    return latent


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@_each_with_its_shapes(set(WEIGHT_BINARIZERS))
def test_shape_and_dtype_stay_and_the_latent_weight_is_not_touched(
    name: str, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    latent = _latent(shape, dtype=dtype)
    kept = latent.clone()
    binary = make_weight_binarizer(name, latent)(latent)
    assert (binary.shape, binary.dtype) == (latent.shape, latent.dtype)
    assert torch.equal(latent, kept)


@_each_with_its_shapes(set(WEIGHT_BINARIZERS) - REAL)
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), zeros=st.booleans())
def test_a_filter_has_at_most_two_values_beside_zero(
    name: str, shape: tuple[int, ...], seed: int, zeros: bool
) -> None:
    latent = torch.zeros(shape) if zeros else _latent(shape, seed)
    binary = make_weight_binarizer(name, latent)(latent)
    assert torch.isfinite(binary).all()
    for part in binary.flatten(1):
        values = part[part != 0].unique()
        assert len(values) <= 2


@_except(DROPPING | SPLITTING)
def test_the_sign_is_right_and_the_same_at_either_zero(name: str) -> None:
    latent = torch.tensor([[0.0, -0.0, 0.7, -0.7], [-0.3, -0.0, 0.0, 0.2]])
    binary = make_weight_binarizer(name, latent)(latent)
    # No zero may survive either: a stored bit has no third value.
    is_plus = latent > 0 if name in MINUS_AT_ZERO else latent >= 0
    assert torch.equal(binary > 0, is_plus)
    assert (binary != 0).all()


@_except(set(WEIGHT_BINARIZERS) - COLLAPSING)
@pytest.mark.parametrize("shape", [(1, 1), (3, 1, 3, 3)])
def test_a_single_input_channel_is_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="has one input channel per group"):
        make_weight_binarizer(name, torch.ones(shape))


@_each_with_its_shapes(set(CLOSED_FORMS))
def test_the_gradient_is_the_closed_form(name: str, shape: tuple[int, ...]) -> None:
    latent = _latent(shape, seed=2, dtype=torch.float64).mul_(3).requires_grad_()
    upstream = torch.randn(shape, generator=torch.Generator().manual_seed(9)).double()
    make_weight_binarizer(name, latent.detach())(latent).backward(upstream)
    assert latent.grad is not None
    expected = CLOSED_FORMS[name](latent.detach(), upstream)
    torch.testing.assert_close(latent.grad, expected, rtol=1e-12, atol=0)


@_except(UNTRAINED)
def test_the_gradient_reaches_the_latent_weight_or_the_scores(name: str) -> None:
    latent = _latent((4, 3), seed=4).requires_grad_()
    binarizer = make_weight_binarizer(name, latent.detach())
    binarizer(latent).square().sum().backward()
    trained = latent if binarizer.trains_latent else binarizer.scores
    assert trained.grad is not None
    assert trained.grad.abs().sum() > 0
    assert trained is latent or latent.grad is None


@_except(set(WEIGHT_BINARIZERS) - (DROPPING - REAL))
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_kept_has_the_sign_of_the_weight_and_one_magnitude(
    name: str, shape: tuple[int, ...]
) -> None:
    latent = _latent(shape, seed=5).add(0.01)
    binary = make_weight_binarizer(name, latent)(latent)
    kept = binary != 0
    assert kept.any()
    assert torch.equal(binary[kept] > 0, latent[kept] >= 0)
    assert len(binary[kept].abs().unique()) == 1


@_except(set(WEIGHT_BINARIZERS) - REAL)
def test_what_is_kept_of_real_weights_is_what_it_was(name: str) -> None:
    latent = _latent((20, 30), seed=5)
    binary = make_weight_binarizer(name, latent)(latent)
    kept = binary != 0
    assert 0.3 < kept.float().mean() < 0.7
    torch.testing.assert_close(binary[kept], latent[kept])


@every_binarizer
def test_off_means_identity_for_value_and_gradient(name: str) -> None:
    latent = _latent((4, 3)).requires_grad_()
    binarizer = make_weight_binarizer(name, latent.detach())
    assert binarizer.enabled
    binarizer.enabled = False
    assert binarizer(latent) is latent


@every_binarizer
def test_a_saved_layer_loads_into_another_and_computes_the_same(name: str) -> None:
    def layer(seed: int) -> nn.Sequential:
        model = nn.Sequential(nn.Conv2d(2, 3, 3))
        with torch.no_grad():
            model[0].weight.copy_(_latent((3, 2, 3, 3), seed))
        binarize_weights(model, ["0"], name)
        set_binary(model, ["0"])
        return model

    if name in DRAWING:
        pytest.skip("what it computes with is drawn anew")
    first, second = layer(1), layer(2)
    images = torch.randn(2, 2, 5, 5)
    assert not torch.equal(first(images), second(images))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(first(images), second(images))


@_except(DRAWING)
def test_repeating_the_forward_pass_changes_nothing(name: str) -> None:
    latent = _latent((4, 3))
    binarizer = make_weight_binarizer(name, latent)
    assert torch.equal(binarizer(latent), binarizer(latent))


@every_binarizer
def test_each_layer_gets_a_binarizer_of_its_own(name: str) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    binarize_weights(model, ["0", "1"], name)
    set_binary(model, ["1"])
    assert [step.enabled for _, step in binarizers(model)] == [False, True]
    assert torch.equal(model[0].weight, latent_weights(model)["0"])


@every_binarizer
def test_every_option_has_a_default(name: str) -> None:
    # A study that names a binarizer and nothing else must mean the published method.
    options = options_of(WEIGHT_BINARIZERS[name])
    assert all(parameter.default is not parameter.empty for parameter in options.values())


def test_an_unknown_binarizer_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown weight binarizer 'sgn'.*known: .*sign"):
        make_weight_binarizer("sgn", torch.ones(2, 2))
