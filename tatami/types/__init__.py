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
    Samples,
    Seen,
)
from tatami.types.datasets import Dataset, LabeledMasks, LabeledPictures, LabeledSounds, Sample
from tatami.types.decoding import AnchorGrid, Decoding, RegionDecoding
from tatami.types.geometry import Boxes, Detections, Size
from tatami.types.predictors import Classifier, Detector, Generator, Recognizer, Segmenter
from tatami.types.sound import SoundInput, WaveInput
from tatami.types.specs import (
    ClassificationSpec,
    DetectionSpec,
    GenerationSpec,
    InputSpec,
    SegmentationSpec,
    SoundSpec,
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
    "GenerationSpec",
    "Generator",
    "InputSpec",
    "Int64",
    "LabeledMasks",
    "LabeledPictures",
    "LabeledSounds",
    "Mask",
    "Picture",
    "RawMaps",
    "Real",
    "Recognizer",
    "RegionDecoding",
    "Sample",
    "Samples",
    "Seen",
    "SegmentationSpec",
    "Segmenter",
    "Size",
    "SoundInput",
    "SoundSpec",
    "Spec",
    "TwoStageSpec",
    "WaveInput",
    "detector_spec",
]
