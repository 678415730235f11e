"""Loss, outputs and weight gradients of the published networks on one training batch.

The numbers come from the reference implementation of arXiv:2111.07046, run in double precision;
they have nine digits.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from trainers.binarize.attach import latent_weights, set_binary
from trainers.losses import cross_entropy

VARIANTS: dict[str, list[str]] = {
    "float": [],
    "layer1": ["fc1"],
    "layer2": ["fc2"],
    "layer3": ["fc3"],
    "layers12": ["fc1", "fc2"],
    "all": ["fc1", "fc2", "fc3"],
}
# Loss, outputs, gradients: double precision agrees to the digits stored; in single precision
# normalisation over a small batch makes rounding larger.
TOLERANCES = {torch.float64: (1e-6, 1e-6, 1e-6), torch.float32: (1e-4, 1e-3, 1e-3)}


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["mlp300", "mlp784"])
def test_a_training_batch_gives_the_published_loss_outputs_and_gradients(
    name: str,
    variant: str,
    dtype: torch.dtype,
    cases: dict[str, Any],
    formulas: Any,
    published: Callable[..., nn.Module],
) -> None:
    case = cases[f"{name}_forward"]
    expected = case["f64"]["variants"][variant]
    batch = formulas.batch(0, case["setup"]["batch"])
    model = published(name, dtype).train()
    set_binary(model, VARIANTS[variant])
    logits = model(batch.images.to(dtype))
    loss = cross_entropy()(logits, batch.labels)
    loss.backward()
    of_loss, of_outputs, of_gradients = TOLERANCES[dtype]
    assert loss.item() == pytest.approx(expected["loss"], rel=of_loss)
    outputs = logits.log_softmax(1)[:4].double()
    wanted = torch.tensor(expected["out_first4"], dtype=torch.float64)
    torch.testing.assert_close(outputs, wanted, rtol=of_outputs, atol=0)
    # What arrives at the latent weight is the gradient at the weight the layer computed with.
    norms = []
    for weight in latent_weights(model).values():
        assert weight.grad is not None
        norms.append(weight.grad.norm().item())
    assert norms == pytest.approx(expected["weight_grad_l2"], rel=of_gradients)


def test_every_stored_variant_is_compared(cases: dict[str, Any]) -> None:
    for name in ("mlp300", "mlp784"):
        assert set(cases[f"{name}_forward"]["f64"]["variants"]) == set(VARIANTS)
