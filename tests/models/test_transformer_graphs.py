"""A Transformer's two graphs compute what it computes, in NumPy and in ONNX Runtime."""

import numpy as np
import onnxruntime
import torch

from tatami.graph.run import run
from tatami.graph.state import states_of
from tatami.graph.write import to_bytes
from tests.small_translator import SOURCES, TARGETS, networks, trained

BOUND = 2e-5


def session(network):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(to_bytes(network), options)


def test_every_step_gives_the_logits_of_all_places_at_once():
    encoder, decoder = networks()
    names = [str(value.name) for value in decoder.graph.outputs]
    states = states_of(decoder)
    assert set(states) == {f"own_{kind}{at}" for kind in ("keys", "values") for at in range(2)}
    runs = session(encoder), session(decoder)
    for source, target in zip(SOURCES[:4], TARGETS[:4], strict=True):
        with torch.no_grad():
            expected = trained()(torch.from_numpy(source[None]), torch.tensor([target]))[0].numpy()
        given = {"source": source[None]}
        read = runs[0].run(None, given)
        for found, own in zip(read, run(encoder, list(given.values())), strict=True):
            assert np.abs(found.astype(np.float64) - own).max() < BOUND
        known = dict(zip((v.name for v in encoder.graph.outputs), read, strict=True))
        memory = {v.name: np.zeros(v.shape, np.float32) for v in runs[1].get_inputs()
                  if v.name in states}  # fmt: skip
        for place, token in enumerate(target):
            step = {"token": np.array([[token]]), "place": np.array([[place]]), **known, **memory}
            found = dict(zip(names, runs[1].run(None, step), strict=True))
            own = run(decoder, [step[str(v.name)] for v in decoder.graph.inputs])
            memory = {name: found[after] for name, after in states.items()}
            assert np.abs(found["logits"].ravel() - expected[place]).max() < BOUND
            assert np.abs(own[0].ravel() - expected[place]).max() < BOUND
