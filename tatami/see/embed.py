"""Pictures as the bytes of files, and as what a notebook shows."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable

from PIL import Image

from tatami.errors import printable
from tatami.types import Picture


def as_png(drawn: Picture) -> bytes:
    """Give a picture (height, width, 3) as the bytes of a PNG."""
    return _encoded(drawn, "PNG")


def as_jpeg(drawn: Picture) -> bytes:
    """Give a picture (height, width, 3) as the bytes of a JPEG."""
    return _encoded(drawn, "JPEG")


def as_html(pictures: Iterable[tuple[str, Picture]]) -> str:
    """Show pictures (height, width, 3) with their captions in a notebook."""
    return "".join(
        f"<figure><figcaption>{html.escape(printable(caption))}</figcaption>"
        f'<img src="data:image/png;base64,{base64.b64encode(as_png(drawn)).decode()}" '
        'style="max-width: 100%"></figure>'
        for caption, drawn in pictures
    )


def _encoded(drawn: Picture, format: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(drawn).save(content, format)
    return content.getvalue()
