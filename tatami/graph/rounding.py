"""Whose rounding the integers of a network follow: one entry of its metadata, ``rounding``.

A QDQ network says which values are bytes, and not how sums become bytes. Without the entry that is
Tatami's own rule, docs/integer-arithmetic.md, sections 3 to 8; with it, it is the rule of another
engine, section 13. As real numbers, a network is the same whatever the entry says.
"""

from __future__ import annotations

import onnx

from tatami.errors import TatamiError
from tatami.graph.network import Network

KEY = "rounding"
OWN = "tatami"
ROUNDINGS = (OWN, "xnnpack", "reference")
"""What the entry may say; the last two are LiteRT's, with XNNPACK and with its own kernels."""


def say_rounding(model: onnx.ModelProto, rounding: str) -> None:
    """Write into a model whose rounding its integers follow; nothing where that is Tatami's own."""
    entries = {entry.key: entry.value for entry in model.metadata_props}
    if rounding != OWN:
        onnx.helper.set_model_props(model, {**entries, KEY: rounding})


def rounding_of(network: Network) -> str:
    """Read whose rounding the integers of a network follow.

    Raises:
        TatamiError: For one that is not of ROUNDINGS.
    """
    found = network.model.metadata_props.get(KEY, OWN)
    if found not in ROUNDINGS:
        raise TatamiError(
            f"the metadata entry 'rounding' is '{found}', not one of {', '.join(ROUNDINGS)}",
            hint="import the network again",
        )
    return str(found)
