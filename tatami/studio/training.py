"""The page Training: runs as they go on."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tatami.pipeline.watch import Improving, end_with_epoch, watch
from tatami.studio.asked import number_of
from tatami.studio.room import Room
from tatami.types import Picture


def training(room: Room, request: Request) -> Any:
    """Say how far a training is."""
    return watch(room.run(request), number_of(request, "since", 0)).to_json()


def end(room: Room, request: Request) -> Any:
    """Ask a training to end with its epoch."""
    end_with_epoch(room.run(request))
    return {}


def improving(room: Room, request: Request) -> Any:
    """Let the newest weights look at some pictures; say after which steps there is a drawing."""
    found = _improving(room, request)
    return {"steps": list(found.look()), "pictures": len(found.pictures)}


def improved(room: Room, request: Request) -> Picture:
    """Draw what was found in a picture after a step."""
    drawn = _improving(room, request).found.get(number_of(request, "step"), [])
    number = number_of(request, "picture")
    if number >= len(drawn):
        raise HTTPException(404, "no such picture")
    return drawn[number]


def _improving(room: Room, request: Request) -> Improving:
    """Find the pictures of a run, or choose them: they are kept."""
    path, key = room.run(request), ("improving", room.number(request))
    if key not in room.kept:
        room.kept[key] = Improving(path)
    found: Improving = room.kept[key]
    return found
