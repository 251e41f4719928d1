"""What a task is: all that depends on it, as one value.

A task says which data it reads, how they are varied and what they teach, how a network's answer is
read, how good it is, how two of its forms are compared, and what it adds in C. The stages, the
pipeline and the faces ask it, and never which task it is.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar

import numpy as np

from tatami.data.augment import Augmentation
from tatami.data.formats.table import FORMATS, Labels
from tatami.data.hold_out import HoldOut, held_places
from tatami.data.labels import is_picture_name
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.evaluate.curve import Curve
from tatami.models.table import Model
from tatami.see.class_activation import Target
from tatami.see.report import Report, Shown
from tatami.tasks.inside import Inside
from tatami.tasks.inspected import Inspected
from tatami.tasks.mistake import Mistake
from tatami.tasks.structure import OneNetwork, Structure, prepared
from tatami.tasks.style import Style
from tatami.tasks.walk import class_order
from tatami.types import (
    Boxes,
    Detections,
    DetectionSpec,
    Float32,
    Float64,
    Forward,
    Int64,
    Mask,
    Picture,
    Seen,
    Size,
    Spec,
)
from tatami.types.datasets import Split
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

    from tatami.train.batches import Examples
    from tatami.train.recipe import Recipe
    from tatami.train.run import Run

D = TypeVar("D", bound=Split)
"""A split of labeled data, as the task reads it."""
P = TypeVar("P", bound="Predictor")
"""What answers for a picture."""
R = TypeVar("R", bound="Result")
"""How good the answers are."""


class Predictor(Protocol):
    """Anything that answers for a picture by the rules of its spec."""

    @property
    def spec(self) -> Spec:
        """What the network is for."""
        ...


class Result(Protocol):
    """The metrics of a task over a split."""

    def to_json(self) -> dict[str, Any]:
        """Give the metrics as plain values."""
        ...


@dataclass(frozen=True)
class Opened(Generic[D]):
    """A split that is sound.

    Args:
        data: The split.
        skipped: How many problems of each accepted kind were left out of it.
        notes: What was mended, and understood otherwise than may be expected.
    """

    data: D
    skipped: Counter[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluated(Generic[R]):
    """What a predictor is worth on a split.

    Args:
        result: The metrics.
        answers: What was answered for each picture that could be read, in the data's own classes,
            as far as the task keeps it.
        places: Of those pictures in the split, (n,).
        unreadable: How many could not be read.
        seconds: Time in the predictor alone, from decoded pixels to its answer.
    """

    result: R
    answers: Sequence[Any]
    places: Int64
    unreadable: int
    seconds: float

    @property
    def pictures_per_second(self) -> float | None:
        """Pictures a second; None where nothing was run."""
        return len(self.places) / self.seconds if self.seconds > 0 else None

    @property
    def milliseconds(self) -> float:
        """Milliseconds a picture."""
        return 1000 * self.seconds / max(1, len(self.places))


@dataclass(frozen=True)
class Merit(Generic[R]):
    """One figure of the metrics by which networks are compared.

    Args:
        name: What a user calls it: "voc07".
        key: What JSON calls it.
        title: What a chart calls it.
        short: What a column calls it.
        value: Gives it, in 0 to 1, of the metrics.
    """

    name: str
    key: str
    title: str
    short: str
    value: Callable[[R], float]


@dataclass(frozen=True)
class Difference:
    """How far the answers of two predictors for the same pictures lie apart.

    Args:
        what: What is compared, as "boxes".
        worst: The largest difference, in ``unit``.
        unit: "px" or, for a plain number, nothing.
        bound: The largest difference that is allowed.
    """

    what: str
    worst: float
    unit: str
    bound: float


@dataclass(frozen=True)
class Answer:
    """What a predictor found in one picture, to be shown.

    Args:
        drawn: The picture with it drawn, (height, width, 3).
        content: The same as plain values for JSON.
        line: The same in a few words.
        seconds: Time in the predictor alone.
        mask: For segmentation the classes, (height, width), as an index picture; else None.
    """

    drawn: Picture
    content: Mapping[str, Any]
    line: str
    seconds: float
    mask: Mask | None = None


class Task(ABC, Generic[D, P, R]):
    """All that depends on a task. Abstract; the tasks are in tasks/table.py."""

    name: ClassVar[str]
    """What its specs call it, and its functions in C: "detect"."""
    noun: ClassVar[str]
    """What a network of it is: "detector"."""
    measure: ClassVar[str]
    """The headline figure of its metrics: "mAP"."""
    specs: ClassVar[tuple[type, ...]]
    """The classes of types/specs.py that are its."""
    augmentation: ClassVar[Augmentation]
    """How its training pictures are varied where nothing else is asked for."""
    styles: ClassVar[Mapping[str, Style]] = {"paper": Style()}
    """How its networks are trained unless told otherwise, by name."""
    settings: ClassVar[type]
    """A frozen dataclass: what may be set of its training, beside the recipe."""
    options: ClassVar[type]
    """A frozen dataclass: what may be set of its evaluation."""
    c: ClassVar[object | None] = None
    """What it adds in C, a value of ship/c/tasks/; None: it ships bare networks."""
    labels: ClassVar[Labels]
    """What the sets that it reads label: a key of data/formats/table.py's FORMATS."""
    doing: ClassVar[str]
    """What progress calls a walk over pictures: "Detecting"."""
    units: ClassVar[str] = "pictures"
    """What it looks at."""
    rule: ClassVar[str] = "picture rule"
    """What makes a network's input of what it looks at."""
    finds: ClassVar[str]
    """What it makes of pixels: "boxes"."""
    unvaried: ClassVar[tuple[str, ...]] = ()
    """The variations of Augmentation that it has no use for."""
    merits: ClassVar[tuple[Merit[Any], ...]]
    """The figures by which networks are compared, the usual one first."""
    sure: ClassVar[float] = 0.0
    """The score above which an answer is held for true where no other is given."""
    judged_by: ClassVar[Literal["mistakes", "agreement"] | None] = None
    """By which of these methods its pictures are judged one by one; None: they are not."""
    judging: ClassVar[Any] = None
    """The options of its evaluation then; None: the usual ones."""
    answers_file: ClassVar[str]
    """Where a folder of predictions keeps the answers: "detections.json"."""

    def __repr__(self) -> str:
        return f"<{self.name}>"

    # Data ----------------------------------------------------------------------------------------

    def formats(self) -> tuple[str, ...]:
        """Name the formats of labeled sets that it reads."""
        return tuple(FORMATS[self.labels])

    @abstractmethod
    def splits(self, root: Path, format: str | None) -> tuple[str, ...]:
        """Name the splits of a labeled set."""

    @abstractmethod
    def open(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[D]:
        """Open one split of a labeled set, refusing it for the first problem not in ``skip``."""

    def open_labels(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[D]:
        """Open one split whose pictures nobody will look at; they need not be there.

        Raises:
            TatamiError: As for ``open``, and where a label alone does not say enough.
        """
        return self.open(root, split=split, format=format, skip=skip)

    def hold_out(self, data: D, rule: str) -> tuple[D, D]:
        """Part the only split in what is learned from and what is held out.

        Args:
            data: The split.
            rule: How many to hold out, as "10000", or the share of every class, as "0.2"; drawn by
                another seed, "10000:SEED" and "0.2:SEED".

        Raises:
            TatamiError: Where nothing would be left.
        """
        how = HoldOut.parse(rule)
        strata = self.strata(data) if how.share else [0] * len(data)
        rest, held = held_places(strata, how, data.root)
        return (
            self.renamed(self.select(data, rest), f"{data.split} without {how}"),
            self.renamed(self.select(data, held), f"{how} of {data.split}"),
        )

    def strata(self, data: D) -> Sequence[int]:
        """Give each picture of a split a number: its class, or the rarest class in it.

        Of pictures with equal numbers the same share is held out. Usually all numbers are equal.
        """
        return [0] * len(data)

    def renamed(self, data: D, split: str) -> D:
        """Give a split another name."""
        return dataclasses.replace(data, split=split)  # type: ignore[type-var]

    def readable(
        self, data: D, skip: Collection[str] = (), progress: Progress = quiet
    ) -> tuple[D, int]:
        """Decode every picture of a split once, before anything long begins.

        Args:
            data: The split.
            skip: Kinds of problems to accept: with unreadable-picture, such pictures are left out.
            progress: Takes up how far it is.

        Returns:
            The split with the pictures that can be read, and how many cannot.

        Raises:
            TatamiError: For the first picture that cannot be read, unless such are accepted.
        """
        kept: list[int] = []
        for place in range(len(data)):
            try:
                self.picture(data, place)
            except TatamiError as error:
                if "unreadable-picture" not in skip:
                    hint = f"{error.hint}; or skip unreadable-picture to leave such out"
                    reason = f"unreadable-picture: {error.reason}"
                    raise TatamiError(reason, hint=hint, file=error.file) from error
                progress(f"left out: {error}", 0, 0)
            else:
                kept.append(place)
            progress("Checking", place + 1, len(data))
        left = len(data) - len(kept)
        return (self.select(data, np.array(kept, np.int64)) if left else data), left

    @abstractmethod
    def fingerprint(self, data: D) -> str:
        """Give one number, 64 hex digits, for everything that may be learned from a split."""

    @abstractmethod
    def select(self, data: D, places: Int64) -> D:
        """Give the pictures at these places (n,), in that order, as a split."""

    @abstractmethod
    def picture(self, data: D, place: int) -> Seen:
        """Read the picture at a place: (height, width, 3); of a set of sounds, the sound (n,)."""

    @abstractmethod
    def identity(self, data: D, place: int) -> str:
        """Name the picture at a place."""

    def is_input(self, file: Path) -> bool:
        """Tell whether a file's name is that of what the task looks at: usually a picture's."""
        return is_picture_name(file)

    def read(self, file: Path, spec: Any) -> Seen:
        """Read a file of what the task looks at: usually a picture.

        Args:
            file: The file.
            spec: That of the network which will look.

        Raises:
            TatamiError: For a file that cannot be read.
        """
        return read_picture(file)

    def inspect(
        self,
        root: Path,
        *,
        split: str | None,
        format: str | None,
        repairs: Collection[str] = (),
        progress: Progress = quiet,
    ) -> Inspected:
        """Read all of a labeled set: count it, measure it, find everything that is wrong with it.

        Args:
            root: The set's folder, or the file that describes it.
            split: One split; None: all of them, which are compared with one another.
            format: The name of its format; None: it is recognized.
            repairs: Keys of REPAIRS of data/problems.py to carry out.
            progress: Takes up how far it is.

        Raises:
            TatamiError: For a set that is not recognized or of which no split can be read.
        """
        raise TatamiError("sets of this kind are only opened, not inspected", hint="train with it")

    def varied(
        self, data: D, place: int, canvas: Size, options: Augmentation, rng: np.random.Generator
    ) -> tuple[Picture, Boxes]:
        """Draw a picture of a split as training would vary it, with the boxes on it.

        Args:
            data: The split.
            place: Of the picture.
            canvas: The size to draw.
            options: How it is varied.
            rng: What is random is drawn from it.
        """
        raise TatamiError("pictures of this kind are not varied", hint="train with them as is")

    # Training ------------------------------------------------------------------------------------

    def check_training(
        self, model: Model[Any], recipe: Recipe, settings: Any, augmentation: Augmentation
    ) -> None:
        """Check that the task's networks can be trained as was asked, before data are opened.

        Args:
            model: The network's row in the table.
            recipe: The recipe.
            settings: An instance of ``settings``.
            augmentation: How pictures are to be varied.

        Raises:
            TatamiError: Where they cannot.
        """

    def plan(
        self, model: Model[Any], data: D, recipe: Recipe, settings: Any, progress: Progress = quiet
    ) -> tuple[Spec, Any]:
        """Make the spec that a network will have when it has learned from a split.

        Args:
            model: The network's row in the table.
            data: The split.
            recipe: The recipe, which has a size.
            settings: An instance of ``settings``.
            progress: Takes up remarks.

        Returns:
            The spec, and the settings with what was found in the data.

        Raises:
            TatamiError: Where the settings do not suit the network or the data.
        """
        return model.spec(data.classes, recipe.size), settings

    @abstractmethod
    def examples(self, data: D, run: Run) -> Examples:
        """Say how a training picture is drawn at random, with what it teaches."""

    def prepare_model(self, model: nn.Module, run: Run) -> None:
        """Let a new model's loss be as the run's task settings ask."""

    def check_model(self, model: nn.Module, run: Run) -> None:
        """Check that a new model takes the run's input, before a step is made.

        Raises:
            TatamiError: Where it does not.
        """

    # Answers -------------------------------------------------------------------------------------

    @abstractmethod
    def predictor(self, spec: Any, forward: Forward, answer: Size | None = None) -> P:
        """Put the written rules around a function from images to raw maps.

        Args:
            spec: What the network is for.
            forward: Images (n, 3, height, width) to raw maps.
            answer: The size of the first raw map, where it is known.
        """

    def image(self, picture: Seen, spec: Any) -> Float32:
        """Make a network's input of what it looks at, by the written rule: usually of a picture.

        Args:
            picture: What ``picture`` gives.
            spec: The network's.

        Returns:
            (1, planes, rows, columns).
        """
        return prepared(picture, spec.input)

    def adapted(self, predictor: P, tiling: int | None, tta: bool) -> P:
        """Let a predictor look at pictures in tiles, or in every turn.

        Args:
            predictor: What looks.
            tiling: Pixels by which tiles overlap; None: pictures are resized.
            tta: Whether to average over flips and right angles (test-time augmentation).

        Raises:
            TatamiError: Where the task or the predictor cannot.
        """
        for setting, given in (("tiling", tiling is not None), ("tta", tta)):
            if given:
                raise TatamiError("only segmentation has it", hint="leave it out", setting=setting)
        return predictor

    def searching(self, predictor: P, beam: int | None, penalty: float | None) -> P:
        """Let a predictor search for its answers otherwise.

        Args:
            predictor: What searches.
            beam: Hypotheses that are followed at once; None: as its network says.
            penalty: How much longer answers are favored; None: as its network says.

        Raises:
            TatamiError: Where the task has no search, and for a value that is out of range.
        """
        for setting, given in (("beam", beam), ("penalty", penalty)):
            if given is not None:
                raise TatamiError("only translation has it", hint="leave it out", setting=setting)
        return predictor

    @abstractmethod
    def look(self, predictor: P, picture: Seen) -> Any:
        """Let a predictor look at a picture (height, width, 3), and give what it finds."""

    @abstractmethod
    def answer(self, predictor: P, picture: Seen, score: float | None = None) -> Answer:
        """Show what a predictor finds in a picture (height, width, 3).

        Args:
            predictor: What looks.
            picture: What it looks at.
            score: For detection, boxes below it are left out; None: the network's own threshold.
        """

    def enrolled(self, predictor: P, picture: Seen, name: str) -> Spec:
        """Give the spec of a network that knows what a picture shows, by a name.

        Args:
            predictor: What looks.
            picture: One picture of it.
            name: What it is called.

        Raises:
            TatamiError: Where the task has no such names, and for one that cannot be.
        """
        raise TatamiError(f"a {self.noun} knows its classes alone", hint="give a matcher")

    def structure(self, spec: Any) -> Structure:
        """Say how the networks of a predictor with this spec belong together: usually it is one."""
        return OneNetwork(self.predictor, self.image)

    def heading(self, spec: Any, score: float | None = None) -> dict[str, Any]:
        """Give what JSON says above the answers for pictures: the classes, and what they need.

        Args:
            spec: The spec of the predictor that answers.
            score: As ``answer``.
        """
        return {"classes": list(spec.classes)}

    # Looking inside ------------------------------------------------------------------------------

    def explained(self, inside: Inside, label: str | None) -> Target:
        """Choose the number of a network's answer that a class activation explains.

        Args:
            inside: The network's values for a picture.
            label: The class to explain; None: the best one.

        Raises:
            TatamiError: For an unknown class, and for scores that are not numbers.
        """
        raise TatamiError(
            f"the answer of a {self.noun} is not explained", hint="look at its feature maps alone"
        )

    def boxes(self, inside: Inside, size: Size, min_score: float | None) -> Detections | None:
        """Find the boxes that a network's values mean; None for a task without boxes.

        Args:
            inside: The network's values for a picture.
            size: The boxes are in pixels of the picture at this size.
            min_score: Boxes below it are left out; None: the network's own threshold.
        """
        return None

    def anchored(self, spec: Any) -> DetectionSpec | None:
        """Give the part of a spec whose boxes begin from anchors; None where there is none."""
        return None

    # Metrics -------------------------------------------------------------------------------------

    def resized_merits(self) -> tuple[Merit[Any], ...]:
        """Name the figures that tell what another input size costs: usually the merits."""
        return self.merits

    def check_classes(self, spec: Any, classes: Sequence[str]) -> None:
        """Check that a network can be measured on data with these classes: usually its own.

        Raises:
            TatamiError: Where it cannot; it names the difference.
        """
        class_order(spec.classes, classes)

    def check_findable(self, data: D) -> None:
        """Check that a split has something to find, before a long evaluation.

        Raises:
            TatamiError: Where it has not.
        """
        return

    @abstractmethod
    def evaluate(
        self,
        predictor: P,
        data: D,
        *,
        options: Any = None,
        skip: Collection[str] = (),
        progress: Progress = quiet,
        stage: str = "",
    ) -> Evaluated[R]:
        """Run a predictor over a split and measure its answers.

        Args:
            predictor: What answers.
            data: The split.
            options: An instance of ``options``; None: the usual ones.
            skip: Kinds of problems to leave out, as unreadable-picture.
            progress: Takes up how far it is.
            stage: What progress calls it; "": what the task does, as "Detecting".

        Raises:
            TatamiError: Where the classes differ, and for a picture that cannot be read.
        """

    def evaluate_file(self, file: Path, data: D, options: Any = None) -> Evaluated[R]:
        """Measure answers that lie in a file, of another program perhaps.

        Args:
            file: The answers: for detection, COCO's results format.
            data: The split.
            options: An instance of ``options``; None: the usual ones.

        Raises:
            TatamiError: For a task whose answers are in no such file, and for a bad file.
        """
        raise TatamiError(
            "only detections are evaluated from a file",
            hint="give an artifact",
            setting="detections",
        )

    def write(self, data: D, evaluated: Evaluated[R], options: Any) -> list[Path]:
        """Write the files that the options ask for beside the figures, and name them.

        Raises:
            TatamiError: Where one cannot be made.
        """
        return []

    def facts(self, options: Any) -> dict[str, Any]:
        """Give what JSON says of the options, beside the figures."""
        return {}

    @abstractmethod
    def figure(self, result: R) -> float:
        """Give the headline figure, in 0 to 1."""

    @abstractmethod
    def row(self, result: R) -> dict[str, float]:
        """Give the figures of a line of evaluations.jsonl."""

    @abstractmethod
    def tables(self, result: R) -> list[Table]:
        """Lay the metrics out as tables, at most 80 columns wide."""

    @abstractmethod
    def lines(self, result: R) -> list[str]:
        """Say the figures over all classes, a line each."""

    def exemplar(self, data: D, places: Int64) -> int:
        """Choose the picture into which a report looks.

        Args:
            data: The split.
            places: Of the pictures that could be read, (n,).
        """
        return int(places[0])

    def curves(self, data: D, evaluated: Evaluated[R]) -> Mapping[str, Curve]:
        """Say what a score threshold does: a curve of all classes, named "", and one of each.

        Empty for a task whose answers have no score.
        """
        return {}

    def mistakes(
        self, data: D, evaluated: Evaluated[R], score: float
    ) -> Sequence[Sequence[Mistake]]:
        """List what is wrong in each picture that was looked at.

        Args:
            data: The split.
            evaluated: What came of it.
            score: Answers count above it.

        Raises:
            TatamiError: For a task whose pictures are not judged one by one.
        """
        raise self._unjudged()

    def agreement(self, data: D, evaluated: Evaluated[R]) -> Float64:
        """Say how far each class agrees in each picture that was looked at.

        Args:
            data: The split.
            evaluated: What came of it.

        Returns:
            (pictures, classes), in 0 to 1; NaN for a class that is neither labeled nor found.

        Raises:
            TatamiError: As for ``mistakes``.
        """
        raise self._unjudged()

    def confusion(self, data: D, evaluated: Evaluated[R], score: float) -> Int64:
        """Count how often each class is taken for each, where answers count above a score.

        Args:
            data: The split.
            evaluated: What came of it.
            score: Answers count above it.

        Returns:
            [label, answer]; with one more row and column than there are classes the last ones are
            the background: what was found where there is nothing, and what was not found.

        Raises:
            TatamiError: As for ``mistakes``.
        """
        raise self._unjudged()

    def check_judged(self) -> None:
        """Check that its pictures are judged one by one, before a long evaluation.

        Raises:
            TatamiError: Where they are not.
        """
        if self.judged_by is None:
            raise self._unjudged()

    def _unjudged(self) -> TatamiError:
        return TatamiError(
            f"the {self.units} of a {self.noun} are not judged one by one", hint="see its report"
        )

    def shown(self, data: D, evaluated: Evaluated[R], number: int, score: float) -> Shown:
        """Draw what is labeled in a picture that was looked at, and what was found.

        Args:
            data: The split.
            evaluated: What came of it.
            number: Of the picture among those that were looked at.
            score: Answers count above it.

        Raises:
            TatamiError: As for ``mistakes``.
        """
        raise self._unjudged()

    @abstractmethod
    def page(self, page: Report, predictor: P, data: D, evaluated: Evaluated[R]) -> Report:
        """Add the figures, the pictures and the classes to a report's page.

        Args:
            page: What is there already.
            predictor: What answered.
            data: The split.
            evaluated: What the predictor is worth on it.
        """

    @abstractmethod
    def compare(self, predictor: P, reference: P, pictures: Sequence[Seen]) -> Difference:
        """Compare the answers of a predictor with those of its reference."""
