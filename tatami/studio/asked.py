"""What a request of the page says, read and bounded; and the forms in which it is answered."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.see.embed import as_png
from tatami.types import Picture

MAX_UPLOAD = 32 * 2**20
"""Bytes of a picture that is taken from the page."""
DIGITS = 9
"""Of a number that is asked for."""


def text_of(request: Request, name: str) -> str:
    """Read a parameter that must be there.

    Raises:
        HTTPException: Where it is not.
    """
    found = request.query_params.get(name)
    if found is None:
        raise HTTPException(400, f"no {name} given")
    return found


def number_of(request: Request, name: str, default: int | None = None) -> int:
    """Read a whole number from 0.

    Args:
        request: The request.
        name: Of the parameter.
        default: What it is where it is not given; None: it must be.

    Raises:
        HTTPException: For anything else.
    """
    if default is not None and name not in request.query_params:
        return default
    text = text_of(request, name)
    if not (text.isascii() and text.isdecimal()) or len(text) > DIGITS:
        raise HTTPException(400, f"{name} is a number")
    return int(text)


def score_of(request: Request) -> float | None:
    """Read the lowest score of a box, where one is given.

    Raises:
        HTTPException: For anything but 0 to 1.
    """
    text = request.query_params.get("score")
    try:
        found = None if text is None else float(text)
    except ValueError:
        raise HTTPException(400, "the score is no number") from None
    if found is not None and not 0 <= found <= 1:
        raise HTTPException(400, "a score is 0 to 1")
    return found


async def received(request: Request) -> bytes:
    """Read the body of a request, up to MAX_UPLOAD bytes.

    Raises:
        HTTPException: For more.
    """
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_UPLOAD:
            raise HTTPException(413, f"a picture may have {MAX_UPLOAD:,} bytes")
    return bytes(content)


def as_picture(content: bytes) -> Picture:
    """Read a picture as the package reads every file: bounded, upright, whole or refused.

    Raises:
        TatamiError: For what is no picture.
    """
    with tempfile.NamedTemporaryFile(prefix="tatami-", suffix=".picture") as file:
        file.write(content)
        file.flush()
        try:
            return read_picture(Path(file.name))
        except TatamiError as error:
            raise TatamiError(error.reason, hint=error.hint) from None  # without the file's name


def in_json(found: Any) -> Response:
    """Answer with plain values."""
    return JSONResponse(found)


def in_png(found: Picture) -> Response:
    """Answer with a picture."""
    return Response(as_png(found), media_type="image/png")
