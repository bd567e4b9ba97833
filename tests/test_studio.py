"""The studio as people meet it: every tab in a real browser, by mouse, keyboard and finger, in two languages."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from conftest import TINY, write_pictures
from dye import Dye, Running, until
from huabi import api, index
from huabi.mel import RATE
from huabi.pictures import Picture
from huabi.serve import shelf as shelves
from huabi.serve.database import jobs
from huabi.serve.guard import Access
from huabi.sounds import Sound
from studio_page import PATIENCE, Hand, Plain, browsing, page_of
from test_serve_api import call, png

KEY = "a key of some length"
TABS = ("imagine", "canvas", "transform", "train", "compare", "models", "jobs")
FILLED = {"train": "#family option", "compare": "#page-compare input:checked", "models": ".card"}  # what comes late
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 720}, "has_touch": True, "is_mobile": True}

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="module")
def dye() -> Dye:
    return Dye()


@pytest.fixture(scope="module")
def hand() -> Hand:
    return Hand()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, dye: Dye, hand: Hand) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("studio")
    write_pictures(folder / "data" / "flowers")
    with pytest.MonkeyPatch.context() as patch:
        for name, make in {"dye": lambda: dye, "plain": Plain, "hand": lambda: hand}.items():
            patch.setitem(shelves.BUILT_IN, name, make)
        patch.setenv("HUABI_HOME", str(folder))  # no runs of others are offered
        running = Running(folder, Access(studio=True))
        yield running
        dye.gate.set()
        running.stop()


@pytest.fixture(autouse=True)
def _open(dye: Dye) -> Iterator[None]:
    yield
    dye.gate.set()


@pytest.fixture
def page(browser: Browser, server: Running) -> Iterator[Page]:
    with page_of(browser, server.url) as page:
        yield page


def tab(page: Page, name: str) -> Any:
    page.locator(f"#tab-{name}").click()
    return page.locator(f"#page-{name}")


def last(server: Running) -> dict[str, Any]:
    """What the last job was asked for."""
    with server.service.store._reading() as connection:
        body = connection.execute(select(jobs.c.body).order_by(jobs.c.place.desc()).limit(1)).scalar_one()
    return dict(json.loads(body))


def asked(server: Running) -> dict[str, Any]:
    """The request of the last job."""
    return dict(last(server)["request"])


def give(page: Page, opener: Any, *files: tuple[str, bytes]) -> None:
    """Answers the question for files that a click on `opener` asks."""
    with page.expect_file_chooser() as chooser:
        opener.click()
    kinds = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    chooser.value.set_files(kinds)  # type: ignore[arg-type]


def drop(page: Page, target: str, data: bytes) -> None:
    """Drops a file on an element, as a person does from a folder."""
    script = """([target, text]) => {
        const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
        const carried = new DataTransfer();
        carried.items.add(new File([bytes], "kept.png", { type: "image/png" }));
        document.querySelector(target).dispatchEvent(
            new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(script, [target, base64.b64encode(data).decode()])


def imagine(page: Page, prompt: str) -> Any:
    """Asks by the keyboard alone; the batch that begins."""
    page.get_by_label("Model").first.select_option("dye")
    page.locator("#prompt").fill(prompt)
    page.locator("#prompt").press("Enter")
    return page.locator(".batch").first


def test_tabs_by_keyboard_and_both_languages(browser: Browser, server: Running) -> None:
    with page_of(browser, server.url) as page:
        page.locator("#tab-imagine").focus()
        for name in (*TABS[1:], "imagine"):
            page.keyboard.press("ArrowRight")
            expect(page.locator(f"#tab-{name}")).to_be_focused()
            expect(page.locator(f"#page-{name}")).to_be_visible()
            expect(page.locator('[role="tabpanel"]:visible')).to_have_count(1)
        page.locator("#language").click()
        expect(page.locator("#tab-imagine")).to_have_text("想象")
        expect(page.locator("#generate")).to_have_text("生成")
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        for name in TABS:
            text = tab(page, name).inner_text()
            assert "undefined" not in text
            assert re.search("[\u4e00-\u9fff]", text)
    with page_of(browser, server.url, locale="zh-CN") as page:
        expect(page.locator("#tab-jobs")).to_contain_text("任务")
        page.locator("#language").click()
        expect(page.locator("#tab-jobs")).to_contain_text("Jobs")


def test_nothing_is_wider_than_a_phone(browser: Browser, server: Running) -> None:
    with page_of(browser, server.url, **PHONE) as page:
        for language in ("en", "zh"):
            for name in TABS:
                tab(page, name)
                expect(page.locator(FILLED.get(name, f"#page-{name} h1")).first).to_be_attached()
                assert page.evaluate("document.documentElement.scrollWidth") <= 360, (name, language)
            page.locator("#language").click()
        tab(page, "imagine")
        page.locator("#generate").tap()
        expect(page.locator(".toast")).to_be_visible()
        canvas = tab(page, "canvas")
        expect(canvas.get_by_label("Undo")).to_be_disabled()
        page.locator(".board canvas").last.tap()  # by a finger
        canvas.get_by_label("Undo").tap()
        expect(canvas.get_by_label("Redo")).to_be_enabled()


def test_four_candidates_appear_while_they_form(page: Page, server: Running, dye: Dye) -> None:
    dye.gate.clear()
    batch = imagine(page, "a red house 红房子")
    expect(batch.locator(".frame.forming img")).to_have_count(4)
    expect(batch.locator('.frame.forming img[src^="data:image/png"]')).to_have_count(4)
    expect(batch.get_by_role("progressbar")).to_be_visible()
    dye.gate.set()
    expect(batch.get_by_label("Open the picture")).to_have_count(4)
    assert asked(server)["prompt"] == "a red house 红房子"
    batch = page.locator(".batch").last  # the next ones stand above it
    batch.get_by_label("Upscale").nth(1).click()
    expect(page.locator(".batch").first.get_by_label("Open the picture")).to_have_count(1)
    assert (asked(server)["task"], asked(server)["scale"]) == ("upscale", 2)
    batch.get_by_label("Vary").nth(2).click()
    expect(page.locator(".batch")).to_have_count(3)
    expect(page.locator(".batch").first.get_by_label("Open the picture")).to_have_count(4)
    assert server.service.store.recent(1)[0].task == "vary"
    batch.get_by_label("Reroll").click()
    expect(page.locator(".batch")).to_have_count(4)
    expect(page.locator(".batch").first.get_by_label("Open the picture")).to_have_count(4)
    assert asked(server)["prompt"] == "a red house 红房子"
    expect(page.locator("#gallery button")).to_have_count(13)


def test_a_fault_is_one_line_and_loses_nothing(page: Page) -> None:
    batch = imagine(page, "broken, alas")
    expect(batch.get_by_role("alert")).to_have_count(1)
    expect(page.locator("#prompt")).to_have_value("broken, alas")
    page.locator("#prompt").fill("")
    page.locator("#generate").click()
    expect(page.locator(".toast")).to_have_text("Say first what it shall be.")


def test_options_stand_in_the_prompt_and_files_beside_it(page: Page, server: Running) -> None:
    page.get_by_role("button", name="Settings").click()
    picture, tune = png(), Sound.of((np.sin(np.arange(RATE) / 5), RATE)).data
    page.locator('[name="reference"]').set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": picture})
    page.locator('[name="sound"]').set_input_files({"name": "a.wav", "mimeType": "audio/wav", "buffer": tune})
    batch = imagine(page, "two boats --no fog, 人 --n 2 —seed 7")
    expect(batch.get_by_label("Open the picture")).to_have_count(2)
    request = asked(server)
    assert (request["prompt"], request["negative"], request["seed"]) == ("two boats", "fog, 人", 7)
    assert base64.b64decode(request["reference"]) == picture
    assert base64.b64decode(request["sound"]) == tune
    imagine(page, "two boats --nonsense 3")
    expect(page.locator(".toast").last).to_contain_text("no option --nonsense")


def test_settings_reach_the_server_and_come_back_from_a_picture(page: Page, server: Running) -> None:
    page.get_by_role("button", name="Settings").click()
    for name, value in {"seed": "41", "steps": "3", "guidance": "2.5", "negative": "fog", "mood": "calm"}.items():
        page.locator(f'[name="{name}"]').fill(value)
    page.get_by_label("Label").first.select_option("cat")
    batch = imagine(page, "two boats")
    expect(batch.get_by_label("Open the picture")).to_have_count(4)
    request = asked(server)
    assert {"seed": 41, "steps": 3, "guidance": 2.5, "negative": "fog", "mood": "calm", "label": "cat"}.items() <= (
        request.items()
    )
    kept = call(server, "GET", "/v1/pictures?limit=4")[1]["pictures"][2]
    data = call(server, "GET", f"/v1/pictures/{kept['id']}")[1]
    page.reload()
    expect(page.locator("#prompt")).to_have_value("two boats")  # what was typed outlives a reload
    page.locator("#prompt").fill("")
    drop(page, "#page-imagine", data)
    expect(page.locator("#prompt")).to_have_value("two boats")
    expect(page.locator('[name="seed"]')).to_have_value("43")
    expect(page.locator('[name="negative"]')).to_have_value("fog")
    expect(page.get_by_label("Label").first).to_have_value("cat")
    page.locator('[name="seed"]').press("Escape")
    expect(page.locator("#settings")).to_be_hidden()
    drop(page, "#page-imagine", png())
    expect(page.locator(".toast").last).to_have_text("This picture holds no recipe of Huabi's.")
    page.locator("#gallery button").nth(1).click()
    expect(page.get_by_role("dialog")).to_contain_text("two boats")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_models_without_words_draw_by_label(page: Page, server: Running) -> None:
    page.get_by_label("Model").first.select_option("plain")
    expect(page.locator("#prompt")).to_be_hidden()
    page.get_by_label("Label").first.select_option("dog")
    page.locator("#generate").click()
    batch = page.locator(".batch").first
    expect(batch.get_by_label("Open the picture")).to_have_count(4)
    assert (server.service.store.recent(1)[0].task, asked(server)["label"]) == ("generate", "dog")
    batch.get_by_label("Vary").first.click()  # by other seeds, as it takes no picture
    expect(page.locator(".batch").first.get_by_label("Open the picture")).to_have_count(4)


def stroke(page: Page, *places: tuple[float, float]) -> None:
    """Draws by the mouse from place to place, in shares of the board."""
    box = page.locator(".board").bounding_box()
    assert box is not None
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def test_a_mask_is_drawn_by_the_mouse_and_repainted(page: Page, server: Running, dye: Dye) -> None:
    canvas = tab(page, "canvas")
    canvas.locator("#edit-model").select_option("dye")
    give(page, canvas.get_by_role("button", name="Open", exact=True), ("house.png", png("blue", (32, 32))))
    expect(page.locator(".board canvas").first).to_have_attribute("width", "32")
    canvas.locator("#edit-go").click()
    expect(page.locator(".toast")).to_have_text("Paint first over what shall become another.")
    stroke(page, (0.1, 0.75), (0.9, 0.75))
    stroke(page, (0.5, 0.25), (0.6, 0.25))
    canvas.get_by_label("Undo").click()
    canvas.locator("#edit-prompt").fill("a hat")
    dye.gate.clear()
    canvas.locator("#edit-go").click()
    expect(canvas.locator('#edit-results .forming img[src^="data:image/png"]')).to_have_count(2)
    dye.gate.set()
    expect(canvas.locator("#edit-results").get_by_label("Open the picture")).to_have_count(2)
    request = asked(server)
    mask = Picture.from_base64(request["mask"]).image(1)
    assert (request["prompt"], mask.size) == ("a hat", (32, 32))
    assert [mask.getpixel((16, row)) for row in (8, 24)] == [0, 255]
    assert Picture.from_base64(request["image"]).image(3).getpixel((3, 3)) == (0, 0, 255)
    canvas.get_by_label("Redo").click()
    canvas.get_by_label("Eraser").click()
    stroke(page, (0.1, 0.75), (0.9, 0.75))
    canvas.locator("#edit-go").click()
    expect(canvas.locator("#edit-results").get_by_label("Open the picture")).to_have_count(4)
    mask = Picture.from_base64(asked(server)["mask"]).image(1)
    assert [mask.getpixel((17, row)) for row in (8, 24)] == [255, 0]


def test_a_mask_is_drawn_by_keys_alone(page: Page, server: Running) -> None:
    canvas = tab(page, "canvas")
    canvas.locator("#edit-model").select_option("dye")
    give(page, canvas.get_by_role("button", name="Open", exact=True), ("house.png", png("blue", (32, 32))))
    expect(page.locator(".board canvas").first).to_have_attribute("width", "32")
    page.locator(".board canvas").last.focus()
    for key in ("Space", *["ArrowRight"] * 10, "Space", *["ArrowDown"] * 10, "Space", "Space"):
        page.keyboard.press(key)
    canvas.locator("#edit-go").click()
    expect(canvas.locator("#edit-results img")).to_have_count(2)
    mask = Picture.from_base64(asked(server)["mask"]).image(1)
    assert [mask.getpixel(place) for place in ((16, 16), (20, 16), (11, 16), (21, 21))] == [255, 255, 0, 255]
    canvas.get_by_label("Eraser").click()
    canvas.get_by_role("button", name="All", exact=True).click()
    canvas.locator("#edit-go").click()
    expect(page.locator(".toast")).to_have_text("Paint first over what shall become another.")


def test_strokes_of_colour_spread_and_a_picture_goes_on_beyond_its_edges(page: Page, server: Running) -> None:
    canvas = tab(page, "canvas")
    give(page, canvas.get_by_role("button", name="Open", exact=True), ("grey.png", png((128, 128, 128), (32, 32))))
    canvas.get_by_role("button", name="Colour", exact=True).click()
    expect(canvas.locator("#edit-model")).to_have_value("scribble")
    canvas.get_by_label("#3477c4").click()
    stroke(page, (0.3, 0.3), (0.7, 0.3))
    canvas.locator("#edit-go").click()
    expect(canvas.locator("#edit-results img")).to_have_count(1)
    made = call(server, "GET", "/v1/pictures?limit=1")[1]["pictures"][0]
    red, _, blue = Image.open(io.BytesIO(call(server, "GET", f"/v1/pictures/{made['id']}")[1])).getpixel((16, 16))  # type: ignore[misc]
    assert blue > red
    canvas.get_by_role("button", name="Expand").click()
    canvas.locator("#edit-model").select_option("dye")
    canvas.locator("#edit-go").click()
    expect(canvas.locator("#edit-results img")).to_have_count(3)
    assert asked(server)["expand"] == [64, 64, 64, 64]


def test_before_and_after_under_a_slider(page: Page, server: Running) -> None:
    part = tab(page, "transform")
    give(page, part.get_by_label("The picture", exact=True), ("house.png", png("blue", (48, 32))))
    part.locator("#transform-go").click()
    knife = part.get_by_label("Before and after")
    expect(knife).to_have_count(1)
    before = part.locator(".compare .before")
    expect(before).to_have_attribute("style", re.compile("50%"))
    knife.press("ArrowRight")
    expect(before).to_have_attribute("style", re.compile("49%"))
    for picture in part.locator(".compare img").all():
        expect(picture).to_have_js_property("complete", True)
    box = knife.bounding_box()
    assert box is not None
    knife.click(position={"x": box["width"] * 0.2, "y": box["height"] / 2})
    expect(before).to_have_attribute("style", re.compile(r"(79|8\d)%"))
    part.get_by_role("button", name="Paint", exact=True).click()
    part.get_by_role("button", name="Ink").click()
    part.locator("#transform-go").click()
    until(lambda: server.service.store.recent(1)[0].task == "paint")
    expect(part.locator("#transform-go")).to_be_enabled()
    assert asked(server)["brush"] == "ink"


def test_what_upscales_by_another_number_is_not_offered(page: Page, server: Running) -> None:
    own = server.service.place.run("doubler")
    shutil.copytree(index.SHIPPED / "photo-doubler", own)
    page.reload()
    part = tab(page, "transform")
    part.get_by_role("button", name="Restore", exact=True).click()
    part.locator("#damage").select_option("upscale")
    offered = part.locator("#transform-model option")
    expect(offered.filter(has_text="doubler")).to_have_count(1)
    sides = part.get_by_role("slider", name="How many times the sides")
    sides.fill("3")
    expect(sides).to_have_attribute("aria-valuetext", "3 ×")
    expect(offered.filter(has_text="doubler")).to_have_count(0)
    expect(offered.filter(has_text="bicubic")).to_have_count(1)
    shutil.rmtree(own)


def test_a_style_is_seen_while_it_forms_and_a_ninth_is_refused(page: Page, server: Running, hand: Hand) -> None:
    part = tab(page, "transform")
    give(page, part.get_by_label("The picture", exact=True), ("house.png", png("blue", (48, 32))))
    part.get_by_role("button", name="Stylize").click()
    part.locator("#transform-model").select_option("hand")
    give(page, part.locator("#add-style"), *((f"{k}.png", png("red")) for k in range(9)))
    expect(page.get_by_text("at most 8 styles")).to_be_visible()
    expect(part.locator("#styles .style")).to_have_count(8)
    hand.gate.clear()
    try:
        part.locator("#transform-go").click()
        expect(part.locator(".compare img")).to_have_attribute("src", re.compile("^data:image/png"))
        expect(part.get_by_label("Before and after")).to_have_count(0)
    finally:
        hand.gate.set()
    expect(part.get_by_label("Before and after")).to_have_count(1)


def test_several_styles_with_weights_and_kinds_to_become(page: Page, server: Running) -> None:
    part = tab(page, "transform")
    give(page, part.get_by_label("The picture", exact=True), ("house.png", png("blue", (48, 32))))
    part.get_by_role("button", name="Stylize").click()
    part.locator("#transform-model").select_option("hand")
    give(page, part.locator("#add-style"), ("one.png", png("red")), ("two.png", png("green")))
    part.locator("#styles input").first.fill("0.25")
    part.locator("#transform-go").click()
    expect(part.locator(".compare")).to_be_visible()
    assert (len(asked(server)["styles"]), asked(server)["weights"]) == (2, [0.25, 0.5])
    part.get_by_role("button", name="Translate").click()
    part.locator("#to").select_option("night")
    part.locator("#transform-go").click()
    until(lambda: server.service.store.recent(1)[0].task == "translate")
    assert asked(server)["to"] == "night"
    part.get_by_role("button", name="Restore").click()
    part.locator("#damage").select_option("mend")
    part.locator("#transform-go").click()
    until(lambda: server.service.store.recent(1)[0].task == "restore")
    assert asked(server)["task"] == "mend"
    part.locator("#damage").select_option("colourise")
    expect(part.locator("#transform-go")).to_be_disabled()


def test_a_training_with_live_curves_is_stopped_and_resumed(page: Page, server: Running, tmp_path: Path) -> None:
    part = tab(page, "train")
    with page.expect_file_chooser() as chooser:
        part.get_by_role("button", name="Send a folder").click()
    chooser.value.set_files(write_pictures(tmp_path / "my flowers"))
    expect(part.locator("#data")).to_have_value("my-flowers")
    expect(part.locator(".tile").first).to_have_text(re.compile("^24"))
    part.locator("#family").select_option("gan")
    part.locator("#budget").select_option("2m")
    part.locator("#size").select_option("8")
    part.locator("#run-name").fill("mine")
    part.locator("#train-go").click()
    expect(part.locator("#curves polyline").first).to_have_attribute("points", re.compile(r" "), timeout=60_000)
    part.locator("#run-stop").click()
    expect(part.locator("#run .tag").first).to_have_text("stopped")
    expect(part.locator('#runs [data-name="mine"] .tag')).to_have_text("stopped")
    part.locator("#run-resume").click()
    expect(part.locator("#run .tag").first).to_have_text("training")
    until(lambda: server.service.store.recent(1)[0].state == "running", 60)
    steps = call(server, "GET", "/v1/runs/mine/log")[1]["step"]
    until(lambda: call(server, "GET", "/v1/runs/mine/log")[1]["step"] > steps, 60)
    assert last(server)["resume"] is True
    part.locator("#run-stop").click()
    expect(part.locator("#run .tag").first).to_have_text("stopped")
    models = tab(page, "models")
    models.get_by_role("button", name="Look again").click()
    expect(models).to_contain_text("mine")


def test_a_run_is_measured(page: Page, server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    data = server.service.place.source("flowers")
    api.train("vae", data, server.service.place.run("judged"), size=8, steps=2, threads=1, settings=TINY["vae"])
    score = {"name": "KID x 1000", "on": "held-out pictures", "value": 12.5, "low": 11.0, "high": 14.0}
    asked_for: list[list[str]] = []
    told = json.dumps({"scores": [score]})
    monkeypatch.setattr(
        server.service.errands, "_child_of", lambda job, words: (asked_for.append(words), (0, told, ""))[1]
    )
    part = tab(page, "train")
    part.locator('#runs [data-name="judged"]').click()
    part.locator("#run-measure").click()
    expect(part.locator("#run-scores")).to_contain_text("KID x 1000 · held-out pictures")
    expect(part.locator("#run-scores .numbers")).to_have_text("12.5 (11 – 14)")
    assert asked_for[0][:2] == ["evaluate", str(server.service.place.run("judged"))]


def test_a_comparison_ends_in_a_ranking(page: Page, server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def row(family: str, value: float) -> dict[str, Any]:
        score = {"name": "KID x 1000", "on": "held-out pictures", "value": value, "low": value - 1, "high": value + 1}
        return {"family": family, "title": "draws", "state": "done", "why": "", "evaluation": {"scores": [score]}}

    facts: dict[str, Any] = {"measure": "KID x 1000", "on": "held-out pictures", "data": "flowers", "count": 500}
    facts |= {"families": [row("gan", 9.0), row("vae", 3.0)], "ranking": [["vae"], ["gan"]], "advice": ["take vae"]}
    monkeypatch.setattr(server.service.errands, "_child_of", lambda job, words: (0, json.dumps(facts), ""))
    part = tab(page, "compare")
    part.locator("#compare-data").select_option("flowers")
    expect(part.get_by_label("vae")).to_be_checked()
    expect(part.get_by_label("pix2pix")).to_have_count(0)
    part.locator("#compare-go").click()
    expect(part.locator(".rank strong")).to_have_text(["vae", "gan"])
    expect(part.locator("#report")).to_contain_text("take vae")
    page.reload()
    expect(page.locator("#page-compare .rank strong")).to_have_text(["vae", "gan"])


def test_jobs_are_listed_and_cancelled(page: Page, server: Running, dye: Dye) -> None:
    dye.gate.clear()
    imagine(page, "held back")
    job = until(lambda: next((j for j in server.service.store.recent(3) if j.state == "running"), None))
    expect(page.locator("#tab-jobs .count")).to_have_text("1")
    part = tab(page, "jobs")
    row = part.locator(f'[data-id="{job.id}"]')
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".tag")).to_have_text("cancelled")
    expect(row.get_by_role("button", name="Cancel")).to_be_hidden()
    dye.gate.set()
    tab(page, "imagine")
    expect(page.locator(".batch").first).to_contain_text("Stopped.")


def test_the_key_is_asked_for_once(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shelves.BUILT_IN, "dye", Dye)
    guarded = Running(tmp_path, Access(KEY, studio=True))
    try:
        with page_of(browser, guarded.url) as page:
            page.locator("#key").fill("wrong")
            page.locator("#key").press("Enter")
            expect(page.get_by_role("dialog")).to_contain_text("That key is wrong.")
            page.locator("#key").fill(KEY)
            page.locator("#key").press("Enter")
            expect(page.get_by_role("dialog")).to_have_count(0)
            batch = imagine(page, "a red house")
            expect(batch.get_by_label("Open the picture")).to_have_count(4)
            until(lambda: batch.locator("img").first.evaluate("image => image.naturalWidth") == 8)
            page.reload()
            expect(page.locator("#gallery button")).to_have_count(4)
            assert KEY not in page.url
    finally:
        guarded.stop()
