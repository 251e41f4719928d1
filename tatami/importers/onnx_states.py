"""What lives from call to call in an ONNX file: inputs whose next values are outputs, by name.

An exporter of a streaming network gives its memory as inputs and as outputs, and says only by
their names which belong together, as h and hn, state_in and state_out, past and present.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import onnx

from tatami.graph.state import KEY, say_states
from tatami.importers.heads import shapes_of

_NEXT = (
    ("{}_next", "next_{}", "{}_new", "new_{}", "{}_out", "out_{}", "{}_updated", "updated_{}"),
    ("{}n", "{}_n", "{}_t", "output_{}", "{}_output"),
)
"""What the next value of something is called, the surest first."""
_TURNED = (
    (r"(^|_)in(_|$)", r"\1out\2"), (r"(^|[._])past", r"\1present"), (r"(^|_)prev", r"\1next"),
    (r"(^|_)old(_|$)", r"\1new\2"), (r"(^|_)initial", r"\1final"), (r"^([hc]_?)0$", r"\1n"),
)  # fmt: skip
"""Parts of a name that say which of the two it is."""


def pair_states(model: onnx.ModelProto) -> tuple[str, ...]:
    """Say in a model's metadata which outputs are the next values of which inputs.

    Both have one shape and one kind of numbers; an input and an output are left that are no state.
    A model whose metadata say it already is left as it is.

    Args:
        model: The model, whose inputs have fixed shapes; its metadata are changed.

    Returns:
        A line that says so; nothing where there is none.
    """
    if any(entry.key == KEY for entry in model.metadata_props) or len(model.graph.input) < 2:
        return ()
    shapes = shapes_of(model)
    kinds = {one.name: one.type.tensor_type.elem_type for one in model.graph.output}
    outputs = {name.lower(): name for name in kinds}
    found: dict[str, str] = {}
    for value in model.graph.input:
        kind = value.type.tensor_type.elem_type
        for name in _names_of_next(value.name.lower()):
            made = outputs.get(name)
            if (
                made is not None
                and made not in found.values()
                and kinds[made] == kind
                and value.name in shapes
                and shapes.get(made) == shapes[value.name]
            ):
                found[value.name] = made
                break
    if not found or len(found) in (len(model.graph.input), len(model.graph.output)):
        return ()
    say_states(model, found)
    return (_said(found),)


def _names_of_next(name: str) -> list[str]:
    """List what the next value of an input may be called, in small letters."""
    turned = [re.sub(old, new, name) for old, new in _TURNED if re.search(old, name)]
    return turned + [form.format(name) for forms in _NEXT for form in forms]


def _said(states: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{name} ({made} next)" for name, made in states.items())
    return f"live from call to call, by their names, zeros at first: {pairs}"
