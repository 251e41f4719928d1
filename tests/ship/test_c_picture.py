"""The picture rule in C and in NumPy: the same bits, whatever the sizes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tatami.rules.picture import prepare
from tatami.ship.c.run.network import native
from tatami.ship.c.tasks.detection import CompiledDetector
from tatami.types import Size

SPECS = {
    "letterbox": (Size(64, 32), {}),
    "tall": (Size(24, 56), {"pad": 7, "channels": "bgr", "mean": (1.5, 100.1, 255.0)}),
    "stretch": (Size(40, 48), {"resize": "stretch", "scale": (1 / 58.4, 0.017, 1.0)}),
    "darknet": (Size(64, 32), {"filter": "darknet", "pad": 127.5}),
    "stretched-darknet": (
        Size(40, 48),
        {"filter": "darknet", "resize": "stretch", "mean": (9.5, 0.0, 1.0), "channels": "bgr"},
    ),
}


@pytest.fixture(
    params=[*SPECS, *(f"{name} in bytes" for name in ("letterbox", "tall", "darknet"))],
    scope="module",
)
def compiled(request, tmp_path_factory, small_spec, small_detector, module_ship_to, quantized):
    size, changes = SPECS[request.param.split()[0]]
    path = tmp_path_factory.mktemp("picture") / "n.onnx"
    network = small_detector(path, small_spec(size, **changes))
    if request.param.endswith("bytes"):
        network = quantized(network)
    with CompiledDetector(module_ship_to(network)) as detector:
        assert (detector.input.quantization is not None) == request.param.endswith("bytes")
        yield detector


def written_rule(picture, compiled):
    """What the rule in NumPy makes of a picture, in the network's own type."""
    image, _ = prepare(picture, compiled.spec.input)
    return native(image, compiled.input)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(width=st.integers(1, 200), height=st.integers(1, 200), seed=st.integers(0, 99))
def test_bit_for_bit(compiled, width, height, seed):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), np.uint8)
    if seed % 3 == 0:
        picture[...] = 255  # the largest sums
    expected = written_rule(picture, compiled)
    assert compiled.prepare(picture).tobytes() == expected.tobytes()


@pytest.mark.parametrize("size", [(16384, 1), (1, 16384), (16384, 3), (5, 16384), (4001, 2999)])
def test_bit_for_bit_at_the_extremes(compiled, size):
    width, height = size
    picture = np.random.default_rng(0).integers(250, 256, (height, width, 3), np.uint8)
    expected = written_rule(picture, compiled)
    assert compiled.prepare(picture).tobytes() == expected.tobytes()
