"""Networks without a task: what they are given, and their forms as rows of the ledger.

A network that another program wrote may say nothing of its use. Its numbers can be calibrated and
compared all the same: on arrays of its inputs' shapes, from files or drawn at random.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx_ir as ir

from tatami import graph
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.graph.network import Network, shape_of
from tatami.graph.state import given_to, made_by, states_of, whole_calls
from tatami.ops.fixed_point import dequantize
from tatami.pipeline.ledger import (
    Array,
    Ledger,
    Row,
    compare_integers,
    compare_maps,
    compare_quantized,
)
from tatami.program import interpret
from tatami.program.forward import is_quantized
from tatami.program.lower import lower
from tatami.program.steps import Program, Value
from tatami.rules.picture import prepare
from tatami.ship.backend import RunningNetwork
from tatami.ship.seal import check
from tatami.ship.table import backend_of
from tatami.types import InputSpec, Size
from tatami.types.progress import Progress, quiet, tracked

RANDOM = "random"
"""In place of a file: what the network is given is drawn."""
DRAWN = 8
"""How often, where nothing says it."""
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")

K = TypeVar("K", str, int)

Sample = list[Array]
"""What a network is given for one call: an array for each of its inputs."""
Calls = Sequence[Sample]
"""What it is given for calls one after another."""


def is_bare(path: Path) -> bool:
    """Say whether a path holds a network that says nothing of its use.

    Args:
        path: An ONNX file or a shipped folder; anything else is not bare.
    """
    backend = backend_of(path) if path.is_dir() else None
    if backend is not None:
        return backend.spec(path) is None
    return path.is_file() and path.suffix == ".onnx" and graph.read(path).spec is None


# What it is given --------------------------------------------------------------------------------


def samples_of(network: Network, inputs: str | Path | None, count: int) -> list[Sample]:
    """Read what a network is given, or draw it.

    Args:
        network: The network, whose inputs say the shapes.
        inputs: A .npy file (one array more than the input has axes: a sample each of its first
            axis; else one sample), a .npz file of such arrays by the inputs' names, a folder of
            .npy files or of pictures (stretched to the input's size, pixels / 255), or "random".
            None: random.
        count: How many, at most; so many are drawn. Where something lives from call to call, they
            are calls one after another.

    Raises:
        TatamiError: For a file that does not fit the network.
    """
    values = given_to(network)
    if inputs is None or str(inputs) == RANDOM:
        rng = np.random.default_rng(0)
        return [[_drawn(value, rng) for value in values] for _ in range(count)]
    path = Path(inputs)
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file())
        arrays = [each for each in files if each.suffix == ".npy"]
        pictures = [each for each in files if each.suffix.lower() in PICTURES]
        if arrays:
            return [sample for each in arrays[:count] for sample in _read(network, each)][:count]
        if pictures:
            return [[_picture(values, each)] for each in pictures[:count]]
    elif path.is_file() and path.suffix in (".npy", ".npz"):
        return _read(network, path)[:count]
    raise TatamiError(
        "no arrays and no pictures",
        file=path,
        hint='give a .npy or .npz file, a folder of .npy files or pictures, or "random"',
        setting="inputs",
    )


def _drawn(value: ir.Value, rng: np.random.Generator) -> Array:
    """Draw an input: real numbers from -1 to 1, whole ones 0 or 1, which most indices allow."""
    dtype = np.dtype(np.float32 if value.dtype is None else value.dtype.numpy())
    if dtype == np.float32:
        return rng.uniform(-1, 1, shape_of(value)).astype(np.float32)
    if dtype in (np.uint8, np.int8):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max + 1, shape_of(value)).astype(dtype)
    return rng.integers(0, 2, shape_of(value)).astype(dtype)


def _read(network: Network, file: Path) -> list[Sample]:
    """Read the samples of a .npy or .npz file."""
    values = given_to(network)
    try:
        loaded = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise TatamiError(f"not an array: {error}", file=file, hint="write it with numpy.save",
                          setting="inputs") from None  # fmt: skip
    if isinstance(loaded, np.ndarray):
        found = {str(values[0].name): loaded} if len(values) == 1 else {}
    else:
        found = {name: loaded[name] for name in loaded.files}
    names = [str(value.name) for value in values]
    if set(found) != set(names):
        raise TatamiError(
            f"the network's inputs are {', '.join(names)}",
            file=file,
            hint="write an array for each, by name, with numpy.savez",
            setting="inputs",
        )
    lists = [_samples(value, found[str(value.name)], file) for value in values]
    if len({len(each) for each in lists}) > 1:
        raise TatamiError("the inputs have different numbers of samples", file=file,
                          hint="give as many of each", setting="inputs")  # fmt: skip
    return [list(sample) for sample in zip(*lists, strict=True)]


def _samples(value: ir.Value, array: Array, file: Path) -> list[Array]:
    """Divide an array into samples of an input's shape."""
    sides = shape_of(value)
    dtype = np.float32 if value.dtype is None else value.dtype.numpy()
    for one in (sides, sides[1:] if sides[:1] == (1,) else sides):
        if array.shape == one:
            return [array.astype(dtype).reshape(sides)]
        if array.shape[1:] == one and len(array):
            return [each.astype(dtype).reshape(sides) for each in array]
    raise TatamiError(
        f"an array of shape {array.shape} does not fit the input '{value.name}' of shape {sides}",
        file=file,
        hint="give one sample, or several along a first axis",
        setting="inputs",
    )


def _picture(values: Sequence[ir.Value], file: Path) -> Array:
    """Make a network's input of a picture, stretched, pixels / 255."""
    sides = shape_of(values[0])
    if len(values) > 1 or len(sides) != 4 or sides[1] not in (1, 3):
        raise TatamiError("the network takes no picture", file=file,
                          hint="give arrays of its inputs' shapes", setting="inputs")  # fmt: skip
    planes, _ = prepare(read_picture(file), InputSpec(Size(sides[3], sides[2]), "stretch"))
    mean = planes.mean(axis=0, keepdims=True) if sides[1] == 1 else planes
    return np.ascontiguousarray(mean[None], np.float32)


# Its forms ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BareForm:
    """A form of a network without a task: its arrays are lines, (1, samples), whatever their axes.

    Where something lives from call to call, what it is given are calls one after another, and the
    lines of its values are joined.

    Args:
        name: What the ledger calls it.
        forward: Calls to the outputs.
        values: Calls to every activation in float32, by name.
        integers: For a network of integers, calls to every value in its own type, by name.
        rounded: The names of values that come of float arithmetic.
        equalized: Whether its channels have other factors than those of what it was made of.
        compiled: Whether a back end made it.
        size: Bytes of what it is.
        remembers: Whether something lives from call to call.
    """

    name: str
    forward: Callable[[Calls], list[Array]]
    values: Callable[[Calls], Mapping[str, Array]] | None
    integers: Callable[[Calls], Mapping[str, Array]] | None
    rounded: frozenset[str] | None
    equalized: bool
    compiled: bool
    size: int
    remembers: bool = False


def open_bare(
    path: Path, *, variant: str | None = None, target: str | None = None, trust: bool = False
) -> BareForm:
    """Open an ONNX file or a shipped folder of a network without a task.

    Args:
        path: Where it is.
        variant: Of a folder, the kind of kernels; None: the best.
        target: Of a folder, the machine, emulated; None: this one.
        trust: Whether to run a shipped folder that this installation did not write.

    Raises:
        TatamiError: For a file that is damaged, for a shipped folder of a stranger, and for kernels
            that the machine has not got.
    """
    backend = backend_of(path) if path.is_dir() else None
    if backend is not None:
        built = trust or check(path)
        running = backend.open(path, variant=variant, target=target, built=built)
        network = next(iter(running.networks.values()))
        if variant is not None:
            variant = network.kernels  # compiled now: an error says what is missing
        kind = [backend.name.upper(), path.resolve().stem, target or "", variant or ""]
        return form_of_running(" ".join(word for word in kind if word), network, running.size)
    onnx = graph.read(path)
    name, size = path.stem, path.stat().st_size
    return (
        form_of_program(name, lower(onnx), size)
        if is_quantized(onnx)
        else form_of_network(name, onnx, size)
    )


def form_of_running(name: str, network: RunningNetwork, size: int) -> BareForm:
    """Take a shipped network that runs as a form.

    Args:
        name: What the ledger calls it.
        network: What runs.
        size: Bytes of what it is.
    """
    return _form(
        name,
        network.run_calls,
        network.values_of_calls,
        network.known,
        (network.inputs, network.outputs),
        None,
        compiled=True,
        size=size,
        remembers=network.remembers,
    )


def form_of_program(name: str, program: Program, size: int) -> BareForm:
    """Take a program, run by the interpreter, as a form; arguments as of ``form_of_running``."""
    return _form(
        name,
        lambda calls: interpret.run_calls(program, calls),
        lambda calls: interpret.values_of_calls(program, calls),
        program.values,
        (program.inputs, program.outputs),
        program.rounded(),
        compiled=False,
        size=size,
        remembers=bool(program.states),
    )


def form_of_network(name: str, onnx: Network, size: int) -> BareForm:
    """Take a float network, run by graph/run, as a form; arguments as of ``form_of_running``."""
    places = [place for place, value in enumerate(onnx.graph.outputs) if value in made_by(onnx)]
    shapes = [shape_of(value) for value in given_to(onnx)]

    def whole(calls: Calls) -> list[Sample]:
        fitted = [
            [array.reshape(shape) for array, shape in zip(each, shapes, strict=True)]
            for each in calls
        ]
        return whole_calls(onnx, fitted)

    def values(calls: Calls) -> dict[str, Array]:
        return _joined(graph.values(onnx, each) for each in whole(calls))

    def forward(calls: Calls) -> list[Array]:
        runs = (graph.run(onnx, each) for each in whole(calls))
        return list(_joined({at: each[at] for at in places} for each in runs).values())

    return BareForm(
        name, forward, values, None, None, equalized=False, compiled=False, size=size,
        remembers=bool(states_of(onnx)),
    )  # fmt: skip


def _form(
    name: str,
    run: Callable[[Calls], Sequence[Sequence[Array]]],
    values: Callable[[Calls], Sequence[Mapping[str, Array]]],
    known: Mapping[str, Value],
    ends: tuple[Sequence[str], Sequence[str]],
    rounded: frozenset[str] | None,
    *,
    compiled: bool,
    size: int,
    remembers: bool,
) -> BareForm:
    """Make a form of what runs a lowered network on (channels, rows, columns)."""
    inputs, outputs = ends

    def fitted(calls: Calls) -> list[Sample]:
        return [
            [array.reshape(known[value].shape) for array, value in zip(each, inputs, strict=True)]
            for each in calls
        ]

    def forward(calls: Calls) -> list[Array]:
        made = [dict(enumerate(each)) for each in run(fitted(calls))]
        return list(_joined(made, dict(enumerate(known[value] for value in outputs))).values())

    def integers(calls: Calls) -> dict[str, Array]:
        return _joined(values(fitted(calls)))

    def reals(calls: Calls) -> dict[str, Array]:
        return _joined(values(fitted(calls)), known)

    quantized = any(value.quantized for value in known.values())
    return BareForm(
        name, forward, reals, integers if quantized else None, rounded,
        equalized=False, compiled=compiled, size=size, remembers=remembers,
    )  # fmt: skip


def _joined(
    calls: Iterable[Mapping[K, Array]], known: Mapping[K, Value] | None = None
) -> dict[K, Array]:
    """Join the values of calls as lines; where it is said what they are, as real numbers."""
    parts: dict[K, list[Array]] = {}
    for each in calls:
        for key, array in each.items():
            real = array if known is None else _real(array, known[key])
            parts.setdefault(key, []).append(_line(real))
    return {key: np.concatenate(lines, axis=1) for key, lines in parts.items()}


def _line(array: Array) -> Array:
    return array.reshape(1, -1)


def _real(array: Array, value: Value) -> Array:
    quantization = value.quantization
    if quantization is None:
        return array
    return dequantize(array, quantization.scale, quantization.zero_point)


# The ledger --------------------------------------------------------------------------------------


def ledger_of(
    forms: Sequence[BareForm], samples: Sequence[Sample], progress: Progress = quiet
) -> Ledger:
    """Compare every form with the one that it was made of.

    Args:
        forms: In order.
        samples: What each is given, one call after another.
        progress: Takes up how far it is.
    """
    rows = []
    streams: list[Calls] = [[sample] for sample in samples]
    if any(form.remembers for form in forms):
        streams = [samples]
    for place, form in tracked(list(enumerate(forms)), "Comparing", progress):
        start = time.process_time()
        for calls in streams:
            form.forward(calls)
        milliseconds = 1e3 * (time.process_time() - start) / len(samples)
        row = _row(form, _reference(form, forms[:place]), streams)
        rows.append(
            Row(row.stage, row.reference, row.worst, row.unit, row.bound, row.layer,
                size=form.size, milliseconds=None if form.compiled else milliseconds)
        )  # fmt: skip
    return Ledger(tuple(rows), "")


def _reference(form: BareForm, before: Sequence[BareForm]) -> BareForm | None:
    """Choose what a form is compared with: the last ONNX file of its kind, or else the last."""
    kind = form.integers is not None
    files = [one for one in before if not one.compiled]
    same = [one for one in files if (one.integers is not None) == (kind and form.compiled)]
    candidates = same or list(before)
    return candidates[-1] if candidates else None


def _row(form: BareForm, reference: BareForm | None, samples: Sequence[Calls]) -> Row:
    if reference is None:
        return Row(form.name)
    if form.integers is None:
        return compare_maps(form, reference, samples)
    if reference.integers is not None:
        return compare_integers(form, reference, samples)
    return compare_quantized(form, reference, samples)


def more_forms(
    paths: Sequence[Path], *, variants: bool, on: Sequence[str], trust: bool
) -> list[BareForm]:
    """Open shipped folders with each kind of kernels, here and on other machines.

    Args:
        paths: The stages, folders among them.
        variants: Whether to open them with each kind that this processor has.
        on: Machines, emulated.
        trust: Whether to run folders that this installation did not write.

    Raises:
        TatamiError: For a machine whose emulator or compiler is missing.
    """
    forms = []
    for path in paths:
        backend = backend_of(path) if path.is_dir() else None
        if backend is None:
            continue
        for target in (*([None] if variants else []), *on):
            for variant in backend.variants(path, target):
                try:
                    forms.append(open_bare(path, variant=variant, target=target, trust=trust))
                except TatamiError:
                    if target is not None:
                        raise  # here it only says that this processor has not got them
    return forms


def check_all_bare(paths: Sequence[Path], bare: Sequence[bool]) -> None:
    """Raise TatamiError where some forms have a task and others none."""
    if any(bare) and not all(bare):
        odd = next(path for path, one in zip(paths, bare, strict=True) if one)
        raise TatamiError(
            "no tatami metadata, which the others have: they are not forms of one network",
            file=odd,
            hint="prove the stages of one network",
        )
