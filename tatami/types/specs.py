"""What a network's file must say beside its weights to be used right: a class for each task.

Each writes itself as plain values, reads itself back strictly, and knows which inputs and outputs a
network must have to be what it says. graph/metadata.py puts it into an ONNX file.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from tatami.errors import TatamiError
from tatami.types import strict
from tatami.types.decoding import AnchorGrid, Decoding, RegionDecoding
from tatami.types.geometry import Size
from tatami.types.inputs import Input
from tatami.types.search import Search
from tatami.types.series import SeriesInput
from tatami.types.sound import SoundInput, WaveInput
from tatami.types.text import TextInput

AGAIN = "export the network again"
Shape = tuple[int, ...]


@dataclass(frozen=True)
class InputSpec(Input):
    """How a picture becomes a network's input: parameters of the rule in docs/picture-rule.md.

    value = (pixel - mean[c]) * scale[c] in float32, planes in the order of ``channels``.

    Args:
        size: Of the input.
        resize: ``letterbox`` keeps the picture's proportions, ``stretch`` fills the input.
        filter: ``triangle``, the exact rule, or ``darknet``, darknet's interpolation in float32.
        channels: The order of the planes.
        mean: Taken off the pixels of each plane.
        scale: Multiplied with what is left.
        pad: The pixels around a letterboxed picture.
    """

    size: Size
    resize: Literal["letterbox", "stretch"] = "letterbox"
    filter: Literal["triangle", "darknet"] = "triangle"
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1 / 255, 1 / 255, 1 / 255)
    pad: float = 128

    @property
    def shape(self) -> tuple[int, int, int]:
        """Three planes of the size."""
        return 3, self.size.height, self.size.width

    def resized(self, size: Size) -> InputSpec:
        """Give the same rule for another size."""
        return replace(self, size=size)

    def to_json(self) -> dict[str, Any]:
        """Give its members as plain values."""
        return asdict(self) | {"size": str(self.size), "pad": float(self.pad)}

    @staticmethod
    def from_json(value: object) -> InputSpec:
        """Read what a file's metadata says of it. Raises TatamiError."""
        key = "tatami.input"
        found = strict.members(key, value, InputSpec)
        if not isinstance(found["size"], str):
            raise strict.refuse(key, "has a size that is not text as '416x320'")
        mean = strict.finite(key, "mean", found["mean"], 3)
        scale = strict.finite(key, "scale", found["scale"], 3)
        filter_ = strict.one_of(key, "filter", found["filter"], ("triangle", "darknet"))
        (pad,) = strict.finite(key, "pad", [found["pad"]], 1)
        if not 0 <= pad <= 255 or (filter_ == "triangle" and pad != int(pad)):
            raise strict.refuse(
                key, "has a pad that is not a whole number from 0 to 255 (of darknet's, any)"
            )
        return InputSpec(
            Size.parse(found["size"]),
            strict.one_of(key, "resize", found["resize"], ("letterbox", "stretch")),
            filter_,
            strict.one_of(key, "channels", found["channels"], ("rgb", "bgr")),
            (mean[0], mean[1], mean[2]),
            (scale[0], scale[1], scale[2]),
            pad,
        )


@dataclass(frozen=True)
class Spec(ABC):
    """What every network says of its use. Abstract.

    Args:
        classes: Their names.
        input: How its input is made.
    """

    task: ClassVar[str]
    """What a file calls it."""
    keys: ClassVar[tuple[str, ...]]
    """The entries of a file's metadata that say it, beside the task."""
    input_key: ClassVar[str] = "input"
    """That of them which says how the input is made; of no picture it has another name."""

    classes: tuple[str, ...]
    input: Input

    if TYPE_CHECKING:

        @property
        def provenance(self) -> Mapping[str, str]:
            """What the network was made by, and of what."""

    def to_json(self) -> dict[str, Any]:
        """Give a plain value for each of ``keys``."""
        return {
            "classes": list(self.classes),
            self.input_key: self.input.to_json(),
            "provenance": dict(self.provenance),
        }

    @classmethod
    @abstractmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of ``keys`` back. Raises TatamiError."""

    def changed(self, **members: Any) -> Self:
        """Give the same spec with other members, as ``provenance=...``."""
        values = {member.name: getattr(self, member.name) for member in fields(self)}
        return type(self)(**{**values, **members})

    @property
    def sees_pictures(self) -> bool:
        """Whether the network's input is made of a picture by the picture rule."""
        return self.input_key == "input"

    @property
    def several_inputs(self) -> bool:
        """Whether a network of it has more inputs than one: usually not."""
        return False

    @property
    def several_calls(self) -> bool:
        """Whether an answer takes several calls of its networks, of several inputs: usually not."""
        return False

    @property
    def looks_back(self) -> int | None:
        """How many columns, moments of sound, the next one is told from; None: they are no such."""
        return None

    @property
    def output_names(self) -> tuple[str, ...]:
        """What an exported network's outputs are called."""
        return ("logits",)

    def resized(self, size: Size, before: Sequence[Shape], after: Sequence[Shape]) -> Self:
        """Give the spec of the same network at another input size.

        Args:
            size: The new one.
            before: (rows, columns) of every output at the old one.
            after: (rows, columns) of every output at the new one.
        """
        return self.changed(
            input=self.input.resized(size),
            provenance={**self.provenance, "resized": f"{self.input.size} to {size}"},
        )

    @abstractmethod
    def check_outputs(self, shapes: Sequence[Shape]) -> None:
        """Raise TatamiError where a network with outputs of these shapes is of another use."""

    def check(self, image: Shape, outputs: Sequence[Shape]) -> None:
        """Raise TatamiError where the metadata and the network tell different stories.

        Args:
            image: The shape of the network's input.
            outputs: The shapes of its outputs.
        """
        if len(image) != 4 or image[1:] != self.input.shape:
            raise TatamiError(
                f"the metadata says an input of {self.input.size}, the network takes {image}",
                hint=AGAIN,
            )
        self.check_outputs(outputs)


def _common(content: Mapping[str, Any]) -> tuple[tuple[str, ...], InputSpec]:
    return (
        strict.names("tatami.classes", content["classes"]),
        InputSpec.from_json(content["input"]),
    )


def _provenance(content: Mapping[str, Any]) -> Mapping[str, str]:
    return strict.texts("tatami.provenance", content["provenance"])


def _check_logits(shapes: Sequence[Shape], classes: int) -> None:
    if list(shapes) != [(1, classes)]:
        raise TatamiError(
            f"the metadata names {classes} classes, the network makes {_said(shapes)}", hint=AGAIN
        )


def _said(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, shapes))


@dataclass(frozen=True)
class DetectionSpec(Spec):
    """A network that finds boxes by itself.

    Args:
        classes: Their names.
        input: How a picture becomes its input.
        decoding: How its raw maps become boxes.
        provenance: What it was made by, and of what.
    """

    task: ClassVar[str] = "detect"
    keys: ClassVar[tuple[str, ...]] = ("classes", "input", "decoding", "provenance")

    input: InputSpec

    decoding: Decoding
    provenance: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give a plain value for each of ``keys``."""
        return super().to_json() | {"decoding": self.decoding.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of ``keys`` back. Raises TatamiError."""
        said = content["decoding"]  # files did not always say what is agnostic
        decoding = {"agnostic": False, **said} if isinstance(said, dict) else said
        return cls(*_common(content), Decoding.from_json(decoding), _provenance(content))

    def resized(self, size: Size, before: Sequence[Shape], after: Sequence[Shape]) -> Self:
        """Give the spec of the same network at another input size, its grids laid over it."""
        grids, old = self.decoding.grids, self.input.size
        each = len(before) // len(grids)
        if all(
            _share_out(grid, old, cells) for grid, cells in zip(grids, before[::each], strict=True)
        ):
            grids = tuple(
                replace(grid, stride=(size.width / columns, size.height / rows))
                for grid, (rows, columns) in zip(grids, after[::each], strict=True)
            )
        resized = super().resized(size, before, after)
        return resized.changed(decoding=replace(self.decoding, grids=grids))

    @property
    def output_names(self) -> tuple[str, ...]:
        """What an exported network's raw maps are called."""
        count = len(self.decoding.maps(len(self.classes)))
        return ("map",) if count == 1 else tuple(f"map_{index}" for index in range(count))

    def check_outputs(self, shapes: Sequence[Shape]) -> None:
        """Raise TatamiError unless there is one raw map for each that the decoding reads."""
        _check_maps(shapes, self.decoding, len(self.classes), self.input.size)


@dataclass(frozen=True)
class ClassificationSpec(Spec):
    """A network whose one output is a logit a class: (n, classes).

    Args:
        classes: Their names.
        input: How a picture becomes its input.
        provenance: What it was made by, and of what.
    """

    task: ClassVar[str] = "classify"
    keys: ClassVar[tuple[str, ...]] = ("classes", "input", "provenance")

    input: InputSpec

    provenance: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of ``keys`` back. Raises TatamiError."""
        return cls(*_common(content), _provenance(content))

    def check_outputs(self, shapes: Sequence[Shape]) -> None:
        """Raise TatamiError unless the one output is a logit a class."""
        _check_logits(shapes, len(self.classes))


@dataclass(frozen=True)
class SoundSpec(Spec):
    """A network whose one output is a logit for each class of a sound: (n, classes).

    Args:
        classes: Their names.
        input: How sound becomes its input.
        provenance: What it was made by, and of what.
    """

    task: ClassVar[str] = "recognize"
    keys: ClassVar[tuple[str, ...]] = ("classes", "sound", "provenance")
    input_key = "sound"

    input: SoundInput

    provenance: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of ``keys`` back. Raises TatamiError."""
        names = strict.names("tatami.classes", content["classes"])
        return cls(names, SoundInput.from_json(content["sound"]), _provenance(content))

    def check_outputs(self, shapes: Sequence[Shape]) -> None:
        """Raise TatamiError unless the one output is a logit a class."""
        _check_logits(shapes, len(self.classes))


@dataclass(frozen=True)
class SeriesSpec(Spec):
    """A network whose one output is a logit for each class of a series: (n, classes).

    Args:
        classes: Their names.
        input: How a series becomes its input.
        provenance: What it was made by, and of what.
    """

    task: ClassVar[str] = "classify-series"
    keys: ClassVar[tuple[str, ...]] = ("classes", "series", "provenance")
    input_key = "series"

    input: SeriesInput

    provenance: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of ``keys`` back. Raises TatamiError."""
        names = strict.names("tatami.classes", content["classes"])
        return cls(names, SeriesInput.from_json(content["series"]), _provenance(content))

    def check_outputs(self, shapes: Sequence[Shape]) -> None:
        """Raise TatamiError unless the one output is a logit a class."""
        _check_logits(shapes, len(self.classes))


@dataclass(frozen=True)
class GenerationSpec(Spec):
    """A network whose one output is a logit for each code of every next sample: (n, 256, 1, n).

    Args:
        classes: Their names.
        input: How samples become its input.
        provenance: What it was made by, and of what.
    """

    task: ClassVar[str] = "generate"
    keys: ClassVar[tuple[str, ...]] = ("classes", "wave", "provenance")
    input_key = "wave"

    input: WaveInput

    provenance: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of ``keys`` back. Raises TatamiError."""
        names = strict.names("tatami.classes", content["classes"])
        wave = WaveInput.from_json(content["wave"])
        if wave.classes != len(names):
            raise TatamiError(
                f"the metadata names {len(names)} classes, its input has {wave.classes}", hint=AGAIN
            )
        return cls(names, wave, _provenance(content))

    @property
    def looks_back(self) -> int:
        """How many samples the next one is told from."""
        return self.input.receptive

    def check_outputs(self, shapes: Sequence[Shape]) -> None:
        """Raise TatamiError unless the one output is a logit for each code of every sample."""
        if list(shapes) != [(1, 256, 1, self.input.samples)]:
            raise TatamiError(
                f"the metadata says a choice of 256 for each of {self.input.samples} samples, the "
                f"network makes {_said(shapes)}",
                hint=AGAIN,
            )


@dataclass(frozen=True)
class SegmentationSpec(Spec):
    """A network whose one output is a map a class: (n, classes, rows, columns).

    The map is of the input's size or, around the same center, of a smaller one.

    Args:
        classes: Their names.
        input: How a picture becomes its input.
        provenance: What it was made by, and of what.
    """

    task: ClassVar[str] = "segment"
    keys: ClassVar[tuple[str, ...]] = ("classes", "input", "provenance")

    input: InputSpec

    provenance: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of ``keys`` back. Raises TatamiError."""
        return cls(*_common(content), _provenance(content))

    def check_outputs(self, shapes: Sequence[Shape]) -> None:
        """Raise TatamiError unless the one output is a map a class with equal margins around it."""
        size = self.input.size
        one = shapes[0] if len(shapes) == 1 else ()
        sound = len(one) == 4 and one[:2] == (1, len(self.classes))
        if sound:
            margins = (size.height - one[2], size.width - one[3])
            sound = all(margin >= 0 and margin % 2 == 0 for margin in margins)
        if not sound:
            raise TatamiError(
                f"the metadata names {len(self.classes)} classes of every pixel of {size}, "
                f"the network makes {_said(shapes)}",
                hint=AGAIN,
            )


@dataclass(frozen=True)
class TwoStageSpec(Spec):
    """One of the two networks of a detector that looks at regions. Both files say the rest alike.

    Args:
        classes: Their names.
        input: How a picture becomes the first network's input.
        proposals: How the first network's maps, which follow its feature map, become regions; None
            where regions come from elsewhere, as from selective search.
        decoding: How regions become boxes.
        part: Which of the two networks this one is: ``features``, of the whole picture, or
            ``head``, of what a region was pooled or warped to.
        provenance: What it was made by, and of what.
    """

    task: ClassVar[str] = "detect in two stages"
    keys: ClassVar[tuple[str, ...]] = (
        *("classes", "input", "proposals", "decoding", "part", "provenance"),
    )

    input: InputSpec

    proposals: Decoding | None
    decoding: RegionDecoding
    part: Literal["features", "head"] = "features"
    provenance: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give a plain value for each of ``keys``."""
        return super().to_json() | {
            "proposals": None if self.proposals is None else self.proposals.to_json(),
            "decoding": self.decoding.to_json(),
            "part": self.part,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of ``keys`` back. Raises TatamiError."""
        proposals = content["proposals"]
        return cls(
            *_common(content),
            None if proposals is None else Decoding.from_json(proposals, "tatami.proposals"),
            RegionDecoding.from_json(content["decoding"]),
            strict.one_of("tatami.part", "a value", content["part"], ("features", "head")),
            _provenance(content),
        )

    @property
    def sees_pictures(self) -> bool:
        """Whether it is the first network, or warped regions are seen as pictures are."""
        return self.part == "features" or self.decoding.kind == "warp"

    @property
    def output_names(self) -> tuple[str, ...]:
        """What the outputs of an exported network of this part are called."""
        if self.part == "head":
            return "classes", "offsets"
        count = 0 if self.proposals is None else len(self.proposals.maps(1))
        return ("features", *(f"map_{index}" for index in range(count)))

    def check(self, image: Shape, outputs: Sequence[Shape]) -> None:
        """Raise TatamiError where the metadata and the network tell different stories."""
        if self.part == "features":
            super().check(image, outputs)
            return
        sides = self.input.size if self.decoding.kind == "warp" else self.decoding.bins
        if len(image) != 4 or image[2:] != (sides.height, sides.width):
            raise TatamiError(
                f"the metadata says that regions become {sides}, the network takes {image}",
                hint=AGAIN,
            )
        self.check_outputs(outputs)

    def check_outputs(self, shapes: Sequence[Shape]) -> None:
        """Raise TatamiError unless the outputs are those of its part."""
        if self.part == "head":
            self._check_head(shapes)
            return
        features, *maps = shapes
        size, stride = self.input.size, self.decoding.stride
        wanted = (-(-size.height // stride), -(-size.width // stride))
        if self.decoding.kind == "warp" or len(features) != 4 or features[2:] != wanted:
            raise TatamiError(
                f"the metadata says a feature map of {wanted}, the network makes {features}",
                hint=AGAIN,
            )
        if self.proposals is None:
            _check_count(maps, 0)
        else:
            _check_maps(maps, self.proposals, 1, size)

    def _check_head(self, shapes: Sequence[Shape]) -> None:
        classes = len(self.classes)
        numbers = classes + 1 if self.decoding.scores == "softmax" else classes
        if list(shapes) != [(1, numbers), (1, 4 * classes)]:
            raise TatamiError(
                f"the metadata names {classes} classes, the network makes {_said(shapes)}",
                hint=AGAIN,
            )


@dataclass(frozen=True)
class TranslationSpec(Spec):
    """One of the two networks of a translator. Both files say the rest alike.

    Args:
        classes: None.
        input: How text becomes the encoder's input.
        search: How a translation is searched for.
        part: Which of the two networks this one is: ``encoder``, or ``decoder``, a step of it.
        provenance: What it was made by, and of what.
    """

    task: ClassVar[str] = "translate"
    keys: ClassVar[tuple[str, ...]] = ("text", "search", "part", "provenance")
    input_key = "text"

    input: TextInput

    search: Search = Search()
    part: Literal["encoder", "decoder"] = "encoder"
    provenance: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give a plain value for each of ``keys``."""
        return {
            "text": self.input.to_json(),
            "search": self.search.to_json(),
            "part": self.part,
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of ``keys`` back. Raises TatamiError."""
        return cls(
            (),
            TextInput.from_json(content["text"]),
            Search.from_json(content["search"]),
            strict.one_of("tatami.part", "a value", content["part"], ("encoder", "decoder")),
            _provenance(content),
        )

    @property
    def several_inputs(self) -> bool:
        """Say whether it is the decoder, which takes what the encoder gives."""
        return self.part == "decoder"

    @property
    def several_calls(self) -> bool:
        """Say yes: the decoder makes a token a call."""
        return True

    def check(self, image: Shape, outputs: Sequence[Shape]) -> None:
        """Raise TatamiError where the metadata and the network tell different stories."""
        wanted = (1, self.input.max_source) if self.part == "encoder" else (1, 1)
        if image != wanted:
            raise TatamiError(
                f"the metadata says tokens of the shape {wanted}, the {self.part} takes {image}",
                hint=AGAIN,
            )
        self.check_outputs(outputs)

    def check_outputs(self, shapes: Sequence[Shape]) -> None:
        """Raise TatamiError unless they are what the encoder gives, or a logit for each token."""
        encodes = self.part == "encoder"
        at = -1 if encodes else 0
        wanted = (1, 1, 1, self.input.max_source if encodes else self.input.vocabulary)
        if len(shapes) < 3 or shapes[at] != wanted:
            raise TatamiError(
                f"the metadata says {wanted} of the {self.part}, the network makes {_said(shapes)}",
                hint=AGAIN,
            )


def _share_out(grid: AnchorGrid, size: Size, cells: Shape) -> bool:
    """Whether the cells share the sides out, as 300 pixels in 19; else a stride is a stride."""
    rows, columns = cells
    x, y = grid.stride
    return abs(columns * x - size.width) < 1e-3 and abs(rows * y - size.height) < 1e-3


def _check_count(shapes: Sequence[Shape], wanted: int) -> None:
    if len(shapes) != wanted:
        raise TatamiError(
            f"the metadata asks for {wanted} raw maps, the network makes {len(shapes)}", hint=AGAIN
        )


def _check_maps(shapes: Sequence[Shape], decoding: Decoding, classes: int, size: Size) -> None:
    """Raise TatamiError unless there is one raw map for each that a decoding reads."""
    expected = decoding.maps(classes)
    _check_count(shapes, len(expected))
    for shape, (grid, channels) in zip(shapes, expected, strict=True):
        # A stride that is no whole number is rounded: 300 pixels in 19 cells are 15.789 each.
        rows = math.ceil(size.height / grid.stride[1] - 1e-3)
        columns = math.ceil(size.width / grid.stride[0] - 1e-3)
        if shape[1:] != (channels, rows, columns):
            raise TatamiError(
                f"{len(grid.anchors)} anchors, {classes} classes and stride "
                f"{grid.stride[0]:g} ask for a raw map of {(channels, rows, columns)}, the network "
                f"makes {shape[1:]}",
                hint=AGAIN,
            )


@dataclass(frozen=True)
class MatchingSpec(Spec):
    """A network whose one output is an embedding: (n, numbers); docs/matching-rule.md compares two.

    Args:
        classes: One name, of what two pictures may be: "same".
        input: How a picture becomes its input.
        enrolled: The embeddings that are matched with, by their names.
        provenance: What it was made by, and of what.
    """

    task: ClassVar[str] = "match"
    keys: ClassVar[tuple[str, ...]] = ("classes", "input", "enrolled", "provenance")

    input: InputSpec
    enrolled: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Name the one output."""
        return ("embedding",)

    def to_json(self) -> dict[str, Any]:
        """Give a plain value for each of ``keys``."""
        kept = {name: list(numbers) for name, numbers in self.enrolled.items()}
        return super().to_json() | {"enrolled": kept}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of ``keys`` back. Raises TatamiError."""
        key, kept = "tatami.enrolled", content["enrolled"]
        if not isinstance(kept, dict) or not all(isinstance(one, list) for one in kept.values()):
            raise strict.refuse(key, "is not a table of lists")
        if kept:
            strict.names(key, list(kept))
        enrolled = {
            name: strict.finite(key, name, numbers, len(numbers)) for name, numbers in kept.items()
        }
        return cls(*_common(content), enrolled, _provenance(content))

    def check_outputs(self, shapes: Sequence[Shape]) -> None:
        """Raise TatamiError unless the one output is an embedding as long as those enrolled."""
        one = shapes[0] if len(shapes) == 1 else ()
        lengths = {len(numbers) for numbers in self.enrolled.values()}
        if len(one) != 2 or one[0] != 1 or not lengths <= {one[1]}:
            raise TatamiError(
                f"a matcher gives one embedding, as long as those enrolled, not {_said(shapes)}",
                hint=AGAIN,
            )


SPECS: dict[str, type[Spec]] = {
    spec.task: spec
    for spec in (
        DetectionSpec,
        ClassificationSpec,
        SegmentationSpec,
        TwoStageSpec,
        SoundSpec,
        SeriesSpec,
        TranslationSpec,
        GenerationSpec,
        MatchingSpec,
    )
}
"""What a network can be for, by what its file calls it."""


def detector_spec(spec: Spec) -> DetectionSpec:
    """Give the spec of a detector. Raises TatamiError for another's."""
    if isinstance(spec, DetectionSpec):
        return spec
    if isinstance(spec, TwoStageSpec):
        raise TatamiError(
            "the network is half of a detector in two stages",
            hint="give the folder that holds its network.onnx and its head.onnx",
        )
    raise TatamiError(
        f"the network is for '{spec.task}': it finds no boxes", hint="give a detector's network"
    )
