"""The pages: whole in themselves, with every number on them, and nothing of a name taken for markup."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from huabi.charts import chart, number, span
from huabi.evaluation import Evaluation
from huabi.pages import comparison_page, evaluation_page

PROTOCOL = {
    "features": "efficientnet-lite0", "weights": "ab" * 32, "resize": "antialiased bicubic to 224x224",
    "samples": 5000, "reference": 2500, "seed": 0,
}  # fmt: skip


def score(name: str, value: float, on: str, error: float | None = 1.0, *warnings: str) -> dict[str, Any]:
    low, high = (None, None) if error is None else (value - 2.262 * error, value + 2.262 * error)
    numbers = {"value": value, "error": error, "low": low, "high": high}
    return {"name": name, **numbers, "on": on, "protocol": PROTOCOL, "warnings": list(warnings), "text": name}


def facts(family: str | None = "diffusion", kd: float = 12.34) -> dict[str, Any]:
    scores = [
        score("kernel distance x 1000", kd, "held-out pictures", 0.5678),
        score("recall", 0.4321, "held-out pictures", 0.0123, "321 pictures are few"),
        score("kernel distance x 1000", kd - 1, "training pictures", None),
        score("Inception Score", 3.217, "pictures"),
    ]
    mine = [score("kernel distance x 1000", 55.51, "training pictures", None, "3 pictures are few")]
    return {
        "kind": "evaluation", "huabi": "0.1.0", "source": "runs/<photos> & more", "family": family, "against": "photos",
        "features": "efficientnet-lite0", "n": 5000, "scores": scores,
        "classes": [
            {"label": "<b>bold</b>", "samples": 3, "reference": 77, "scores": mine},
            {"label": "lone", "samples": 1, "reference": 1, "scores": []},
        ],
        "alarms": ["collapse: 12 of 16 <alike>; lower the rate"], "notes": ["photos is what it was trained on"],
        "curves": {
            "losses": {"net": [[1.0, 2.0], [2.0, 1.0], [60.0, 0.5]], "sigma": [[1.0, 0.3], [2.0, 0.3]]},
            "distance": [[30.0, 300.0], [300.0, 40.0], [600.0, 12.0]],
        },
        "cost": {
            "parameters": 1642358, "train_seconds": 598.0, "steps": 5670, "images_per_second": 158.8,
            "seconds_per_picture": 0.0422, "peak_memory_mb": None,
        },
    }  # fmt: skip


SHEET = Image.new("RGB", (70, 70), "teal")


class Page(HTMLParser):
    """The tags and the text of a page; complains of what is not closed."""

    VOID = {"meta", "img", "line", "circle", "polyline", "br"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def numbers_of(value: Any) -> Iterator[float]:
    """All numbers of scores."""
    for name in ("value", "low", "high"):
        if value[name] is not None:
            yield value[name]


def whole(html: str) -> Page:
    """The page, which asks for nothing from outside and runs nothing."""
    page = Page(html)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", html)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:image/png;base64,").startswith("data:image/png;base64,")
    assert "None" not in page.text
    assert "nan" not in page.text.split()
    return page


def test_a_page_of_an_evaluation_holds_every_number() -> None:
    found = facts()
    page = whole(evaluation_page(Evaluation(found, {"sheet": SHEET, "nearest": SHEET, "between": SHEET})))
    every = [*found["scores"], *found["classes"][0]["scores"]]
    for value in (value for s in every for value in numbers_of(s)):
        assert f"{value:.4g}" in page.text
    for words in ("interval unknown", "321 pictures are few", "3 pictures are few", "1,642,358", "42.2 ms", "9.97 min"):
        assert words in page.text
    assert "too few pictures to measure" in page.text
    assert PROTOCOL["weights"] in page.text
    assert "memory for training –" in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == 3
    assert sum(tag == "polyline" for tag, _ in page.tags) == 3
    assert page.text.count("collapse: 12 of 16") == 1


def test_how_near_samples_are_is_told_beside_held_out_pictures() -> None:
    near = {"samples": 39.85, "heldout": 37.1, "nearer": 0.4264, "count": 1000, "among": 47578}
    pictures = {"sheet": SHEET, "nearest": SHEET}
    text = whole(evaluation_page(Evaluation(facts() | {"nearest": near, "machine": "a laptop"}, pictures))).text
    for words in ("median of 1,000 samples is 39.85", "nearest of 47,578", "37.1", "42.6 % of all pairs", "a laptop"):
        assert words in text
    near |= {"heldout": None, "nearer": None}
    assert "of all pairs" not in whole(evaluation_page(Evaluation(facts() | {"nearest": near}, pictures))).text


def test_names_are_text_and_no_markup() -> None:
    page = whole(evaluation_page(Evaluation(facts(), {"sheet": SHEET})))
    assert "<b>bold</b>" in page.text
    assert "runs/<photos> & more" in page.text
    assert "12 of 16 <alike>" in page.text
    assert not {"photos", "alike"} & {tag for tag, _ in page.tags}


def test_a_page_of_a_folder_leaves_out_what_is_not_there() -> None:
    found = facts(family=None) | {"classes": [], "alarms": [], "notes": []}
    found["curves"] = {"losses": {}, "distance": []}
    found["cost"] = dict.fromkeys(found["cost"])
    page = whole(evaluation_page(Evaluation(found, {"sheet": SHEET})))
    for heading in ("Alarms", "Training", "Class by class", "Cost", "From one picture", "one picture takes"):
        assert heading not in page.text
    assert "of a folder" in page.text


@pytest.fixture
def comparison() -> dict[str, Any]:
    def entry(name: str, kd: float) -> dict[str, Any]:
        evaluation = facts(name, kd) | {"alarms": ["divergence: the loss rose"] if name == "gan" else []}
        about = {"family": name, "title": f"about {name}", "run": f"out/{name}", "state": "done", "why": ""}
        return {**about, "evaluation": evaluation}

    refused = {"family": "classifier", "title": "reads", "run": "", "state": "left out", "why": "it draws <nothing>"}
    families = [entry("vae", 97.25), entry("gan", 12.5), entry("diffusion", 11.75), {**refused, "evaluation": None}]
    return {
        "kind": "comparison", "huabi": "0.1.0", "data": "photos", "task": "generate", "budget": 600.0,
        "measure": "kernel distance x 1000", "on": "held-out pictures", "count": 5000, "size": [48, 64],
        "families": families,
        "ranking": [["diffusion", "gan"], ["vae"]], "advice": "Take diffusion; the <vae> is 40 times faster.",
    }  # fmt: skip


def test_a_comparison_ranks_and_names_ties(comparison: dict[str, Any]) -> None:
    page = whole(comparison_page(comparison, {"diffusion": SHEET, "gan": SHEET, "vae": SHEET}))
    text = page.text
    assert text.index("Take diffusion; the <vae> is 40 times faster.") < text.index("Ranking")
    table = text[text.index("Ranking") : text.index("Samples side by side")]
    assert re.search(r"1 tie diffusion about diffusion .*1 tie gan about gan .*3 vae about vae", table)
    assert "classifier left out: it draws <nothing>" in table
    assert "divergence: the loss rose" in table
    for family in comparison["families"][:3]:
        for value in (value for s in family["evaluation"]["scores"] for value in numbers_of(s)):
            assert f"{value:.4g}" in text
    assert "at 64 x 48 pixels" in text
    assert sum(tag == "img" for tag, _ in page.tags) == 3
    curves = [a for tag, a in page.tags if tag == "polyline"]
    assert len(curves) == 3 + 3 * 2


def test_whiskers_stand_where_the_intervals_are(comparison: dict[str, Any]) -> None:
    page = whole(comparison_page(comparison, {}))
    found = [float(str(a["cx"]).rstrip("%")) for tag, a in page.tags if tag == "circle" and "%" in str(a["cx"])]
    low, high = 0.0, 100.0
    assert len(found) == 3
    assert low < found[0] < found[1] < found[2] < high  # 11.75, 12.5, 97.25
    assert found[2] == pytest.approx(97.25, abs=3)  # of an axis from 0 to 100


def test_a_comparison_without_curves_and_sheets(comparison: dict[str, Any]) -> None:
    bare = copy.deepcopy(comparison)
    for family in bare["families"][:3]:
        family["evaluation"]["curves"] = {"losses": {}, "distance": []}
        family["evaluation"]["classes"] = []
    assert "Quality against time" not in whole(comparison_page(bare, {})).text


reals = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(st.lists(reals, min_size=1, max_size=20), st.booleans())
def test_an_axis_holds_all_values_and_has_a_few_ticks(values: list[float], seconds: bool) -> None:
    values = [abs(value) for value in values] if seconds else values
    axis = span(values, seconds=seconds)
    shares = [axis.share(value) for value in sorted(values)]
    assert shares == sorted(shares)
    assert all(-1e-9 <= share <= 1 + 1e-9 for share in shares)
    places = [share for share, _ in axis.ticks]
    assert places == sorted(places)
    assert 1 <= len(places) <= 9
    assert len({text for _, text in axis.ticks}) == len(places) or len(set(values)) == 1


def test_axes_are_logarithmic_where_values_are_wide_apart() -> None:
    axis = span([1.0, 600.0], seconds=True)
    assert axis.log
    assert axis.share(600**0.5) == pytest.approx(0.5)
    assert [text for _, text in axis.ticks] == ["1 s", "5 s", "20 s", "60 s", "5 min"]
    assert [text for _, text in span([0.01, 0.5], seconds=True).ticks][:3] == ["10 ms", "20 ms", "50 ms"]
    assert not span([-1.0, 600.0]).log
    assert "0" in [text for _, text in span([-12.9, 277.5]).ticks]
    assert not span([100.0, 600.0]).log
    assert chart({"empty": []}) is None


@pytest.mark.parametrize("width", [360, 720])
@pytest.mark.parametrize("end", [0.04, 3.0, 59.0, 590.0, 3000.0, 9000.0, 90000.0])
@pytest.mark.parametrize("start", [0.002, 1.0, 100.0])
def test_texts_of_ticks_do_not_overlap(start: float, end: float, width: int) -> None:
    found = chart({"loss": [[min(start, end), 0.1], [end, 0.3]]}, width, width // 2)
    assert found is not None
    reach = [(x - 3.5 * len(text), x + 3.5 * len(text)) for x, text in found.x]  # a letter is 7 wide
    assert all(left[1] < right[0] for left, right in pairwise(reach))
    assert reach[-1][1] <= width
    rows = sorted(y for y, _ in found.y)
    assert all(below - above >= 16 for above, below in pairwise(rows))


def test_numbers_are_short() -> None:
    assert [number(v) for v in (None, 1642358, 12.3456, 0.0)] == [None, "1,642,358", "12.35", "0"]
