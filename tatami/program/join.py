"""Two programs, the second of which takes what the first makes."""

from __future__ import annotations

from dataclasses import replace

from tatami.errors import TatamiError
from tatami.program.steps import Dequantize, Program


def as_taken(first: Program, second: Program) -> Program:
    """Give the first program with its first output as the second takes it.

    Where that is bytes, it is the bytes that the last step only turns to float32: what lies between
    the two programs, as pooling regions by their largest sample, gives the same of the bytes as of
    the numbers that they stand for.

    Raises:
        TatamiError: Where the output is not in these bytes.
    """
    taken = second.values[second.inputs[0]].quantization
    if taken is None:
        return first
    name, *others = first.outputs
    if first.values[name].quantization == taken:
        return first
    last = next((step for step in first.steps if step.output == name), None)
    if not isinstance(last, Dequantize) or first.values[last.inputs[0]].quantization != taken:
        raise TatamiError(
            "its head expects other bytes than those of the feature map",
            hint="quantize both networks at once: give the folder that holds them",
        )
    bytes_ = last.inputs[0]
    if any(name in step.inputs for step in first.steps):  # in float32, too
        return replace(first, outputs=(bytes_, *others))

    def named(value: str) -> str:
        return name if value == bytes_ else value

    steps = tuple(
        replace(step, inputs=tuple(map(named, step.inputs)), output=named(step.output))
        for step in first.steps
        if step is not last
    )
    values = {named(key): value for key, value in first.values.items() if key != name}
    return replace(first, steps=steps, values=values)


def as_given(first: Program, second: Program) -> Program:
    """Give the first program with its outputs as the second takes them, name by name.

    Where the second takes bytes, they are those that the first program's last steps only turn to
    float32.

    Args:
        first: Its outputs have the names of inputs of the second.
        second: Its other inputs come from elsewhere.

    Raises:
        TatamiError: Where an output is not in the bytes that are taken.
    """
    makers = {step.output: step for step in first.steps}
    outputs, dropped = [], set()
    for name in first.outputs:
        taken = second.values[name].quantization if name in second.inputs else None
        last = makers.get(name)
        if taken is None or first.values[name].quantization == taken:
            outputs.append(name)
            continue
        if not isinstance(last, Dequantize) or first.values[last.inputs[0]].quantization != taken:
            raise TatamiError(
                f"the second network takes other bytes than those of '{name}'",
                hint="quantize both networks at once: give the folder that holds them",
            )
        outputs.append(last.inputs[0])
        if not any(name in step.inputs for step in first.steps):
            dropped.add(name)
    return replace(
        first,
        steps=tuple(step for step in first.steps if step.output not in dropped),
        values={name: value for name, value in first.values.items() if name not in dropped},
        outputs=tuple(outputs),
    )
