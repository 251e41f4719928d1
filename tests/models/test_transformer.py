"""The Transformer: step by step it is what it is at once; it learns to copy and to reverse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tatami.errors import TatamiError
from tatami.models.transformer import PAD, Transformer, attend, position_encoding

BEGIN, END = 1, 2


def sentences(count: int, generator: torch.Generator, reverse: bool) -> tuple[Tensor, Tensor]:
    """Draw sources (count, 9) and targets (count, 10) of 3 to 8 of 12 tokens."""
    source = torch.full((count, 9), PAD)
    target = torch.full((count, 10), PAD)
    lengths = torch.randint(3, 9, (count,), generator=generator).tolist()
    for i, length in enumerate(lengths):
        drawn = torch.randint(3, 15, (length,), generator=generator)
        source[i, : length + 1] = torch.cat((drawn, torch.tensor([END])))
        written = drawn.flip(0) if reverse else drawn
        target[i, : length + 2] = torch.cat((torch.tensor([BEGIN]), written, torch.tensor([END])))
    return source, target


def small() -> Transformer:
    torch.manual_seed(0)
    return Transformer(15, 32, 2, 2, 64, max_source=9, max_target=10, dropout=0.0)


def greedy(model: Transformer, source: Tensor) -> Tensor:
    """Decode (N, 10) tokens step by step, the most probable each time."""
    keys, values, mask = model.encode(source)
    own_keys = own_values = model.no_tokens(len(source))
    tokens = [torch.full((len(source),), BEGIN)]
    for place in range(9):
        logits, own_keys, own_values = model.step(
            tokens[-1], torch.tensor([place]), keys, values, mask, own_keys, own_values
        )
        tokens.append(logits.argmax(-1))
    return torch.stack(tokens, dim=1)


@torch.no_grad()
def test_step_by_step_is_all_at_once() -> None:
    model = Transformer(50, 24, 3, 2, 40, max_source=13, max_target=11).eval()
    source, target = torch.randint(1, 50, (5, 13)), torch.randint(1, 50, (5, 11))
    source[1, 7:], source[3, 2:] = PAD, PAD
    whole = model(source, target)
    keys, values, mask = model.encode(source)
    # What stands at places to come must not be seen.
    own_keys = tuple(torch.full_like(one, 7.0) for one in model.no_tokens(5))
    own_values = own_keys
    for place in range(11):
        logits, own_keys, own_values = model.step(
            target[:, place], torch.tensor([place]), keys, values, mask, own_keys, own_values
        )
        torch.testing.assert_close(logits, whole[:, place], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_what_fills_a_sentence_up_changes_nothing() -> None:
    model = small().eval()
    source, target = sentences(1, torch.Generator().manual_seed(3), False)
    longest = int((source[0] != PAD).sum())
    torch.testing.assert_close(
        model(source, target), model(source[:, :longest], target), atol=1e-5, rtol=1e-5
    )


def test_attention_is_that_of_torch() -> None:
    query, key, value = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 5, 8), torch.randn(2, 3, 5, 8)
    mask = torch.rand(2, 1, 4, 5) < 0.7
    mask[..., 0] = True
    mixed, weights = attend(query, key, value, mask)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 4))


def test_positions_turn_as_the_paper_says() -> None:
    code = position_encoding(40, 16).double()
    assert code[3, 0].item() == pytest.approx(torch.tensor(3.0).sin().item(), abs=1e-6)
    # Section 3.5: a step of k places is a rotation, the same from every place.
    pairs = torch.view_as_complex(code.reshape(40, 8, 2).flip(-1).contiguous())
    turns = pairs[5:] / pairs[:-5]
    torch.testing.assert_close(turns, turns[:1].expand_as(turns), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_it_learns_to_copy_and_to_reverse(reverse: bool) -> None:
    model, generator = small(), torch.Generator().manual_seed(1)
    model.label_smoothing = 0.1
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-9)
    steps = 350
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min((step + 1) / 50, (steps - step) / (steps - 50))
        source, target = sentences(64, generator, reverse)
        loss = model.loss(model(source, target[:, :-1]), target[:, 1:])["tokens"]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    model.eval()
    source, target = sentences(200, torch.Generator().manual_seed(2), reverse)
    with torch.no_grad():
        decoded = greedy(model, source)
    right = ((decoded == target) | (target == PAD)).all(1)
    assert right.float().mean() >= 0.95


def test_sentences_that_are_too_long_are_refused() -> None:
    with pytest.raises(TatamiError, match="a sentence of 10 tokens is too long"):
        small()(torch.ones(1, 10, dtype=torch.int64), torch.ones(1, 2, dtype=torch.int64))
    with pytest.raises(TatamiError, match="does not divide by 5 heads"):
        Transformer(15, 32, heads=5)


@torch.no_grad()
def test_a_freed_layer_hands_on_what_attention_found_alone() -> None:
    """Where attention finds nothing, such a layer forgets its input, and any other does not."""
    for freed, forgets in ((None, False), (0, True)):
        model = Transformer(15, 32, 2, 1, 64, 9, 10, dropout=0.0, freed=freed).eval()
        attention = model.encoder[0].of_itself
        attention.output.weight.zero_()
        attention.output.bias.zero_()
        sources = torch.tensor([[3, 4, 5, 2], [6, 7, 8, 2]])
        one, other = model.encode(sources)[0][0]
        assert torch.equal(one, other) == forgets
