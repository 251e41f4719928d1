"""Sound TFLite files, small, and damage to their structure: of hostile.py."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from tatami.importers.tflite_schema import BUILTIN
from tests.importers import test_tflite as plain
from tests.importers import test_tflite_operators as more

File = plain.File
SIDES = (0, 1, 2, 3, 7, 16, -1, -2, 255, 65_536, 2**31 - 1, -(2**31), 2**20, 46_341)
NAMES = ("", "image", "a" * 3000, "a\nb", "\x1b[2J", "é", "x")
REALS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e38, float("inf"), float("-inf"), float("nan"))


class Sound:
    """A file in the making that is finished.

    Args:
        file: Its parts.
        outputs: Indices of tensors.
    """

    def __init__(self, file: Any, outputs: tuple[int, ...]) -> None:
        self.file, self.outputs = file, outputs


def _caught(make: Callable[[], object]) -> Sound:
    """Keep what a function of the tests writes before it is written."""
    kept: list[Sound] = []
    written = File.content

    def keep(self: Any, *outputs: int) -> bytes:
        kept.append(Sound(self, outputs))
        return written(self, *outputs)

    File.content = keep  # type: ignore[method-assign]
    try:
        make()
    finally:
        File.content = written  # type: ignore[method-assign]
    return kept[-1]


def _memory() -> object:
    file = File((1, 5))
    places = [file.constant(more.numbers(6, 5)), file.constant(more.numbers(6, 4))]
    places.append(file.constant(more.numbers(3)))
    state = file.tensor("memory", (1, 24))
    file.variables = {state}
    return file.content(file.add("SVDF", [0, *places, state], (1, 3), {0: 2, 1: 1}))


def _sparse(name: str) -> object:
    file, output = more.sparse_file(*more.SPARSE[name])
    return file.content(output)


def sound() -> dict[str, Sound]:
    """The files, by what they are."""
    made: dict[str, Callable[[], object]] = {
        "ssd": plain.ssd,
        "signed": plain.signed_layers,
        "unsigned": plain.unsigned_layers,
        "chain": plain.quantized_chain,
        "memory": _memory,
        "branched": more.branched,
    }
    made |= {f"sparse {name}": lambda name=name: _sparse(name) for name in more.SPARSE}  # type: ignore[misc]
    made |= {name: lambda name=name: more.content_of(name) for name in more.CASES}  # type: ignore[misc]
    return {name: _caught(make) for name, make in made.items()}


def _shape(rng: random.Random, one: Sound) -> None:
    place = rng.randrange(len(one.file.tensors))
    name, shape, *others = one.file.tensors[place]
    sides = list(shape)
    match rng.randrange(4):
        case 0:
            sides.append(rng.choice(SIDES))
        case 1 if sides:
            del sides[rng.randrange(len(sides))]
        case _ if sides:
            sides[rng.randrange(len(sides))] = rng.choice(SIDES)
    one.file.tensors[place] = (name, tuple(sides), *others)


def _tensor(rng: random.Random, one: Sound) -> None:
    """Change a tensor's name, kind, numbers or steps."""
    place = rng.randrange(len(one.file.tensors))
    name, shape, kind, data, steps, axis = one.file.tensors[place]
    match rng.randrange(6):
        case 0:
            name = rng.choice((*NAMES, rng.choice(one.file.tensors)[0]))
        case 1:
            kind = rng.choice(list(plain.KINDS))
        case 2 if data is not None:
            data = data.reshape(-1)[: rng.randrange(data.size + 1)]
        case 3 if data is not None and data.size:
            data = np.array(data)
            with np.errstate(all="ignore"):
                number = rng.choice(REALS if data.dtype.kind == "f" else SIDES)
                data.reshape(-1)[rng.randrange(data.size)] = np.array(number).astype(data.dtype)
        case 4:
            data = None if rng.random() < 0.3 else np.zeros(rng.choice((0, 1, 5)), np.float32)
        case _:
            count = rng.choice((0, 1, 2, 6))
            zeros = np.full(rng.choice((count, 1)), rng.choice((-129, 0, 2**40)))
            steps = rng.choice((
                None,
                (np.full(count, rng.choice(REALS)), np.zeros(count)),
                (np.full(count, 0.02), zeros),
            ))  # fmt: skip
            axis = rng.choice((0, 1, 3, -1, 99))
    one.file.tensors[place] = (name, shape, kind, data, steps, axis)


def _operator(rng: random.Random, one: Sound) -> None:
    """Change what an operator is, reads or makes."""
    if not one.file.operators:
        return
    place = rng.randrange(len(one.file.operators))
    code, inputs, outputs, options, custom = one.file.operators[place]
    inputs, outputs = list(inputs), list(outputs)
    tensors = (*range(len(one.file.tensors)), -1, -2, len(one.file.tensors), 2**31 - 1)
    match rng.randrange(7):
        case 0:
            code = rng.choice((rng.choice(BUILTIN), rng.choice(one.file.operators)[0], "", "Own"))
        case 1 if inputs:
            inputs[rng.randrange(len(inputs))] = rng.choice(tensors)
        case 2 if outputs:
            outputs[rng.randrange(len(outputs))] = rng.choice(tensors)
        case 3 if inputs:
            del inputs[rng.randrange(len(inputs))]
        case 4:
            rng.choice((inputs, outputs)).extend([rng.choice(tensors)] * rng.choice((1, 2, 40)))
        case 5 if outputs:
            del outputs[:]
        case _ if inputs and outputs:
            inputs[0] = outputs[0]
    one.file.operators[place] = (code, inputs, outputs, options, custom)


def _options(rng: random.Random, one: Sound) -> None:
    if not one.file.operators:
        return
    place = rng.randrange(len(one.file.operators))
    code, inputs, outputs, options, custom = one.file.operators[place]
    numbers = (*(number for number in SIDES), True, False, 0.5, 1e38, float("nan"))
    options = dict(options)
    if custom:
        key = rng.choice(sorted(custom))
        custom = {**custom, key: rng.choice((*numbers, "x", [1, 2], 2**40))}
    options[rng.choice((*options, rng.randrange(8)))] = rng.choice(numbers)
    one.file.operators[place] = (code, inputs, outputs, options, custom)


def _order(rng: random.Random, one: Sound) -> None:
    """Drop, swap or repeat operators, outputs and variables."""
    match rng.randrange(6):
        case 0:
            rng.shuffle(one.file.operators)
        case 1 if one.file.operators:
            del one.file.operators[rng.randrange(len(one.file.operators))]
        case 2 if one.file.operators:
            one.file.operators.append(rng.choice(one.file.operators))
        case 3:
            one.outputs = (*one.outputs, rng.randrange(-1, len(one.file.tensors) + 1))
        case 4:
            one.outputs = one.outputs[1:]
        case _:
            one.file.variables = {rng.randrange(len(one.file.tensors))}
            if rng.random() < 0.3:
                one.file.image = rng.randrange(-1, len(one.file.tensors) + 2)


DAMAGE = (_shape, _shape, _tensor, _tensor, _operator, _operator, _options, _options, _order)


def mutated(rng: random.Random, one: Sound) -> bytes:
    """Damage the structure of a file in one to three places, and write it."""
    while True:
        damaged = copy.deepcopy(one)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            rng.choice(DAMAGE)(rng, damaged)
        try:
            return damaged.file.content(*damaged.outputs)
        except Exception:
            continue  # Google's writer refuses some numbers
