"""The page Data: a run's labeled set from all sides."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tatami.pipeline.survey import Survey
from tatami.studio.asked import number_of, text_of
from tatami.studio.room import Room
from tatami.types import Picture


def data(room: Room, request: Request) -> Any:
    """Read all of the set: counts, faults, places, doubles."""
    return _survey(room, request).to_json()


def labeled(room: Room, request: Request) -> Picture:
    """Draw a picture with its labels."""
    return _survey(room, request).labeled(number_of(request, "picture"))


def fault(room: Room, request: Request) -> Picture:
    """Draw the picture that a fault is in."""
    return _survey(room, request).fault(number_of(request, "number"))


def varied(room: Room, request: Request) -> Picture:
    """Draw a picture as training varies it."""
    found = _survey(room, request)
    return found.varied(number_of(request, "picture"), number_of(request, "draw"))


def anchors(room: Room, request: Request) -> Any:
    """Say how the boxes fit the detector's anchors."""
    return _survey(room, request).anchors.to_json()


def misfit(room: Room, request: Request) -> Picture:
    """Draw a picture with what answers for its truths, most misfits first."""
    pictures = _survey(room, request).anchors.pictures
    number = number_of(request, "number")
    if number >= len(pictures):
        raise HTTPException(404, "no such picture")
    return pictures[number][1]


def embedding(room: Room, request: Request) -> Any:
    """Place pictures by what a layer makes of them."""
    network, name = room.network(request), text_of(request, "layer")
    layer = next((one for one in network.layers if one.name == name), None)
    if layer is None:
        raise HTTPException(404, "no such layer")
    key = "embedding", room.number(request), name
    if key not in room.kept:
        found = _survey(room, request).embedded(network.network, layer.value)
        room.kept[key] = {
            "share": found.share,
            "points": [
                {"picture": number, "label": label, "x": x, "y": y}
                for number, label, (x, y) in zip(
                    found.pictures, found.labels, found.points.tolist(), strict=True
                )
            ],
        }
    return room.kept[key]


def _survey(room: Room, request: Request) -> Survey:
    """Find the survey of a run's set, or make it: it is kept."""
    path = room.run(request)
    key = "data", room.number(request)
    if key not in room.kept:
        room.kept[key] = Survey(path)
    found: Survey = room.kept[key]
    return found
