"""A Transformer as two ONNX graphs: the encoder, and a step of the decoder.

The encoder reads a sentence once and gives what the decoder attends to in it. A step takes a token
and its place, and gives the logits of the next one; the keys and values of the tokens before live
from call to call (graph/state.py), and those of the token are put at its place by Where.

The letters are those of transformer.py. Values lie so that nothing has to be moved in C: rows of W
numbers as (1, 1, S, W), and what heads attend to with the heads in front, keys as (H, 1, D, S),
values as (H, 1, S, D). The scores' factor 1 / sqrt(D) is in the weights of the queries, the
embedding's sqrt(W) in its table.

    encoder   source (1, S) -> keys0 ... , values0 ... , mask (1, 1, 1, S)
    decoder   token (1, 1), place (1, 1), keys0 ..., values0 ..., mask, and the states own_keys0
              (H, 1, D, T) ..., own_values0 (H, 1, T, D) ... -> logits (1, 1, 1, V), the states
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from tatami.graph.network import Network
from tatami.graph.read import network_of
from tatami.graph.state import say_states
from tatami.models.export import OPSET
from tatami.models.transformer import (
    HIDDEN,
    PAD,
    AddNorm,
    Attention,
    DecoderLayer,
    EncoderLayer,
    PositionWise,
    Transformer,
)
from tatami.types import Spec

Array = NDArray[Any]


def to_networks(
    model: Transformer, specs: tuple[Spec | None, Spec | None] = (None, None)
) -> tuple[Network, Network]:
    """Give the encoder and the step of the decoder as networks.

    Args:
        model: The Transformer; it is left as it is.
        specs: What each network is for.

    Raises:
        TatamiError: For weights that are not finite.
    """
    made = encoder_graph(model), decoder_graph(model)
    networks = [network_of(each) for each in made]
    first, second = (Network(each.model, spec) for each, spec in zip(networks, specs, strict=True))
    return first, second


@dataclass
class _Graph:
    """A graph in the making: nodes and constants, each value by its name."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def node(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Append a node and give the name of its result, which is the node's own."""
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, array: Array) -> str:
        """Add a constant, and give its name."""
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def reshaped(self, x: str, shape: Sequence[int], name: str) -> str:
        """Give a value another shape."""
        sides = self.constant("shape_" + "x".join(map(str, shape)), np.array(shape, np.int64))
        return self.node("Reshape", [x, sides], name)

    def linear(self, x: str, layer: nn.Linear, name: str, factor: float = 1.0) -> str:
        """Append a fully connected layer."""
        weights = self.constant(f"{name}.weight", _numpy(layer.weight).T * np.float32(factor))
        product = self.node("MatMul", [x, weights], f"{name}.product")
        bias = self.constant(f"{name}.bias", _numpy(layer.bias) * np.float32(factor))
        return self.node("Add", [product, bias], name)

    def normalized(self, x: str, found: str, norm: nn.LayerNorm, name: str) -> str:
        """Append the sum of what a sub-layer was given and what it found, normalized."""
        total = self.node("Add", [x, found], f"{name}.sum")
        known = [
            self.constant(f"{name}.{part}", _numpy(getattr(norm, part)))
            for part in ("weight", "bias")
        ]
        return self.node("LayerNormalization", [total, *known], name, axis=-1, epsilon=norm.eps)

    def mixed(self, query: str, keys: str, values: str, mask: str, name: str) -> str:
        """Append softmax(Q K, where the mask lets it look) V."""
        scores = self.node("MatMul", [query, keys], f"{name}.scores")
        hidden = self.constant("hidden", np.array(HIDDEN, np.float32))
        masked = self.node("Where", [mask, scores, hidden], f"{name}.masked")
        weights = self.node("Softmax", [masked], f"{name}.weights", axis=-1)
        return self.node("MatMul", [weights, values], f"{name}.mixed")

    def position_wise(self, x: str, layer: PositionWise, name: str) -> str:
        """Append two linear layers with a ReLU between."""
        inner = self.linear(x, layer.inner, f"{name}.inner")
        return self.linear(self.node("Relu", [inner], f"{name}.relu"), layer.outer, f"{name}.outer")

    def embedded(self, tokens: str, count: int, model: Transformer) -> str:
        """Append the rows of the embedding's table at tokens (1, count), times sqrt(W)."""
        table = _numpy(model.embedding.weight) * np.float32(math.sqrt(model.width))
        rows = self.constant("embedding", table[:, None, None])
        flat = self.reshaped(tokens, [count], "tokens")
        found = self.node("Gather", [rows, flat], "embedded", axis=0)
        return self.reshaped(found, [1, 1, count, model.width], "embedded.rows")

    def model(
        self,
        name: str,
        inputs: Sequence[tuple[str, int, Sequence[int]]],
        outputs: Sequence[tuple[str, int, Sequence[int]]],
    ) -> onnx.ModelProto:
        """Give the whole: inputs and outputs by name, kind and shape."""
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(*each) for each in inputs],
            [helper.make_tensor_value_info(*each) for each in outputs],
            list(self.constants.values()),
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        made.ir_version = 9
        return made


def encoder_graph(model: Transformer) -> onnx.ModelProto:
    """Make the graph of the encoder.

    Args:
        model: The Transformer.
    """
    made, length, width, heads = _Graph(), model.max_source, model.width, model.heads
    pad = made.constant("pad", np.array(PAD, np.int64))
    padding = made.node("Equal", ["source", pad], "padding")
    seen = made.node("Not", [padding], "seen")
    mask = made.reshaped(seen, [1, 1, 1, length], "mask")
    places = _numpy(model.positions)[:length].reshape(1, 1, length, width)
    rows = made.embedded("source", length, model)
    x = made.node("Add", [rows, made.constant("positions", places)], "encoder.input")

    def split(x: str, name: str, order: Sequence[int]) -> str:
        apart = made.reshaped(x, [length, 1, heads, width // heads], f"{name}.apart")
        return made.node("Transpose", [apart], name, perm=order)

    def keys_and_values(x: str, layer: Attention, names: tuple[str, str]) -> tuple[str, str]:
        key = made.linear(x, layer.key, f"{names[0]}.linear")
        value = made.linear(x, layer.value, f"{names[1]}.linear")
        return split(key, names[0], [2, 1, 3, 0]), split(value, names[1], [2, 1, 0, 3])

    for at, layer in enumerate(cast(Sequence[EncoderLayer], model.encoder)):
        name = f"encoder.{at}"
        attention = layer.of_itself
        query = made.linear(x, attention.query, f"{name}.query.linear", _factor(model))
        query = split(query, f"{name}.query", [2, 1, 0, 3])
        names = f"{name}.keys", f"{name}.values"
        mixed = made.mixed(query, *keys_and_values(x, attention, names), mask, name)
        beside = made.node("Transpose", [mixed], f"{name}.beside", perm=[2, 1, 0, 3])
        joined = made.reshaped(beside, [1, 1, length, width], f"{name}.joined")
        found = made.linear(joined, attention.output, f"{name}.output")
        x = made.normalized(x, found, _norm(layer, 0), f"{name}.norm0")
        found = made.position_wise(x, layer.position_wise, name)
        x = made.normalized(x, found, _norm(layer, 1), f"{name}.norm1")
    for at, after in enumerate(cast(Sequence[DecoderLayer], model.decoder)):
        keys_and_values(x, after.of_source, (f"keys{at}", f"values{at}"))
    outputs = [*_of_source(model), ("mask", TensorProto.BOOL, (1, 1, 1, length))]
    return made.model("encoder", [("source", TensorProto.INT64, (1, length))], outputs)


def decoder_graph(model: Transformer) -> onnx.ModelProto:
    """Make the graph of a step of the decoder; its metadata say which values are states.

    Args:
        model: The Transformer.
    """
    made, length, width, heads = _Graph(), model.max_target, model.width, model.heads
    inner = width // heads
    rows = made.embedded("token", 1, model)
    table = made.constant("positions", _numpy(model.positions)[:length][:, None, None])
    at_place = made.node("Gather", [table, made.reshaped("place", [1], "at")], "position", axis=0)
    position = made.reshaped(at_place, [1, 1, 1, width], "position.row")
    x = made.node("Add", [rows, position], "decoder.input")
    places = made.constant("places", np.arange(length).reshape(1, 1, 1, length))
    before = made.node("LessOrEqual", [places, "place"], "before")
    here = made.node("Equal", [places, "place"], "here")
    here_down = made.reshaped(here, [1, 1, length, 1], "here.down")
    states: dict[str, str] = {}
    for at, layer in enumerate(cast(Sequence[DecoderLayer], model.decoder)):
        name = f"decoder.{at}"
        attention, of_source = layer.of_itself, layer.of_source

        def query_of(x: str, layer: Attention, name: str) -> str:
            row = made.linear(x, layer.query, f"{name}.linear", _factor(model))
            return made.reshaped(row, [heads, 1, 1, inner], name)

        key = made.linear(x, attention.key, f"{name}.key.linear")
        key = made.reshaped(key, [heads, 1, inner, 1], f"{name}.key")
        keys = made.node("Where", [here, key, f"own_keys{at}"], f"own_keys{at}_next")
        value = made.linear(x, attention.value, f"{name}.value.linear")
        value = made.reshaped(value, [heads, 1, 1, inner], f"{name}.value")
        values = made.node("Where", [here_down, value, f"own_values{at}"], f"own_values{at}_next")
        states |= {f"own_keys{at}": keys, f"own_values{at}": values}
        query = query_of(x, attention, f"{name}.query")
        mixed = made.mixed(query, keys, values, before, f"{name}.own")
        joined = made.reshaped(mixed, [1, 1, 1, width], f"{name}.own.joined")
        found = made.linear(joined, attention.output, f"{name}.own.output")
        x = made.normalized(x, found, _norm(layer, 0), f"{name}.norm0")
        query = query_of(x, of_source, f"{name}.source.query")
        mixed = made.mixed(query, f"keys{at}", f"values{at}", "mask", f"{name}.source")
        joined = made.reshaped(mixed, [1, 1, 1, width], f"{name}.source.joined")
        found = made.linear(joined, of_source.output, f"{name}.source.output")
        x = made.normalized(x, found, _norm(layer, 1), f"{name}.norm1")
        found = made.position_wise(x, layer.position_wise, name)
        x = made.normalized(x, found, _norm(layer, 2), f"{name}.norm2")
    weights = made.constant("logits.weight", _numpy(model.embedding.weight).T)
    made.node("MatMul", [x, weights], "logits")
    vocabulary = model.embedding.num_embeddings
    own = [
        (kind, (heads, 1, *sides))
        for kind, sides in (("keys", (inner, length)), ("values", (length, inner)))
    ]
    found_states = [
        (f"own_{kind}{at}", TensorProto.FLOAT, shape)
        for at in range(len(model.decoder))
        for kind, shape in own
    ]
    inputs = [
        ("token", TensorProto.INT64, (1, 1)),
        ("place", TensorProto.INT64, (1, 1)),
        *_of_source(model),
        ("mask", TensorProto.BOOL, (1, 1, 1, model.max_source)),
        *found_states,
    ]
    outputs = [
        ("logits", TensorProto.FLOAT, (1, 1, 1, vocabulary)),
        *((states[name], kind, shape) for name, kind, shape in found_states),
    ]
    whole = made.model("decoder", inputs, outputs)
    say_states(whole, states)
    return whole


def _of_source(model: Transformer) -> list[tuple[str, int, tuple[int, ...]]]:
    """List what the encoder gives of the source, and the decoder takes: keys, then values."""
    heads, inner, length = model.heads, model.width // model.heads, model.max_source
    layers = range(len(model.decoder))
    return [
        *((f"keys{at}", TensorProto.FLOAT, (heads, 1, inner, length)) for at in layers),
        *((f"values{at}", TensorProto.FLOAT, (heads, 1, length, inner)) for at in layers),
    ]


def _norm(layer: EncoderLayer | DecoderLayer, at: int) -> nn.LayerNorm:
    return cast(AddNorm, layer.norms[at]).norm


def _factor(model: Transformer) -> float:
    """Give the factor of the scores."""
    return 1 / math.sqrt(model.width // model.heads)


def _numpy(weight: Tensor) -> NDArray[np.float32]:
    return weight.detach().cpu().float().numpy()
