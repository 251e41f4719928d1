from __future__ import annotations

import numpy as np

from tatami.rules.decoding import detections
from tatami.rules.detection import ForwardDetector
from tatami.rules.picture import prepare
from tatami.types import Decoding, DetectionSpec, Detector, Float32, InputSpec, RawMaps, Size

SPEC = DetectionSpec(
    ("cup", "hat"),
    InputSpec(Size(96, 64), channels="bgr", mean=(1.0, 2.0, 3.0)),
    Decoding.yolov2(((1.0, 1.0), (2.0, 2.0))),
)


def test_the_network_sees_the_prepared_picture_and_its_map_is_decoded() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (50, 120, 3), dtype=np.uint8)
    raw = rng.normal(0, 2, (1, 14, 2, 3)).astype(np.float32)
    seen: list[Float32] = []

    def forward(images: Float32) -> RawMaps:
        seen.append(images)
        return (raw,)

    detector: Detector = ForwardDetector(SPEC, forward)
    found = detector.detect(picture, 0.1)

    images, placement = prepare(picture, SPEC.input)
    expected = detections([raw[0]], SPEC, placement, Size(120, 50), 0.1)
    assert len(expected) > 0
    assert seen[0].shape == (1, 3, 64, 96)
    np.testing.assert_array_equal(seen[0][0], images)
    np.testing.assert_array_equal(found.xyxy, expected.xyxy)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.labels, expected.labels)
