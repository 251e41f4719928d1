"""A tiny translator that writes a few words backwards: trained in seconds, and its two graphs."""

from functools import lru_cache

import numpy as np
import torch

from tatami.graph.run import run
from tatami.graph.state import states_of
from tatami.models.transformer import Transformer
from tatami.models.transformer_graphs import to_networks
from tatami.rules.text import Tokens, learn_merges
from tatami.rules.translation import fitted
from tatami.shrink.calibrate import choose_range, merge, observe
from tatami.shrink.quantize import quantize
from tatami.types.search import Search
from tatami.types.specs import TranslationSpec
from tatami.types.text import BEGIN, END, TextInput

SENTENCES = (
    "Zwei junge weiße Männer sind im Freien.",
    "Two young, White males are outside",
    "A man in an orange hat starring at something.",
)
TEXTS = tuple(" ".join(one.split()[at : at + 3]) for one in SENTENCES for at in range(4))
RULE = TextInput(learn_merges(SENTENCES * 2, 40), max_source=12, max_target=10)
TOKENS = Tokens(RULE)
SOURCES = tuple(fitted(TOKENS.source(text), RULE.max_source) for text in TEXTS)
TARGETS = tuple(
    [BEGIN, *TOKENS.encode(text[::-1])[: 3 + at % 6], END] for at, text in enumerate(TEXTS)
)


@lru_cache(maxsize=1)
def trained():
    """A Transformer that knows most of its sentences by heart."""
    torch.manual_seed(0)
    model = Transformer(RULE.vocabulary, 32, 4, 2, 48, RULE.max_source, RULE.max_target, 0.0)
    targets = np.zeros((len(TARGETS), RULE.max_target), np.int64)
    for row, target in zip(targets, TARGETS, strict=True):
        row[: len(target)] = target
    source, target = torch.from_numpy(np.stack(SOURCES)), torch.from_numpy(targets)
    optimizer = torch.optim.Adam(model.parameters(), 4e-3)
    for _ in range(50):
        loss = model.loss(model(source, target[:, :-1]), target[:, 1:])["tokens"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def specs(beam=1):
    spec = TranslationSpec((), RULE, Search(beam))
    return spec, spec.changed(part="decoder")


def networks(beam=1):
    """The encoder and the step of the decoder."""
    return to_networks(trained(), specs(beam))


@lru_cache(maxsize=1)
def calls():
    """What the two networks are given by the sentences: of the decoder, every step in order."""
    encoder, decoder = networks()
    names = [str(value.name) for value in decoder.graph.inputs]
    given, made = [[one.reshape(1, -1)] for one in SOURCES], []
    for source, target in zip(given, TARGETS, strict=True):
        outputs = [str(value.name) for value in encoder.graph.outputs]
        known = dict(zip(outputs, run(encoder, source), strict=True))
        memory = {
            str(value.name): np.zeros(tuple(value.shape.numpy()), np.float32)
            for value in decoder.graph.inputs
            if value.name in states_of(decoder)
        }
        for place, token in enumerate(target[:-1]):
            step = {"token": np.array([[token]]), "place": np.array([[place]]), **known, **memory}
            made.append([step[name] for name in names])
            found = run(decoder, made[-1])
            results = dict(zip((v.name for v in decoder.graph.outputs), found, strict=True))
            memory = {name: results[after] for name, after in states_of(decoder).items()}
    return given, made


@lru_cache(maxsize=2)
def quantized(beam=1):
    """Both networks in 8 bits."""
    pair = networks(beam)
    observed = [observe(each, given, len(given)) for each, given in zip(pair, calls(), strict=True)]
    shared = {
        str(value.name): choose_range(merge([each[value.name] for each in observed]), "mse")
        for value in pair[0].graph.outputs
        if value.name != "mask"
    }
    for name, after in states_of(pair[1]).items():
        found = choose_range(merge([observed[1][name], observed[1][after]]), "mse")
        shared |= {name: found, after: found}
    return tuple(
        quantize(each, known, shared=shared) for each, known in zip(pair, observed, strict=True)
    )
