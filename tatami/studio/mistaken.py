"""The page Errors: the report of a run, and two forms of networks picture by picture."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tatami.pipeline.report import report as write_report
from tatami.see.report import POLICY
from tatami.studio.room import Room

REPORT = "report"


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
