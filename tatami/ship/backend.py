"""What a back end is: it turns programs into the files of a machine, and runs those files again.

The contract has four parts. ``plan`` says what a back end makes of a program, or refuses it by
name; ``emit`` gives the files; ``footprint`` says what they need of a device; ``open`` runs a
shipped folder, with every value by its name, so that the ledger can compare it with the program's
own interpreter. The back ends are
in ship/table.py.

What is shipped has one network or several. Its programs travel as a mapping from the name of the
part to its program, in the order in which they run: ``{"": program}`` for one network, and
``{"features": ..., "head": ...}`` for a detector in two stages.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tatami.program.steps import Program, Shape, Value
from tatami.rules.regions import Propose
from tatami.types import Picture, Spec

Array = NDArray[Any]
Programs = Mapping[str, Program]
"""The programs of what is shipped, by the names of its parts."""

O_ = TypeVar("O_")
"""The options of a back end: a frozen dataclass."""
N = TypeVar("N", bound="PlannedNetwork")
"""What a back end plans for one network."""


@dataclass(frozen=True)
class Row:
    """Say what a step becomes, in numbers.

    Args:
        layer: The step's name.
        operator: Its kind, as "Conv".
        output: The value that it makes.
        shape: The value's (channels, rows, columns).
        multiply_adds: Its multiplications, each with an addition.
        parameters: Its weights and biases.
        offset: Where the back end lays the value in its memory, in bytes.
    """

    layer: str
    operator: str
    output: str
    shape: Shape
    multiply_adds: int
    parameters: int
    offset: int


@dataclass(frozen=True)
class PlannedNetwork:
    """Hold what a back end makes of one network.

    Args:
        name: Begins every name in the network's files.
        program: What is computed.
        rows: One a step.
        memory: Bytes for its values.
        lower_bound: Bytes that no plan of that memory can go below.
        weights: Bytes of its constants.
    """

    name: str
    program: Program
    rows: tuple[Row, ...]
    memory: int
    lower_bound: int
    weights: int

    @property
    def state(self) -> int:
        """Bytes of its memory that live from call to call."""
        return sum(self.program.values[name].bytes for name in self.program.states)


@dataclass(frozen=True)
class Plan(Generic[N, O_]):
    """Hold what a back end makes of all programs: it can do every step of them.

    Args:
        name: Begins every name in the files.
        networks: What is made of each program, by its part.
        options: How.
        added: What the task adds, as the back end knows it; None: bare networks.
    """

    name: str
    networks: Mapping[str, N]
    options: O_
    added: Any

    @property
    def programs(self) -> dict[str, Program]:
        """The programs, by part."""
        return {part: network.program for part, network in self.networks.items()}


@dataclass(frozen=True)
class Streamed:
    """Hold the content of a file that is made when it is written: large weights exist once.

    Args:
        size: In bytes.
        parts: Gives it, some at a time.
    """

    size: int
    parts: Callable[[], Iterable[bytes]]

    def __len__(self) -> int:
        return self.size


class Files(Mapping[str, bytes]):
    """Hold the content of files by their names.

    Args:
        contents: Bytes, or what makes them.
    """

    def __init__(self, contents: Mapping[str, bytes | Streamed]) -> None:
        self.contents = contents

    def __getitem__(self, name: str) -> bytes:
        content = self.contents[name]
        return b"".join(content.parts()) if isinstance(content, Streamed) else content

    def __iter__(self) -> Iterator[str]:
        return iter(self.contents)

    def __len__(self) -> int:
        return len(self.contents)

    def size(self, name: str) -> int:
        """Count the bytes of a file."""
        return len(self.contents[name])

    def write(self, folder: Path, names: Iterable[str] | None = None) -> None:
        """Write files to a folder that there is; None: all of them."""
        for name in self if names is None else names:
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            content = self.contents[name]
            with path.open("wb") as file:
                file.writelines(content.parts() if isinstance(content, Streamed) else (content,))


@dataclass(frozen=True)
class Shipped:
    """Hold a folder that is not written yet.

    Args:
        name: Begins every name in the files.
        files: Content by file name; one in a folder of its own is ``driver/main.c``.
        example: The file that ``build`` makes of the example in it; None where there is none.
    """

    name: str
    files: Files
    example: str | None


@dataclass(frozen=True)
class Share:
    """Hold a layer's share of what a device must have.

    Args:
        layer: The step's name.
        operator: Its kind.
        amount: In the unit of the need.
    """

    layer: str
    operator: str
    amount: int


@dataclass(frozen=True)
class Need:
    """Hold one thing that a device must have.

    Args:
        name: What it is, as "RAM".
        unit: What it is counted in, as "bytes".
        amount: How much.
        shares: Of each layer.
        rest: What no layer is to blame for, in words; "" where it is unknown.
        rest_amount: How much that is.
    """

    name: str
    unit: str
    amount: int
    shares: tuple[Share, ...]
    rest: str = ""
    rest_amount: int = 0


class Footprint(ABC):
    """What a program needs of a device."""

    @property
    @abstractmethod
    def needs(self) -> tuple[Need, ...]:
        """List what a device must have: for C, RAM and flash."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Give the needs as plain values: of C, values, ram, flash and measured.

        ``values`` is the largest sum of tensors alive at once, in bytes.
        """

    @abstractmethod
    def lines(self) -> list[str]:
        """Say the needs in words, a line each."""

    def exceeded(self, limits: Mapping[str, int | None]) -> Need | None:
        """Find the first need above its limit.

        Args:
            limits: What there is of each need, by its name; None: enough.
        """
        for need in self.needs:
            limit = limits.get(need.name)
            if limit is not None and need.amount > limit:
                return need
        return None


class RunningNetwork(ABC):
    """One network of a shipped folder, as something that runs."""

    @property
    @abstractmethod
    def known(self) -> Mapping[str, Value]:
        """Say the shape and type of the inputs and of every step's output, by name."""

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Name the inputs."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """Name the outputs."""

    @property
    @abstractmethod
    def kernels(self) -> str:
        """Name the kind of kernels that runs, as "avx2"."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Count the bytes of its code and weights in the folder."""

    @abstractmethod
    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Compute the outputs, as program/interpret.py does.

        Args:
            inputs: One array (channels, rows, columns) an input.

        Returns:
            The same an output: float32, or uint8 where the program keeps bytes.
        """

    @abstractmethod
    def values(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """Compute the output of every step, by the name that it has in ONNX, in order."""

    def run_calls(self, calls: Sequence[Sequence[Array]]) -> list[list[Array]]:
        """Compute the outputs of calls one after another, the first of which finds zeros.

        Args:
            calls: Inputs of each, as for ``run``. Only where something lives from call to call
                does it matter which were before.
        """
        return [self.run(inputs) for inputs in calls]

    def values_of_calls(self, calls: Sequence[Sequence[Array]]) -> list[dict[str, Array]]:
        """Compute the output of every step of calls one after another, as ``run_calls`` does."""
        return [self.values(inputs) for inputs in calls]

    @abstractmethod
    def close(self) -> None:
        """End what runs."""

    @property
    def remembers(self) -> bool:
        """Say whether something lives from call to call."""
        return False

    @property
    def quantized(self) -> bool:
        """Say whether some value of it is in bytes."""
        return any(value.quantized for value in self.known.values())

    def forward(self, images: Array) -> tuple[Array, ...]:
        """Compute the outputs for images (n, channels, rows, columns)."""
        found = [self.run([image]) for image in images]
        return tuple(np.stack(each) for each in zip(*found, strict=True))

    def stacked(self, images: Array) -> dict[str, Array]:
        """Compute every value for images (n, channels, rows, columns), by name."""
        found = [self.values([image]) for image in images]
        return {name: np.stack([one[name] for one in found]) for name in found[0]}


@dataclass(frozen=True)
class Running:
    """Hold a shipped folder that runs.

    Args:
        spec: What it is for; None: a bare network.
        networks: Its networks, by part.
        predictor: What answers for a picture; None for a bare network.
        prepare: Its own picture rule, (height, width, 3) to (3, H, W); None where it cannot be
            asked for.
        size: Bytes of its code and weights.
    """

    spec: Spec | None
    networks: Mapping[str, RunningNetwork]
    predictor: Any
    prepare: Callable[[Picture], Array] | None
    size: int

    def close(self) -> None:
        """End what runs."""
        for network in self.networks.values():
            network.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Backend(ABC, Generic[N, O_]):
    """What ships programs to one kind of machine. Abstract."""

    name: ClassVar[str]
    """What it is called in BACKENDS, and what a task's attribute for it is called: "c"."""
    what: ClassVar[str]
    """A line for people."""
    only_integers: ClassVar[bool] = False
    """Whether it ships networks in 8 bits alone."""

    def added_by(self, task: object | None) -> Any:
        """Give what a task adds: its attribute of the back end's name, None where it adds nothing.

        Args:
            task: A value of tasks/table.py.
        """
        return getattr(task, self.name, None)

    @abstractmethod
    def targets(self) -> Mapping[str, str]:
        """Name the machines that it can ship for, each with a line for people."""

    @abstractmethod
    def emulated(self) -> tuple[str, ...]:
        """Name those of the targets that this machine runs by emulation or simulation."""

    @abstractmethod
    def options(self, **settings: Any) -> O_:
        """Check settings by name and make the back end's options of them; what is absent is usual.

        Raises:
            TatamiError: For a value that it has not got.
        """

    @abstractmethod
    def name_of(self, text: str) -> str:
        """Make a name that may begin every name in the files, of a file's name."""

    @abstractmethod
    def plan(
        self, programs: Programs, name: str, options: O_, task: object | None = None
    ) -> Plan[N, O_]:
        """Say what becomes of programs.

        Args:
            programs: What is computed, by part.
            name: Begins every name in the files.
            options: How.
            task: A value of tasks/table.py; None: bare networks, without rules for pictures.

        Raises:
            TatamiError: For a name that the machine's language has not got, for a step that the
                back end cannot do, by its name, and for a network that is not what its spec says.
        """

    @abstractmethod
    def emit(self, plan: Plan[N, O_]) -> Shipped:
        """Write the files of a plan, in memory."""

    def beside(self, plan: Plan[N, O_]) -> Mapping[str, str]:
        """Write what a shipped folder has beside the program: a README, files of other builds.

        Usually nothing. It may run the networks once.
        """
        return {}

    @abstractmethod
    def footprint(self, plan: Plan[N, O_], shipped: Shipped) -> Footprint:
        """Say what the program needs of a device; measured where this machine has the tools."""

    @abstractmethod
    def build(self, plan: Plan[N, O_], shipped: Shipped, folder: Path) -> str | None:
        """Build the example in the folder that holds the files, where this machine can run it.

        Returns:
            The name of the file that was made; None where there is nothing to build here.

        Raises:
            TatamiError: Where a tool is missing or fails.
        """

    @abstractmethod
    def wrote(self, folder: Path) -> bool:
        """Say whether this back end wrote a folder."""

    @abstractmethod
    def spec(self, folder: Path) -> Spec | None:
        """Read what a shipped folder is for; None for a bare network.

        Raises:
            TatamiError: For a folder that is damaged or of another version.
        """

    @abstractmethod
    def variants(self, folder: Path, target: str | None = None) -> tuple[str, ...]:
        """Name the kinds of kernels that a folder's program may use, the best first.

        Args:
            folder: A shipped folder.
            target: On which machine; None: any that runs it natively.
        """

    @abstractmethod
    def open(
        self,
        folder: Path,
        task: object | None = None,
        *,
        variant: str | None = None,
        target: str | None = None,
        find: Propose | None = None,
        built: bool = True,
    ) -> Running:
        """Run a shipped folder, which is a program: ship/seal.py says whose.

        Args:
            folder: What ``emit`` gave, written.
            task: The value of tasks/table.py for its spec; None: its bare networks.
            variant: The kind of kernels; None: the best.
            target: On which machine, emulated or simulated; None: this one.
            find: Finds the regions of a picture for a program that takes them from its caller.
            built: Whether the built example in the folder may be run; else it is built anew.

        Raises:
            TatamiError: For a folder that is damaged, and where kernels, a compiler or an emulator
                are missing.
        """
