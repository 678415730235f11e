"""The faster linear layer against torch's own."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from trainers.models import linear
from trainers.models.linear import HAS_ONEDNN, SMALLEST, Linear

SameBits = Callable[[Tensor, Tensor], bool]
# Inputs, outputs, images: both sides of SMALLEST, at it, and the layers of published networks.
SIZES = [(128, 128, 7), (127, 129, 7), (784, 300, 100), (784, 784, 64), (300, 100, 1)]
LARGE = (784, 300)

needs_onednn = pytest.mark.skipif(not HAS_ONEDNN, reason="torch is built without oneDNN")
BIASES = pytest.mark.parametrize("bias", [True, False])


class Twice(nn.Module):
    """A parametrization that is no identity."""

    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of what oneDNN was given, call by call."""
    shapes: list[tuple[int, ...]] = []
    original = linear._onednn_linear

    def counting(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        shapes.append(tuple(x.shape))
        return original(x, weight, bias)

    monkeypatch.setattr(linear, "_onednn_linear", counting)
    return shapes


def _drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _layer(num_in: int, num_out: int, *, bias: bool = True) -> Linear:
    layer = Linear(num_in, num_out, bias=bias)
    with torch.no_grad():
        for seed, parameter in enumerate(layer.parameters(), start=10):
            parameter.copy_(_drawn(*parameter.shape, seed=seed) / num_in**0.5)
    return layer


def _torchs(layer: Linear) -> nn.Linear:
    """Torch's own layer with the same weights."""
    plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    plain.to(layer.weight.dtype).load_state_dict(layer.state_dict())
    return plain


def _results(layer: nn.Linear, x: Tensor) -> dict[str, Tensor]:
    """The output, and the gradients of x and of every parameter for one gradient."""
    x = x.clone().requires_grad_()
    layer.zero_grad()
    output = layer(x)
    output.backward(_drawn(*output.shape, seed=2, dtype=output.dtype))
    found = {"output": output.detach(), "input": x.grad}
    found |= {name: parameter.grad for name, parameter in layer.named_parameters()}
    assert all(tensor is not None for tensor in found.values())
    return {name: tensor.clone() for name, tensor in found.items() if tensor is not None}


def _distances(found: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, float]:
    assert found.keys() == expected.keys()
    assert all(found[name].shape == expected[name].shape for name in expected)
    return {
        name: float((found[name] - expected[name]).norm() / expected[name].norm())
        for name in expected
    }


@BIASES
@pytest.mark.parametrize(("num_in", "num_out", "batch"), SIZES)
def test_output_and_gradients_are_those_of_torch(
    num_in: int, num_out: int, batch: int, bias: bool
) -> None:
    layer, x = _layer(num_in, num_out, bias=bias), _drawn(batch, num_in)
    distances = _distances(_results(layer, x), _results(_torchs(layer), x))
    assert set(distances) == {"output", "input", "weight", *(["bias"] if bias else [])}
    assert max(distances.values()) < 1e-6


@needs_onednn
@pytest.mark.parametrize(("num_in", "num_out", "batch"), SIZES)
def test_only_large_layers_go_to_onednn(
    num_in: int, num_out: int, batch: int, calls: list[tuple[int, ...]]
) -> None:
    _results(_layer(num_in, num_out), _drawn(batch, num_in))
    # Forward, gradient of the input, gradient of the weight.
    expected = [(batch, num_in), (batch, num_out), (num_out, batch)]
    assert calls == (expected if num_in * num_out >= SMALLEST else [])


@needs_onednn
def test_gradients_that_nobody_asks_for_are_not_computed(calls: list[tuple[int, ...]]) -> None:
    layer = _layer(*LARGE)
    layer(_drawn(5, LARGE[0])).sum().backward()
    assert len(calls) == 2
    layer.weight.requires_grad_(False)
    layer.zero_grad()
    calls.clear()
    layer(_drawn(5, LARGE[0])).sum().backward()
    assert len(calls) == 1
    assert layer.weight.grad is None
    assert layer.bias.grad is not None


@BIASES
@pytest.mark.parametrize("shape", [(5,), (2, 3), (1, 2, 3), ()])
def test_other_shapes_than_matrices_agree_exactly(
    shape: tuple[int, ...], bias: bool, calls: list[tuple[int, ...]], same_bits: SameBits
) -> None:
    dtype = torch.float64 if len(shape) == 1 else torch.float32
    layer = _layer(*LARGE, bias=bias).to(dtype)
    x = _drawn(*shape, LARGE[0], dtype=dtype)
    found, expected = _results(layer, x), _results(_torchs(layer), x)
    assert calls == []
    assert all(same_bits(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_agree_exactly(dtype: torch.dtype, calls: list[tuple[int, ...]]) -> None:
    layer, x = _layer(*LARGE).to(dtype), _drawn(6, LARGE[0]).to(dtype)
    found, expected = _results(layer, x), _results(_torchs(layer), x)
    assert calls == []
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert {tensor.dtype for tensor in found.values()} == {dtype}


@pytest.mark.parametrize(
    "x",
    [_drawn(5, 783), _drawn(5, 300), _drawn(783), _drawn(2, 5, 3), _drawn(5, 784).double()],
    ids=["one too few", "outputs for inputs", "vector", "three dimensions", "precision"],
)
def test_what_torch_refuses_is_refused_in_its_words(x: Tensor) -> None:
    layer = _layer(*LARGE)
    with pytest.raises(RuntimeError, match=r"\S") as theirs:
        functional.linear(x, layer.weight, layer.bias)
    with pytest.raises(RuntimeError, match=f"^{re.escape(str(theirs.value))}$"):
        layer(x)


def test_under_autocast_the_output_is_that_of_torch(
    calls: list[tuple[int, ...]], same_bits: SameBits
) -> None:
    layer, x = _layer(*LARGE), _drawn(6, LARGE[0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = layer(x), _torchs(layer)(x)
    assert calls == []
    assert found.dtype == torch.bfloat16
    assert same_bits(found.detach().float(), expected.detach().float())


@needs_onednn
def test_an_autocast_that_is_off_changes_nothing(calls: list[tuple[int, ...]]) -> None:
    layer = _layer(*LARGE)
    with torch.autocast("cpu", enabled=False):
        assert layer(_drawn(6, LARGE[0])).dtype == torch.float32
    assert len(calls) == 1


@BIASES
def test_weights_are_saved_under_the_names_of_torch(bias: bool) -> None:
    layer, plain = Linear(4, 3, bias=bias), nn.Linear(4, 3, bias=bias)
    assert list(layer.state_dict()) == list(plain.state_dict())
    assert layer.load_state_dict(plain.state_dict()).missing_keys == []
    assert isinstance(layer, nn.Linear)


@pytest.mark.parametrize("size", [LARGE, (6, 5)], ids=["large", "small"])
def test_a_parametrized_weight_is_computed_with(size: tuple[int, int]) -> None:
    layer, x = _layer(*size), _drawn(5, size[0])
    plain = _torchs(layer)
    for module in (layer, plain):
        parametrize.register_parametrization(module, "weight", Twice())
    found, expected = _results(layer, x), _results(plain, x)
    assert "parametrizations.weight.original" in found
    assert max(_distances(found, expected).values()) < 1e-6
    latent = dict(layer.named_parameters())["parametrizations.weight.original"]
    doubled = functional.linear(x, 2 * latent, layer.bias)
    torch.testing.assert_close(found["output"], doubled.detach())


@pytest.mark.parametrize("turned", [True, False], ids=["turned", "every other"])
def test_inputs_that_are_not_contiguous_are_taken(turned: bool) -> None:
    num_in, num_out = LARGE
    x = _drawn(num_in, 6).t() if turned else _drawn(6, 2 * num_in)[:, ::2]
    layer = _layer(num_in, num_out)
    assert not x.is_contiguous()
    distance = (layer(x) - _torchs(layer)(x)).norm() / _torchs(layer)(x).norm()
    assert distance < 1e-6


def test_a_gradient_of_a_single_number_spread_out_is_taken() -> None:
    layer, x = _layer(*LARGE), _drawn(6, LARGE[0])
    plain = _torchs(layer)
    layer(x).sum().backward()
    plain(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad)
    torch.testing.assert_close(layer.bias.grad, plain.bias.grad)


@BIASES
def test_without_onednn_the_results_are_the_same(
    bias: bool, monkeypatch: pytest.MonkeyPatch, calls: list[tuple[int, ...]], same_bits: SameBits
) -> None:
    layer, x = _layer(*LARGE, bias=bias), _drawn(50, LARGE[0])
    fast = _results(layer, x)
    calls.clear()
    monkeypatch.setattr(linear, "HAS_ONEDNN", False)
    slow, expected = _results(layer, x), _results(_torchs(layer), x)
    assert calls == []
    assert all(same_bits(slow[name], expected[name]) for name in expected)
    assert max(_distances(fast, slow).values()) < 1e-6


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, TypeError])
def test_a_torch_whose_operator_is_missing_or_another_is_found_out(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> Tensor:
        raise error("not in this build")

    monkeypatch.setattr(linear, "_onednn_linear", refuse)
    assert not linear._is_available()


def test_an_operator_that_gives_another_result_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linear, "_onednn_linear", lambda x, weight, bias: x @ weight.t())
    assert not linear._is_available()


@pytest.mark.parametrize("size", [LARGE, (6, 5)], ids=["large", "small"])
def test_two_runs_give_the_same_bits(size: tuple[int, int], same_bits: SameBits) -> None:
    first, second = (_results(_layer(*size), _drawn(64, size[0])) for _ in range(2))
    assert all(same_bits(first[name], second[name]) for name in first)
