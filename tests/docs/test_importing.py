"""The page on importing is true: its spec is one, and what it lists is what the importers have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from tatami.graph.metadata import from_json
from tatami.importers import caffe, darknet, ncnn, tflite_operators
from tatami.types import AnchorGrid, Decoding, InputSpec, Size

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "importing.md").read_text("utf-8")


def section(title: str) -> str:
    found = re.search(rf"(?ms)^###? {title}\n(.*?)(?=^##|\Z)", PAGE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("title", "known"),
    [
        ("Caffe", caffe._LAYERS),
        ("ncnn", ncnn._LAYERS),
        ("TFLite", tflite_operators.OPERATORS),
        # those that have a short name besides
        ("darknet", set(darknet.LAYERS) - {"conv", "max", "avg", "local_avg", "conn", "soft"}),
    ],
)
def test_every_layer_that_is_read_is_listed(title: str, known: Iterable[str]) -> None:
    words = set(re.findall(r"\w+", section(title)))
    assert set(known) <= words


def test_the_spec_is_one_and_every_member_is_explained() -> None:
    text = section("The spec file")
    found = re.search(r"(?s)```json\n(.*?)```", text)
    assert found is not None
    spec = from_json(json.loads(found[1]), {})
    assert spec.input.size == Size(320, 240)
    assert [len(grid.anchors) for grid in spec.decoding.grids] == [3, 2, 2, 3]
    tables = set(re.findall(r"`(\w+)`", "".join(re.findall(r"(?m)^\|.*$", text))))
    members = {each.name for kind in (InputSpec, Decoding, AnchorGrid) for each in fields(kind)}
    assert members <= tables
