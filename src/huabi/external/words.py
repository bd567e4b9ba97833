"""What a pipeline is told: prompts whose parts have weights, where its text encoder allows that simply."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import RequestError
from ..prompt import Part, sides
from ..requests import Edit, Imagine, Vary

EMBEDDED = {2: (0,), 3: (0, 1), 4: (0, 2)}  # by how many things `encode_prompt` returns: the prompt's, then the pooled
LONGEST = 512  # tokens that pipelines give those encoders at most which could read any number
NAMES = ("prompt_embeds", "pooled_prompt_embeds")


def accepted(function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments that `function` takes, with their defaults."""
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


def said(request: Any) -> tuple[list[Part], list[Part]]:
    """What a request asks for, and what it keeps out, as parts with weights above 0."""
    if isinstance(request, Imagine) and request.between is not None:
        first, second = (sides(end, request.negative) for end in request.between)
        f = request.fraction
        return _joined((first[0], 1 - f), (second[0], f)), _joined((first[1], 1 - f), (second[1], f))
    if isinstance(request, Imagine | Edit):
        return sides(request.prompt, request.negative)
    return sides(request.words) if isinstance(request, Vary) else ([], [])


def _joined(*ends: tuple[list[Part], float]) -> list[Part]:
    """Parts of several prompts, each prompt with a share: one part that both name keeps the sum of its weights.

    A prompt that says nothing fades what the others say.
    """
    if not any(parts for parts, _ in ends):
        return []
    whole: dict[str, float] = {}
    for parts, share in ends:
        parts = parts or [("", 1.0)]
        total = sum(weight for _, weight in parts)
        for text, weight in parts:
            whole[text] = whole.get(text, 0.0) + share * weight / total
    return [(text, weight) for text, weight in whole.items() if weight > 0]


def prompts(pipe: Any, rows: Sequence[tuple[list[Part], list[Part]]]) -> dict[str, Any]:
    """The arguments that tell a pipeline what to draw in each row, and what not.

    Prompts of one part are told as text. Where one has several, the mean of their encodings by weight is told (the
    text encoder reads each part by itself); a pipeline that cannot be told so raises `RequestError`.
    """
    out: dict[str, Any] = {}
    known = accepted(type(pipe).__call__)
    for prefix, column in (("", [row[0] for row in rows]), ("negative_", [row[1] for row in rows])):
        if prefix and not any(column):
            continue
        if f"{prefix}prompt" not in known:
            raise RequestError(f"{type(pipe).__name__} cannot be told what to keep out; leave the negative prompt out")
        if all(len(parts) < 2 for parts in column):
            out[f"{prefix}prompt"] = [parts[0][0] if parts else "" for parts in column]
        else:
            means = [_mean(pipe, parts) for parts in column]
            out |= {f"{prefix}{name}": torch.cat(values) for name, values in zip(NAMES, zip(*means))}
    return out


def _mean(pipe: Any, parts: list[Part]) -> list[Tensor]:
    """The mean of the parts' encodings by weight: as `encode` gives them."""
    if any("attention_mask" in name or "embeds_mask" in name for name in accepted(type(pipe).__call__)):
        raise _unweighed(pipe)  # encodings as long as their texts have no mean
    parts = parts or [("", 1.0)]
    encodings = [encode(pipe, text) for text, _ in parts]
    if len({tuple(value.shape for value in encoding) for encoding in encodings}) > 1:
        raise _unweighed(pipe)
    total = sum(weight for _, weight in parts)
    return [sum(v * (weight / total) for v, (_, weight) in zip(values, parts)) for values in zip(*encodings)]


def unread(pipe: Any, text: str) -> str:
    """The end of a text that none of a pipeline's tokenizers has room for."""
    ends = []
    for name in ("tokenizer", "tokenizer_2", "tokenizer_3"):
        if (tokenizer := getattr(pipe, name, None)) is not None:
            room = min(tokenizer.model_max_length, LONGEST)
            tokens = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            marks = tokenizer.num_special_tokens_to_add()
            ends.append(tokenizer.decode(tokens[max(0, room - marks) :]).strip())
    return min(ends, key=len, default="")


def _unweighed(pipe: Any) -> RequestError:
    return RequestError(
        f"{type(pipe).__name__} cannot weigh the parts of a prompt, nor walk between two; say it in plain words, "
        "without :: and (:)"
    )


def encode(pipe: Any, text: str) -> list[Tensor]:
    """A text as a pipeline's encoders have it: of its words (1, L, D), then of the whole (1, D) where there is one."""
    known = accepted(pipe.encode_prompt)
    wanted: dict[str, Any] = {"prompt": text, "device": pipe._execution_device, "num_images_per_prompt": 1}
    wanted |= {"do_classifier_free_guidance": False, "prompt_2": None, "prompt_3": None}
    found = pipe.encode_prompt(**{name: value for name, value in wanted.items() if name in known})
    if not isinstance(found, tuple) or len(found) not in EMBEDDED:
        raise _unweighed(pipe)
    return [found[place] for place in EMBEDDED[len(found)]]
