"""Hints that one helper writes."""

from __future__ import annotations

import pytest

from tatami.errors import choose_from


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("yolo2-tiny", "did you mean yolov2-tiny?"),
        ("YOLOv2-Tiny", "did you mean yolov2-tiny?"),
        ("unett", "did you mean UNet?"),
        ("perceptron", "the models are yolov2-tiny, UNet"),
        ("", "the models are yolov2-tiny, UNet"),
    ],
)
def test_the_name_that_was_meant_else_all(name: str, hint: str) -> None:
    assert choose_from(name, ["yolov2-tiny", "UNet"], "the models are") == hint
