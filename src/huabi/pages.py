"""A minimal stand-in for the pages of an evaluation and a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    from .evaluation import Evaluation


def evaluation_page(evaluation: Evaluation) -> str:
    return f"<!doctype html><p>{escape(str(evaluation.facts['source']))}</p>"


def comparison_page(facts: Mapping[str, Any], sheets: Mapping[str, Image.Image]) -> str:
    return f"<!doctype html><p>{escape(facts['advice'])}</p><p>{escape(', '.join(sheets))}</p>"
