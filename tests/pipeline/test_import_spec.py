"""A spec says what the files of a network do not: its other members are theirs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.pipeline.import_network import import_network

PICTURES = {
    "size": "24x16",
    "resize": "stretch",
    "channels": "bgr",
    "mean": [127.5, 127.5, 127.5],
    "scale": [0.5, 0.5, 0.5],
}
NET = (
    "7767517\n3 3\nInput in 0 1 data 0=24 1=16 2=3\n"
    "Convolution m 1 1 data m 0=14 1=8 3=8 6=2688\n"
    "YoloDetectionOutput y 1 1 m y 0=2 1=2 2=0.3 3=0.5 -23304=4,1.5,2.0,0.5,0.25\n"
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A detector of ncnn's, which says how its map is decoded, and nothing of pictures."""
    (tmp_path / "net.param").write_text(NET)
    weights = np.random.default_rng(0).standard_normal(2688).astype("<f4")
    (tmp_path / "net.bin").write_bytes(bytes(4) + weights.tobytes())
    return tmp_path / "net.param", tmp_path / "net.bin"


def spec(folder: Path, **members: object) -> Path:
    (folder / "spec.json").write_text(json.dumps(members))
    return folder / "spec.json"


def test_what_the_files_say_need_not_be_said_again(files, tmp_path):
    given = spec(tmp_path, input=PICTURES, classes=["a", "b"])
    found = import_network(*files, spec=given)
    assert found.use is not None
    assert found.use.classes == ("a", "b")
    assert (found.use.input.channels, found.use.input.mean) == ("bgr", (127.5, 127.5, 127.5))
    assert (found.use.decoding.kind, found.use.decoding.score_threshold) == ("yolov2", 0.3)
    assert found.use.decoding.grids[0].anchors == ((12.0, 16.0), (4.0, 2.0))


def test_what_neither_says_is_still_asked_for(files, tmp_path):
    with pytest.raises(TatamiError, match="classes, input and decoding"):
        import_network(*files, spec=spec(tmp_path, input=PICTURES))
    with pytest.raises(TatamiError, match="and no others"):
        import_network(*files, spec=spec(tmp_path, input=PICTURES, classes=["a"], more=1))
