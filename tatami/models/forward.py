"""A torch model as a function of NumPy arrays."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tatami.models.detector import as_maps
from tatami.types import Float32, Forward, RawMaps


def torch_forward(model: nn.Module) -> Forward:
    """Give a torch model as a function from images to raw maps, in float32.

    The model is put in evaluation mode each time.
    """
    device = next(model.parameters()).device

    def forward(images: Float32) -> RawMaps:
        with torch.inference_mode():
            raw = model.eval()(torch.from_numpy(np.ascontiguousarray(images)).to(device))
        return tuple(np.asarray(one.cpu().numpy(), np.float32) for one in as_maps(raw))

    return forward
