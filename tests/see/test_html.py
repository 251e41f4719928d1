from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

from tatami.see.html import picture_html, result_html, table_html
from tatami.types.table import Table, numbers, words


def test_a_table_is_escaped_and_marked() -> None:
    table = Table(
        (words("<b>\nname"), *numbers("of")),
        (("<script>", "1"), ("fine", "2")),
        ("all", "3"),
        title="A & B",
        caption="below",
        failed=frozenset({1}),
    )
    page = table_html(table)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;<br>name" in page
    assert page.count("<tr") == 4
    assert page.count("color: red") == 1
    assert "A &amp; B" in page
    assert "below" in page


def test_a_result_is_its_tables_and_lines() -> None:
    page = result_html([Table(numbers("n"), (("1",),))], ["a < b", "second"])
    assert page.endswith("<p>a &lt; b<br>second</p>")


def test_a_picture_is_within_the_page() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    page = picture_html(picture, "a <b>")
    (data,) = re.findall(r"base64,([^\"]+)", page)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.array_equal(shown, picture)
    assert "a &lt;b&gt;" in page
