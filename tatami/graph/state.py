"""What lives from call to call: an input of the network, and the output that is its next value.

A network stays a function of its inputs. That an output is to be given back as an input is said by
one entry of the file's metadata, ``state``: {"name of the input": "name of the output", ...}. A
state begins with zeros.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.network import Network, shape_of
from tatami.graph.run import run

Array = NDArray[Any]

KEY = "state"


def say_states(model: onnx.ModelProto, states: Mapping[str, str]) -> None:
    """Write into a model which output is the next value of which input; nothing where none is."""
    if states:
        onnx.helper.set_model_props(
            model,
            {
                **{entry.key: entry.value for entry in model.metadata_props},
                KEY: json.dumps(dict(states)),
            },
        )


def states_of(network: Network) -> dict[str, str]:
    """Read which output is the next value of which input.

    Raises:
        TatamiError: Where the entry names what the network has not, or values of other shapes.
    """
    entry = network.model.metadata_props.get(KEY)
    if entry is None:
        return {}
    inputs = {str(value.name): value for value in network.graph.inputs}
    outputs = {str(value.name): value for value in network.graph.outputs}
    try:
        found = json.loads(entry)
        for given, made in found.items():
            if shape_of(inputs[given]) != shape_of(outputs[made]):
                raise ValueError
    except (ValueError, KeyError, AttributeError, TypeError):
        raise TatamiError(
            "the metadata entry 'state' does not pair inputs with outputs of their shapes",
            hint="export the network again",
        ) from None
    return {str(given): str(made) for given, made in found.items()}


def given_to(network: Network) -> list[ir.Value]:
    """List the inputs that a caller gives: all but those that live from call to call."""
    states = states_of(network)
    return [value for value in network.graph.inputs if value.name not in states]


def made_by(network: Network) -> list[ir.Value]:
    """List the outputs that a caller wants: all but what lives from call to call."""
    becoming = states_of(network).values()
    return [value for value in network.graph.outputs if value.name not in becoming]


def whole_calls(network: Network, calls: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """Give every input of calls one after another, what lives from call to call among them.

    Args:
        network: The network.
        calls: An array for each input of ``given_to``, of each call. The first call finds zeros.
    """
    states = states_of(network)
    kinds = {str(value.name): value for value in network.graph.inputs}
    memory = {name: np.zeros(shape_of(kinds[name]), _dtype(kinds[name])) for name in states}
    names = [str(value.name) for value in given_to(network)]
    made = [str(value.name) for value in network.graph.outputs]
    found = []
    for arrays in calls:
        known = memory | dict(zip(names, arrays, strict=True))
        found.append([known[name] for name in kinds])
        if states:
            results = dict(zip(made, run(network, found[-1]), strict=True))
            memory = {name: results[following] for name, following in states.items()}
    return found


def _dtype(value: ir.Value) -> np.dtype[Any]:
    return np.dtype(np.float32 if value.dtype is None else value.dtype.numpy())
