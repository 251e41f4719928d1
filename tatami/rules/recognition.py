"""A network as a recognizer of sounds: features by the sound rule, the network, softmax."""

from __future__ import annotations

from dataclasses import dataclass

from tatami.ops.exponential import softmax
from tatami.rules.sound import prepare
from tatami.types import Float32, Forward, Samples, SoundSpec


@dataclass(frozen=True)
class ForwardRecognizer:
    """A ``types.Recognizer`` around any ``forward``: torch, NumPy, ONNX Runtime or compiled C.

    Args:
        spec: What the network is for.
        forward: Inputs (n, 1, frames, features) to one output, the logits (n, classes), which may
            be written as maps of one sample, (n, classes, 1, 1).
    """

    spec: SoundSpec
    forward: Forward

    def recognize(self, samples: Samples) -> Float32:
        """Give the probabilities (classes,) of a sound (n,)."""
        (logits,) = self.forward(prepare(samples, self.spec.input)[None])
        scores: Float32 = softmax(logits.reshape(1, len(self.spec.classes)))[0]
        return scores
