"""WaveNet: a network that makes sound, sample by sample.

A. van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016: dilated causal
convolutions (section 2.1), a softmax over 256 levels of the mu law (2.2), gated activation units
(2.3), residual and skip connections (2.4), conditioned globally on the class (2.5).

The network is given a sample as one number in -1 to 1, not as one of 256 classes; the sum of all
layers' skip connections is one 1x1 convolution of what the layers give, which is the same sum.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import scale_channels
from tatami.rules.generation import UNHEARD
from tatami.rules.mu_law import LEVELS


class Layer(nn.Module):
    """One layer: a dilated causal convolution, conditioned and gated, around which x flows on."""

    def __init__(self, channels: int, classes: int, dilation: int, last: bool) -> None:
        super().__init__()
        self.dilation = dilation
        self.conv = nn.Conv2d(channels, 2 * channels, (1, 2), dilation=(1, dilation))
        self.condition = nn.Conv2d(classes, 2 * channels, 1, bias=False)
        self.residual = None if last else nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the next layer's input, if there is a next one, and what skips take up.

        Args:
            x: (n, channels, 1, T).
            condition: The class (n, classes, 1, 1), one of them 127 / 128.
        """
        both = self.conv(F.pad(x, (self.dilation, 0))) + self.condition(condition)
        half = both.shape[1] // 2
        gated = torch.tanh(both[:, :half]) * torch.sigmoid(both[:, half:])  # (n, channels, 1, T)
        return x if self.residual is None else x + self.residual(gated), gated


class WaveNet(nn.Module):
    """Turn samples (n, 1 + classes, 1, T) into the logits of the next ones (n, 256, 1, T).

    Plane 0 is the sound, (code - 128) / 128 of the mu law's code; the others are the class, one of
    them 127 / 128 and the others 0. Before the first sample there are zeros, in every layer.

    width: multiplies every layer's channels.

    Attributes:
        channels: Of every layer.
        hidden: Channels between the skip connections and the logits.
        dilations: Of the layers.
    """

    channels = 32
    hidden = 64
    dilations: tuple[int, ...] = tuple(2**i for i in range(9)) * 2

    def __init__(self, classes: int = 10, width: float = 1.0) -> None:
        super().__init__()
        channels = scale_channels(self.channels, width)
        hidden = scale_channels(self.hidden, width)
        self.first = nn.Conv2d(1, channels, (1, 2))
        last = len(self.dilations) - 1
        self.layers = nn.ModuleList(
            Layer(channels, classes, dilation, number == last)
            for number, dilation in enumerate(self.dilations)
        )
        self.skip = nn.Conv2d(channels * len(self.dilations), hidden, 1)
        self.hidden_layer = nn.Conv2d(hidden, hidden, 1)
        self.logits = nn.Conv2d(hidden, LEVELS, 1)

    @classmethod
    def receptive(cls) -> int:
        """Count the samples from which the next one is told."""
        return 2 + sum(cls.dilations)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1 + classes, 1, T) -> logits (n, 256, 1, T)."""
        condition = images[:, 1:, :, :1]
        x = self.first(F.pad(images[:, :1], (1, 0)))
        found = []
        for layer in self.layers:
            x, gated = layer(x, condition)
            found.append(gated)
        x = torch.relu(self.skip(torch.cat(found, 1)))
        x = torch.relu(self.hidden_layer(x))
        logits: Tensor = self.logits(x)
        return logits

    def loss(self, raw: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """Compute the mean cross-entropy of the samples, in nats, under "samples".

        Args:
            raw: The logits (n, 256, 1, T) that ``forward`` gave.
            codes: The codes (n, T) that come next, int64; UNHEARD where nothing is learned.
        """
        return {"samples": F.cross_entropy(raw[:, :, 0], codes, ignore_index=UNHEARD)}


class WaveNetTiny(WaveNet):
    """A small one, to try things: 64 samples are seen."""

    channels = 16
    hidden = 32
    dilations = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16)
