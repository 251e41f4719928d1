"""What a task adds in C, as a value.

The emitter (ship/c/emit.py) writes the network, and asks the task for all that is around it: the
functions of the header, the macros, the files that read pictures and the network's outputs, and the
example. All texts are in the words of kernels/, where a network is called ``net``. A task value of
tasks/ holds an instance as its ``c``; one without ships its networks bare.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from tatami.errors import TatamiError
from tatami.program.steps import Program
from tatami.rules.picture import MAX_SIDE
from tatami.ship.backend import Plan, Programs
from tatami.ship.c.files import Answering
from tatami.ship.c.operator import Options, c_type
from tatami.ship.c.run.predictor import Compiled, Machine
from tatami.ship.c.tasks.picture import picture_files, picture_macros
from tatami.ship.c.text import defines, text
from tatami.types import InputSpec, Spec

S = TypeVar("S", bound=Spec)
"""The spec of the task's networks."""


@dataclass(frozen=True)
class Macro:
    """Hold what a caller may want to know of a network.

    Args:
        name: Without the network's name before it.
        value: What it stands for.
        comment: Said behind it, where it is not empty.
    """

    name: str
    value: object
    comment: str = ""

    def line(self) -> str:
        """Write its definition."""
        behind = f" /* {self.comment} */" if self.comment else ""
        return f"#define NET_{self.name} {self.value}{behind}"


class TaskInC(ABC, Generic[S]):
    """What a task adds to one network. Abstract; there is an instance each."""

    name: ClassVar[str]
    """Its function, net_NAME, and its example, NAME_detect, are called so: "detect"."""
    noun: ClassVar[str]
    """What a network of it is, in errors: "classifier"."""
    letter: ClassVar[str]
    """Begins a request for its answer, in proof.c: "S"."""

    def structure(self, spec: S) -> StructureInC | None:
        """Give what joins several networks, for a spec that has them; usually None: there is one.

        Args:
            spec: Of any of the networks.
        """
        return None

    def arranged(self, program: Program, spec: S) -> Program:
        """Give the program that is written: usually the network's own.

        Raises:
            TatamiError: Where it cannot be made.
        """
        return program

    # What it checks ------------------------------------------------------------------------------

    @abstractmethod
    def maps(self, spec: S) -> int:
        """Count the outputs that a network must have."""

    def check(self, program: Program, spec: S) -> None:
        """Check that C can serve a program as what its spec says.

        Raises:
            TatamiError: For an input of an illegal size, for more inputs or outputs than the task
                has, and for outputs in bytes.
        """
        self.check_input(spec)
        maps = self.maps(spec)
        if len(program.inputs) != 1 or len(program.outputs) != maps:
            raise TatamiError(
                f"a {self.noun} has one input and {maps} maps, not "
                f"{len(program.inputs)} and {len(program.outputs)}",
                hint="ship a network whose metadata is for what it is",
            )
        if any(program.values[output].quantization is not None for output in program.outputs):
            raise TatamiError(
                "the network's output is quantized, which costs its boxes or scores their"
                " precision",
                hint="leave the graph's output in float32, as Tatami's quantization does",
            )

    def check_input(self, spec: S) -> None:
        """Check the size of the network's input.

        Raises:
            TatamiError: For one that the rule in C cannot fill.
        """
        check_input(pictures_of(spec))

    # What it writes ------------------------------------------------------------------------------

    def header(self) -> str:
        """Write the functions of the header, with ``@forward@`` where net_forward is declared."""
        return text(f"{self.name}.h")

    def frames(self, spec: S) -> str:
        """Declare what takes a camera's frame; usually nothing does."""
        return ""

    def macros(self, program: Program, spec: S) -> list[Macro]:
        """List what a caller may want to know, but for the arena."""
        return [*common_macros(program, spec), LARGEST_SIDE]

    @abstractmethod
    def results(self, program: Program) -> Mapping[str, str]:
        """Name the parameters of net_forward for the outputs, each with its value."""

    def names(self, spec: S) -> tuple[str, ...]:
        """List the texts of net_class_names; without any it is left out."""
        return spec.classes

    def kernels(self, spec: S) -> tuple[str, ...]:
        """Name files of kernels/ that its rules call, without ".c", beside those of the steps."""
        return ("int8/quantize",) if pictures_of(spec).filter == "darknet" else ()

    def rules(self, program: Program, spec: S, values: Mapping[str, str]) -> str:
        """Write macros and tables that its files read.

        Args:
            program: What the network computes.
            spec: What it is for.
            values: C expressions that point to every value.
        """
        return f"#define NET_LOGITS ((const float *)({values[program.outputs[0]]}))\n"

    def input_rules(self, program: Program, spec: S, values: Mapping[str, str]) -> str:
        """Write the macros of the rule by which the input is made: usually the picture rule."""
        image = program.inputs[0]
        macros = picture_macros(pictures_of(spec), program.values[image])
        return defines(macros | {"IMAGES": f"({values[image]})"})

    def input_files(self, spec: S) -> tuple[str, ...]:
        """Name the files of kernels/ that make the input."""
        return picture_files(pictures_of(spec))

    @abstractmethod
    def source(self, spec: S) -> tuple[str, ...]:
        """Give the texts that follow the rule of the input: decoding, and the task's function."""

    @abstractmethod
    def example(self) -> str:
        """Give the text of main.c, a program that reads pictures."""

    def proof(self) -> Answering:
        """Give what proof.c answers for a picture."""
        return Answering(self.letter, self.name, text(f"proof_{self.name}.c"))

    # What it runs --------------------------------------------------------------------------------

    @abstractmethod
    def open(self, folder: Path, machine: Machine) -> Compiled[Any]:
        """Run a shipped folder as what answers for a picture.

        Raises:
            TatamiError: For a folder of another task, and where it cannot be run.
        """


class StructureInC(ABC):
    """What joins several networks to one program. Abstract; there is an instance each.

    Each network is emitted bare as NAME_PART; ``files`` gives what calls them.
    """

    name: ClassVar[str]
    """The example is called NAME_detect for "detect"."""

    @abstractmethod
    def arranged(self, programs: Programs) -> Programs:
        """Check that the programs belong together, and fit each to the next.

        Raises:
            TatamiError: Where they do not.
        """

    @abstractmethod
    def files(self, plan: Plan[Any, Options]) -> Mapping[str, str]:
        """Write what is beside the networks: header, source, main.c and network.json."""

    @abstractmethod
    def parts(self, spec: Any) -> tuple[str, ...]:
        """Name the networks of a shipped folder."""

    @abstractmethod
    def open(self, folder: Path, machine: Machine) -> Any:
        """Run a shipped folder as what answers for a picture.

        Raises:
            TatamiError: Where it is damaged, or cannot be run.
        """


def pictures_of(spec: Spec) -> InputSpec:
    """Give the picture rule of a network that looks at pictures."""
    assert isinstance(spec.input, InputSpec)
    return spec.input


LARGEST_SIDE = Macro("MAX_SIDE", MAX_SIDE, "of a picture, in pixels")


def common_macros(program: Program, spec: Spec) -> list[Macro]:
    """List what every network that takes pictures says of its ends."""
    size = spec.input.size
    first, last = program.values[program.inputs[0]], program.values[program.outputs[0]]
    return [
        Macro("WIDTH", size.width, "of the network's input, in pixels"),
        Macro("HEIGHT", size.height),
        Macro("INPUT", c_type(first), "a sample of the network's input"),
        Macro("OUTPUT", c_type(last), "a sample of the network's output"),
        Macro("CLASSES", len(spec.classes)),
    ]


def check_input(spec: InputSpec) -> None:
    """Check the size of a network's input.

    Raises:
        TatamiError: For one that the picture rule in C cannot fill.
    """
    size = spec.size
    if min(size.width, size.height) < 4 or max(size.width, size.height) > MAX_SIDE:
        raise TatamiError(
            f"an input of {size} cannot be shipped", hint=f"give it sides from 4 to {MAX_SIDE}"
        )
