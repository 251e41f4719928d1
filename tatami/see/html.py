"""Tables, lines and pictures as HTML, for a notebook: it needs no script and no other file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

from PIL import Image

from tatami.errors import printable_lines
from tatami.types import Picture
from tatami.types.table import Table


def _text(text: str) -> str:
    """Escape what means something in HTML, and what a foreign name may hold that is not shown."""
    return html.escape(printable_lines(text))


def table_html(table: Table) -> str:
    """Write a table.

    Returns:
        A ``<table>``; what a name holds is escaped.
    """
    heads = "".join(_cell("th", column.name, column.align) for column in table.columns)
    title = f"<b>{_text(table.title)}</b>" if table.title else ""
    caption = f"<p><small>{_text(table.caption)}</small></p>" if table.caption else ""
    rows = [
        f"<tr{_style(table, place)}>{_cells(table, row)}</tr>"
        for place, row in enumerate(table.rows)
    ]
    if table.total is not None:
        rows.append(f'<tr style="border-top: 1px solid">{_cells(table, table.total)}</tr>')
    body = "".join(rows)
    return f"{title}<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{caption}"


def lines_html(lines: Sequence[str]) -> str:
    """Write lines, one under the other."""
    return f"<p>{'<br>'.join(_text(line) for line in lines)}</p>"


def result_html(tables: Sequence[Table], lines: Sequence[str]) -> str:
    """Write a result: its tables, and its lines below them."""
    return "".join(map(table_html, tables)) + lines_html(lines)


def picture_html(picture: Picture, caption: str = "") -> str:
    """Write a picture (height, width, 3) into the page itself, with a caption below it."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    data = base64.b64encode(content.getvalue()).decode()
    below = f"<figcaption>{_text(caption)}</figcaption>" if caption else ""
    return (
        '<figure style="display: inline-block; margin: 4px">'
        f'<img src="data:image/png;base64,{data}" style="max-width: 100%">{below}</figure>'
    )


def _cells(table: Table, row: Sequence[str]) -> str:
    pairs = zip(table.columns, row, strict=True)
    return "".join(_cell("td", text, column.align) for column, text in pairs)


def _cell(tag: str, text: str, align: str) -> str:
    written = _text(text).replace("\n", "<br>")
    return f'<{tag} style="text-align: {align}">{written}</{tag}>'


def _style(table: Table, place: int) -> str:
    if place in table.failed:
        return ' style="color: red; font-weight: bold"'
    return ' style="font-weight: bold"' if place in table.strong else ""
