"""The rival of the benchmarks: a training loop as tutorials and research code write it.

torchvision's data set, ToTensor and Normalize for each image, a DataLoader with two workers, an
unfused Adam, binary weights written in and out of the parameters around each step.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

import trainers

WIDTHS = [784, 300, 100, 10]
NUM_TRAIN = 55_000


class UsualLoop:
    """Trains a 300-100-10 network on MNIST, layer by layer.

    Args:
        data_dir: Folder that holds MNIST/raw.
        order: Layers in the order in which they turn binary.
        epochs_per_layer: Epochs between two layers; 0: all at once.
    """

    def __init__(self, data_dir: Path, *, order: Sequence[str], epochs_per_layer: int) -> None:
        prepare = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
        )
        training = datasets.MNIST(str(data_dir), train=True, transform=prepare)
        test = datasets.MNIST(str(data_dir), train=False, transform=prepare)
        size, rest = range(NUM_TRAIN), range(NUM_TRAIN, len(training))
        options = {"num_workers": 2}
        self.train = DataLoader(Subset(training, size), batch_size=100, shuffle=True, **options)
        self.validation = DataLoader(Subset(training, rest), batch_size=1000, **options)
        self.test = DataLoader(test, batch_size=1000, **options)
        self.model = _network()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.1)
        self.schedule = trainers.LayerSchedule(order=order, epochs_per_layer=epochs_per_layer)

    def train_epoch(self, epoch: int) -> float:
        """Trains one epoch; seconds it took."""
        started = time.perf_counter()
        self.model.train()
        layers = [self.model.get_submodule(name) for name in self.schedule.binarized_at(epoch)]
        total_loss = correct = 0.0
        for images, labels in self.train:
            loss, hits = train_step(self.model, layers, self.optimizer, images, labels)
            total_loss += loss
            correct += hits
        self.train_loss, self.train_accuracy = total_loss / NUM_TRAIN, correct / NUM_TRAIN
        return time.perf_counter() - started

    @torch.no_grad()
    def evaluate(self, epoch: int) -> float:
        """Accuracy on validation and test images together."""
        self.model.eval()
        layers = [self.model.get_submodule(name) for name in self.schedule.binarized_at(epoch)]
        correct = total = 0
        with binary(layers):
            for loader in (self.validation, self.test):
                for images, labels in loader:
                    correct += (self.model(images).argmax(1) == labels).sum().item()
                    total += len(labels)
        return correct / total


def _network() -> nn.Sequential:
    """The network of torch's own layers, under the names that the schedule gives them."""
    network = nn.Sequential(nn.Flatten())
    for number, (num_in, num_out) in enumerate(pairwise(WIDTHS), start=1):
        network.add_module(f"fc{number}", nn.Linear(num_in, num_out))
        network.add_module(f"bn{number}", nn.BatchNorm1d(num_out))
        if num_out != WIDTHS[-1]:
            network.add_module(f"relu{number}", nn.ReLU())
    return network


def train_step(
    model: nn.Module,
    layers: Sequence[nn.Module],
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
) -> tuple[float, float]:
    """One step with binary layers; the sum of the losses and the number of hits.

    Ours says both of every epoch, too.
    """
    with binary(layers):
        logits = model(images)
        loss = functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
    optimizer.step()
    return loss.item() * len(labels), (logits.argmax(1) == labels).sum().item()


@contextmanager
def binary(layers: Sequence[nn.Module]) -> Iterator[None]:
    """Within the block the layers have the signs of their weights."""
    latent = [layer.weight.data.clone() for layer in layers]
    for layer in layers:
        layer.weight.data.copy_(layer.weight.data.sign())
    yield
    for layer, weight in zip(layers, latent, strict=True):
        layer.weight.data.copy_(weight)
