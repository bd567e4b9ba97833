"""Which words of a prompt no caption and no prompt of the picture world ever says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from . import prompts, words

# words that say nothing of what is in a picture
LITTLE = """
a about across against all along also am among an and any are around as at atmosphere away be behind being below beside
between big both but by can clothes could down draw drawing during each everything feeling feels few for from front full
generate give had has have her here high his i illustration image in inside into is it its just like make many me mood
more my near next no not nothing of off on one only or other our out over paint painting photo picture please portrait
same scene season see seen several she show shows side single so some standing stands stand sits sitting that the their
them there these they this those through time to together too under up upon view want was we wearing well were where
which while who with within without would you your flies fly flying float floats floating swim swims swimming grows grow
dressed style colour color coloured colored pair walking running sleeping hanging
"""
LITTLE_ZH = """
一 二 两 三 四 五 六 七 八 九 十 几 许多 一些 好几 的 地 得 了 着 在 有 是 和 与 跟 也 还 还有 另外 这 那 这里 画
画面 画中 画里 上 下 左 右 前 后 里 中 边 外 旁 旁边 上面 下面 里面 前面 后面 左边 右边 之间 坐 站 趴 停 待 飞着
飞过 游 漂 飘 挂 长 开 立 放 穿 衣服 天上 天空 空中 湖面 湖里 海面 海里 眼前 我 你 他 她 它 我们 请 帮 要 想 给
来 图 图片 风格 气氛 情绪 一切 四周 到处 充满 画风 幅 张 只 个 条 座 棵 株 朵 片 辆 匹 盏 艘 间 栋 轮 丛 道 只有
没有 不 很 天 正 都 那里 起来 看 看见 洋溢 弥漫 气息
"""
_CJK = re.compile("[\u3400-\u9fff]+")
_WORD = re.compile(r"[^\W\d_]+")


@cache
def _known() -> frozenset[str]:
    """English words by themselves, in small letters, and Chinese words whole."""
    found = {*LITTLE.split(), *LITTLE_ZH.split()}
    for table in (words, prompts):
        for name, value in vars(table).items():
            if name.isupper():
                for text in _texts(value):
                    found |= {word.lower() for word in _WORD.findall(text) if not _CJK.search(word)}
                    found |= set(_CJK.findall(text))
    return frozenset(found)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield from re.split(r"[|/]", value)
        case Mapping():
            for part in value.values():
                yield from _texts(part)
        case tuple():
            for part in value:
                yield from _texts(part)


def unknown(text: str) -> list[str]:
    """The words of an English or a Chinese text that the picture world never says, in their order, each once.

    Chinese is cut into known words, so that of what remains, single characters say little and are left out.
    """
    known = _known()
    plain = _CJK.sub(" ", text)
    found = [word for word in _WORD.findall(plain) if _latin(word) and not _familiar(word.lower(), known)]
    for run in _CJK.findall(text):
        found += _leftover(run, known)
    return list(dict.fromkeys(found))


def _latin(word: str) -> bool:
    return all(unicodedata.name(letter, "").startswith("LATIN") for letter in word if letter.isalpha())


def _familiar(word: str, known: frozenset[str]) -> bool:
    """Whether a word, or what it is a plural of, is known; a lone letter always is."""
    return len(word) < 2 or word in known or (word.endswith("s") and word[:-1] in known)


def _leftover(run: str, known: frozenset[str], longest: int = 6) -> list[str]:
    """What remains of Chinese characters where the longest known words are taken out from the left."""
    found, at, rest = [], 0, ""
    while at < len(run):
        size = next((n for n in range(min(longest, len(run) - at), 0, -1) if run[at : at + n] in known), 0)
        if size:
            found.append(rest)
            rest = ""
        else:
            rest += run[at]
        at += size or 1
    return [part for part in (*found, rest) if len(part) > 1]
