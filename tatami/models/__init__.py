"""The networks: one paper, one file, and the tables of their names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tatami.models.alexnet import AlexNet
from tatami.models.classifier import Classifier
from tatami.models.deeplabv3plus import DeepLabV3Plus
from tatami.models.densenet import DenseNet
from tatami.models.detector import Detector
from tatami.models.dssd import DSSD, DSSD26
from tatami.models.fast_rcnn import FastRCNN
from tatami.models.faster_rcnn import FasterRCNN
from tatami.models.fcn import FCN
from tatami.models.googlenet import GoogLeNet
from tatami.models.lenet5 import LeNet5
from tatami.models.mobilenet_ssd import MobileNetSSD
from tatami.models.mobilenet_v1 import MobileNetV1
from tatami.models.rcnn import RCNN
from tatami.models.resnet import ResNet
from tatami.models.segmenter import Segmenter
from tatami.models.segnet import SegNet, SegNetBasic
from tatami.models.sppnet import SPPNet
from tatami.models.ssd300 import SSD300, SSD300Norm
from tatami.models.two_stage import TwoStage
from tatami.models.unet import UNet
from tatami.models.vgg import VGG, D, E
from tatami.models.xception import Xception
from tatami.models.yolov1 import FastYoloV1, TinyYoloV1, YoloV1, YoloV1Classifier
from tatami.models.yolov2 import YoloV2
from tatami.models.yolov2_tiny import YoloV2Tiny

DETECTORS: dict[str, type[Detector]] = {
    "yolov1": YoloV1,
    "yolov1-fast": FastYoloV1,
    "yolov1-tiny": TinyYoloV1,
    "yolov2": YoloV2,
    "yolov2-tiny": YoloV2Tiny,
    "ssd300": SSD300,
    "ssd300-bn": SSD300Norm,
    "mobilenet-ssd": MobileNetSSD,
    "dssd": DSSD,
    "dssd26": DSSD26,
}
"""The detectors: each takes ``(classes, decoding, width=...)``."""

TWO_STAGE: dict[str, tuple[type[TwoStage], str]] = {
    "rcnn": (RCNN, "alexnet"),
    "fast-rcnn": (FastRCNN, "vgg16"),
    "fast-rcnn-vgg16-bn": (FastRCNN, "vgg16-bn"),
    "fast-rcnn-resnet18": (FastRCNN, "resnet18"),
    "fast-rcnn-resnet50": (FastRCNN, "resnet50"),
    "fast-rcnn-mobilenet-v1": (FastRCNN, "mobilenet-v1"),
    "faster-rcnn": (FasterRCNN, "vgg16"),
    "faster-rcnn-vgg16-bn": (FasterRCNN, "vgg16-bn"),
    "faster-rcnn-resnet18": (FasterRCNN, "resnet18"),
    "faster-rcnn-resnet50": (FasterRCNN, "resnet50"),
    "faster-rcnn-resnet101": (FasterRCNN, "resnet101"),
    "faster-rcnn-mobilenet-v1": (FasterRCNN, "mobilenet-v1"),
}
"""The detectors in two stages, and their backbones: each kind takes ``(classes, proposals,
decoding, width=..., backbone=...)``."""

CLASSIFIERS: dict[str, Callable[..., Classifier]] = {
    "lenet5": LeNet5,
    "alexnet": AlexNet,
    "vgg16": partial(VGG, stages=D),
    "vgg16-bn": partial(VGG, stages=D, norm=True),
    "vgg19": partial(VGG, stages=E),
    "vgg19-bn": partial(VGG, stages=E, norm=True),
    "googlenet": GoogLeNet,
    "resnet18": partial(ResNet, blocks=(2, 2, 2, 2), bottleneck=False),
    "resnet34": partial(ResNet, blocks=(3, 4, 6, 3), bottleneck=False),
    "resnet50": partial(ResNet, blocks=(3, 4, 6, 3)),
    "resnet101": partial(ResNet, blocks=(3, 4, 23, 3)),
    "resnet152": partial(ResNet, blocks=(3, 8, 36, 3)),
    "densenet121": partial(DenseNet, blocks=(6, 12, 24, 16)),
    "densenet169": partial(DenseNet, blocks=(6, 12, 32, 32)),
    "densenet201": partial(DenseNet, blocks=(6, 12, 48, 32)),
    "densenet264": partial(DenseNet, blocks=(6, 12, 64, 48)),
    "mobilenet-v1": MobileNetV1,
    "sppnet": SPPNet,
    "xception": Xception,
    "yolov1-classifier": YoloV1Classifier,
}
"""The classifiers: each takes ``(classes, width=...)``, and gives a ``Classifier``."""


SEGMENTERS: dict[str, Callable[..., Segmenter]] = {
    "fcn-32s": partial(FCN, finest=32),
    "fcn-16s": partial(FCN, finest=16),
    "fcn-8s": FCN,
    "fcn-8s-bn": partial(FCN, norm=True),
    "segnet": SegNet,
    "segnet-basic": SegNetBasic,
    "unet": partial(UNet, border=10.0),
    "unet-same": partial(UNet, same=True),
    "unet-same-bn": partial(UNet, same=True, norm=True),
    "deeplabv3plus": DeepLabV3Plus,
    "deeplabv3plus-mobilenet": partial(DeepLabV3Plus, backbone=MobileNetV1),
}
"""The segmenters: each takes ``(classes, width=...)``."""


def classifier_size(name: str) -> int:
    """The side of the squares that a classifier's paper trains with."""
    maker = CLASSIFIERS[name]
    kind = maker.func if isinstance(maker, partial) else maker
    size: int = kind.size  # type: ignore[union-attr]
    return size
