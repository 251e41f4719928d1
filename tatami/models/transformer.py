"""Transformer, which translates a sentence token by token by attention alone.

A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. N. Gomez, L. Kaiser and I. Polosukhin,
"Attention Is All You Need", 2017. The sections and equations below are this paper's.

The letters of all shapes: N sentences, S tokens of the source, T tokens of the target, L layers,
H heads, D numbers a head, W = H * D the width, V tokens in the vocabulary.

    forward   source (N, S), target (N, T) int64 -> logits (N, T, V): all places at once, to train
    encode    source (N, S) int64 -> keys and values, each L of (N, H, S, D), and mask (N, 1, 1, S)
    step      token (N,) and place (1,) int64, what encode gave, and the decoder's own keys and
              values so far, each L of (N, H, max_target, D) -> logits (N, V), the keys and values
              with the token's own

The target of ``forward`` begins with the token that opens a sentence; the logits at place t are of
the token at t + 1. A source ends with the token that closes it, and PAD fills it up to S.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.errors import TatamiError

PAD = 0
"""The token that fills the shorter sentences of a batch up. Nobody attends to it."""
HIDDEN = -1e9
"""The score of what is not attended to: its softmax is 0 in float32."""


class Transformer(nn.Module):
    """Give the logits of a sentence's next token, from the source and the tokens before it.

    Args:
        vocabulary: V, source and target together.
        width: W of every layer (the paper's d_model).
        heads: H; it divides the width.
        layers: L of the encoder, and as many of the decoder.
        hidden: The position-wise networks' inner width (d_ff).
        max_source: The longest source, its closing token included.
        max_target: The longest target, its opening token included.
        dropout: Of every sub-layer's output and of the embeddings (section 5.4).
        freed: The layer of the encoder, from 0, whose attention is not added to what it was given
            but takes its place; None: none, as in the paper. What the decoder reads is then bound
            less to the order of the source's words, which helps directions that were never seen
            (D. Liu, J. Niehues, J. Cross, F. Guzman and X. Li, "Improving Zero-Shot Translation by
            Disentangling Positional Information", 2021, section 3.1).

    Attributes:
        label_smoothing: How much of the target is spread over the vocabulary (section 5.4); whoever
            trains sets it.
    """

    label_smoothing: float = 0.0
    positions: Tensor

    def __init__(
        self,
        vocabulary: int,
        width: int = 256,
        heads: int = 4,
        layers: int = 3,
        hidden: int = 1024,
        max_source: int = 64,
        max_target: int = 64,
        dropout: float = 0.2,
        freed: int | None = None,
    ) -> None:
        super().__init__()
        if width % heads or width % 2:
            raise TatamiError(
                f"a width of {width} does not divide by {heads} heads, or by 2",
                hint="give a width that is a multiple of both",
            )
        self.width, self.heads = width, heads
        self.max_source, self.max_target = max_source, max_target
        self.embedding = nn.Embedding(vocabulary, width)
        self.encoder = nn.ModuleList(
            EncoderLayer(width, heads, hidden, dropout, residual=layer != freed)
            for layer in range(layers)
        )
        self.decoder = nn.ModuleList(
            DecoderLayer(width, heads, hidden, dropout) for _ in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.register_buffer(
            "positions", position_encoding(max(max_source, max_target), width), persistent=False
        )
        for name, weight in self.named_parameters():
            if weight.dim() == 2 and "embedding" not in name:
                nn.init.xavier_uniform_(weight)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Compute the logits (N, T, V) of source (N, S) and target (N, T).

        Raises:
            TatamiError: For sentences longer than the network was made for.
        """
        keys, values, mask = self.encode(source)
        self._check_length(target, self.max_target)
        length = target.shape[1]
        before = torch.ones(length, length, dtype=torch.bool, device=target.device).tril()
        x = self._embed(target, self.positions[:length])
        for layer, key, value in zip(self._decoder, keys, values, strict=True):
            x = layer(x, before, key, value, mask)
        return self._logits(x)

    def encode(self, source: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], Tensor]:
        """Read the source once: what every layer of the decoder attends to in it.

        Args:
            source: (N, S) int64, filled up with PAD.

        Returns:
            The keys and the values of the decoder's attention to the source, each L of
            (N, H, S, D), and a mask (N, 1, 1, S), true where there is a token.

        Raises:
            TatamiError: For sources longer than the network was made for.
        """
        self._check_length(source, self.max_source)
        mask = (source != PAD)[:, None, None]  # (N, 1, 1, S): the same for all heads and places
        x = self._embed(source, self.positions[: source.shape[1]])
        for layer in self.encoder:
            x = layer(x, mask)
        attended = [layer.of_source.keys_and_values(x) for layer in self._decoder]
        return tuple(key for key, _ in attended), tuple(value for _, value in attended), mask

    def step(
        self,
        token: Tensor,
        place: Tensor,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
        mask: Tensor,
        own_keys: Sequence[Tensor],
        own_values: Sequence[Tensor],
    ) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Decode one token: the logits are those that ``forward`` gives at its place.

        Args:
            token: The tokens at the place (N,) int64.
            place: (1,) int64, from 0.
            keys: Of the source, from ``encode``: L of (N, H, S, D).
            values: The same.
            mask: (N, 1, 1, S).
            own_keys: Of the tokens before: L of (N, H, max_target, D); what stands at the place and
                after it is not looked at. ``no_tokens`` gives the first ones.
            own_values: The same.

        Returns:
            Logits (N, V), and own keys and values that have the token's.
        """
        x = self._embed(token[:, None], self.positions[place])  # (N, 1, W)
        places = torch.arange(self.max_target, device=token.device)
        new_keys, new_values = [], []
        for i, layer in enumerate(self._decoder):
            x, key, value = layer.step(
                x, place, places, own_keys[i], own_values[i], keys[i], values[i], mask
            )
            new_keys.append(key)
            new_values.append(value)
        return self._logits(x)[:, 0], tuple(new_keys), tuple(new_values)

    def no_tokens(self, count: int) -> tuple[Tensor, ...]:
        """Give the own keys, or values, of ``count`` sentences of which nothing is decoded."""
        shape = (count, self.heads, self.max_target, self.width // self.heads)
        return tuple(self.embedding.weight.new_zeros(shape) for _ in self.decoder)

    def loss(self, raw: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Compute the part that is lowered: the smoothed cross-entropy of a token, in nats.

        Args:
            raw: Logits (N, T, V).
            targets: The tokens to give (N, T) int64; PAD is no token and does not count.
        """
        loss = F.cross_entropy(
            raw.flatten(0, 1),
            targets.flatten(),
            ignore_index=PAD,
            label_smoothing=self.label_smoothing,
        )
        return {"tokens": loss}

    @property
    def _decoder(self) -> Iterable[DecoderLayer]:
        return cast("Iterable[DecoderLayer]", self.decoder)

    def _embed(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Section 3.4 and 3.5: (N, T) and (T, W) -> (N, T, W)."""
        embedded: Tensor = self.dropout(self.embedding(tokens) * math.sqrt(self.width) + positions)
        return embedded

    def _logits(self, x: Tensor) -> Tensor:
        """Section 3.4: the embedding once more, as a linear layer: (N, T, W) -> (N, T, V)."""
        return F.linear(x, self.embedding.weight)

    def _check_length(self, tokens: Tensor, longest: int) -> None:
        if tokens.shape[1] > longest:
            raise TatamiError(
                f"a sentence of {tokens.shape[1]} tokens is too long for this network",
                hint=f"give at most {longest} tokens",
            )


def position_encoding(length: int, width: int) -> Tensor:
    """Say where a token stands: (length, width), sines in even columns and cosines in odd ones.

    Source: section 3.5.
    """
    place = torch.arange(length, dtype=torch.float64)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(1e4) / width))
    both = torch.stack(((place * rate).sin(), (place * rate).cos()), dim=-1)
    return both.flatten(1).float()


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mix values, each weighing as much as its key is like the query: softmax(Q K' / sqrt(D)) V.

    Args:
        query: (N, H, T, D).
        key: (N, H, S, D).
        value: (N, H, S, D).
        mask: True where the query may look; it broadcasts to (N, H, T, S).

    Returns:
        The mixture (N, H, T, D) and the weights (N, H, T, S).

    Source: section 3.2.1, equation 1.
    """
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    weights = torch.where(mask, scores, HIDDEN).softmax(-1)
    return weights @ value, weights


class Attention(nn.Module):
    """Attend with several heads, each in a space of its own (section 3.2.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """Mix what x attends to: x (N, T, W), the rest as ``attend`` has it -> (N, T, W)."""
        mixed, _ = self.by_heads(x, key, value, mask)
        n, heads, t, d = mixed.shape
        joined: Tensor = self.output(mixed.transpose(1, 2).reshape(n, t, heads * d))
        return joined

    def by_heads(
        self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give each head's mixture (N, H, T, D) and weights (N, H, T, S), as ``attend`` does."""
        return attend(self._split(self.query(x)), key, value, mask)

    def keys_and_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give what x offers to be attended to: (N, S, W) -> twice (N, H, S, D)."""
        return self._split(self.key(x)), self._split(self.value(x))

    def _split(self, x: Tensor) -> Tensor:
        """(N, T, W) -> (N, H, T, D)."""
        n, t, width = x.shape
        return x.reshape(n, t, self.heads, width // self.heads).transpose(1, 2)


class PositionWise(nn.Module):
    """Two linear layers with a ReLU between, the same at every place: section 3.3, equation 2."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, W) -> (N, T, W)."""
        found: Tensor = self.outer(F.relu(self.inner(x)))
        return found


class AddNorm(nn.Module):
    """Add what a sub-layer found to what it was given, and normalize: section 3.1."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, found: Tensor) -> Tensor:
        """Twice (N, T, W) -> (N, T, W)."""
        normalized: Tensor = self.norm(x + self.dropout(found))
        return normalized


class EncoderLayer(nn.Module):
    """Attention of the source to itself, then the position-wise network (section 3.1)."""

    def __init__(
        self, width: int, heads: int, hidden: int, dropout: float, residual: bool = True
    ) -> None:
        super().__init__()
        self.of_itself = Attention(width, heads)
        self.position_wise = PositionWise(width, hidden)
        self.norms = nn.ModuleList(AddNorm(width, dropout) for _ in range(2))
        self.residual = residual

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode all places at once: x (N, S, W), mask (N, 1, 1, S) -> (N, S, W)."""
        key, value = self.of_itself.keys_and_values(x)
        found = self.of_itself(x, key, value, mask)
        x = self.norms[0](x if self.residual else x.new_zeros(()), found)
        return self.norms[1](x, self.position_wise(x))  # type: ignore[no-any-return]


class DecoderLayer(nn.Module):
    """Attention to the tokens before, attention to the source, the network (section 3.1)."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.of_itself = Attention(width, heads)
        self.of_source = Attention(width, heads)
        self.position_wise = PositionWise(width, hidden)
        self.norms = nn.ModuleList(AddNorm(width, dropout) for _ in range(3))

    def forward(
        self, x: Tensor, before: Tensor, key: Tensor, value: Tensor, mask: Tensor
    ) -> Tensor:
        """Decode all places at once: x (N, T, W) -> (N, T, W).

        Args:
            x: (N, T, W).
            before: (T, T), true where a place (row) may look (column): at itself and before.
            key: Of the source (N, H, S, D).
            value: The same.
            mask: Of the source (N, 1, 1, S).
        """
        own_key, own_value = self.of_itself.keys_and_values(x)
        return self._layers(x, own_key, own_value, before, key, value, mask)

    def step(
        self,
        x: Tensor,
        place: Tensor,
        places: Tensor,
        own_key: Tensor,
        own_value: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decode one place: x (N, 1, W) -> (N, 1, W), and own keys and values with it in place."""
        here = (places == place)[:, None]  # (max_target, 1)
        new_key, new_value = self.of_itself.keys_and_values(x)  # (N, H, 1, D)
        own_key = torch.where(here, new_key, own_key)
        own_value = torch.where(here, new_value, own_value)
        x = self._layers(x, own_key, own_value, places <= place, key, value, mask)
        return x, own_key, own_value

    def _layers(
        self,
        x: Tensor,
        own_key: Tensor,
        own_value: Tensor,
        before: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor,
    ) -> Tensor:
        x = self.norms[0](x, self.of_itself(x, own_key, own_value, before))
        x = self.norms[1](x, self.of_source(x, key, value, mask))
        return self.norms[2](x, self.position_wise(x))  # type: ignore[no-any-return]
