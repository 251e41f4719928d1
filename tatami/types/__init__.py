"""What travels between rooms: plain frozen values over NumPy arrays, no behavior of a stage."""

from tatami.types.arrays import (
    VOID,
    Bool,
    Float32,
    Float64,
    Forward,
    Int64,
    Mask,
    Picture,
    RawMaps,
    Real,
)
from tatami.types.datasets import Dataset, LabeledMasks, LabeledPictures, Sample
from tatami.types.decoding import AnchorGrid, Decoding, RegionDecoding
from tatami.types.geometry import Boxes, Detections, Size
from tatami.types.predictors import Classifier, Detector, Segmenter
from tatami.types.specs import (
    ClassificationSpec,
    DetectionSpec,
    InputSpec,
    SegmentationSpec,
    Spec,
    TwoStageSpec,
    detector_spec,
)

__all__ = [
    "VOID",
    "AnchorGrid",
    "Bool",
    "Boxes",
    "ClassificationSpec",
    "Classifier",
    "Dataset",
    "Decoding",
    "DetectionSpec",
    "Detections",
    "Detector",
    "Float32",
    "Float64",
    "Forward",
    "InputSpec",
    "Int64",
    "LabeledMasks",
    "LabeledPictures",
    "Mask",
    "Picture",
    "RawMaps",
    "Real",
    "RegionDecoding",
    "Sample",
    "SegmentationSpec",
    "Segmenter",
    "Size",
    "Spec",
    "TwoStageSpec",
    "detector_spec",
]
