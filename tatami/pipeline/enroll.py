"""Enroll a picture: a matcher keeps its embedding under a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from tatami.graph.network import Network
from tatami.graph.read import read
from tatami.graph.write import write
from tatami.pipeline.artifact import (
    Source,
    as_picture,
    network_file,
    open_artifact,
    path_of,
    read_run,
)
from tatami.see.html import result_html
from tatami.tasks.table import task_of
from tatami.train.run import SETTINGS
from tatami.types import Picture, Spec
from tatami.types.table import Table


@dataclass(frozen=True)
class EnrollResult:
    """A network that knows one thing more.

    Args:
        path: The ONNX file or the run folder.
        name: What was enrolled.
        spec: What the network is for now.
    """

    path: Path
    name: str
    spec: Spec

    @property
    def skipped(self) -> Mapping[str, int]:
        """Nothing: no set is looked at."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Give the result as plain values."""
        known = list(self.spec.to_json()["enrolled"])
        return {"output": str(self.path), "name": self.name, "enrolled": known}

    def tables(self) -> list[Table]:
        """Give none."""
        return []

    def lines(self) -> list[str]:
        """Say how much is enrolled."""
        count = len(self.to_json()["enrolled"])
        return [f"enrolled '{self.name}', {count} in all", f"wrote {self.path}"]

    def _repr_html_(self) -> str:
        """Show the lines in a notebook."""
        return result_html(self.tables(), self.lines())


def enroll(network: Source, picture: str | Path | Picture | Image.Image, name: str) -> EnrollResult:
    """Let a matcher know what a picture shows, by a name.

    Its file keeps the embedding, as do the files that are made of it later: folded, in 8 bits,
    shipped.

    Args:
        network: An ONNX file, which is written anew, or a run folder, which knows it from then on.
        picture: One picture: a file, a PIL image or an array (height, width, 3).
        name: What it shows; one that is known is replaced.

    Raises:
        TatamiError: For a network that is no matcher, a picture that cannot be read, and a name
            that is empty or unprintable.
    """
    path = path_of(network)
    file = network_file(path)
    artifact = open_artifact(path)
    spec = task_of(artifact.spec).enrolled(artifact.predictor, as_picture(picture), name)
    write(Network(read(file).model, spec), file)
    if (path / SETTINGS).is_file():
        replace(read_run(path), spec=spec).save(path)
    return EnrollResult(path, name, spec)
