"""A classifier's file says what it is for, strictly, and never anything of boxes."""

from __future__ import annotations

import json

import pytest

from tatami.errors import TatamiError
from tatami.graph.metadata import from_metadata, to_metadata
from tatami.types import ClassificationSpec, InputSpec, SegmentationSpec, Size, Spec, detector_spec

SPEC = ClassificationSpec(("cat", "dog"), InputSpec(Size(32, 28)), {"made by": "hand"})


@pytest.mark.parametrize(
    ("spec", "task"),
    [(SPEC, "classify"), (SegmentationSpec(SPEC.classes, SPEC.input, SPEC.provenance), "segment")],
)
def test_comes_back_and_has_no_decoding(spec: Spec, task: str) -> None:
    entries = to_metadata(spec)
    assert json.loads(entries["tatami.task"]) == task
    assert "tatami.decoding" not in entries
    assert from_metadata(entries) == spec


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tatami.decoding": "{}"}, "not a key"),
        ({"tatami.task": '"caption"'}, "is 'caption'"),
        ({"tatami.task": "[]"}, "is \\[\\]"),
        ({"tatami.classes": '["a", "a"]'}, "doubled"),
    ],
)
def test_another_story_is_refused(change: dict[str, str], reason: str) -> None:
    with pytest.raises(TatamiError, match=reason):
        from_metadata(to_metadata(SPEC) | change)


def test_a_missing_entry_is_refused() -> None:
    entries = to_metadata(SPEC)
    del entries["tatami.input"]
    with pytest.raises(TatamiError, match="is missing"):
        from_metadata(entries)


def test_a_classifier_is_no_detector() -> None:
    with pytest.raises(TatamiError, match="finds no boxes"):
        detector_spec(SPEC)
