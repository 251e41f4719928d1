"""The page Errors: the report of a run, and two forms of networks picture by picture."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tatami.pipeline.judge import Judged, as_rows
from tatami.pipeline.report import report as write_report
from tatami.pipeline.run_data import measured_on
from tatami.see.report import POLICY
from tatami.studio.asked import number_of, score_of, text_of
from tatami.studio.room import Room
from tatami.types import Picture

REPORT = "report"
SIDES = ("labeled", "found", "wrong")
"""The drawings of a picture, in the order in which a task makes them."""


def report(room: Room, request: Request) -> Any:
    """Write the page of a run, and say where it is."""
    path = room.run(request)
    with tempfile.TemporaryDirectory(prefix="tatami-") as folder:
        page = write_report(path, Path(folder) / "report.html", trust=room.trust).path
        key = secrets.token_urlsafe(24)  # a frame sends no token: its address is one
        room.kept[REPORT] = key, page.read_text("utf-8")
    return {"page": f"/report/{key}"}


def reported(room: Room, request: Request) -> Response:
    """Give the page that was written last.

    Raises:
        HTTPException: For another.
    """
    key, page = room.kept.get(REPORT, ("", ""))
    if not key or not secrets.compare_digest(key, request.path_params["key"]):
        raise HTTPException(404, "no such report")
    policy = f"{POLICY}; frame-ancestors 'self'"
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def judge(room: Room, request: Request) -> Any:
    """Run a form of a network over the pictures that the first run here held out."""
    return _judged(room, request).to_json()


def mistakes(room: Room, request: Request) -> Any:
    """List what is wrong in each picture, where answers count above a score."""
    return as_rows(_judged(room, request).mistakes(score_of(request) or 0.0))


def confusion(room: Room, request: Request) -> Any:
    """Count how often each class is taken for each, where answers count above a score."""
    return _judged(room, request).confusion(score_of(request) or 0.0)


def judged(room: Room, request: Request) -> Picture:
    """Draw a picture as it is labeled, with what was found, or where these differ."""
    found, number = _judged(room, request), number_of(request, "picture")
    if number >= len(found.names):
        raise HTTPException(404, "no such picture")
    drawn = dict(zip(SIDES, found.drawn(number, score_of(request) or 0.0), strict=False))
    side = text_of(request, "side")
    if side not in drawn:
        raise HTTPException(404, "no such side")
    return drawn[side]


def _judged(room: Room, request: Request) -> Judged:
    """Find what a form made of the pictures, or make it: it is kept."""
    network, name = room.network(request), text_of(request, "stage")
    key = room.number(request), name
    if key not in room.kept:
        room.kept[key] = network.judged(name, measured_on([network.path, *room.paths], None))
    found: Judged = room.kept[key]
    return found
