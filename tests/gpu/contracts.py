"""What every entry of a table keeps to on this device: the CPU's values and gradients."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import without_pytest
from setting import Case, Setting
from torch import Tensor, nn
from torch.nn import functional

import trainers
from trainers.binarize.activations import ACTIVATION_BINARIZERS, make_activation_binarizer
from trainers.binarize.attach import latent_weights
from trainers.binarize.weights import WEIGHT_BINARIZERS, make_weight_binarizer
from trainers.data import AUGMENTATIONS, Augment
from trainers.errors import SpecError
from trainers.losses import LOSSES
from trainers.models import MODELS

TESTS = Path(__file__).resolve().parents[1] / "trainers"
CPU = torch.device("cpu")
SHAPES = ((4, 3), (1, 1), (3, 2, 3, 3), (2, 5, 1, 1))


def binarizers(setting: Setting) -> list[Case]:
    """What every weight binarizer promises, and the CPU's weights and gradients."""
    return [
        (f"{name}, {tuple(shape)}", partial(_binarizer, name, shape, setting.device))
        for name in WEIGHT_BINARIZERS
        for shape in setting.some(list(SHAPES))
    ]


def _binarizer(name: str, shape: tuple[int, ...], device: torch.device) -> None:
    found = []
    for where in (CPU, device):
        latent = numbers(shape, 1).to(where).requires_grad_()
        try:
            binarizer = make_weight_binarizer(name, latent.detach())
        except SpecError as error:
            raise without_pytest.Skipped(str(error)) from error
        source = torch.Generator().manual_seed(2)
        binarizer.initialise(source)
        binarizer.begin_epoch(0, source)
        binary = binarizer(latent)
        assert (binary.shape, binary.dtype) == (latent.shape, latent.dtype)
        assert binary.device.type == where.type
        trained = latent if binarizer.trains_latent else getattr(binarizer, "scores", latent)
        gradient = torch.zeros(())
        if binary.requires_grad:
            total = (binary * numbers(shape, 3).to(where)).sum()
            (gradient,) = torch.autograd.grad(total, trained)
        if binarizer.always_binary:
            for part in binary.detach().flatten(1):
                assert len(part[part != 0].unique()) <= 2, "a filter has three values"
        found.append((binary.detach().cpu(), gradient.cpu()))
    _same(found)


def inputs(setting: Setting) -> list[Case]:
    """Binary inputs: the CPU's values and gradients."""
    return [(name, partial(_input, name, setting.device)) for name in ACTIVATION_BINARIZERS]


def _input(name: str, device: torch.device) -> None:
    found = []
    for where in (CPU, device):
        x = numbers((7, 9), 1).to(where).requires_grad_()
        result = make_activation_binarizer(name)(x)
        (gradient,) = torch.autograd.grad((result * numbers((7, 9), 2).to(where)).sum(), x)
        found.append((result.detach().cpu(), gradient.cpu()))
    _same(found)


def networks(setting: Setting) -> list[Case]:
    """Every network: two images train each of its parameters; the CPU's loss and gradients."""
    names = ["mlp", "vgg5"] if setting.quick else sorted(MODELS)
    return [(name, partial(_network, name, setting.device)) for name in names]


def _network(name: str, device: torch.device) -> None:
    model, image = known(name)
    found = []
    for where in (CPU, device):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            network = trainers.build_model(**model).double().to(where).train()
        with without_dropout():
            logits = network(numbers((2, *image), 2).to(where))
        nn.functional.cross_entropy(logits, torch.tensor([0, 1], device=where)).backward()
        assert all(parameter.grad is not None for parameter in network.parameters())
        lengths = []
        for layer, weight in latent_weights(network).items():
            assert weight.grad is not None
            assert weight.grad.abs().max() > 0, layer
            lengths.append(weight.grad.norm().item())
        found.append((logits.detach().cpu(), torch.tensor(lengths)))
    _same(found, rel=1e-6)


def augmentations(setting: Setting) -> list[Case]:
    """Crops, flips and every change of pixels: the CPU's images, bit by bit or nearly so."""
    cases = [("crop and flip", {"crop": 2, "flip": True})]
    cases.append(("reflected crop", {"crop": 2, "padding": "reflect"}))
    cases += [(name, {name: {}}) for name in AUGMENTATIONS]
    return [(name, partial(_augmented, options, setting.device)) for name, options in cases]


def _augmented(options: dict[str, Any], device: torch.device) -> None:
    augment = Augment.from_mapping(options)
    pixels = torch.randint(0, 256, (6, 3, 16, 16), generator=_source(1), dtype=torch.uint8)
    found = []
    for where in (CPU, device):
        images = pixels.to(where)
        changes = augment.drawn(len(images), _source(2))
        if changes is not None:
            images = changes.to(where).applied(images, blank=0)
        vary = augment.vary(_source(3), num_views=2)
        images = images if vary is None else vary(images)
        assert images.device.type == where.type
        found.append((images.float().cpu(),))
    # Numbers from 0 to 255; a network sees a hundredth of each.
    torch.testing.assert_close(found[1][0], found[0][0], rtol=0, atol=1e-2)


def losses(setting: Setting) -> list[Case]:
    """Every loss: the CPU's value and gradient; cross entropy with each of its options."""
    cases: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in LOSSES]
    cases += [("cross_entropy", {"label_smoothing": 0.1})]
    cases += [("cross_entropy", {"jensen_shannon": 12.0})]
    return [
        (" ".join([name, *options]), partial(_loss, name, options, setting.device))
        for name, options in cases
    ]


def _loss(name: str, options: dict[str, Any], device: torch.device) -> None:
    made = LOSSES[name](**options)
    found = []
    for where in (CPU, device):
        logits = numbers((4 * made.num_views, 5), 1).to(where).requires_grad_()
        loss = made(logits, torch.tensor([0, 4, 2, 2], device=where))
        assert loss.shape == ()
        (gradient,) = torch.autograd.grad(loss, logits)
        found.append((loss.detach().cpu(), gradient.cpu()))
    _same(found)


@contextmanager
def without_dropout() -> Iterator[None]:
    """Within it nothing is dropped: what is dropped is drawn on the device, so it differs."""
    with ExitStack() as stack:
        for name in ("dropout", "dropout2d"):
            stack.enter_context(mock.patch.object(functional, name, lambda x, *_, **__: x))
        yield


def known(name: str) -> tuple[dict[str, Any], tuple[int, int, int]]:
    """Name and options of a network, and the shape of its images, as its contract has them."""
    contract = without_pytest.load(TESTS / "models" / "test_contract.py")
    return {"name": name, **contract.OPTIONS.get(name, {})}, contract.IMAGES.get(name, (3, 32, 32))


def _source(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(shape: tuple[int, ...], seed: int) -> Tensor:
    """Normal numbers in double, with a zero of either kind in front where there is room."""
    numbers = torch.randn(shape, generator=_source(seed), dtype=torch.float64)
    numbers.view(-1)[:2] = torch.tensor([0.0, -0.0], dtype=torch.float64)[: numbers.numel()]
    return numbers


def _same(found: list[tuple[Tensor, ...]], rel: float = 1e-9) -> None:
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(there, here, rtol=rel, atol=1e-12)
