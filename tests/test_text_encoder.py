"""Texts: their words, the ids of words, and the encoder over them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from huabi.nets.text import TextEncoder, Words, tokens, words_of

TEXTS = ["A red house", "", "湖边有三棵树", "a small 马 stands left of the 2 lamps, at night, in the rain", "!?\n"]


@pytest.fixture
def net() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(32, depth=2, head=16, length=12, rows=500)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A Red, red house!", ["a", "red", "red", "house"]),
        ("一只红色的马", list("一只红色的马")),
        ("一只cat在2026年", ["一", "只", "cat", "在", "2026", "年"]),
        ("ＦＵＬＬ　ｗｉｄｔｈ①", ["full", "width1"]),
        ("Straße CAFÉ cafe\u0301", ["strasse", "café", "café"]),
        ("ねこ と ｶﾞ と か\u3099", ["ね", "こ", "と", "ガ", "と", "が"]),
        ("हिन्दी ไทย 한국어 дом", ["हिन्दี".replace("ี", "ी"), "ไทย", "한국어", "дом"]),
        ("a\x00b\x1b[31mred\ud800_\u202ehouse", ["a", "b", "31mred", "house"]),
        (" \t\n—…!", []),
    ],
)
def test_words_of_many_scripts(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_word_shares_ids_with_words_that_share_its_pieces() -> None:
    house, houses, tree = (set(row.tolist()) - {0} for row in tokens(["house houses tree"])[0])
    assert house & houses
    assert house - houses  # the word itself
    assert not house & tree


def test_ids_are_the_same_in_every_process() -> None:
    ids = tokens(["A red house", "马"])[:, :, 0]
    assert ids.tolist() == [
        [2380334248117280069, 3647560705947847632, 2800118661879927675],
        [2746158750508888512, 0, 0],
    ]


def test_tokens_are_padded_with_zeros_and_cut() -> None:
    ids = tokens(["a", "", "the long road"], length=2)
    assert ids.dtype == torch.int64
    assert (ids > 0).sum(2).gt(0).tolist() == [[True, False], [False, False], [True, True]]
    assert tokens(["", "?"]).tolist() == [[[0]], [[0]]]
    assert torch.equal(tokens(["the long road"], 2)[0], tokens(["the long"], 2)[0])


HUGE = ["word " * 20_000, "画" * 100_000, "a" * 100_000, "\u0301\u0323" * 50_000, "\0" * 100_000]


@pytest.mark.parametrize("text", HUGE, ids=["words", "Chinese", "one word", "marks", "nothing"])
def test_a_huge_text_is_cut_at_the_length(text: str) -> None:
    ids = tokens([text])
    assert ids.shape[1] <= 48
    assert ids.shape[2] <= 200
    assert len(words_of(text)) <= 100_000


def test_a_text_is_encoded_the_same_alone_and_among_others(net: TextEncoder) -> None:
    together = net(TEXTS)
    for row, text in enumerate(TEXTS):
        alone = net([text])
        length = alone.mask.shape[1]
        torch.testing.assert_close(alone.states[0], together.states[row, :length], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone.pooled[0], together.pooled[row], atol=1e-5, rtol=1e-5)
        assert torch.equal(alone.mask[0], together.mask[row, :length])
        assert not together.mask[row, length:].any()


def test_a_text_without_words_has_one_place_that_is_learnt(net: TextEncoder) -> None:
    words = net(["", "..."])
    assert words.mask.tolist() == [[True], [True]]
    assert torch.equal(words.pooled[0], words.pooled[1])
    words.pooled[:, 0].sum().backward()
    assert net.nothing.grad is not None
    assert net.nothing.grad.abs().sum() > 0


def test_order_and_words_matter(net: TextEncoder) -> None:
    rows = net(["red house", "house red", "Red HOUSE", "red horse"]).pooled
    assert torch.equal(rows[0], rows[2])
    for other in (1, 3):
        assert (rows[0] - rows[other]).norm() > 0.05


def test_every_parameter_learns_and_padding_never(net: TextEncoder) -> None:
    weighted(net(TEXTS)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
    assert net.table.grad is not None
    assert not net.table.grad[0].any()


def weighted(words: Words) -> Tensor:
    """A number that every state changes."""
    parts: Sequence[Tensor] = (words.states, words.pooled)
    return sum(((part * torch.linspace(-1, 2, part.numel()).view_as(part)).sum() for part in parts), torch.zeros(()))
