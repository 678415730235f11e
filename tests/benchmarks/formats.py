"""A training step of each convolutional network on the CPU, in both orders in memory.

    python tests/benchmarks/formats.py [NAME ...]

Which families get their images with the channels innermost by default is decided by this table.
"""

import sys
import time
from contextlib import nullcontext

import torch
from torch import nn

from trainers.binarize.attach import binarize_weights, set_binary, weight_layers
from trainers.build import build_model
from trainers.models import MODELS
from trainers.optim.optimizers import sgd

OPTIONS = {
    "conv": {"depth": 4},
    "resnet_cifar": {"depth": 20},
    "resnet_imagenet": {"depth": 18},
    "bireal_resnet": {"width_factor": 0.25},
    "wrn": {"depth": 20, "width": 1},
}
IMAGES = {
    "resnet21": (16, 3, 64, 64),
    "resnet_imagenet": (8, 3, 224, 224),
    "alexnet": (16, 3, 224, 224),
    "sketchanet": (32, 1, 225, 225),
    "googlenet": (8, 1, 224, 224),
    "mobilenet": (8, 1, 224, 224),
    "resnet18_sketch": (8, 1, 224, 224),
    "squeezenet": (16, 1, 224, 224),
}
"""A batch; of the others (64, 3, 32, 32)."""
ROUNDS = 5


def step_s(name: str, form: torch.memory_format, *, bfloat16: bool) -> float:
    """Seconds of a step, the fastest of some."""
    torch.manual_seed(1)
    model = build_model(name, **OPTIONS.get(name, {}))
    layers = weight_layers(model)[1:-1]
    binarize_weights(model, layers, "sign")
    set_binary(model, layers)
    optimizer = sgd(model.parameters(), lr=1e-4, momentum=0.9)
    images = torch.randn(IMAGES.get(name, (64, 3, 32, 32))).to(memory_format=form)
    context = torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext()
    model.train()
    best = float("inf")
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        with context:
            logits = model(images)
            loss = nn.functional.cross_entropy(logits, torch.zeros(len(images), dtype=torch.long))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        best = min(best, time.perf_counter() - started)
    return best


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(2)
    print("| network | float32 | channels last | bfloat16 | channels last |")
    print("| --- | --- | --- | --- | --- |")
    for name in sys.argv[1:] or sorted(set(MODELS) - {"mlp"}):
        cells = []
        for bfloat16 in (False, True):
            plain, last = (
                1000 * step_s(name, form, bfloat16=bfloat16)
                for form in (torch.preserve_format, torch.channels_last)
            )
            cells += [f"{plain:.0f} ms", f"{last:.0f} ms ({plain / last:.2f}x)"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
