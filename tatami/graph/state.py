"""What lives from call to call: an input of the network, and the output that is its next value.

A network stays a function of its inputs. That an output is to be given back as an input is said by
one entry of the file's metadata, ``state``: {"name of the input": "name of the output", ...}. A
state begins with zeros.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import onnx

from tatami.errors import TatamiError
from tatami.graph.network import Network, shape_of

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
