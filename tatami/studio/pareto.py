"""The page Pareto: what the networks here are worth, against what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request

from tatami.pipeline.compare import compare, files_of
from tatami.pipeline.run_data import measured_on
from tatami.pipeline.through import Through
from tatami.studio.room import Room


def pareto(room: Room, request: Request) -> Any:
    """Compare all networks here that have the task and the classes of the one that is asked for.

    They are measured on what its run held out; no time is taken.
    """
    asked = room.network(request)
    task, classes = asked.stages[0].task, _classes(asked)
    files: dict[Path, int] = {}
    for number, (path, network) in enumerate(zip(room.paths, room.networks, strict=True)):
        if network is not None and network.stages[0].task is task and _classes(network) == classes:
            for file in files_of([path], every=True):
                files.setdefault(file.resolve(), number)
    used = measured_on([asked.path, *room.paths], None)
    found = compare(
        list(files), used.root, split=used.split, format=used.format, skip=used.skip,
        hold_out=used.hold_out, time=False,
    )  # fmt: skip
    content = found.to_json()
    numbers = list(files.values())
    for one, number in zip(content["networks"], numbers, strict=True):
        one["artifact"] = number
    return content


def _classes(network: Through) -> set[str]:
    return set(getattr(network.spec, "classes", ()))
