"""Networks by name: full precision, no binarizers, layers registered in forward order."""

from collections.abc import Callable, Mapping

from torch import nn

from trainers.models.alexnet import AlexNet
from trainers.models.bincifar import BinCifar
from trainers.models.bireal_resnet import BirealResNet
from trainers.models.conv import Conv
from trainers.models.densenet import DenseNet
from trainers.models.googlenet import GoogLeNet
from trainers.models.mlp import Mlp
from trainers.models.mobilenet import MobileNet
from trainers.models.nin import Nin
from trainers.models.resnet18_sketch import ResNet18Sketch
from trainers.models.resnet_cifar import (
    ResNetCifar,
    ResNetTicket,
    resnet20,
    resnet32,
    resnet44,
    resnet56,
    resnet110,
)
from trainers.models.resnet_imagenet import ResNetImageNet, resnet21, resnet_imagenet
from trainers.models.sketchanet import SketchANet
from trainers.models.squeezenet import SqueezeNet
from trainers.models.vgg import Vgg, vgg5, vgg9
from trainers.models.vgg16_bn import Vgg16Bn
from trainers.models.vgg_small import VggSmall
from trainers.models.wrn import Wrn

MODELS: Mapping[str, Callable[..., nn.Module]] = {
    "mlp": Mlp,
    "conv": Conv,
    "vgg5": vgg5,
    "vgg9": vgg9,
    "vgg_small": VggSmall,
    "resnet_cifar": ResNetTicket,
    "resnet_imagenet": resnet_imagenet,
    "resnet20": resnet20,
    "resnet32": resnet32,
    "resnet44": resnet44,
    "resnet56": resnet56,
    "resnet110": resnet110,
    "resnet21": resnet21,
    "wrn": Wrn,
    "alexnet": AlexNet,
    "bincifar": BinCifar,
    "densenet": DenseNet,
    "googlenet": GoogLeNet,
    "mobilenet": MobileNet,
    "nin": Nin,
    "resnet18_sketch": ResNet18Sketch,
    "sketchanet": SketchANet,
    "squeezenet": SqueezeNet,
    "vgg16_bn": Vgg16Bn,
    "bireal_resnet": BirealResNet,
}

__all__ = [
    "MODELS",
    "BirealResNet",
    "Conv",
    "Mlp",
    "ResNetCifar",
    "ResNetImageNet",
    "ResNetTicket",
    "Vgg",
    "VggSmall",
    "Wrn",
]
