"""The segmentation rule in C and in NumPy: the same label of every pixel, whatever the sizes."""

import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.rules.segmentation import ForwardSegmenter
from tatami.ship.c.build import WARNINGS, build
from tatami.ship.c.emit import emit
from tatami.ship.c.tasks.classification import CompiledClassifier
from tatami.ship.c.tasks.segmentation import SEGMENTATION_IN_C, CompiledSegmenter
from tatami.ship.table import BACKENDS
from tatami.tasks.table import SEGMENTATION
from tatami.types import VOID, InputSpec, SegmentationSpec, Size

CLASSES = ("sky", 'a "b" \\', "畳", "road")
CASES = {
    # what the input is, and by how much the convolutions without padding make it smaller
    "plain": ({"size": Size(24, 16)}, (0, 0)),
    "stretched": ({"size": Size(12, 20), "resize": "stretch", "channels": "bgr"}, (0, 0)),
    "darknet": ({"size": Size(24, 16), "filter": "darknet"}, (0, 0)),
    "valid": ({"size": Size(24, 18)}, (14, 8)),
    "valid and stretched": ({"size": Size(20, 26), "resize": "stretch"}, (4, 24)),
    "valid downwards": ({"size": Size(20, 12), "resize": "stretch"}, (0, 6)),
}
CHECKED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def segmenter(builder, path, case):
    """A convolution of whole numbers, so that sums are exact in float32 and there are ties."""
    about, (across, down) = CASES[case]
    spec = SegmentationSpec(CLASSES, InputSpec(mean=(128.0,) * 3, scale=(1.0,) * 3, **about))
    b = builder()
    kernel = (down + 1, across + 1) if across or down else (3, 3)
    pads = [0, 0, 0, 0] if across or down else [1, 1, 1, 1]
    shape = (len(CLASSES), 3, *kernel)
    sparse = b.rng.integers(-1, 2, shape) * (b.rng.random(shape) < 0.2)
    sparse[3] = sparse[1]  # two classes that always tie
    x = b.node("Conv", "images", b.constant(sparse), pads=pads)
    size = about["size"]
    result = (len(CLASSES), size.height - down, size.width - across)
    return b.network(path, spec, x, size, result)


@pytest.fixture(scope="module", params=[*CASES, *(f"{case}, in bytes" for case in CASES)])
def shipped(request, tmp_path_factory, module_builder, module_ship_to, quantized):
    """The rule in NumPy around a program, and the folder of its C."""
    folder = tmp_path_factory.mktemp("segmenter")
    case = request.param.removesuffix(", in bytes")
    network = segmenter(module_builder, folder / "n.onnx", case)
    if request.param != case:
        network = quantized(network)
    return in_numpy(network), module_ship_to(network)


def in_numpy(network):
    program = lower(network)

    def forward(images):
        return (np.stack([interpret.run(program, [image])[0] for image in images]),)

    return ForwardSegmenter(network.spec, forward)


def noise(width, height, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(width=st.integers(1, 90), height=st.integers(1, 90), seed=st.integers(0, 99))
def test_every_pixel_has_the_label_of_the_rule(compiled, width, height, seed):
    rule, program = compiled
    picture = noise(width, height, seed)
    found = program.segment(picture)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, rule.segment(picture))
    if seed % 9 == 0 and min(width, height) > 8:
        assert len(np.unique(found)) > 1
    assert not (found == 3).any()  # class 1 comes first of the two that tie


@pytest.fixture(scope="module")
def compiled(shipped):
    rule, folder = shipped
    with CompiledSegmenter(folder) as program:
        yield rule, program


@pytest.mark.parametrize("case", ["valid", "stretched"])
def test_nothing_undefined_happens_and_nothing_is_warned_of(
    case, each_compiler, tmp_path, builder, ship_to
):
    network = segmenter(builder, tmp_path / "n.onnx", case)
    rule, folder = in_numpy(network), ship_to(network)
    program = tmp_path / "program"
    strict = (*CHECKED, *WARNINGS, "-Wconversion", "-Wshadow")
    build(folder, "net", program, command=each_compiler, options=strict)
    pictures = [noise(31, 17), noise(1, 90, seed=1), noise(5, 5, seed=2)]
    given = b"".join(b"P6\n%d %d 255\n" % p.shape[1::-1] + p.tobytes() for p in pictures)
    answer = subprocess.run([program, "-"], input=given, capture_output=True, check=True).stdout
    assert answer == b"".join(
        b"P5\n%d %d\n255\n" % p.shape[1::-1] + rule.segment(p).tobytes() for p in pictures
    )
    proof = ("-DNET_TRACE=net_trace", "-O0", *strict[len(CHECKED) :])
    build(folder, "net", tmp_path / "proof", main="proof.c", command=each_compiler, options=proof)


@pytest.mark.parametrize("name", ["valid", "plain"])
def test_pictures_from_files_and_what_is_no_picture(name, tmp_path, builder, ship_to):
    network = segmenter(builder, tmp_path / "n.onnx", name)
    folder = ship_to(network)
    program = tmp_path / "program"
    build(folder, "net", program)
    good, bad = tmp_path / "good.ppm", tmp_path / "bad.ppm"
    good.write_bytes(b"P6 # a comment\n7 3 255\n" + noise(7, 3).tobytes())
    bad.write_bytes(good.read_bytes()[:-1])
    result = subprocess.run([program, bad, good, tmp_path / "none"], capture_output=True)
    assert result.returncode == 2
    assert result.stdout.startswith(b"P5\n7 3\n255\n")
    assert len(result.stdout) == len(b"P5\n7 3\n255\n") + 21
    assert b"bad.ppm: not a whole binary PPM" in result.stderr
    assert b"none" in result.stderr
    assert subprocess.run([program], capture_output=True).returncode == 2


def test_every_way_to_ask_and_the_largest_pictures(tmp_path, builder, ship_to):
    network = segmenter(builder, tmp_path / "n.onnx", "plain")
    folder = ship_to(network)
    c = BACKENDS["c"]
    with (
        c.open(folder, SEGMENTATION) as running,
        c.open(folder, SEGMENTATION, variant="portable") as other,
    ):
        program, asked = running.predictor, other.predictor
        assert isinstance(program, CompiledSegmenter)
        assert program.spec == network.spec
        for size in [(16384, 1), (3, 16384), (40, 30)]:
            picture = noise(*size)
            np.testing.assert_array_equal(program.segment(picture), asked.segment(picture))
        with pytest.raises(TatamiError, match="died"):
            program.segment(noise(16385, 1))
    with pytest.raises(TatamiError, match="names no whole picture"):
        CompiledClassifier(folder)


def test_classes_that_no_byte_holds(tmp_path, builder):
    spec = SegmentationSpec(tuple(f"c{i}" for i in range(VOID + 1)), InputSpec(Size(8, 8)))
    b = builder()
    x = b.conv("images", 3, VOID + 1, (1, 1))
    network = b.network(tmp_path / "n.onnx", spec, x, Size(8, 8), (VOID + 1, 8, 8))
    with pytest.raises(TatamiError, match="256 classes do not fit a byte"):
        emit(lower(network), "net", task=SEGMENTATION_IN_C)
