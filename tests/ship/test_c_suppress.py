"""Suppression in C: an IoU of exactly the threshold keeps both boxes, as in NumPy."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from tatami.rules.boxes import nms_xyxy
from tatami.ship.c.operator import number
from tatami.types import Float32

AROUND = """
typedef struct {{ float x1, y1, x2, y2; float score; int label; }} net_detection;
typedef struct {{ float score; int index; float x1, y1, x2, y2; }} net_candidate;
typedef struct {{ int x, y, width, height; double across, down; }} net_placement;
#define NET_IOU_THRESHOLD {threshold}
#define NET_DIOU 0
#define NET_AGNOSTIC 1
#define NET_CLASSES 1
#define NET_MAX_DETECTIONS 4096
static net_candidate net_heap[4096];
{kernel}
int suppress(const float *boxes, int count, int side, float *out);
int suppress(const float *boxes, int count, int side, float *out)
{{
    static net_detection found[4096];
    net_placement place = {{0, 0, 0, 0, 0.0, 0.0}};
    int i, kept;

    place.width = place.height = side;
    for (i = 0; i < count; i++) {{
        net_candidate one = {{0.0f, i, 0.0f, 0.0f, 0.0f, 0.0f}};
        one.score = (float)(count - i);
        one.x1 = boxes[4 * i], one.y1 = boxes[4 * i + 1];
        one.x2 = boxes[4 * i + 2], one.y2 = boxes[4 * i + 3];
        net_heap[i] = one;
    }}
    kept = net_suppress(count, place, side, side, found, 4096);
    for (i = 0; i < kept; i++) out[i] = (float)count - found[i].score;
    return kept;
}}
"""


def compiled(folder: Path, threshold: float) -> ctypes.CDLL:
    kernel = resources.files("tatami.ship.c").joinpath("kernels/suppress.c").read_text("utf-8")
    source = folder / "suppress.c"
    source.write_text(AROUND.format(threshold=number(threshold), kernel=kernel))
    library = folder / "suppress.so"
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, str(source), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def kept_in_c(library: ctypes.CDLL, boxes: Float32, side: int) -> list[int]:
    out = np.empty(len(boxes), np.float32)
    floats = ctypes.POINTER(ctypes.c_float)
    count = library.suppress(
        boxes.ctypes.data_as(floats), len(boxes), side, out.ctypes.data_as(floats)
    )
    return [int(place) for place in out[:count]]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler")
@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.3, 1 / 3, 0.4, 0.5, 2 / 3, 0.7, 1.0])
def test_an_iou_of_exactly_the_threshold_keeps_both(tmp_path: Path, threshold: float) -> None:
    library = compiled(tmp_path, threshold)
    touched = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        corners = rng.integers(0, 40, (200, 2))
        sides = rng.integers(1, 11, (200, 2))
        boxes = np.hstack((corners, corners + sides)).astype(np.float32)
        kept = kept_in_c(library, boxes, 64)
        scores = np.arange(200, 0, -1).astype(np.float32)
        assert kept == nms_xyxy(boxes, scores, threshold).tolist()
        # in whole numbers: shared / union > p / q where shared * q > union * p
        whole = boxes[kept].astype(np.int64)
        low = np.maximum(whole[:, None, :2], whole[None, :, :2])
        high = np.minimum(whole[:, None, 2:], whole[None, :, 2:])
        shared = np.maximum(high - low, 0).prod(axis=2)
        areas = (whole[:, 2:] - whole[:, :2]).prod(axis=1)
        union = areas[:, None] + areas - shared
        part, of = round(threshold * 60), 60  # every threshold above is so many sixtieths
        above = np.triu(shared * of > union * part, 1)
        assert not above.any()
        touched += int(np.triu(shared * of == union * part, 1).sum())
    assert touched > 0
