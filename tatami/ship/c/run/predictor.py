"""What answers for a picture by a shipped folder: what all tasks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Generic, Self, TypeVar

import numpy as np

from tatami.errors import TatamiError
from tatami.program.steps import Value
from tatami.rules.regions import Propose
from tatami.ship.backend import Array
from tatami.ship.c.run.network import HOST, CompiledNetwork, unpacked
from tatami.ship.c.run.process import Process
from tatami.types import Float32, Picture, RawMaps, Seen, Spec

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Machine:
    """Say how a shipped folder is run.

    Args:
        variant: The kernels, as "portable" or "avx2" (kernels/variant.c); None: the best.
        target: "host", or one of ship/c/targets.py, whose program runs in its emulator.
        propose: Finds the regions of a picture for a program that takes them from its caller.
        built: Whether the built example in the folder may be run.
    """

    variant: str | None = None
    target: str = HOST
    propose: Propose | None = None
    built: bool = True


class Compiled(ABC, Generic[S]):
    """Predict with one compiled network. Abstract: a class a task.

    On this machine, with the best kernels, the program in the folder is used where there is one,
    and pictures go to it as PPM, one process for all of one setting. All else goes to proof.c.

    Args:
        folder: The shipped folder.
        variant: The kernels; None: the best.
        target: "host", or one of ship/c/targets.py.
        threads: None: as many as it was shipped for.

    Raises:
        TatamiError: For a folder that is not a shipped one, or is of another task; by every
            method, as CompiledNetwork.
    """

    use: ClassVar[str]
    """The example is called NAME_detect for "detect"."""
    network_type: ClassVar[type[CompiledNetwork]] = CompiledNetwork
    """What runs its network."""

    def __init__(
        self,
        folder: Path,
        *,
        variant: str | None = None,
        target: str = HOST,
        threads: int | None = None,
    ) -> None:
        network = self.network_type(folder, variant=variant, target=target, threads=threads)
        self.network = network
        self.folder = folder
        self.name = self.network.description.name
        spec = self.network.description.spec
        if spec is None:
            raise TatamiError(
                "the folder holds a network without rules for pictures and boxes",
                hint="run it as a network, not as a detector",
                file=folder,
            )
        self._spec = self.checked(spec)
        self._as_shipped = variant is None and target == HOST and threads is None
        self._running: tuple[str, Process] | None = None

    @abstractmethod
    def checked(self, spec: Spec) -> S:
        """Give the spec of this task's networks.

        Raises:
            TatamiError: For that of another.
        """

    @property
    def spec(self) -> S:
        """Say what the network is for."""
        return self._spec

    @property
    def input(self) -> Value:
        """Say what the network takes: float32, or bytes."""
        return self.network.description.values[self.network.description.inputs[0]]

    @property
    def own_rule(self) -> Callable[[Seen], Array] | None:
        """Give the picture rule of the program, where it can be asked for it."""
        return self.prepare

    def prepare(self, picture: Seen) -> Array:
        """Compute the C picture rule alone.

        Args:
            picture: (height, width, 3).

        Returns:
            The network's input (3, H, W), float32 or uint8.
        """
        answer = self.network.ask(b"P" + request(picture), self.input.bytes)
        return unpacked(answer, [self.input])[0]

    def forward(self, images: Float32) -> RawMaps:
        """Compute the C network alone.

        Args:
            images: (n, 3, H, W).

        Returns:
            Raw maps, each (n, channels, rows, columns).
        """
        return self.network.forward(images)

    def values(self, images: Float32) -> dict[str, Array]:
        """Compute the output of every step for images (n, 3, H, W), by the name it has in ONNX.

        Returns:
            (n, channels, rows, columns) each, float32 or uint8.
        """
        return self.network.stacked(images)

    def example(self) -> Path:
        """Find the example program, compiled to a temporary folder where the folder has none."""
        return self.network.example(f"{self.name}_{self.use}")

    def close(self) -> None:
        """End the processes and remove what was compiled to a temporary folder."""
        self.network.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def shipped(self, *options: str) -> Process:
        """Start the shipped program with these options, where it does not run already."""
        setting = " ".join(options)
        if self._running is None or self._running[0] != setting:
            if self._running is not None:
                self.network.stop(self._running[1])
            program = str(self.example())
            self._running = (setting, self.network.start([program, *options, "-"]))
        return self._running[1]

    def rows(self, option: str, value: str, picture: Picture) -> list[list[str]]:
        """Read the words of the lines that the shipped program prints for a picture.

        Args:
            option: An option of the program.
            value: What it is given.
            picture: (height, width, 3).
        """
        process = self.shipped(option, value)
        process.send(ppm(picture))
        count = int(process.line().split()[1])
        if count < 0:
            raise refused(self.folder, picture)
        return [process.line().split() for _ in range(count)]


def refused(folder: Path, picture: Picture) -> TatamiError:
    """Give the error of a program that says no."""
    height, width = picture.shape[:2]
    return TatamiError(
        f"the program refuses a picture of {width}x{height}",
        hint="give a score threshold that is a number, and a smaller picture",
        file=folder,
    )


def ppm(picture: Picture) -> bytes:
    """Write a picture as the shipped programs read it."""
    height, width = picture.shape[:2]
    return b"P6 %d %d 255\n" % (width, height) + np.ascontiguousarray(picture).tobytes()


def request(picture: Picture) -> bytes:
    """Write a picture as proof.c reads it."""
    height, width = picture.shape[:2]
    return np.array([width, height], "<i4").tobytes() + np.ascontiguousarray(picture).tobytes()
