"""The networks: one paper, one file, and the table of their names."""

from __future__ import annotations

from tatami.models.yolov2_tiny import YoloV2Tiny

MODELS: dict[str, type[YoloV2Tiny]] = {"yolov2-tiny": YoloV2Tiny}
