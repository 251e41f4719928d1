"""The table of all networks: what each name stands for, without importing torch to say so.

A network of a new paper takes its own file and a row here. Commands, help texts, errors, planning
and the tests over all networks ask this table and know no name themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from tatami import models
from tatami.errors import TatamiError, choose_from
from tatami.models.normalization import MEAN, SCALE
from tatami.types import (
    ClassificationSpec,
    Decoding,
    DetectionSpec,
    GenerationSpec,
    InputSpec,
    RegionDecoding,
    SegmentationSpec,
    SeriesSpec,
    Size,
    SoundInput,
    SoundSpec,
    Spec,
    TwoStageSpec,
    WaveInput,
)
from tatami.types.series import plain
from tatami.types.specs import MatchingSpec, TranslationSpec
from tatami.types.text import TextInput

if TYPE_CHECKING:  # each needs torch, and is imported when a row first asks for it
    from torch import nn

    import tatami.models.alexnet
    import tatami.models.deeplabv3plus
    import tatami.models.densenet
    import tatami.models.ds_cnn
    import tatami.models.dssd
    import tatami.models.fast_rcnn
    import tatami.models.faster_rcnn
    import tatami.models.fcn
    import tatami.models.fcn_time
    import tatami.models.googlenet
    import tatami.models.lenet5
    import tatami.models.mlp
    import tatami.models.mobilenet_ssd
    import tatami.models.mobilenet_v1
    import tatami.models.rcnn
    import tatami.models.resnet
    import tatami.models.segnet
    import tatami.models.siamese
    import tatami.models.siamese_conv4
    import tatami.models.sppnet
    import tatami.models.ssd300
    import tatami.models.tatami_nano
    import tatami.models.transformer
    import tatami.models.unet
    import tatami.models.vgg
    import tatami.models.wavenet
    import tatami.models.xception
    import tatami.models.xception_chollet
    import tatami.models.yolov1
    import tatami.models.yolov2
    import tatami.models.yolov2_tiny  # noqa: F401  mypy reads models.NAME by these
    from tatami.models.classifier import Classifier
    from tatami.models.detector import Detector
    from tatami.models.matcher import Matcher
    from tatami.models.segmenter import Segmenter
    from tatami.models.transformer import Transformer
    from tatami.models.two_stage import TwoStage
    from tatami.models.wavenet import WaveNet

S = TypeVar("S", bound=Spec)
"""The spec of a task and structure."""


@dataclass(frozen=True)
class Part:
    """Hold one network of a model, as one ONNX file will.

    Args:
        name: "" for the only one; "features" and "head" in a detector of two stages.
        module: What computes it.
        channels: Of its input.
        size: Of its input.
    """

    name: str
    module: nn.Module
    channels: int
    size: Size


@dataclass(frozen=True)
class Model(ABC, Generic[S]):
    """Describe a network before there is one. Abstract; a class for each kind of row is below.

    Args:
        make: Imports and returns what makes the module.
        size: The input that the paper trains with.
        paper: Where it was published.
        classes: How many classes the paper has.
        stride: The sides of an input are multiples of it; 1 for any. A network may want more, and
            says so when it runs.
        multi_scale: The share by which training varies the input's size; 0 where it cannot.
        anchor_count: How many anchors k-means finds unless others are given; 0 for a network
            without anchors, or whose paper has laid its boxes down.
        default_boxes: Whether it is an SSD, the scale of whose smallest boxes can be chosen.
        alignable: Whether its loss may be models/task_aligned.py's in place of its paper's.
        recipe: The name of the way in which it is trained unless told otherwise.
        finds_regions: Whether it has a first stage that proposes regions, and can learn its stages
            in turns.
        whole_at_last: Whether it can answer only when the training is over.
    """

    make: Callable[[], Callable[..., nn.Module]]
    size: Size
    paper: str
    classes: int
    stride: int = 1
    multi_scale: float = 0.0
    anchor_count: int = 0
    default_boxes: bool = False
    alignable: bool = False
    recipe: str = "paper"
    finds_regions: bool = False
    whole_at_last: bool = False

    task: ClassVar[str]
    """The task, by the name that its specs have for it."""
    noun: ClassVar[str]
    """What a network of this kind is: "detector"."""
    spec_type: ClassVar[type]
    """The class of its specs."""
    several_inputs: ClassVar[bool] = False
    """Whether a module takes more than images, or tokens: then it is counted by its files alone."""

    def input_spec(self, size: Size) -> InputSpec:
        """Say how a picture becomes an input of that size."""
        return InputSpec(size, mean=MEAN, scale=SCALE)

    @abstractmethod
    def spec(
        self,
        classes: Sequence[str],
        size: Size | None = None,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> S:
        """Plan a network: what its files will say of it.

        Args:
            classes: Their names.
            size: Of the input; None for the paper's.
            anchors: (width, height) pairs in pixels of the input, where the network takes any.
            min_scale: The side of the smallest default boxes as a share of the input's, for an SSD;
                None for the paper's.

        Raises:
            TatamiError: For anchors or a scale that the network does not take.
        """

    @abstractmethod
    def build(self, spec: S, width: float = 1.0) -> nn.Module:
        """Make a network with random weights, as the paper initializes them.

        Args:
            spec: What it is for, as ``spec`` gives it.
            width: Multiplies every layer's channels.

        Raises:
            TatamiError: For a width that is not in 0 to 8, or a spec that does not fit.
        """

    def parts(self, module: nn.Module, spec: S) -> tuple[Part, ...]:
        """List the networks that a module's files hold, in the order in which they run."""
        return (Part("", module, spec.input.shape[0], spec.input.size),)

    def regions(self, spec: S) -> int | None:
        """Say how often the last part runs for a picture, at most; None where it runs once."""
        return None

    def takes(self, spec: Spec) -> bool:
        """Tell whether a spec, as of a run folder, is one that ``build`` can make a network of."""
        return isinstance(spec, self.spec_type)

    def check_boxes(
        self, anchors: Sequence[tuple[float, float]] | None, min_scale: float | None
    ) -> None:
        """Raise TatamiError for anchors or a scale that the network does not take."""
        if anchors and not self.anchor_count:
            what = "has its own boxes" if self.task == "detect" else "has no anchors"
            raise TatamiError(f"the {self.noun} {what}", setting="anchors", hint="leave it out")
        if min_scale is not None and not self.default_boxes:
            raise TatamiError("it is for an SSD", setting="min_scale", hint="leave it out")


@dataclass(frozen=True)
class DetectorModel(Model[DetectionSpec]):
    """Describe a detector in one stage."""

    make: Callable[[], type[Detector]]
    classes: int = 20

    task = "detect"
    noun = "detector"
    spec_type = DetectionSpec

    def input_spec(self, size: Size) -> InputSpec:
        """Say how a picture becomes an input of that size."""
        return self.make().input_spec(size)

    def plan(
        self,
        size: Size,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> Decoding:
        """Say how the raw maps of an input of that size are read; arguments as ``spec`` has."""
        self.check_boxes(anchors, min_scale)
        if self.default_boxes:
            from tatami.models.default_boxes import DefaultBoxDetector

            kind = self.make()
            assert issubclass(kind, DefaultBoxDetector)
            return kind.plan(size, (), min_scale)
        usual = ((32.0, 32.0),) * self.anchor_count
        return self.make().plan(size, usual if anchors is None else anchors)

    def spec(
        self,
        classes: Sequence[str],
        size: Size | None = None,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> DetectionSpec:
        """Plan a network; see ``Model.spec``."""
        size = size or self.size
        decoding = self.plan(size, anchors, min_scale)
        return DetectionSpec(classes=tuple(classes), input=self.input_spec(size), decoding=decoding)

    def build(self, spec: DetectionSpec, width: float = 1.0) -> Detector:
        """Make a network; see ``Model.build``."""
        return self.make()(len(spec.classes), spec.decoding, width)


@dataclass(frozen=True)
class TwoStageModel(Model[TwoStageSpec]):
    """Describe a detector in two stages.

    Args:
        backbone: The classifier whose layers it is made of, as a name of this table.
    """

    make: Callable[[], type[TwoStage]]
    classes: int = 20
    backbone: str = ""

    task = "detect"
    noun = "detector"
    spec_type = TwoStageSpec

    def plan(self, size: Size) -> tuple[Decoding | None, RegionDecoding]:
        """Say how regions are found in an input of that size, and how they are read."""
        return self.make().plan(size, self.backbone)

    def spec(
        self,
        classes: Sequence[str],
        size: Size | None = None,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> TwoStageSpec:
        """Plan a network; see ``Model.spec``."""
        self.check_boxes(anchors, min_scale)
        size = size or self.size
        proposals, decoding = self.plan(size)
        return TwoStageSpec(tuple(classes), self.input_spec(size), proposals, decoding)

    def build(self, spec: TwoStageSpec, width: float = 1.0) -> TwoStage:
        """Make a network; see ``Model.build``."""
        make = self.make()
        return make(len(spec.classes), spec.proposals, spec.decoding, width, self.backbone)

    def parts(self, module: nn.Module, spec: TwoStageSpec) -> tuple[Part, ...]:
        """List both networks; where regions are warped pictures, the head, which is all."""
        from tatami.models.two_stage import Head

        module = cast("TwoStage", module)
        warps = spec.decoding.kind == "warp"
        size = spec.input.size if warps else spec.decoding.bins
        head = Part("head", Head(module), module.channels, size)
        return (head,) if warps else (Part("features", module, 3, spec.input.size), head)

    def regions(self, spec: TwoStageSpec) -> int | None:
        """Say how many regions the head looks at, at most."""
        return spec.decoding.max_regions


@dataclass(frozen=True)
class ClassifierModel(Model[ClassificationSpec]):
    """Describe a classifier."""

    make: Callable[[], Callable[..., Classifier]]
    classes: int = 1000

    task = "classify"
    noun = "classifier"
    spec_type = ClassificationSpec

    def spec(
        self,
        classes: Sequence[str],
        size: Size | None = None,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> ClassificationSpec:
        """Plan a network; see ``Model.spec``."""
        self.check_boxes(anchors, min_scale)
        return ClassificationSpec(tuple(classes), self.input_spec(size or self.size))

    def build(self, spec: ClassificationSpec, width: float = 1.0) -> Classifier:
        """Make a network; see ``Model.build``."""
        return self.make()(len(spec.classes), width=width)


@dataclass(frozen=True)
class RecognizerModel(Model[SoundSpec]):
    """Describe a recognizer of sounds; its size is features and frames.

    Args:
        make: Imports the network.
        classes: As published.
        told: Whether its constructor is told how many features a frame has.
    """

    make: Callable[[], Callable[..., Classifier]]
    classes: int = 12
    told: bool = False

    task = "recognize"
    noun = "recognizer"
    spec_type = SoundSpec

    def spec(
        self,
        classes: Sequence[str],
        size: Size | None = None,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> SoundSpec:
        """Plan a network; see ``Model.spec``."""
        self.check_boxes(anchors, min_scale)
        size = size or self.size
        bands = max(size.width, 40)
        mfcc = size.width if size.width < bands else 0
        sound = SoundInput(frames=size.height, bands=bands, coefficients=mfcc)
        return SoundSpec(tuple(classes), sound)

    def build(self, spec: SoundSpec, width: float = 1.0) -> Classifier:
        """Make a network; see ``Model.build``."""
        more = {"features": spec.input.size.width} if self.told else {}
        return self.make()(len(spec.classes), width=width, **more)


@dataclass(frozen=True)
class SeriesModel(Model[SeriesSpec]):
    """Describe a classifier of vectors and series; its size is channels and steps.

    Args:
        make: Imports the network.
        classes: As published.
        told: What its constructor is told of the input: ``features``, the channels of a step, or
            ``numbers``, those of all steps.
    """

    make: Callable[[], Callable[..., Classifier]]
    classes: int = 2
    told: str = "numbers"

    task = "classify-series"
    noun = "series classifier"
    spec_type = SeriesSpec

    def spec(
        self,
        classes: Sequence[str],
        size: Size | None = None,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> SeriesSpec:
        """Plan a network whose channels have numbers for names; see ``Model.spec``."""
        self.check_boxes(anchors, min_scale)
        size = size or self.size
        return SeriesSpec(tuple(classes), plain(map(str, range(size.width)), size.height))

    def build(self, spec: SeriesSpec, width: float = 1.0) -> Classifier:
        """Make a network; see ``Model.build``."""
        size = spec.input.size
        told = {"features": size.width, "numbers": size.width * size.height}[self.told]
        return self.make()(len(spec.classes), width=width, **{self.told: told})


@dataclass(frozen=True)
class MatcherModel(Model[MatchingSpec]):
    """Describe a matcher of pictures: one twin of a siamese network.

    Args:
        make: Imports the network.
        classes: Of Omniglot's background alphabets, from whose pairs it learns.
    """

    make: Callable[[], Callable[..., Matcher]]
    classes: int = 964

    task = "match"
    noun = "matcher"
    spec_type = MatchingSpec

    def input_spec(self, size: Size) -> InputSpec:
        """Say how a picture becomes an input of that size: handwriting is on white."""
        return InputSpec(size, mean=MEAN, scale=SCALE, pad=255)

    def spec(
        self,
        classes: Sequence[str],
        size: Size | None = None,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> MatchingSpec:
        """Plan a network that nothing is enrolled with; see ``Model.spec``."""
        self.check_boxes(anchors, min_scale)
        return MatchingSpec(tuple(classes), self.input_spec(size or self.size))

    def build(self, spec: MatchingSpec, width: float = 1.0) -> Matcher:
        """Make a network; see ``Model.build``."""
        return self.make()(spec.input.size, width=width)


@dataclass(frozen=True)
class GeneratorModel(Model[GenerationSpec]):
    """Describe a generator of sounds; its size is the samples that it learns from at once, x 1."""

    make: Callable[[], type[WaveNet]]
    classes: int = 10

    task = "generate"
    noun = "generator"
    spec_type = GenerationSpec

    def spec(
        self,
        classes: Sequence[str],
        size: Size | None = None,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> GenerationSpec:
        """Plan a network; see ``Model.spec``."""
        self.check_boxes(anchors, min_scale)
        wave = WaveInput(classes=len(classes), receptive=self.make().receptive())
        return GenerationSpec(tuple(classes), wave.resized(size or self.size))

    def build(self, spec: GenerationSpec, width: float = 1.0) -> WaveNet:
        """Make a network; see ``Model.build``."""
        return self.make()(len(spec.classes), width=width)


@dataclass(frozen=True)
class TranslatorModel(Model[TranslationSpec]):
    """Describe a translator; its size is the longest source x the longest target, in tokens.

    Args:
        make: Imports the network.
        classes: Tokens of the paper's vocabulary.
    """

    make: Callable[[], Callable[..., Transformer]]
    classes: int = 37_000

    task = "translate"
    noun = "translator"
    spec_type = TranslationSpec
    several_inputs = True

    def spec(
        self,
        classes: Sequence[str],
        size: Size | None = None,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> TranslationSpec:
        """Plan a network that knows bytes alone; see ``Model.spec``."""
        self.check_boxes(anchors, min_scale)
        size = size or self.size
        return TranslationSpec((), TextInput((), size.width, size.height))

    def build(self, spec: TranslationSpec, width: float = 1.0) -> Transformer:
        """Make a network; see ``Model.build``."""
        from tatami.models.blocks import scale_channels

        rule, channels = spec.input, scale_channels(WIDTH, width)
        return self.make()(
            rule.vocabulary,
            channels,
            hidden=4 * channels,
            max_source=rule.max_source,
            max_target=rule.max_target,
        )


@dataclass(frozen=True)
class SegmenterModel(Model[SegmentationSpec]):
    """Describe a segmenter."""

    make: Callable[[], Callable[..., Segmenter]]
    classes: int = 21

    task = "segment"
    noun = "segmenter"
    spec_type = SegmentationSpec

    def spec(
        self,
        classes: Sequence[str],
        size: Size | None = None,
        anchors: Sequence[tuple[float, float]] | None = None,
        min_scale: float | None = None,
    ) -> SegmentationSpec:
        """Plan a network; see ``Model.spec``."""
        self.check_boxes(anchors, min_scale)
        return SegmentationSpec(tuple(classes), self.input_spec(size or self.size))

    def build(self, spec: SegmentationSpec, width: float = 1.0) -> Segmenter:
        """Make a network; see ``Model.build``."""
        return self.make()(len(spec.classes), width=width)


_YOLO = "Redmon et al., You Only Look Once, CVPR 2016"
_TIME_SERIES = "Wang et al. 2017, Time Series"
_YOLO9000 = "Redmon and Farhadi, YOLO9000, CVPR 2017"
_TATAMI = "Tatami 2026, docs/decisions/0021"
_SSD = "Liu et al., SSD: Single Shot MultiBox Detector, ECCV 2016"
_MOBILENET = "Howard et al., MobileNets, 2017"
_DSSD = "Fu et al., DSSD: Deconvolutional Single Shot Detector, 2017"
_FAST = "Girshick, Fast R-CNN, ICCV 2015"
_FASTER = "Ren et al., Faster R-CNN, NIPS 2015"
_VGG = "Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015"
_RESNET = "He et al., Deep Residual Learning, CVPR 2016"
_DENSENET = "Huang et al., Densely Connected Convolutional Networks, CVPR 2017"
_XCEPTION = "Chollet, Xception, CVPR 2017"
_FCN = "Shelhamer et al., Fully Convolutional Networks, PAMI 2017"
_SEGNET = "Badrinarayanan et al., SegNet, PAMI 2017"
_UNET = "Ronneberger et al., U-Net, MICCAI 2015"
_DEEPLAB = "Chen et al., Encoder-Decoder with Atrous Separable Convolution, ECCV 2018"

_VOC = Size(800, 608)
"""The shorter side 600, of a picture of 4:3, in cells of 16."""
_CAMVID = Size(480, 352)
"""The paper's 480x360, in cells of 32."""


def _yolov1(make: Callable[[], type[Detector]]) -> DetectorModel:
    return DetectorModel(make, Size(448, 448), _YOLO, stride=64)


def _yolov2(make: Callable[[], type[Detector]]) -> DetectorModel:
    size = Size(416, 416)
    return DetectorModel(
        make, size, _YOLO9000, stride=32, multi_scale=0.25, anchor_count=5, alignable=True
    )


def _ssd(make: Callable[[], type[Detector]], side: int, paper: str) -> DetectorModel:
    return DetectorModel(make, Size(side, side), paper, default_boxes=True)


def _fast(backbone: str) -> TwoStageModel:
    return TwoStageModel(
        lambda: models.fast_rcnn.FastRCNN, _VOC, _FAST, stride=16, backbone=backbone
    )


def _faster(backbone: str) -> TwoStageModel:
    return TwoStageModel(
        lambda: models.faster_rcnn.FasterRCNN,
        _VOC,
        _FASTER,
        stride=16,
        backbone=backbone,
        finds_regions=True,
    )


def _classifier(
    make: Callable[[], Callable[..., Classifier]], paper: str, side: int = 224, classes: int = 1000
) -> ClassifierModel:
    return ClassifierModel(make, Size(side, side), paper, classes)


def _vgg(*stages: int, norm: bool = False) -> ClassifierModel:
    return _classifier(lambda: partial(models.vgg.VGG, stages=stages, norm=norm), _VGG)


def _resnet(*blocks: int, bottleneck: bool = True, small: bool = False) -> ClassifierModel:
    def make() -> Callable[..., Classifier]:
        return partial(models.resnet.ResNet, blocks=blocks, bottleneck=bottleneck, small=small)

    side, classes = (32, 10) if small else (224, 1000)
    return _classifier(make, _RESNET, side, classes)


def _densenet(*blocks: int) -> ClassifierModel:
    return _classifier(lambda: partial(models.densenet.DenseNet, blocks=blocks), _DENSENET)


def _segmenter(
    make: Callable[[], Callable[..., Segmenter]],
    size: Size,
    paper: str,
    classes: int,
    stride: int,
) -> SegmenterModel:
    return SegmenterModel(make, size, paper, classes, stride)


def _fcn(finest: int, norm: bool = False) -> SegmenterModel:
    return _segmenter(
        lambda: partial(models.fcn.FCN, finest=finest, norm=norm), Size(512, 512), _FCN, 21, 32
    )


def _tatami(make: Callable[[], type[Detector]]) -> DetectorModel:
    return DetectorModel(make, Size(416, 416), _TATAMI, stride=32, recipe="modern")


def _unet_same(norm: bool) -> SegmenterModel:
    return _segmenter(
        lambda: partial(models.unet.UNet, same=True, norm=norm), Size(576, 576), _UNET, 2, 16
    )


def _deeplab(make: Callable[[], Callable[..., Segmenter]]) -> SegmenterModel:
    return _segmenter(make, Size(512, 512), _DEEPLAB, 21, 16)


def _ds_cnn(make: Callable[[], type[Classifier]]) -> RecognizerModel:
    return RecognizerModel(make, Size(10, 49), "Zhang et al. 2017, Hello Edge")


_WAVENET = "van den Oord et al. 2016, WaveNet"
_TRANSFORMER = "Vaswani et al. 2017, Transformer"

WIDTH = 256
"""Of a Transformer of width 1: half of the paper's base."""

MODELS: dict[str, Model[Any]] = {
    "yolov1": _yolov1(lambda: models.yolov1.YoloV1),
    "yolov1-fast": _yolov1(lambda: models.yolov1.FastYoloV1),
    "yolov1-tiny": _yolov1(lambda: models.yolov1.TinyYoloV1),
    "yolov2": _yolov2(lambda: models.yolov2.YoloV2),
    "yolov2-tiny": _yolov2(lambda: models.yolov2_tiny.YoloV2Tiny),
    "tatami-nano": _tatami(lambda: models.tatami_nano.TatamiNano),
    "tatami-small": _tatami(lambda: models.tatami_nano.TatamiSmall),
    "ssd300": _ssd(lambda: models.ssd300.SSD300, 300, _SSD),
    "ssd300-bn": _ssd(lambda: models.ssd300.SSD300Norm, 300, _SSD),
    "mobilenet-ssd": _ssd(lambda: models.mobilenet_ssd.MobileNetSSD, 300, f"{_SSD}; {_MOBILENET}"),
    "dssd": _ssd(lambda: models.dssd.DSSD, 321, _DSSD),
    "dssd26": _ssd(lambda: models.dssd.DSSD26, 321, _DSSD),
    "rcnn": TwoStageModel(
        lambda: models.rcnn.RCNN,
        Size(227, 227),
        "Girshick et al., Rich Feature Hierarchies, CVPR 2014",
        backbone="alexnet",
        whole_at_last=True,
    ),
    "fast-rcnn": _fast("vgg16"),
    "fast-rcnn-vgg16-bn": _fast("vgg16-bn"),
    "fast-rcnn-resnet18": _fast("resnet18"),
    "fast-rcnn-resnet50": _fast("resnet50"),
    "fast-rcnn-mobilenet-v1": _fast("mobilenet-v1"),
    "faster-rcnn": _faster("vgg16"),
    "faster-rcnn-vgg16-bn": _faster("vgg16-bn"),
    "faster-rcnn-resnet18": _faster("resnet18"),
    "faster-rcnn-resnet50": _faster("resnet50"),
    "faster-rcnn-resnet101": _faster("resnet101"),
    "faster-rcnn-mobilenet-v1": _faster("mobilenet-v1"),
    "lenet5": _classifier(
        lambda: models.lenet5.LeNet5,
        "LeCun et al., Gradient-Based Learning, Proceedings of the IEEE 1998",
        side=32,
        classes=10,
    ),
    "alexnet": _classifier(
        lambda: models.alexnet.AlexNet, "Krizhevsky, One Weird Trick, 2014; NIPS 2012"
    ),
    "vgg16": _vgg(2, 2, 3, 3, 3),
    "vgg16-bn": _vgg(2, 2, 3, 3, 3, norm=True),
    "vgg19": _vgg(2, 2, 4, 4, 4),
    "vgg19-bn": _vgg(2, 2, 4, 4, 4, norm=True),
    "googlenet": _classifier(
        lambda: models.googlenet.GoogLeNet, "Szegedy et al., Going Deeper, CVPR 2015"
    ),
    "resnet18": _resnet(2, 2, 2, 2, bottleneck=False),
    "resnet18-small": _resnet(2, 2, 2, 2, bottleneck=False, small=True),
    "resnet34": _resnet(3, 4, 6, 3, bottleneck=False),
    "resnet50": _resnet(3, 4, 6, 3),
    "resnet101": _resnet(3, 4, 23, 3),
    "resnet152": _resnet(3, 8, 36, 3),
    "densenet121": _densenet(6, 12, 24, 16),
    "densenet169": _densenet(6, 12, 32, 32),
    "densenet201": _densenet(6, 12, 48, 32),
    "densenet264": _densenet(6, 12, 64, 48),
    "mobilenet-v1": _classifier(lambda: models.mobilenet_v1.MobileNetV1, _MOBILENET),
    "sppnet": _classifier(
        lambda: models.sppnet.SPPNet, "He et al., Spatial Pyramid Pooling, ECCV 2014"
    ),
    "xception-chollet": _classifier(
        lambda: models.xception_chollet.XceptionChollet, _XCEPTION, side=299
    ),
    "xception-deeplab": _classifier(
        lambda: models.xception.Xception, f"{_XCEPTION}; {_DEEPLAB}", side=299
    ),
    "yolov1-classifier": _classifier(lambda: models.yolov1.YoloV1Classifier, _YOLO),
    "fcn-32s": _fcn(32),
    "fcn-16s": _fcn(16),
    "fcn-8s": _fcn(8),
    "fcn-8s-bn": _fcn(8, norm=True),
    "segnet": _segmenter(lambda: models.segnet.SegNet, _CAMVID, _SEGNET, 11, 32),
    "segnet-basic": _segmenter(lambda: models.segnet.SegNetBasic, _CAMVID, _SEGNET, 11, 16),
    "unet": _segmenter(lambda: partial(models.unet.UNet, border=10.0), Size(572, 572), _UNET, 2, 4),
    "unet-same": _unet_same(norm=False),
    "unet-same-bn": _unet_same(norm=True),
    "deeplabv3plus": _deeplab(lambda: models.deeplabv3plus.DeepLabV3Plus),
    "deeplabv3plus-mobilenet": _deeplab(
        lambda: partial(
            models.deeplabv3plus.DeepLabV3Plus, backbone=models.mobilenet_v1.MobileNetV1
        )
    ),
    "ds-cnn": _ds_cnn(lambda: models.ds_cnn.DsCnn),
    "ds-cnn-medium": _ds_cnn(lambda: models.ds_cnn.DsCnnMedium),
    "ds-cnn-large": _ds_cnn(lambda: models.ds_cnn.DsCnnLarge),
    "fcn-time": RecognizerModel(
        lambda: models.fcn_time.FcnTime, Size(10, 49), _TIME_SERIES, told=True
    ),
    "mlp": SeriesModel(lambda: models.mlp.Mlp, Size(1, 150), _TIME_SERIES),
    "fcn-series": SeriesModel(
        lambda: models.fcn_time.FcnTime, Size(1, 150), _TIME_SERIES, told="features"
    ),
    "siamese": MatcherModel(
        lambda: models.siamese.Siamese,
        Size(105, 105),
        "Koch et al., Siamese Neural Networks, ICML Deep Learning Workshop 2015",
    ),
    "siamese-conv4": MatcherModel(
        lambda: models.siamese_conv4.SiameseConv4,
        Size(28, 28),
        "Vinyals et al., Matching Networks, NIPS 2016; Koch et al. 2015",
    ),
    "wavenet": GeneratorModel(lambda: models.wavenet.WaveNet, Size(4096, 1), _WAVENET),
    "wavenet-tiny": GeneratorModel(lambda: models.wavenet.WaveNetTiny, Size(512, 1), _WAVENET),
    "transformer": TranslatorModel(
        lambda: models.transformer.Transformer, Size(64, 64), _TRANSFORMER
    ),
    "transformer-zero-shot": TranslatorModel(
        lambda: partial(models.transformer.Transformer, freed=1),
        Size(64, 64),
        f"{_TRANSFORMER}; Liu et al. 2021, Disentangling Positional Information",
    ),
}
"""Every network by its name."""

FORMER: dict[str, str] = {"xception": "xception-deeplab"}
"""Names that runs of older versions have, and what they are called now."""


def names(task: str | None = None) -> tuple[str, ...]:
    """List the names, of one task or of all: the detectors of each structure, then the others."""
    kinds = list(dict.fromkeys(type(row) for row in MODELS.values()))
    chosen = [name for name, row in MODELS.items() if task in (None, row.task)]
    return tuple(sorted(chosen, key=lambda name: (kinds.index(type(MODELS[name])), name)))


def model_named(name: str) -> Model[Any]:
    """Look a row up, by its name or a former one.

    Raises:
        TatamiError: For a name that no network has; the hint lists those that there are.
    """
    name = FORMER.get(name, name)
    if name not in MODELS:
        raise TatamiError(f"no model '{name}'", hint=choose_from(name, names(), "the models are"))
    return MODELS[name]
