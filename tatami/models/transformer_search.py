"""A Transformer as the translation rule asks for it: a source is read once, then token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from tatami.models.transformer import PAD, Attention, DecoderLayer, Transformer
from tatami.types import Float32, Int64

Memory = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]


class TorchNetworks:
    """Both networks of a translator in torch, in float32.

    Args:
        model: The Transformer, which is put in evaluation mode at each source.
    """

    def __init__(self, model: Transformer) -> None:
        self.model = model
        self.device = model.embedding.weight.device
        self._source: tuple[Any, ...] = ()

    @torch.inference_mode()
    def begin(self, source: Int64) -> Memory:
        """Read a source (max_source,) and give the memory of an empty translation."""
        self.model.eval()
        tokens = source[source != PAD]  # what fills it up changes nothing
        self._source = self.model.encode(torch.from_numpy(tokens[None]).to(self.device))
        empty = self.model.no_tokens(1)
        return empty, empty

    @torch.inference_mode()
    def step(self, memory: Memory, token: int, place: int) -> tuple[Float32, Memory]:
        """Give the logits of what follows a token, and the memory that has it."""
        one, at = (torch.tensor([number], device=self.device) for number in (token, place))
        keys, values, mask = self._source
        logits, own_keys, own_values = self.model.step(
            one, at, keys, values, mask, memory[0], memory[1]
        )
        return np.asarray(logits[0].cpu().numpy(), np.float32), (own_keys, own_values)

    @torch.inference_mode()
    def attention(self, source: Int64, target: Sequence[int]) -> Float32:
        """Say how much each token of a target looks at each of its source.

        Args:
            source: (S,), what closes it included.
            target: (T,), what opens it included.

        Returns:
            The weights of each head of each layer of the decoder, (L, H, T, S).
        """
        self.model.eval()
        tokens = source[source != PAD]
        found: list[Tensor] = []

        def keep(
            module: Attention, given: tuple[Tensor, Tensor, Tensor, Tensor], result: Tensor
        ) -> None:
            found.append(module.by_heads(*given)[1][0])

        layers = [cast("DecoderLayer", layer) for layer in self.model.decoder]
        kept: Callable[..., None] = keep
        handles = [layer.of_source.register_forward_hook(kept) for layer in layers]
        try:
            rows = (tokens[None], np.array(target, np.int64)[None])
            self.model(*(torch.from_numpy(row).to(self.device) for row in rows))
        finally:
            for handle in handles:
                handle.remove()
        return np.asarray(torch.stack(found).cpu().numpy(), np.float32)
