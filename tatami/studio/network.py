"""The pages Network and Picture: layers, and what every stage answers."""

from __future__ import annotations

import dataclasses
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tatami.studio.asked import number_of, score_of, text_of
from tatami.studio.room import Room
from tatami.types import Picture


def network(room: Room, request: Request) -> Any:
    """List the layers."""
    return [dataclasses.asdict(layer) for layer in room.network(request).layers]


def answers(room: Room, request: Request) -> Any:
    """Say what every stage answers to the picture."""
    found = room.network(request).answers(score_of(request))
    return [
        {"stage": name, "line": answer.line, "milliseconds": 1000 * answer.seconds}
        for name, answer in found.items()
    ]


def drawn(room: Room, request: Request) -> Picture:
    """Draw the answer of a stage."""
    found = room.network(request).answers(score_of(request))
    stage = text_of(request, "stage")
    if stage not in found:
        raise HTTPException(404, "no such stage")
    return found[stage].drawn


def maps(room: Room, request: Request) -> Picture:
    """Draw what a layer makes of the picture."""
    return room.network(request).maps(text_of(request, "layer"), text_of(request, "form"))


def spread(room: Room, request: Request) -> Any:
    """Count the numbers of a layer."""
    found = room.network(request).spread(text_of(request, "layer"), text_of(request, "form"))
    return dataclasses.asdict(found)


def losses(room: Room, request: Request) -> Any:
    """Say what 8 bits lose in each layer."""
    return room.network(request).losses()


def filters(room: Room, request: Request) -> Picture:
    """Draw the kernels of a layer."""
    return room.network(request).filters(text_of(request, "layer"))


def activation(room: Room, request: Request) -> Picture:
    """Draw where the network looks."""
    return room.network(request).activation(request.query_params.get("class"))


def receptive(room: Room, request: Request) -> Picture:
    """Draw what a place of a layer sees of the input."""
    place = number_of(request, "row"), number_of(request, "column")
    return room.network(request).receptive(text_of(request, "layer"), *place)


def give(room: Room, picture: Picture) -> Any:
    """Take a picture, which every artifact is asked about from now on."""
    for each in room.networks:
        if each is not None:
            each.give(picture)
    height, width = picture.shape[:2]
    return {"width": width, "height": height}
