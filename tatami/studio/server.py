"""The studio's server: pipeline functions as answers to its page. It keeps nothing on disk."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tatami.errors import TatamiError
from tatami.pipeline.artifact import path_of
from tatami.studio import data, mistaken, network, pareto, room, training
from tatami.studio.asked import as_picture, in_json, in_png, received
from tatami.studio.guard import API, Guard
from tatami.studio.room import Room

HERE = "127.0.0.1"
PAGE, SHARED = ("tatami.studio", "page"), ("tatami.ship.wasm", "page/pictures.mjs")
"""The page, and the part of it that the page for browsers has, too."""

Ask = Callable[[Room, Request], Any]
VALUES: dict[str, Ask] = {
    "artifacts": room.artifacts,
    "network": network.network,
    "answers": network.answers,
    "spread": network.spread,
    "losses": network.losses,
    "training": training.training,
    "mistakes": mistaken.mistakes,
    "confusion": mistaken.confusion,
    "anchors": data.anchors,
    "improving": training.improving,
}
"""What is answered by plain values."""
PICTURES: dict[str, Ask] = {
    "drawn": network.drawn,
    "maps": network.maps,
    "filters": network.filters,
    "activation": network.activation,
    "receptive": network.receptive,
    "judged": mistaken.judged,
    "labeled": data.labeled,
    "fault": data.fault,
    "varied": data.varied,
    "misfit": data.misfit,
    "improved": training.improved,
}
"""What is answered by a picture."""
DEEDS: dict[str, Ask] = {
    "report": mistaken.report,
    "judge": mistaken.judge,
    "data": data.data,
    "embedding": data.embedding,
    "end": training.end,
    "pareto": pareto.pareto,
}
"""What does something, or takes long: it is asked by POST, and answered by plain values."""


def application(shown: Room, token: str, hosts: frozenset[str]) -> Starlette:
    """Make the studio as an ASGI application.

    Args:
        shown: What it shows.
        token: What every request for data must bring.
        hosts: The names that it is reached by, with its port.
    """

    def routes(
        table: dict[str, Ask], form: Callable[[Any], Response], method: str = "GET"
    ) -> list[Route]:
        return [
            Route(f"{API}{name}", endpoint(ask, form), methods=[method])
            for name, ask in table.items()
        ]

    def endpoint(ask: Ask, form: Callable[[Any], Response]) -> Any:
        async def answer(request: Request) -> Response:  # in a thread, since networks compute
            return form(await run_in_threadpool(ask, shown, request))

        return answer

    async def picture(request: Request) -> Response:
        found = await run_in_threadpool(as_picture, await received(request))
        return in_json(await run_in_threadpool(network.give, shown, found))

    async def shared(request: Request) -> Response:
        return FileResponse(_packaged(*SHARED))

    return Starlette(
        routes=[
            *routes(VALUES, in_json),
            *routes(PICTURES, in_png),
            *routes(DEEDS, in_json, "POST"),
            Route(f"{API}picture", picture, methods=["POST"]),
            Route("/report/{key}", endpoint(mistaken.reported, lambda page: page)),
            Route("/pictures.mjs", shared),
            Mount("/", StaticFiles(directory=_packaged(*PAGE), html=True)),
        ],
        middleware=[Middleware(Guard, token=token, hosts=hosts)],
        exception_handlers={TatamiError: refused, HTTPException: failed},
    )


def _packaged(package: str, name: str) -> Path:
    """Find a file or folder that comes with the package."""
    return Path(str(resources.files(package).joinpath(name)))


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
    shown = Room([path_of(one) for one in artifacts], trust=trust)
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
        app = application(shown, token, hosts)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        ready(f"http://{HERE}:{chosen}/#{token}")
        uvicorn.Server(config).run(sockets=[bound])
    finally:
        bound.close()
        shown.close()
