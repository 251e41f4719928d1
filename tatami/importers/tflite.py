"""TFLite files, in float32 and in 8 bits, as ONNX; SSDs with their heads as raw maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

from tatami.errors import TatamiError
from tatami.files import read_text
from tatami.graph.form import MAX_ELEMENTS
from tatami.graph.state import say_states
from tatami.importers.imported import Imported
from tatami.importers.tflite_network import AGAIN, Work
from tatami.importers.tflite_operators import OPERATORS
from tatami.importers.tflite_schema import Content, Operator, Tensor, content_of
from tatami.importers.tflite_ssd import POST_PROCESS, Ssd, box_channels, score_channels, ssd_of
from tatami.types import AnchorGrid, Decoding, InputSpec, Size

MAX_BYTES = 1 << 30
MAX_LABELS = 1 << 20

SEVERAL = (*("ASSIGN_VARIABLE", "MaxPoolingWithArgmax2D", "SPLIT", "SPLIT_V", "TOPK_V2", "UNPACK"),)
"""Operators whose outputs are not one."""
NO_CLASS = "???"
"""How a list of labels names a place that no class has."""


def read_tflite(
    file: Path,
    labels: Path | None,
    size: Size | None,
    shape: Mapping[str, Sequence[int]] | None = None,
) -> Imported:
    """Import a TFLite file.

    Args:
        file: The file.
        labels: A text file, a name a line; for an SSD the background may stand first.
        size: Another input size than the file's, for a fully convolutional network; an SSD keeps
            its anchors in pixels.
        shape: Other shapes of inputs, by name, channels last.

    Raises:
        TatamiError: Naming the file, for what is no TFLite file or is damaged, for an operator, a
            form of one or a type that Tatami does not have, and for labels that do not fit.
        OSError: For a file that cannot be opened.
    """
    names = None if labels is None else _names(labels)
    try:
        length = file.stat().st_size
        if length > MAX_BYTES:
            raise TatamiError(
                f"the file has {length} bytes, more than {MAX_BYTES}", hint="give a smaller network"
            )
        return _imported(content_of(file.read_bytes()), names, size, shape or {})
    except TatamiError as error:
        raise TatamiError(
            error.reason, hint=error.hint, file=file, setting=error.setting
        ) from error


def _imported(
    content: Content,
    names: Sequence[str] | None,
    size: Size | None,
    shape: Mapping[str, Sequence[int]],
) -> Imported:
    content = _shaped(content, shape)
    own = _input_size(content)
    ssd = ssd_of(content, own) if content.operators else None
    _refuse(content)
    kept = [] if ssd is None else _kept(ssd, names)
    resized = bool(shape) or (size is not None and size != own)
    work = Work(content, own if size is None else size, own, resized)
    outputs = list(content.outputs)
    if ssd is not None:
        outputs = [index for head in ssd.heads for index in (head.boxes, head.scores)]
        for head in ssd.heads:
            count = len(head.anchors)
            work.channels[head.boxes] = box_channels(count)
            work.channels[head.scores] = score_channels(count, ssd.classes, kept)
    work.start()
    for operator in _needed(content, outputs):
        if _known_from_shapes(work, operator):
            continue
        try:
            OPERATORS[operator.kind](work, operator)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Numbers of a damaged file that fit no array, before an operator has a word for them.
            raise work.wrong(operator, f"is damaged: {error}") from error
    ends = _outputs(work, outputs, ssd)
    states = {state: f"{state}_next" for state in work.states}
    ends |= {states[state]: value for state, value in work.next_states().items()}
    model = work.builder.model(ends)
    say_states(model, states)
    pictures = _pictures(content.tensors[content.inputs[0]], work.size)
    notes = work.notes(outputs if ssd is None else [])
    if ssd is None:
        classes = None if names is None else tuple(names)
        return Imported(model, None, classes, pictures, notes, rounded=work.rounded_anew())
    classes = None
    if names is not None:
        classes = tuple(_without_background(ssd, names)[index] for index in kept)
    decoding = _decoding(ssd, work)
    said = (*notes, *_ssd_notes(ssd, kept))
    return Imported(model, decoding, classes, pictures, said, rounded=work.rounded_anew())


def _shaped(content: Content, shape: Mapping[str, Sequence[int]]) -> Content:
    """Give inputs other shapes."""
    names = {content.tensors[index].name: index for index in content.inputs}
    tensors = list(content.tensors)
    for name, sides in shape.items():
        if name not in names:
            raise TatamiError(
                f"the network has no input '{name}'",
                hint=f"its inputs are {', '.join(names)}",
                setting="shape",
            )
        own = tensors[names[name]].shape
        if len(sides) != len(own) or min(sides, default=1) < 1 or prod(sides) > MAX_ELEMENTS:
            raise TatamiError(
                f"the input '{name}' of shape {own} cannot have the shape {tuple(sides)}",
                hint="say as many sides",
                setting="shape",
            )
        tensors[names[name]] = replace(tensors[names[name]], shape=tuple(sides))
    return replace(content, tensors=tuple(tensors))


def _input_size(content: Content) -> Size:
    """Give the size of the first input that is a map; 1x1 where none is."""
    if not content.inputs:
        raise TatamiError("the network has no input", hint=AGAIN)
    shapes = [content.tensors[index].shape for index in content.inputs]
    maps = [shape for shape in shapes if len(shape) == 4 and min(shape) > 0]
    return Size(maps[0][2], maps[0][1]) if maps else Size(1, 1)


def _known_from_shapes(work: Work, operator: Operator) -> bool:
    """Pass an operator over that works on shapes alone: all are known, and nothing is computed."""
    if operator.kind in ("SHAPE", "DEQUANTIZE") or not operator.outputs:
        return False
    given = [index for index in operator.inputs if index >= 0]
    from_shapes = [index for index in given if index in work.whole or index in work.passed]
    rest = [index for index in given if index not in from_shapes]
    constant = all(work.content.tensors[index].data is not None for index in rest)
    if not from_shapes or not constant:
        return False
    work.passed |= set(operator.outputs)
    return True


def _refuse(content: Content) -> None:
    """Refuse every operator that is not in the table, before anything is made."""
    known = (*OPERATORS, POST_PROCESS) if content.operators else ()
    unknown = sorted({op.kind for op in content.operators if op.kind not in known})
    misplaced = any(op.kind == POST_PROCESS for op in content.operators[:-1])
    if unknown or misplaced:
        raise TatamiError(
            f"the network uses {', '.join(unknown) or f'{POST_PROCESS} in its middle'}, which "
            "Tatami does not know",
            hint=f"it knows {len(OPERATORS)} of TFLite's: docs/importing.md lists them",
        )


def _needed(content: Content, outputs: Sequence[int]) -> list[Operator]:
    """List the operators behind ``outputs``, in order."""
    wanted = set(outputs)
    found = []
    for operator in reversed(content.operators):
        if wanted & set(operator.outputs) or operator.kind == "ASSIGN_VARIABLE":
            if len(operator.outputs) != 1 and operator.kind not in SEVERAL:
                raise TatamiError(
                    f"{operator.kind} makes {len(operator.outputs)} outputs", hint=AGAIN
                )
            wanted |= set(operator.inputs)
            found.append(operator)
    return found[::-1]


def _outputs(work: Work, outputs: Sequence[int], ssd: Ssd | None) -> dict[str, str]:
    """Name the network's outputs, in order, and their values."""
    if ssd is not None:
        names = [
            f"{kind}_{index}" for index in range(len(ssd.heads)) for kind in ("boxes", "scores")
        ]
    else:
        names = [work.content.tensors[index].name or f"output_{index}" for index in outputs]
    if len(set(names)) < len(names):
        raise TatamiError("two outputs of the network have one name", hint=AGAIN)
    for index, name in zip(outputs, names, strict=True):
        if index not in work.values:
            raise TatamiError(f"the output '{name}' is changed by no input", hint=AGAIN)
    return dict(zip(names, (work.values[index] for index in outputs), strict=True))


# What the file says beside the network -----------------------------------------------------------


def _pictures(images: Tensor, size: Size) -> InputSpec | None:
    """Say how a picture becomes bytes of the input: its pixels are the bytes.

    None for floats, and for what is no picture.
    """
    if images.quantization is None or len(images.shape) != 4 or images.shape[3] != 3:
        return None
    mean = float(images.quantization.zero_point[0] + (128 if images.kind == "int8" else 0))
    scale = float(images.quantization.scale[0])
    return InputSpec(
        size, resize="stretch", channels="rgb", mean=(mean, mean, mean), scale=(scale, scale, scale)
    )


def _decoding(ssd: Ssd, work: Work) -> Decoding:
    grids = []
    for head in ssd.heads:
        _, rows, columns, _ = work.shape(work.values[head.boxes])
        grids.append(AnchorGrid(head.anchors, (work.size.width / columns, work.size.height / rows)))
    return Decoding(
        "ssd",
        tuple(grids),
        ssd.scores,
        ssd.variances,
        score_threshold=ssd.score_threshold,
        iou_threshold=ssd.iou_threshold,
        max_detections=ssd.max_detections,
    )


def _ssd_notes(ssd: Ssd, kept: Sequence[int]) -> tuple[str, ...]:
    notes = []
    if len(kept) < ssd.classes:
        notes.append(
            f"{ssd.classes - len(kept)} of {ssd.classes} classes have no name and were left out"
        )
    if ssd.anchor_step:
        notes.append(
            f"the file holds its anchors in steps of {ssd.anchor_step:.4f} of the input: centers "
            "are taken from the cells, sides are the file's"
        )
    if not ssd.regular:
        notes.append(
            "the file suppresses boxes of all classes together, Tatami those of each class"
        )
    return tuple(notes)


# Names -------------------------------------------------------------------------------------------


def _names(labels: Path) -> list[str]:
    """Read names, a line each.

    Raises:
        TatamiError: For what is no list of names.
        OSError: For a file that cannot be opened.
    """
    lines = read_text(labels, MAX_LABELS, _LABELS).rstrip().splitlines()
    names = [line.strip() for line in lines]
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name or (name in seen and name != NO_CLASS):
            reason = f"'{name}' stands here again" if name else "the line is empty"
            raise TatamiError(reason, hint=_LABELS, file=labels, line=number)
        seen.add(name)
    return names


_LABELS = "give a text file with a name of a class a line"


def _without_background(ssd: Ssd, names: Sequence[str]) -> Sequence[str]:
    """Give the names of the classes alone.

    Raises:
        TatamiError: Where their number is another.
    """
    if len(names) not in (ssd.classes, ssd.classes + 1):
        raise TatamiError(
            f"the labels are {len(names)} names, the network has {ssd.classes} classes",
            hint="give a name for each class, or for the background first and then each class",
        )
    return names[len(names) - ssd.classes :]


def _kept(ssd: Ssd, names: Sequence[str] | None) -> list[int]:
    """List the classes that have a name."""
    if names is None:
        return list(range(ssd.classes))
    kept = [i for i, name in enumerate(_without_background(ssd, names)) if name != NO_CLASS]
    if not kept:
        raise TatamiError("no class has a name", hint=_LABELS)
    return kept
