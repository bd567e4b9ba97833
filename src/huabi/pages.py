"""The pages of an evaluation and of a comparison: one HTML file each, with its pictures and curves inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from .charts import Chart, chart, number, span
from .pictures import Picture
from .text import size_of, time_of

if TYPE_CHECKING:
    from .evaluation import Evaluation

__all__ = ["comparison_page", "encoded", "evaluation_page"]

DISTANCES = ("KID x 1000", "kernel distance x 1000")
MEANING = {
    "FID": "distance of the two sets in mean and spread; 0 is equal, lower is better",
    "KID x 1000": "distance of the two sets, fair at any count; 0 is equal, lower is better, chance may go below",
    "precision": "share of the samples that lie among real pictures; 1 is best",
    "recall": "share of the real pictures that samples reach; 1 is best, little means that whole kinds are missing",
    "density": "how closely real pictures stand around the samples; about 1 for real ones",
    "coverage": "share of the real pictures with a sample close by; 1 is best",
    "Inception Score": "how sure and how varied a classifier finds the samples; higher is better, nothing is compared",
}
MEANING |= {
    "PSNR": "error to the true picture, in decibels; higher is better",
    "SSIM": "likeness to the true picture, of means, spread and course within a window; 1 is equal",
    "perceptual distance": "distance to the true picture in what a network sees; 0 is equal, lower is better",
}
MEANING |= {"Fréchet distance": MEANING["FID"], "kernel distance x 1000": MEANING["KID x 1000"]}
Facts = Mapping[str, Any]


def evaluation_page(evaluation: Evaluation) -> str:
    """The page of an evaluation as HTML that needs no other file."""
    facts = evaluation.facts
    warnings = _Warnings()
    return (
        _environment()
        .get_template("evaluation.html")
        .render(
            facts=facts,
            pictures=evaluation.pictures,
            headlines=_headlines(facts, warnings),
            warnings=warnings.texts,
            scores=_scores(facts),
            classes=_classes(facts),
            distance=chart({"held-out pictures": facts["curves"]["distance"]}),
            losses=_losses(facts),
        )
    )


def comparison_page(facts: Facts, sheets: Mapping[str, Image.Image]) -> str:
    """The page of a comparison as HTML that needs no other file; `sheets` are samples by family."""
    warnings = _Warnings()
    ranked = list(_ranked(facts, sheets, warnings))
    found = {row["family"]: row["evaluation"] for row in ranked}
    scores = [row["score"] for row in ranked]
    known = [score[key] for score in scores for key in ("value", "low", "high") if score[key] is not None]
    return (
        _environment()
        .get_template("comparison.html")
        .render(
            facts=facts,
            ranked=ranked,
            absent=[family for family in facts["families"] if family["family"] not in found],
            axis=span([0.0, *known]),
            warnings=warnings.texts,
            colours={name: number for number, name in enumerate(found)},
            distance=chart({name: evaluation["curves"]["distance"] for name, evaluation in found.items()}),
        )
    )


def encoded(page: str) -> bytes:
    """A page as it is written: a name that is no UTF-8 must not cost it."""
    return page.encode("utf-8", "backslashreplace")


def _ranked(facts: Facts, sheets: Mapping[str, Image.Image], warnings: _Warnings) -> Iterator[dict[str, Any]]:
    """What the page shows of each family that was ranked, the best first."""
    families = {family["family"]: family for family in facts["families"]}
    place = 1
    for group in facts["ranking"]:
        for name in group:
            found = families[name]["evaluation"]
            score = next(s for s in found["scores"] if (s["name"], s["on"]) == (facts["measure"], facts["on"]))
            yield {
                **families[name],
                "place": place,
                "tie": len(group) > 1,
                "last": name == group[-1],
                "sheet": sheets.get(name),
                "score": warnings.marked(score),
                "scores": _scores(found),
                "classes": _classes(found),
                "losses": _losses(found),
            }
        place += len(group)


class _Warnings:
    """The warnings of a table, each once, and numbered."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def marked(self, score: Facts) -> dict[str, Any]:
        """The score with the numbers of its warnings."""
        for text in score["warnings"]:
            if text not in self.texts:
                self.texts.append(text)
        return {**score, "marks": [self.texts.index(text) + 1 for text in score["warnings"]]}


def _headlines(facts: Facts, warnings: _Warnings) -> list[dict[str, Any]]:
    """The few numbers to read first."""
    first = facts["scores"][0]["on"] if facts["scores"] else None
    chosen = [score for score in facts["scores"] if score["name"] in DISTANCES]
    chosen += [score for score in facts["scores"] if score["name"] in ("precision", "recall") and score["on"] == first]
    return [warnings.marked(score) for score in chosen]


def _scores(facts: Facts) -> dict[str, Any]:
    """The table of all scores: a row for each measure, a column for each set of pictures that was measured against."""
    warnings = _Warnings()
    cells = {(score["name"], score["on"]): warnings.marked(score) for score in facts["scores"]}
    columns = list(dict.fromkeys(on for _, on in cells))
    rows = [
        {"name": name, "meaning": MEANING.get(name, ""), "cells": [cells.get((name, on)) for on in columns]}
        for name in dict.fromkeys(name for name, _ in cells)
    ]
    return {"columns": columns, "rows": rows, "warnings": warnings.texts}


def _classes(facts: Facts) -> dict[str, Any] | None:
    """The table of the classes, a row for each; None where there are none."""
    if not facts["classes"]:
        return None
    warnings = _Warnings()
    scores = [score for row in facts["classes"] for score in row["scores"]]
    columns = list(dict.fromkeys(score["name"] for score in scores))
    rows = []
    for row in facts["classes"]:
        cells = {score["name"]: warnings.marked(score) for score in row["scores"]}
        rows.append({**row, "cells": [cells.get(name) for name in columns] if cells else []})
    on = scores[0]["on"] if scores else "pictures"
    return {"on": on, "columns": columns, "rows": rows, "warnings": warnings.texts}


def _losses(facts: Facts) -> dict[str, Chart]:
    """A small chart for each loss: their heights have nothing to do with one another."""
    charts = {name: chart({name: points}, 360, 190) for name, points in facts["curves"]["losses"].items()}
    return {name: found for name, found in charts.items() if found is not None}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("huabi"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: "–" if value is None else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "time": lambda seconds: None if seconds is None else time_of(seconds),
        "percent": lambda share: f"{100 * share:.1f} %",
        "along": lambda share: f"{100 * share:.2f}%",
        "megabytes": lambda count: None if count is None else size_of(count * 2**20),
        "uri": lambda image: f"data:image/png;base64,{Picture.of(image).base64()}",
        "enlarged": _enlarged,
    }
    return environment


def _enlarged(image: Image.Image, wide: int) -> tuple[int, int]:
    """Width and height at which small pictures can be seen: a whole multiple, so that pixels stay square."""
    times = max(1, wide // image.width)
    return image.width * times, image.height * times
