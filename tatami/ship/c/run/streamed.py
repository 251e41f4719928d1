"""The network of a shipped folder that takes a column a call, run for all columns of an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tatami.program.steps import Value
from tatami.ship.backend import Array
from tatami.ship.c.run.network import CompiledNetwork


class StreamedNetwork(CompiledNetwork):
    """A network that is compiled to take a column a call, seen as one that takes all of them.

    Arguments and errors as of ``CompiledNetwork``. An input is cut into its columns, the first of
    which begins anew; every value of columns is put together again.
    """

    @property
    def known(self) -> Mapping[str, Value]:
        """Say the shape and type of the inputs and of every step's output, of all columns."""
        about = self.description
        assert about.spec is not None
        columns = about.spec.input.shape[2]
        return {
            name: replace(value, shape=(*value.shape[:2], columns))
            if name in about.moments
            else value
            for name, value in about.values.items()
        }

    @property
    def remembers(self) -> bool:
        """Say no: every input begins anew."""
        return False

    def run_calls(self, calls: Sequence[Sequence[Array]]) -> list[list[Array]]:
        """Compute the outputs of inputs, each by itself."""
        names = self.description.outputs
        return [[*self._together(b"F", one, names).values()] for one in calls]

    def values_of_calls(self, calls: Sequence[Sequence[Array]]) -> list[dict[str, Array]]:
        """Compute the output of every step of inputs, each by itself."""
        return [self._together(b"T", one, self.description.steps) for one in calls]

    def _together(
        self, letter: bytes, inputs: Sequence[Array], names: Sequence[str]
    ) -> dict[str, Array]:
        """Ask for values of all columns of an input: those of columns become one map each."""
        found = self._answers(letter, _columns(inputs), names)
        moments = self.description.moments
        return {
            name: np.concatenate(each, axis=2) if name in moments or letter == b"F" else each[-1]
            for name, each in zip(names, found, strict=True)
        }


def _columns(inputs: Sequence[Array]) -> list[list[Array]]:
    """Cut an input into its columns, a call each."""
    (x,) = inputs
    return [[x[:, :, at : at + 1]] for at in range(x.shape[2])]
