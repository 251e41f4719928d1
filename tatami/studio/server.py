"""The studio's server: pipeline functions as answers to its page. It keeps nothing on disk."""

from __future__ import annotations

import dataclasses
import io
import secrets
import socket
import tempfile
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.pipeline.artifact import path_of
from tatami.pipeline.report import report as write_report
from tatami.pipeline.through import DIFFERENCE, Through
from tatami.pipeline.watch import is_finished, is_run, watch
from tatami.see.report import POLICY
from tatami.studio.guard import Guard
from tatami.types import Picture

HERE = "127.0.0.1"
MAX_UPLOAD = 32 * 2**20
"""Bytes of a picture that is taken from the page."""


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
        self.reports: dict[str, str] = {}
        self.networks = [
            None if is_run(path) and not is_finished(path) else Through(path, trust=trust)
            for path in artifacts
        ]

    def network(self, request: Request) -> Through:
        """Find the artifact that a request names.

        Raises:
            HTTPException: Where there is none.
        """
        found = self.networks[self.number(request)]
        if found is None:
            raise HTTPException(409, "it is still training: look at it when it is done")
        return found

    def number(self, request: Request) -> int:
        """Read the artifact's number."""
        text = request.query_params.get("artifact", "0")
        if not text.isdecimal() or len(text) > 4 or int(text) >= len(self.networks):
            raise HTTPException(404, "no such artifact")
        return int(text)


def application(room: Room, token: str, hosts: frozenset[str]) -> Starlette:
    """Make the studio as an ASGI application.

    Args:
        room: What it shows.
        token: What every request for data must bring.
        hosts: The names that it is reached by, with its port.
    """

    def artifacts(request: Request) -> Any:
        return [
            {
                "name": path.resolve().name,
                "run": is_run(path),
                **({} if network is None else about(network)),
            }
            for path, network in zip(room.paths, room.networks, strict=True)
        ]

    def network(request: Request) -> Any:
        return [dataclasses.asdict(layer) for layer in room.network(request).layers]

    def answers(request: Request) -> Any:
        found = room.network(request).answers(score_of(request))
        return [
            {"stage": name, "line": answer.line, "milliseconds": 1000 * answer.seconds}
            for name, answer in found.items()
        ]

    def drawn(request: Request) -> Picture:
        found = room.network(request).answers(score_of(request))
        stage = asked(request, "stage")
        if stage not in found:
            raise HTTPException(404, "no such stage")
        return found[stage].drawn

    def maps(request: Request) -> Picture:
        return room.network(request).maps(asked(request, "layer"), asked(request, "form"))

    def spread(request: Request) -> Any:
        through = room.network(request)
        return dataclasses.asdict(through.spread(asked(request, "layer"), asked(request, "form")))

    def losses(request: Request) -> Any:
        return room.network(request).losses()

    def filters(request: Request) -> Picture:
        return room.network(request).filters(asked(request, "layer"))

    def activation(request: Request) -> Picture:
        return room.network(request).activation(request.query_params.get("class"))

    def training(request: Request) -> Any:
        since = request.query_params.get("since", "0")
        if not since.isdecimal() or len(since) > 9:
            raise HTTPException(400, "since is a step's number")
        path = room.paths[room.number(request)]
        if not is_run(path):
            raise HTTPException(404, "it is no run: nothing was trained here")
        return watch(path, int(since)).to_json()

    def report(request: Request) -> Any:
        path = room.paths[room.number(request)]
        if not is_run(path):
            raise HTTPException(404, "it is no run: nothing says what to measure it on")
        with tempfile.TemporaryDirectory(prefix="tatami-") as folder:
            page = write_report(path, Path(folder) / "report.html", trust=room.trust).path
            key = secrets.token_urlsafe(24)  # a frame sends no token: its address is one
            room.reports = {key: page.read_text("utf-8")}
        return {"page": f"/report/{key}"}

    def reported(request: Request) -> Response:
        page = room.reports.get(request.path_params["key"])
        if page is None:
            raise HTTPException(404, "no such report")
        policy = f"{POLICY}; frame-ancestors 'self'"
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    async def picture(request: Request) -> Response:
        content = await received(request)
        found = await run_in_threadpool(as_picture, content)
        for each in room.networks:
            if each is not None:
                await run_in_threadpool(each.give, found)
        height, width = found.shape[:2]
        return JSONResponse({"width": width, "height": height})

    data = {
        "artifacts": artifacts, "network": network, "answers": answers, "spread": spread,
        "losses": losses, "training": training,
    }  # fmt: skip
    pictures = {"drawn": drawn, "maps": maps, "filters": filters, "activation": activation}
    page = Path(str(resources.files("tatami.studio").joinpath("page")))
    return Starlette(
        routes=[
            *(Route(f"/api/{name}", told(each, as_json)) for name, each in data.items()),
            *(Route(f"/api/{name}", told(each, as_png)) for name, each in pictures.items()),
            Route("/api/picture", picture, methods=["POST"]),
            Route("/api/report", told(report, as_json), methods=["POST"]),
            Route("/report/{key}", reported),
            Mount("/", StaticFiles(directory=page, html=True)),
        ],
        middleware=[Middleware(Guard, token=token, hosts=hosts)],
        exception_handlers={TatamiError: refused, HTTPException: failed},
    )


def about(network: Through) -> dict[str, Any]:
    """Say what an artifact is, for the page."""
    task = network.stages[0].task
    forms = list(network.forms)
    integers = [name for name, one in network.forms.items() if one.integers is not None][:1]
    compared = [*integers, DIFFERENCE] if integers else []
    return {
        "task": task.name,
        "noun": task.noun,
        "classes": list(getattr(network.spec, "classes", ())),
        "stages": [stage.name for stage in network.stages],
        "forms": [*forms, *compared[1:]],
        "compared": compared,
    }


def told(ask: Callable[[Request], Any], form: Callable[[Any], Response]) -> Any:
    """Make an endpoint that asks in a thread, since networks compute."""

    async def endpoint(request: Request) -> Response:
        return form(await run_in_threadpool(ask, request))

    return endpoint


def as_json(found: Any) -> Response:
    """Answer with plain values; numbers that JSON has not got are null."""
    return JSONResponse(found)


def as_png(found: Picture) -> Response:
    """Answer with a picture."""
    file = io.BytesIO()
    Image.fromarray(found).save(file, "PNG")
    return Response(file.getvalue(), media_type="image/png")


def asked(request: Request, name: str) -> str:
    """Read a parameter that must be there."""
    found = request.query_params.get(name)
    if found is None:
        raise HTTPException(400, f"no {name} given")
    return found


def score_of(request: Request) -> float | None:
    """Read the lowest score of a box, where one is given."""
    text = request.query_params.get("score")
    try:
        found = None if text is None else float(text)
    except ValueError:
        raise HTTPException(400, "the score is no number") from None
    if found is not None and not 0 <= found <= 1:
        raise HTTPException(400, "a score is 0 to 1")
    return found


async def received(request: Request) -> bytes:
    """Read the body of a request, up to MAX_UPLOAD bytes."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_UPLOAD:
            raise HTTPException(413, f"a picture may have {MAX_UPLOAD:,} bytes")
    return bytes(content)


def as_picture(content: bytes) -> Picture:
    """Read a picture as the package reads every file: bounded, upright, whole or refused."""
    with tempfile.NamedTemporaryFile(prefix="tatami-", suffix=".picture") as file:
        file.write(content)
        file.flush()
        try:
            return read_picture(Path(file.name))
        except TatamiError as error:
            raise TatamiError(error.reason, hint=error.hint) from None  # without the file's name


async def refused(request: Request, error: Exception) -> Response:
    """Say what is wrong, as the command line would."""
    return JSONResponse({"error": str(error)}, status_code=422)


async def failed(request: Request, error: Exception) -> Response:
    """Say what is wrong with the request."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


def serve(
    artifacts: Sequence[str | Path],
    *,
    port: int = 0,
    trust: bool = False,
    ready: Callable[[str], None],
) -> None:
    """Serve the studio on 127.0.0.1 until it is interrupted.

    Args:
        artifacts: Run folders, ONNX files or shipped folders.
        port: Where; 0: any free one.
        trust: Whether to run shipped folders that this installation did not write.
        ready: Told the address, with its token, as soon as it can be opened.

    Raises:
        TatamiError: For an artifact that cannot be opened, and for a port that is taken.
    """
    room = Room([path_of(one) for one in artifacts], trust=trust)
    bound = socket.socket()
    try:
        try:
            bound.bind((HERE, port))
            bound.listen()
        except OSError as error:
            raise TatamiError(
                f"port {port} cannot be used: {error.strerror}",
                hint="give another",
                setting="port",
            ) from error
        chosen = bound.getsockname()[1]
        token = secrets.token_urlsafe(24)
        hosts = frozenset(f"{name}:{chosen}" for name in (HERE, "localhost"))
        app = application(room, token, hosts)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        ready(f"http://{HERE}:{chosen}/#{token}")
        uvicorn.Server(config).run(sockets=[bound])
    finally:
        bound.close()
        for network in room.networks:
            if network is not None:
                network.close()
