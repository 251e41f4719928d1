"""Who may ask the studio: this machine's browser, from the studio's own page, with its token.

A page of a stranger can make a browser send requests to 127.0.0.1. It cannot read the token, cannot
make the browser name another Host than it connected to, and sends its own Origin; each of the three
alone would refuse it.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

TOKEN = "x-tatami-token"
API = "/api/"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; media-src 'self' blob:; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Guard(BaseHTTPMiddleware):
    """Refuse whoever is not the studio's own page.

    Args:
        app: What is guarded.
        token: What every request for data must bring.
        hosts: The names that the studio is reached by, with its port.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: frozenset[str]) -> None:
        super().__init__(app)
        self.token = token
        self.hosts = hosts

    async def dispatch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Answer a request, or refuse it, with the same headers."""
        refused = self._refused(request)
        response = (
            await call_next(request)
            if refused is None
            else PlainTextResponse(refused, status_code=403)
        )
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _refused(self, request: Request) -> str | None:
        host = request.headers.get("host", "")
        if host not in self.hosts:
            return "not asked by this machine's name"
        origin = request.headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return "asked by a page of another origin"
        given = request.headers.get(TOKEN, "")
        asks_for_data = request.url.path.startswith(API)
        if asks_for_data and not secrets.compare_digest(given.encode(), self.token.encode()):
            return "the token is missing or wrong: open the address that tatami printed"
        return None
