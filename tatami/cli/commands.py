"""The table of commands: where each is, and its line of help. A command is imported when it runs.

tests/test_imports.py compares every line with the first one of the command's own docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command.

    Args:
        module: Its file in tatami/cli/, without the ending.
        function: The function that it is.
        help: The first line of the function's docstring.
    """

    module: str
    function: str
    help: str


@dataclass(frozen=True)
class Group:
    """Commands under one name, as those of ``data``.

    Args:
        help: What they have in common.
        commands: Each by its name.
    """

    help: str
    commands: Mapping[str, Command]


MODELS = Command(
    "models",
    "models",
    "List the networks that can be trained, with what they need of a device and what they reached.",
)
"""The table of networks, which `tatami list models` prints, too."""

COMMANDS: Mapping[str, Command | Group] = {
    "data": Group(
        "Look at a labeled set and its variations, or make one.",
        {
            "show": Command(
                "data",
                "show",
                "Print classes, counts, sizes and everything wrong; exit with 2 if anything is.",
            ),
            "formats": Command(
                "data", "formats", "Print the formats of labeled sets and what each looks like."
            ),
            "augment": Command(
                "data_augment",
                "augment",
                "Draw a contact sheet of the training variations, a row for each.",
            ),
            "convert": Command(
                "data_convert",
                "convert",
                "Write a set with boxes in another form: what was understood of it.",
            ),
            "split": Command(
                "data_convert",
                "split",
                "Part a set with boxes in the splits train and val, in a new folder.",
            ),
            "digits": Command(
                "data",
                "digits",
                "Write the embedded set: real handwritten digits drawn onto real photos.",
            ),
            "katakana": Command(
                "data", "katakana", "Render fifteen katakana, ア to ソ, from Japanese fonts."
            ),
        },
    ),
    "import": Group(
        "Turn networks of other programs into ONNX files that every other command takes.",
        {
            "darknet": Command(
                "importing", "darknet", "Import a cfg and weights of darknet: YOLO, classifiers."
            ),
            "caffe": Command("importing", "caffe", "Import a prototxt and caffemodel of Caffe."),
            "ncnn": Command(
                "importing", "ncnn", "Import a param and bin of ncnn, in float32 or float16."
            ),
            "tflite": Command(
                "importing", "tflite", "Import a TFLite file, in float32 or in 8 bits."
            ),
            "onnx": Command("importing", "onnx", "Import an ONNX file of another exporter."),
            "torch": Command(
                "importing", "torch", "Put a torch state_dict into a network of the same shape."
            ),
        },
    ),
    "models": MODELS,
    "train": Command(
        "train",
        "train",
        "Train a network on labeled pictures, evaluate it, and leave it as an ONNX file.",
    ),
    "evaluate": Command(
        "evaluate",
        "evaluate",
        "Measure a network on labeled pictures: mAP, accuracy or mIoU, and pictures a second.",
    ),
    "summary": Command(
        "summary", "summary", "Count multiply-adds, parameters and bytes of every layer."
    ),
    "pareto": Command(
        "pareto",
        "pareto",
        "Compare networks' mAP with their multiply-adds, milliseconds and bytes: table and chart.",
    ),
    "shrink": Group(
        "Make a network smaller, and measure what that costs.",
        {
            "resize": Command(
                "shrink",
                "resize",
                "Lower or raise the input size, and measure operations and mAP before and after.",
            ),
            "truncate": Command(
                "shrink",
                "truncate",
                "Make fully connected layers two smaller ones each, and tell what that saves.",
            ),
        },
    ),
    "fold": Command(
        "fold",
        "fold",
        "Fold normalization, scale and bias into the convolutions, and measure what it changed.",
    ),
    "quantize": Command(
        "quantize",
        "quantize",
        "Quantize a network to standard QDQ ONNX, and print each layer's signal to noise ratio.",
    ),
    "ship": Command(
        "ship",
        "ship",
        "Write a network as C that goes from pixels to boxes or classes, and compile its example.",
    ),
    "prove": Command(
        "prove",
        "prove",
        "Print the ledger of a network's stages; exit with 1 where one is outside its bound.",
    ),
    "predict": Command(
        "predict",
        "predict",
        "Find what is in pictures; write them with it drawn, and a JSON that lists it.",
    ),
    "enroll": Command("enroll", "enroll", "Let a matcher know what one picture shows, by a name."),
    "generate": Command(
        "generate",
        "generate",
        "Make a sound of a class, sample by sample, and write it as a WAV file.",
    ),
    "see": Group(
        "Look inside networks and at data.",
        {
            "features": Command(
                "see",
                "features",
                "Draw feature maps, filters and the class activation (Grad-CAM) of a picture.",
            ),
            "anchors": Command(
                "see_anchors", "anchors", "Compare the boxes of a set with a detector's anchors."
            ),
        },
    ),
    "list": Group(
        "List what there is to choose from.",
        {
            "models": MODELS,
            "targets": Command("listing", "targets", "List the machines that C is compiled for."),
            "problems": Command(
                "listing",
                "problems",
                "List the kinds of problems of a labeled set that can be accepted.",
            ),
        },
    ),
    "report": Command(
        "report",
        "report",
        "Write report.html: pictures with boxes, curves, the ledger, the layers, the provenance.",
    ),
    "studio": Command(
        "studio",
        "studio",
        "Show networks in a browser: layers, answers of every stage, trainings as they go on.",
    ),
    "demo": Command(
        "demo",
        "demo",
        "Digits in photos: make them, train, fold, quantize, ship as C, prove, write report.html.",
    ),
}
"""Every command, in the order of ``tatami --help``."""
