"""A browser on the studio: Debian's chromium, and a page that notes what it must not do."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from torch import Tensor

from dye import Dye
from huabi.model import DataSpec, Identity, Model
from huabi.requests import Generate, Restore, Stylize, Translate

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 20_000  # milliseconds, on a machine that is busy
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


class Plain(Dye):
    """Draws without words."""

    requests = (Generate,)  # type: ignore[assignment]
    spec = DataSpec((8, 8), labels=("cat", "dog"))


class Hand(Model):
    """Answers whatever takes a picture, by a grey and then a black one of its size, once the gate is open."""

    requests = (Stylize, Translate, Restore)
    spec = DataSpec((8, 8), domains=("day", "night"))
    tasks = ("mend",)

    def __init__(self) -> None:
        self.identity = Identity(hash="1" * 64, family="hand", rows=1)
        self.gate = Event()
        self.gate.set()

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        rows, columns = requests[0].image.size()
        yield torch.zeros(len(requests), 3, rows, columns)
        self.gate.wait(PATIENCE / 1000)
        yield torch.full((len(requests), 3, rows, columns), -1.0)

    def batch_key(self, request: Any) -> Any:
        return request.image.size()


def chromium() -> str:
    """Where the browser is; without one the test is skipped, and on CI it fails."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("no chromium here: apt-get install chromium")
    if found is None:
        pytest.skip("no chromium here: the studio is not looked at")
    return found


@contextmanager
def browsing() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@contextmanager
def page_of(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A new page on the studio, which in the end has asked nobody else and has complained of nothing."""
    options = {"viewport": {"width": 1200, "height": 900}, "locale": "en-US", "reduced_motion": "reduce"} | options
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not REFUSED.match(message.text):
            wrong.append(message.text)

    def asked(address: str) -> None:
        if not address.startswith((f"{url}/", "data:", f"blob:{url}/")):
            wrong.append(f"asked {address}")

    page.on("console", heard)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked(request.url))
    page.goto(f"{url}/")
    try:
        yield page
        assert not wrong, wrong
    finally:
        context.close()
