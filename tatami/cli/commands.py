"""The table of commands, and where each is. A command is imported when it runs.

Its line of help is the first one of its own docstring, which is read without importing it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """One command.

    Args:
        module: Its file in tatami/cli/, without the ending.
        name: The function that it is; "": it is called as the file.
    """

    module: str
    name: str = ""

    @property
    def function(self) -> str:
        """The name of the function."""
        return self.name or self.module

    @property
    def help(self) -> str:
        """The first paragraph of the function's docstring; its file is read, and does not run."""
        tree = ast.parse((Path(__file__).parent / f"{self.module}.py").read_bytes())
        functions = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
        text = ast.get_docstring(functions[self.function]) or ""
        return " ".join(text.split("\n\n")[0].split())


@dataclass(frozen=True)
class Group:
    """Commands under one name, as those of ``data``.

    Args:
        help: What they have in common.
        commands: Each by its name.
    """

    help: str
    commands: Mapping[str, Command]


COMMANDS: Mapping[str, Command | Group] = {
    "data": Group(
        "Look at a labeled set and its variations, or make one.",
        {
            "show": Command("data", "show"),
            "formats": Command("data", "formats"),
            "augment": Command("data_augment", "augment"),
            "convert": Command("data_convert", "convert"),
            "split": Command("data_convert", "split"),
            "digits": Command("data", "digits"),
            "katakana": Command("data", "katakana"),
        },
    ),
    "import": Group(
        "Turn networks of other programs into ONNX files that every other command takes.",
        {
            "darknet": Command("importing", "darknet"),
            "caffe": Command("importing", "caffe"),
            "ncnn": Command("importing", "ncnn"),
            "tflite": Command("importing", "tflite"),
            "onnx": Command("importing", "onnx"),
            "torch": Command("importing", "torch"),
        },
    ),
    "models": Command("models"),
    "train": Command("train"),
    "search": Command("search"),
    "evaluate": Command("evaluate"),
    "summary": Command("summary"),
    "pareto": Command("pareto"),
    "shrink": Group(
        "Make a network smaller, and measure what that costs.",
        {
            "resize": Command("shrink", "resize"),
            "truncate": Command("shrink", "truncate"),
        },
    ),
    "fold": Command("fold"),
    "quantize": Command("quantize"),
    "ship": Command("ship"),
    "prove": Command("prove"),
    "predict": Command("predict"),
    "enroll": Command("enroll"),
    "generate": Command("generate"),
    "see": Group(
        "Look inside networks and at data.",
        {
            "features": Command("see", "features"),
            "anchors": Command("see_anchors", "anchors"),
        },
    ),
    "list": Group(
        "List what there is to choose from.",
        {
            "models": Command("models"),
            "targets": Command("listing", "targets"),
            "problems": Command("listing", "problems"),
        },
    ),
    "report": Command("report"),
    "studio": Command("studio"),
    "demo": Command("demo"),
}
"""Every command, in the order of ``tatami --help``."""
