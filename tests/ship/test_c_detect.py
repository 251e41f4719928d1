"""Boxes from C and from NumPy: decoding of any map, whole detections, and misuse of the API."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.graph import run
from tatami.ops.exponential import exp, sigmoid
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.rules.decoding import detections
from tatami.rules.detection import ForwardDetector
from tatami.rules.picture import placement
from tatami.ship.c.build import WARNINGS, build
from tatami.ship.c.tasks.detection import CompiledDetector
from tatami.types import Size

# Reads maps and answers with boxes: what net_detect does after the network has run.
READ_MAPS = """
#include <stdio.h>
#include "net.c"
int main(void)
{
    static float map[NET_MAP0_CHANNELS * NET_MAP0_ROWS * NET_MAP0_COLUMNS];
    const float *const maps[] = {map};
    static net_detection found[NET_MAX_DETECTIONS];
    float threshold;
    int ask[3];
    while (fread(ask, sizeof *ask, 3, stdin) == 3 && fread(&threshold, 4, 1, stdin) == 1 &&
           fread(map, sizeof map, 1, stdin) == 1) {
        const int count = net_read_maps(maps, ask[0], ask[1], threshold, found, ask[2]);
        fwrite(&count, sizeof count, 1, stdout);
        fwrite(found, sizeof *found, (size_t)count, stdout);
        fflush(stdout);
    }
    return 0;
}
"""
BOX = np.dtype([("xyxy", "<f4", 4), ("score", "<f4"), ("label", "<i4")])

# Every way to misuse the three functions that a caller can; prints what each gives.
MISUSE = """
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "net.h"
static uint8_t rgb[3 * 40 * 30];
static NET_INPUT images[3 * NET_HEIGHT * NET_WIDTH];
int main(void)
{
    net_detection out[NET_MAX_DETECTIONS + 1];
    int all, one;
    memset(out, 0, sizeof out);
    for (all = 0; all < (int)sizeof rgb; all++) rgb[all] = (uint8_t)(all * all % 251);
    all = net_detect(rgb, 40, 30, 0.01f, out, NET_MAX_DETECTIONS);
    one = net_detect(rgb, 40, 30, 0.01f, out, 1);
    printf("%d %d %d|", all > 1, one, net_detect(rgb, 40, 30, 0.01f, NULL, 0));
    printf("%d %d %d %d ", net_detect(NULL, 40, 30, 0.5f, out, 9),
           net_detect(rgb, 0, 30, 0.5f, out, 9), net_detect(rgb, 40, -1, 0.5f, out, 9),
           net_detect(rgb, 16385, 1, 0.5f, out, 9));
    printf("%d %d %d\\n", net_detect(rgb, 40, 30, 0.5f, NULL, 9),
           net_detect(rgb, 40, 30, 0.5f, out, -1), net_detect(rgb, 40, 30, NAN, out, 9));
    net_prepare(NULL, 1, 1, images);
    net_prepare(rgb, 0, 99999, images);
    return 0;
}
"""


def answer(process, spec, raw, size, threshold, capacity=1000):
    ask = np.array([size.width, size.height, capacity], np.int32).tobytes()
    lying = np.ascontiguousarray(raw.transpose(1, 2, 0))  # as in C, channels last
    process.stdin.write(ask + np.float32(threshold).tobytes() + lying.tobytes())
    process.stdin.flush()
    (count,) = np.frombuffer(process.stdout.read(4), np.int32)
    return np.frombuffer(process.stdout.read(BOX.itemsize * count), BOX)


RULES = {
    "roomy": {},
    "cramped": {"max_candidates": 7, "max_detections": 3},
    "diou": {"nms": "diou", "agnostic": True},
    "yolov1": {"kind": "yolov1", "scores": "linear"},
}


@pytest.fixture(scope="module", params=RULES)
def map_reader(request, tmp_path_factory, small_spec, small_detector, module_ship_to):
    """A process that decodes maps, with room for all candidates or for 7 and 3 detections."""
    spec = small_spec(Size(64, 32), classes="abc", iou_threshold=0.3, **RULES[request.param])
    folder = module_ship_to(small_detector(tmp_path_factory.mktemp("map") / "n.onnx", spec))
    (folder / "net_read.c").write_text(READ_MAPS.replace('"net.c"', '"net_all.c"'))
    # The weights come with the source, so that one file is the whole program.
    (folder / "net.c").rename(folder / "net_all.c")
    (folder / "net.c").write_text("typedef int nothing;\n")
    checked = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    build(folder, "net", folder / "read", main="net_read.c", options=checked)
    process = subprocess.Popen([folder / "read"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        yield process, spec
        process.stdin.close()
    assert process.returncode == 0


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_decoding_equals_the_rule(map_reader, data):
    process, spec = map_reader
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    ((_, channels),) = spec.decoding.maps(3)
    raw = (
        rng.normal(size=(channels, 4, 8)) * data.draw(st.sampled_from([0.5, 2, 20, 300]))
    ).astype(np.float32)
    if data.draw(st.booleans(), label="ties"):
        raw[:, :, 1::2] = raw[:, :, ::2]  # whole cells twice
        raw[5:10, 2:] = raw[:5, 2:]
    for odd in data.draw(
        st.lists(st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -3e38]), max_size=6), label="odd"
    ):
        raw[tuple(rng.integers(0, raw.shape))] = odd
    size = Size(data.draw(st.integers(1, 700)), data.draw(st.integers(1, 700)))
    threshold = data.draw(st.sampled_from([0.0, 0.05, 0.5, 0.9, 1.0, -1.0]))

    found = answer(process, spec, raw, size, threshold)
    expected = detections([raw], spec, placement(size, spec.input), size, threshold)
    assert len(found) == len(expected)
    np.testing.assert_array_equal(found["label"], expected.labels)
    np.testing.assert_array_equal(found["score"], expected.scores)  # to the last bit
    np.testing.assert_array_equal(found["xyxy"], expected.xyxy)

    few = answer(process, spec, raw, size, threshold, capacity=2)
    np.testing.assert_array_equal(few, found[:2])


# Reads floats and answers with their exp and sigmoid.
READ_FLOATS = """
#include <stdio.h>
#include "net.c"
int main(void)
{
    float x, y[2];
    while (fread(&x, sizeof x, 1, stdin) == 1) {
        y[0] = net_exp(x);
        y[1] = net_sigmoid(x);
        fwrite(y, sizeof y, 1, stdout);
    }
    return 0;
}
"""
COMPILERS = {
    "gcc": ("-O3",),
    "gcc of this processor": ("-O3", "-march=native"),
    "gcc in GNU's C": ("-O3", "-march=native", "-std=gnu11"),
    "clang": ("-O3",),
    "clang of this processor": ("-O3", "-march=native"),
    "aarch64-linux-gnu-gcc": ("-O3", "-static"),
    "riscv64-linux-gnu-gcc": ("-O3", "-static"),
    "arm-linux-gnueabihf-gcc": ("-O3", "-static", "-mfpu=neon-vfpv4"),
}
RUNNERS = {"aarch64": "qemu-aarch64", "riscv64": "qemu-riscv64", "arm": "qemu-arm"}


@pytest.mark.parametrize("compiler", COMPILERS)
def test_exp_is_the_same_bits_everywhere(compiler, tmp_path, small_detector, ship_to):
    command = compiler.split()[0]
    runner = RUNNERS.get(command.split("-")[0])
    for needed in filter(None, (command, runner)):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not installed")
    folder = ship_to(small_detector(tmp_path / "n.onnx"))
    (folder / "net_read.c").write_text(READ_FLOATS.replace('"net.c"', '"net_all.c"'))
    (folder / "net.c").rename(folder / "net_all.c")
    (folder / "net.c").write_text("typedef int nothing;\n")
    build(folder, "net", folder / "read", main="net_read.c", options=COMPILERS[compiler],
          command=[command])  # fmt: skip
    stride = 65537 if runner else 4099  # through all 2^32 floats, NaN and subnormal ones too
    every = np.arange(0, 2**32, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
    near = np.random.default_rng(0).uniform(-105, 90, 100_000).astype(np.float32)
    x = np.concatenate([every, near, np.float32([np.inf, -np.inf, -0.0])])
    result = subprocess.run(
        [*filter(None, [runner]), folder / "read"], input=x.tobytes(), capture_output=True
    )
    found = np.frombuffer(result.stdout, np.float32).reshape(-1, 2)
    np.testing.assert_array_equal(found[:, 0].view(np.uint32), exp(x).view(np.uint32))
    np.testing.assert_array_equal(found[:, 1], sigmoid(x))  # a NaN may have other bits


SIZES = [(1, 1), (64, 32), (500, 3), (2, 700), (200, 150), (33, 97), (1000, 800)]


@pytest.mark.parametrize("changes", [{}, {"resize": "stretch", "channels": "bgr", "pad": 0}])
def test_detections_equal_those_of_the_numpy_detector(
    changes, tmp_path, small_spec, small_detector, ship_to
):
    network = small_detector(tmp_path / "n.onnx", small_spec(**changes))
    reference = ForwardDetector(network.spec, lambda images: run(network, images))
    rng = np.random.default_rng(5)
    boxes = 0
    with CompiledDetector(ship_to(network)) as compiled:
        assert compiled.spec == network.spec
        for width, height in SIZES:
            picture = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), np.uint8)
            picture = picture.repeat(16, 0).repeat(16, 1)[:height, :width]
            for threshold in (0.01, 0.3):
                found = compiled.detect(picture, threshold)
                expected = reference.detect(picture, threshold)
                np.testing.assert_array_equal(found.labels, expected.labels)
                np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
                enlarged = max(1, width / 64, height / 32)  # a pixel of the network's, in these
                np.testing.assert_allclose(found.xyxy, expected.xyxy, rtol=0, atol=1e-4 * enlarged)
                boxes += len(found)
    assert boxes > 50


def test_detections_of_integers_are_those_of_numpy(tmp_path, small_detector, ship_to, quantized):
    """Integers and the decoding rule are the same bits, and so are boxes, by either program."""
    network = quantized(small_detector(tmp_path / "n.onnx"))
    program = lower(network)
    reference = ForwardDetector(network.spec, lambda x: (interpret.run(program, [x[0]])[0][None],))
    folder = ship_to(network)
    rng = np.random.default_rng(6)
    boxes = 0
    with CompiledDetector(folder) as best, CompiledDetector(folder, variant="portable") as plain:
        for width, height in SIZES:
            picture = rng.integers(0, 256, (height, width, 3), np.uint8)
            expected = reference.detect(picture, 0.1)
            for compiled in (best, plain):
                found = compiled.detect(picture, 0.1)
                np.testing.assert_array_equal(found.xyxy, expected.xyxy)
                np.testing.assert_array_equal(found.scores, expected.scores)
                np.testing.assert_array_equal(found.labels, expected.labels)
            boxes += len(expected)
    assert boxes > 50


@pytest.mark.parametrize("weights", ["array", "binary"])
@pytest.mark.parametrize("kind", ["float", "integer"])
def test_no_warning_under_either_compiler(
    weights, kind, each_compiler, tmp_path, small_detector, ship_to, quantized
):
    network = small_detector(tmp_path / "n.onnx")
    folder = ship_to(network if kind == "float" else quantized(network), weights=weights)
    strict = ("-O2", *WARNINGS, "-Wconversion", "-Wshadow")
    build(folder, "net", folder / "a", options=strict, command=each_compiler)
    traced = (*strict, "-DNET_TRACE=net_trace")
    build(folder, "net", folder / "b", main="proof.c", options=traced, command=each_compiler)


def test_the_header_is_cpp_too(tmp_path, small_detector, ship_to):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    folder = ship_to(small_detector(tmp_path / "n.onnx"))
    (folder / "use.cc").write_text('#include "net.h"\nint main() { return NET_CLASSES - 3; }\n')
    command = ["g++", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "use.cc"]
    subprocess.run(command, cwd=folder, check=True)


@pytest.mark.parametrize(
    "each_compiler", ["clang", pytest.param("gcc", marks=pytest.mark.slow)], indirect=True
)
def test_nothing_undefined_happens(each_compiler, tmp_path, small_spec, small_detector, ship_to):
    folder = ship_to(small_detector(tmp_path / "n.onnx", small_spec(max_candidates=20)))
    checked = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    build(folder, "net", folder / "detect", options=checked, command=each_compiler)
    rng = np.random.default_rng(0)
    stream = b"".join(
        b"P6\n# a comment\n%d %d\n255\n" % (w, h) + rng.bytes(3 * w * h) for w, h in SIZES
    )
    result = subprocess.run(
        [folder / "detect", "--threshold", "0.001", "-"], input=stream, capture_output=True
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.count(b"- ") == len(SIZES)

    (folder / "misuse.c").write_text(MISUSE)
    build(folder, "net", folder / "m", main="misuse.c", options=checked, command=each_compiler)
    result = subprocess.run([folder / "m"], capture_output=True, text=True)
    assert result.stderr == ""
    assert result.stdout == "1 1 0|-1 -1 -1 -1 -1 -1 -1\n"


@pytest.mark.parametrize(
    "content",
    [b"P5 1 1 255\n0", b"P6 2 2 255\n0", b"P6 0 1 255\n", b"P6 99999 1 255\n", b"P6 1 1 9\n000",
     b"P6 1 x 255\n000", b"P"],
)  # fmt: skip
def test_a_bad_picture_is_refused_by_name(content, tmp_path, small_detector, module_program):
    result = subprocess.run([module_program, "-"], input=content, capture_output=True, text=False)
    assert result.returncode == 2
    assert result.stdout == b""
    assert b"not a whole binary PPM" in result.stderr


@pytest.fixture(scope="module")
def module_program(tmp_path_factory, small_detector, module_ship_to):
    folder = module_ship_to(small_detector(tmp_path_factory.mktemp("bad") / "n.onnx"))
    build(folder, "net", folder / "net_detect")
    return folder / "net_detect"


def test_make_builds_the_example(tmp_path, small_detector, ship_to):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    folder = ship_to(small_detector(tmp_path / "n.onnx"), "small", "binary")
    subprocess.run(["make", "-C", folder], check=True, capture_output=True)
    result = subprocess.run([folder / "small_detect"], capture_output=True, text=True)
    assert (result.returncode, result.stderr.split()[0]) == (2, "usage:")
    (folder / "one.ppm").write_bytes(b"P6 1 1 255\nabc")
    result = subprocess.run(
        [folder / "small_detect", "--threshold", "0", folder / "one.ppm", folder / "none.ppm"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2
    first, *boxes = result.stdout.splitlines()
    assert first == f"{folder / 'one.ppm'} {len(boxes)}"
    assert boxes[0].split(maxsplit=6)[6] in ("cat", "dog", 'a "b" \\ ??/ 畳 net_x')


def test_the_source_needs_no_allocator_and_no_files(tmp_path, small_detector, ship_to):
    folder = ship_to(small_detector(tmp_path / "n.onnx"))
    source = (folder / "net.c").read_text() + (folder / "net.h").read_text()
    included = {line.split()[1] for line in source.splitlines() if line.startswith("#include")}
    for_threads = {"<pthread.h>", "<sched.h>", "<time.h>"}
    for_some = {*for_threads, "<sys/auxv.h>", "<immintrin.h>", "<cpuid.h>"}  # Arm Linux, x86
    assert included - for_some == {'"net.h"', "<math.h>", "<stddef.h>", "<stdint.h>", "<string.h>"}
    assert "malloc" not in source


def test_a_folder_without_a_compiler_or_parts_says_so(
    tmp_path, small_detector, ship_to, monkeypatch
):
    folder = ship_to(small_detector(tmp_path / "n.onnx"))
    picture = np.zeros((4, 4, 3), np.uint8)
    monkeypatch.setenv("CC", "no-such-compiler -m32")
    with CompiledDetector(folder) as compiled, pytest.raises(TatamiError, match="no C compiler"):
        compiled.detect(picture, 0.5)
    monkeypatch.delenv("CC")
    (folder / "main.c").write_text("int main(void) { return 3; }\n")
    with CompiledDetector(folder) as compiled, pytest.raises(TatamiError, match="exit code 3"):
        compiled.detect(picture, 0.5)
    (folder / "main.c").write_text("int main(void) { retur 3; }\n")
    with CompiledDetector(folder) as compiled, pytest.raises(TatamiError, match="compiler failed"):
        compiled.detect(picture, 0.5)
    (folder / "network.json").write_text('{"format": 2}')
    with pytest.raises(TatamiError, match="damaged"):
        CompiledDetector(folder)
    with pytest.raises(TatamiError, match=r"no network\.json"):
        CompiledDetector(tmp_path)
