"""libFuzzer with ASan and UBSan on what a shipped detector takes from outside: picture files,
pictures of any size, and any map. `make fuzz` gives each a minute."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tatami.ship.c.build import build

HARNESSES = Path(__file__).parent.parent / "fuzz"
SECONDS = os.environ.get("TATAMI_FUZZ_SECONDS", "3")
SIDES = np.array([40, 30, 50], np.int16).tobytes() + np.float32(0.1).tobytes()
SEEDS = {
    "ppm": [b"P6 2 2 255\n" + bytes(12), b"P6\n# a\n1 2 255\n" + bytes(6) + b"P6 1 1 255\nabc"],
    "picture": [SIDES + bytes(range(256)), SIDES[:4] + bytes(20)],
    "decode": [
        SIDES + np.random.default_rng(0).normal(0, 3, 512).astype(np.float32).tobytes(),
        SIDES + np.float32([np.inf, -np.inf, np.nan, 1e38, 0]).tobytes(),
    ],
}


RULES = {"yolov2": {}, "yolov1": {"kind": "yolov1", "scores": "linear", "agnostic": True}}


@pytest.mark.parametrize(
    ("harness", "rule"), [*((one, "yolov2") for one in SEEDS), ("decode", "yolov1")]
)
def test_nothing_from_outside_harms(harness, rule, tmp_path, small_spec, small_detector, ship_to):
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    folder = ship_to(small_detector(tmp_path / "n.onnx", small_spec(**RULES[rule])))
    source = (HARNESSES / f"{harness}.c").read_text()
    (folder / "fuzz.c").write_text(source)
    if "net_all.c" in source:  # one file is the whole program
        (folder / "net.c").rename(folder / "net_all.c")
        (folder / "net.c").write_text("typedef int nothing;\n")
    options = ("-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
    try:
        build(folder, "net", folder / "fuzz", main="fuzz.c", options=options, command=["clang"])
    except Exception as error:
        if "libclang_rt" in str(error):
            pytest.skip("libclang-rt is not installed")
        raise
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for index, seed in enumerate(SEEDS[harness]):
        (corpus / str(index)).write_bytes(seed)
    # One malloc is bounded, not the resident size: libFuzzer reads that as the peak that a process
    # inherits from the one that started it, and this one may have held gigabytes.
    result = subprocess.run(
        [folder / "fuzz", f"-max_total_time={SECONDS}", "-max_len=4096", "-print_final_stats=1",
         "-timeout=20", "-rss_limit_mb=0", "-malloc_limit_mb=256", str(corpus)],
        cwd=tmp_path, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-4000:]
    runs = [line for line in result.stderr.splitlines() if "number_of_executed_units" in line]
    assert int(runs[0].split()[-1]) > 100
