"""A network as a detector: prepare the picture, run the network, decode its maps."""

from __future__ import annotations

from dataclasses import dataclass

from tatami.rules.decoding import detections
from tatami.rules.picture import prepare
from tatami.types import Detections, DetectionSpec, Forward, Picture, Size


@dataclass(frozen=True)
class ForwardDetector:
    """A ``types.Detector`` around any ``forward``: torch, NumPy, ONNX Runtime or compiled C.

    Args:
        spec: What the network is for.
        forward: Images (n, 3, height, width) to the raw maps, (n, channels, rows, cols) each.
    """

    spec: DetectionSpec
    forward: Forward

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Find boxes in a picture (height, width, 3): in its own pixels, best first."""
        height, width = picture.shape[:2]
        images, placement = prepare(picture, self.spec.input)  # (3, H, W)
        maps = [one[0] for one in self.forward(images[None])]  # (channels, rows, cols) each
        return detections(maps, self.spec, placement, Size(width, height), score_threshold)
