"""The page Training: runs as they go on."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from tatami.pipeline.watch import watch
from tatami.studio.asked import number_of
from tatami.studio.room import Room


def training(room: Room, request: Request) -> Any:
    """Say how far a training is."""
    return watch(room.run(request), number_of(request, "since", 0)).to_json()
