"""One fit with torch and torchvision alone: run as a script where nothing else is installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

import trainers
from trainers.binarize.schedule import LayerSchedule
from trainers.data.splits import Split, Splits
from trainers.engine.fit import fit
from trainers.engine.task import Task
from trainers.losses import cross_entropy
from trainers.optim.optimizers import adam, constant


def main() -> None:
    """Trains a small network on blobs, layer by layer, and expects it to have learnt them."""
    from contextlib import nullcontext

    assert not {"ray", "mlflow", "yaml", "pandas"} & set(sys.modules)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    labels = torch.arange(600) % 3
    images = torch.randn(600, 1, 4, 4) + 2 * labels[:, None, None, None]
    part = Split(images=images, labels=labels)
    model = trainers.build_model("mlp", widths=[16, 32, 16, 3])
    trainers.binarize_weights(model, trainers.weight_layers(model), "sign")
    model.to(device)
    task = Task(
        model=model,
        optimizer=adam(model.parameters(), lr=0.01),
        loss=cross_entropy(),
        splits=Splits(train=part, validation=part, test=part).to(device, torch.float32),
        schedule=LayerSchedule(order=("fc1", "fc2", "fc3"), epochs_per_layer=2),
        lr=constant(0.01),
        epochs=6,
        batch_size=50,
        eval_batch_size=200,
        seed=316,
        autocast=nullcontext(),
    )
    epochs = fit(task)
    assert epochs[-1].binary == ("fc1", "fc2", "fc3")
    assert epochs[-1].test.accuracy > 0.9, epochs[-1]
    sys.stdout.write(f"{device}: accuracy {epochs[-1].test.accuracy:.3f}, all layers binary\n")


if __name__ == "__main__":
    main()
