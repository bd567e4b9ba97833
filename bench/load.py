"""The clients of `serve.py --only load`, as locust runs them: each asks again as soon as it is answered.

A picture is right where its size and the seed in its recipe are those that were asked for. The last line printed is
JSON: how many calls ended how, and seconds.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
from collections import Counter
from typing import Any

import gevent
from locust import FastHttpUser, events, task
from PIL import Image

MODEL, SIZE = os.environ["LOAD_MODEL"], tuple(map(int, os.environ["LOAD_SIZE"].split("x")))
TIMEOUT = float(os.environ["LOAD_TIMEOUT"])  # seconds that a client waits for its picture
SEEDS = itertools.count()
ENDS: Counter[str] = Counter()


def judged(answer: Any, seed: int) -> str:
    """How a call ended: right, wrong, refused, or lost where the connection broke."""
    if answer.status_code != 200:
        return "refused" if answer.status_code else "lost"
    (made,) = answer.json()["data"]
    image = Image.open(io.BytesIO(base64.b64decode(made["b64_json"])))
    same = json.loads(image.info["huabi"])["request"]["seed"] == seed == made["seed"]
    return "right" if same and image.size == SIZE else "wrong"


class Client(FastHttpUser):
    """One connection that is kept."""

    connection_timeout = network_timeout = TIMEOUT

    @task
    def picture(self) -> None:
        seed = next(SEEDS)
        body = {"prompt": "", "model": MODEL, "seed": seed}
        with self.client.post("/v1/images/generations", json=body, catch_response=True) as answer:
            end = judged(answer, seed)
            ENDS[end] += 1
            if end != "right":
                answer.failure(end)
        if end == "refused":
            gevent.sleep(1)


@events.quitting.add_listener
def tell(environment: Any, **_: Any) -> None:
    total = environment.stats.total
    p50, p99 = (total.get_response_time_percentile(share) / 1000 for share in (0.5, 0.99))
    print(json.dumps({**ENDS, "seconds": total.last_request_timestamp - total.start_time, "p50": p50, "p99": p99}))
