"""What the studio shows: artifacts by their numbers, and what was computed of them already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tatami.pipeline.through import DIFFERENCE, Through
from tatami.pipeline.watch import is_finished, is_run
from tatami.studio.asked import number_of


class Room:
    """What the page may ask about: artifacts by their numbers, never by a path.

    Args:
        artifacts: Run folders, ONNX files or shipped folders.
        trust: Whether to run shipped folders that this installation did not write.

    Raises:
        TatamiError: For an artifact that cannot be opened.
    """

    def __init__(self, artifacts: Sequence[Path], *, trust: bool = False) -> None:
        self.paths = list(artifacts)
        self.trust = trust
        self.kept: dict[object, Any] = {}
        """What pages keep from one request to the next, by a key of their own."""
        self.networks = [
            None if is_run(path) and not is_finished(path) else Through(path, trust=trust)
            for path in artifacts
        ]

    def network(self, request: Request) -> Through:
        """Find the artifact that a request names.

        Raises:
            HTTPException: Where there is none.
        """
        number = self.number(request)
        if self.networks[number] is None and is_finished(self.paths[number]):
            self.networks[number] = Through(self.paths[number], trust=self.trust)
        found = self.networks[number]
        if found is None:
            raise HTTPException(409, "it is still training: look at it when it is done")
        return found

    def path(self, request: Request) -> Path:
        """Find the artifact's path."""
        return self.paths[self.number(request)]

    def run(self, request: Request) -> Path:
        """Find the run folder that a request names.

        Raises:
            HTTPException: Where the artifact is none.
        """
        path = self.path(request)
        if not is_run(path):
            raise HTTPException(404, "it is no run: nothing was trained here")
        return path

    def number(self, request: Request) -> int:
        """Read the artifact's number.

        Raises:
            HTTPException: Where there is no such.
        """
        try:
            number = number_of(request, "artifact", 0)
        except HTTPException:
            number = len(self.networks)
        if number >= len(self.networks):
            raise HTTPException(404, "no such artifact")
        return number

    def close(self) -> None:
        """End what runs."""
        for network in self.networks:
            if network is not None:
                network.close()


def artifacts(room: Room, request: Request) -> Any:
    """List what is shown."""
    names = names_of([path.resolve() for path in room.paths])
    return [
        {"name": name, "run": is_run(path), **({} if network is None else about(network))}
        for name, path, network in zip(names, room.paths, room.networks, strict=True)
    ]


def names_of(paths: Sequence[Path]) -> list[str]:
    """Name each by its last part, or by as many more as tell it from the others."""

    def tail(path: Path, parts: int) -> str:
        return "/".join(path.parts[-parts:]).lstrip("/")

    names = []
    for path in paths:
        others = [one for one in paths if one != path]
        lengths = range(1, len(path.parts) + 1)
        own = (n for n in lengths if all(tail(one, n) != tail(path, n) for one in others))
        names.append(tail(path, next(own)))
    return names


def about(network: Through) -> dict[str, Any]:
    """Say what an artifact is, for the page."""
    task = network.stages[0].task
    forms = list(network.forms)
    integers = [name for name, one in network.forms.items() if one.integers is not None][:1]
    compared = [*integers, DIFFERENCE] if integers else []
    return {
        "task": task.name,
        "noun": task.noun,
        "judged_by": task.judged_by,
        "classes": list(getattr(network.spec, "classes", ())),
        "stages": [stage.name for stage in network.stages],
        "forms": [*forms, *compared[1:]],
        "compared": compared,
    }
