"""A network as a classifier: prepare the picture, run the network, softmax of its logits."""

from __future__ import annotations

from dataclasses import dataclass

from tatami.ops.exponential import softmax
from tatami.rules.picture import prepare
from tatami.types import ClassificationSpec, Float32, Forward, Picture


@dataclass(frozen=True)
class ForwardClassifier:
    """A ``types.Classifier`` around any ``forward``: torch, NumPy, ONNX Runtime or compiled C.

    Args:
        spec: What the network is for.
        forward: Images (n, 3, height, width) to one output, the logits (n, classes), which may be
            written as maps of one sample, (n, classes, 1, 1).
    """

    spec: ClassificationSpec
    forward: Forward

    def classify(self, picture: Picture) -> Float32:
        """Give the probabilities (classes,) of a picture (height, width, 3)."""
        images, _ = prepare(picture, self.spec.input)  # (3, H, W)
        (logits,) = self.forward(images[None])
        scores: Float32 = softmax(logits.reshape(1, len(self.spec.classes)))[0]
        return scores
