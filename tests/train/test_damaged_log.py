"""A log with bytes that are no text is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tatami.errors import TatamiError
from tatami.train.run import read_rows


def test_a_log_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(b'{"loss": 1.5}\n{"los\x80": 2}\n')
    with pytest.raises(TatamiError, match="not a log row") as caught:
        read_rows(file)
    assert (caught.value.file, caught.value.line) == (file, 2)
    file.write_bytes(b'{"loss": 1.5}\r\n')
    assert read_rows(file) == [{"loss": 1.5}]
