"""Texts in English, Chinese and other scripts: words, their hashed ids, and a transformer over them.

There is no vocabulary to learn or to ship: a word is known by itself and by its pieces of three and four characters
(fastText; Bojanowski et al. 2017), so that words that were never seen still resemble those that share their pieces.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .transformer import Block

__all__ = ["TextEncoder", "Words", "groups_of", "tokens", "words_of"]

_CJK = (  # Han, kana and bopomofo, which are written without spaces
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_MARKS = "".join(c for c in map(chr, range(0x300, 0x2000)) if unicodedata.category(c).startswith("M"))
# normalising takes time that grows with the square of a run of marks: a run of characters is cut at 64
_PIECE = re.compile(rf"[{_CJK}][\u3099\u309a]?|[^\s{_CJK}]{{1,64}}")
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}](?:[^\W_{_CJK}]|[{_MARKS}])*")


def _words(text: str) -> Iterator[str]:
    for piece in _PIECE.finditer(text):
        yield from _WORD.findall(unicodedata.normalize("NFKC", piece[0]).casefold())


def words_of(text: str) -> list[str]:
    """The words of a text, in NFKC and casefolded.

    Runs of letters or digits of alphabetic scripts are words, each Chinese character or Japanese kana is one; all else
    only parts them.
    """
    return list(_words(text))


@lru_cache(maxsize=1 << 15)
def _ids(word: str) -> NDArray[np.int64]:
    """Hashes from 1 on, the same on every machine: of the word between its bounds, and of its pieces."""
    bounded = f"<{word}>"
    pieces = [bounded] + [bounded[i : i + n] for n in (3, 4) for i in range(len(bounded) - n + 1)]
    digests = [hashlib.blake2b(piece.encode(), digest_size=8).digest() for piece in dict.fromkeys(pieces)]
    return np.array([(int.from_bytes(digest, "little") >> 2) + 1 for digest in digests], np.int64)


def tokens(texts: Sequence[str], length: int = 48) -> Tensor:
    """Ids (B, L, G) int64 of texts: L of the longest text's words, at most `length`, and G of a word's pieces.

    0 is padding; both L and G are at least 1.
    """
    rows = [[_ids(word) for word in islice(_words(text), length)] for text in texts]
    words = [ids for row in rows for ids in row]
    sizes = np.array([len(ids) for ids in words], np.int64)
    shape = (len(rows), max([1, *map(len, rows)]), int(sizes.max(initial=1)))
    out = np.zeros(shape, np.int64)
    if words:
        filled = np.arange(shape[1]) < np.array([len(row) for row in rows])[:, None]  # (B, L)
        padded = np.zeros((len(words), shape[2]), np.int64)
        padded[np.arange(shape[2]) < sizes[:, None]] = np.concatenate(words)
        out[filled] = padded
    return torch.from_numpy(out)


def groups_of(texts: Sequence[str], length: int = 48) -> Tensor:
    """Numbers (B,) int64 that are equal where the first `length` words of texts are; -1 where there are none."""
    known: dict[tuple[str, ...], int] = {(): -1}
    rows = [tuple(islice(_words(text), length)) for text in texts]
    return torch.tensor([known.setdefault(words, len(known)) for words in rows], dtype=torch.int64)


GROUP = 32  # texts that are read at once


class Words(NamedTuple):
    """What a text says: to be attended to, word by word, or as one vector."""

    states: Tensor  # (B, L, width), zero where there is no word
    mask: Tensor  # (B, L) bool, true at words; a text without words has one place
    pooled: Tensor  # (B, width), the mean of its states


class Neighbours(nn.Module):
    """x + a depthwise convolution of norm(x) along the words, for x (B, L, width): "red" is heard of what it stands by.

    Without it a transformer of few layers takes many times as long to tell whose colour is whose (the convolution is
    Conformer's; Gulati et al. 2020).
    """

    def __init__(self, width: int, reach: int = 3) -> None:
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(width), nn.Conv1d(width, width, reach, padding=reach // 2, groups=width)
        nn.init.normal_(self.mix.weight, std=0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """What stands where mask (B, L) is false is not heard."""
        return x + cast(Tensor, self.mix((self.norm(x) * mask[..., None]).mT)).mT


class Nearness(nn.Module):
    """What attention adds to its logits by how far off a word stands, learnt for each head (T5; Raffel et al. 2020).

    Beyond `reach` words all count alike. At first one head leans to what stands before, and one to what stands after:
    it is by these that "a cat left of a dog" differs from "a dog left of a cat".
    """

    def __init__(self, heads: int, reach: int = 8) -> None:
        super().__init__()
        self.reach = reach
        away = torch.arange(-reach, reach + 1)
        lean = torch.zeros(heads, len(away))
        for head, side in enumerate((away < 0, away > 0)[:heads]):
            lean[head] = side * (-away.abs() / 3).exp()
        self.lean = nn.Parameter(lean)

    def forward(self, length: int) -> Tensor:
        """(heads, length, length) for each word and each that it attends to."""
        place = torch.arange(length, device=self.lean.device)
        away = (place - place[:, None]).clamp(-self.reach, self.reach)
        return self.lean[:, away + self.reach]


class TextEncoder(nn.Module):
    """Texts -> `Words`: the sum of each word's hashed rows and of its place, through a transformer with `Neighbours`.

    A text is encoded the same alone and among others. One without words is a learnt "nothing".

    Args:
        head: channels of an attention head.
        length: words of a text that are read; the rest is cut.
        rows: of the table that hashes fall into, where some share a row.
    """

    def __init__(self, width: int, *, depth: int = 4, head: int = 64, length: int = 48, rows: int = 8192) -> None:
        super().__init__()
        self.length = length
        self.table = nn.Parameter(torch.randn(1 + rows, width) * 0.1)  # row 0 is padding
        self.nothing = nn.Parameter(torch.randn(width) * 0.1)
        self.place = nn.Parameter(torch.randn(length, width) * 0.02)
        self.beside = nn.ModuleList(Neighbours(width) for _ in range(depth))
        self.blocks = nn.ModuleList(Block(width, head) for _ in range(depth))
        self.near = nn.ModuleList(Nearness(max(1, width // head)) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def count(self, text: str) -> int:
        """Tokens that a text takes: its words, as far as they are read."""
        return len(list(islice(_words(text), self.length)))

    def forward(self, texts: Sequence[str]) -> Words:
        ids = tokens(texts, self.length).to(self.table.device)  # (B, L, G)
        count = (ids[..., 0] > 0).sum(1).clamp(min=1)
        order = count.argsort()  # texts of like lengths are read together, so that little is padding
        parts = [self._read(ids[part, : int(count[part].max())]) for part in order.split(GROUP)]
        states = torch.cat([F.pad(part.states, (0, 0, 0, ids.shape[1] - part.states.shape[1])) for part in parts])
        mask = torch.cat([F.pad(part.mask, (0, ids.shape[1] - part.mask.shape[1])) for part in parts])
        back = order.argsort()
        return Words(states[back], mask[back], torch.cat([part.pooled for part in parts])[back])

    def _read(self, ids: Tensor) -> Words:
        known = ids > 0
        ids = torch.where(known, ids % (len(self.table) - 1) + 1, 0)
        pieces = known.sum(2)  # (B, L)
        mask = pieces > 0
        empty = ~mask[:, 0]  # (B,)
        h = F.embedding_bag(ids.flatten(0, 1), self.table, mode="sum", padding_idx=0).unflatten(0, mask.shape)
        h = h / pieces.clamp(min=1)[..., None].sqrt()
        first = torch.where(empty[:, None], self.nothing, h[:, 0])
        h = torch.cat([first[:, None], h[:, 1:]], 1) + self.place[: h.shape[1]]
        mask = torch.cat([mask[:, :1] | empty[:, None], mask[:, 1:]], 1)
        hidden = torch.where(mask, 0.0, -torch.inf)[:, None, None]  # (B, 1, 1, L)
        for beside, near, block in zip(self.beside, self.near, self.blocks):
            h = block(beside(h, mask), hidden + near(mask.shape[1]))
        states = self.norm(h).masked_fill(~mask[..., None], 0)
        return Words(states, mask, states.sum(1) / mask.sum(1, keepdim=True))
