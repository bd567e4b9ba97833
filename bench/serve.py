"""What the server costs beside the bare model, and what it bears.

    python bench/serve.py RUN [--only overhead,preview,rate] [--n 200]     # in the table of docs/serving.md
    python bench/serve.py RUN --only load --clients 200 --seconds 60

Starts `huabi serve` on a free port of this machine and calls it from here; prints Markdown. Client, server and model
share the machine's cores, so that the overhead includes the client's own.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import http.client
import io
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image

from huabi import models
from huabi.drawing import draw
from huabi.provenance.publish import published
from huabi.requests import Generate

TIMEOUT = 120.0  # seconds that a client waits for its picture


class Server:
    """`huabi serve` of one run, in a process of its own."""

    def __init__(self, run: Path, words: list[str], queue: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._home = tempfile.TemporaryDirectory()
        environment = os.environ | {"HUABI_HOME": self._home.name}
        command = [sys.executable, "-m", "huabi", "serve", "--model", str(run), "--port", str(self.port)]
        command += ["--queue", str(queue), *words]
        self.model = run.name
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > began + 400:
                raise SystemExit(f"bench: no server ({' '.join(command)})")
            time.sleep(0.05)
        self.came = time.monotonic() - began  # seconds until it takes jobs

    def ready(self) -> bool:
        try:
            return json.loads(self.get("/ready"))["status"] == "ready"
        except (OSError, KeyError, http.client.HTTPException):
            return False

    def get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def body(self, seed: int, **more: Any) -> bytes:
        return json.dumps({"prompt": "", "model": self.model, "seed": seed, **more}).encode()

    def memory(self) -> float:
        """MB that the server's process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(90)
        self._home.cleanup()


@contextmanager
def serving(run: Path, words: list[str], queue: int = 256) -> Iterator[Server]:
    server = Server(run, words, queue)
    try:
        yield server
    finally:
        server.stop()


class Answer(NamedTuple):
    """Of one call: 0 is a connection that broke."""

    status: int
    seconds: float
    right: bool


class Client:
    """One connection that is kept, as OpenAI's client keeps it; in plain asyncio, which takes least from the server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._pipe: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> tuple[int, bytes]:
        if self._pipe is None:
            self._pipe = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        reader, writer = self._pipe
        head = f"POST /v1/images/generations HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        told = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(told.split("content-length:")[1].split("\r\n")[0])
        return int(told.split()[1]), await reader.readexactly(length)

    def close(self) -> None:
        if self._pipe is not None:
            self._pipe[1].close()
            self._pipe = None


async def ask(client: Client, server: Server, seed: int, size: tuple[int, int]) -> Answer:
    """Draws one picture and looks whether it is the one that was asked for, by its recipe."""
    began = time.perf_counter()
    try:
        status, data = await asyncio.wait_for(client.post(server.body(seed)), TIMEOUT)
    except (TimeoutError, OSError, EOFError, IndexError, ValueError):
        client.close()
        return Answer(0, time.perf_counter() - began, False)
    seconds = time.perf_counter() - began
    if status != 200:
        return Answer(status, seconds, False)
    (made,) = json.loads(data)["data"]
    image = Image.open(io.BytesIO(base64.b64decode(made["b64_json"])))
    right = image.size == size and json.loads(image.info["huabi"])["request"]["seed"] == seed == made["seed"]
    return Answer(status, seconds, right)


async def crowd(server: Server, size: tuple[int, int], clients: int, calls: int, seconds: float) -> list[Answer]:
    """Clients that each ask again as soon as they are answered, until there were `calls`, or `seconds` are over."""
    answers, seeds, end = list[Answer](), iter(range(calls)), time.perf_counter() + seconds

    async def one() -> None:
        client = Client(server.port)
        for seed in seeds:
            if time.perf_counter() > end:
                break
            answer = await ask(client, server, seed, size)
            answers.append(answer)
            if answer.status == 429:
                await asyncio.sleep(1)
        client.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return answers


def bare(run: Path, n: int) -> list[float]:
    """Seconds of each of `n` pictures that are drawn and encoded without a server."""
    model = models.load(run)
    seconds = []
    for seed in range(n + 3):
        began = time.perf_counter()
        for _, image, recipe in draw(model, [Generate(seed=seed)]):
            published(image, "PNG", recipe)
        seconds.append(time.perf_counter() - began)
    return seconds[3:]


def previews(server: Server, n: int) -> list[float]:
    """Seconds from the start of sampling to the first preview of each of `n` jobs, as their events tell a client."""
    found = []
    for seed in range(n):
        asked = {"task": "generate", "model": server.model, "request": {"seed": seed}, "previews": 1}
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
        connection.request("POST", "/v1/jobs", json.dumps(asked), {"content-type": "application/json"})
        job = json.loads(connection.getresponse().read())["id"]
        connection.request("GET", f"/v1/jobs/{job}/events")
        answer = connection.getresponse()
        shown = 0.0
        while line := answer.readline():
            if line.startswith(b"event: preview") and not shown:
                shown = time.time()
            if line.startswith(b"event: end"):
                break
        connection.close()
        started = json.loads(server.get(f"/v1/jobs/{job}"))["started"]
        found += [shown - started] if shown else []
    return found


def report_ready(run: Path, size: tuple[int, int], options: argparse.Namespace) -> None:
    seconds = []
    for _ in range(5):
        with serving(run, options.words) as server:
            seconds.append(server.came)
    print(f"| from the command until it takes jobs (median of 5) | {statistics.median(seconds):.1f} s |", flush=True)


def report_overhead(run: Path, size: tuple[int, int], options: argparse.Namespace) -> None:
    without = 1000 * statistics.median(bare(run, options.n))
    with serving(run, options.words) as server:
        asyncio.run(crowd(server, size, 1, 3, 60))
        answers = asyncio.run(crowd(server, size, 1, options.n, 120))
        within = 1000 * statistics.median(a.seconds for a in answers if a.right)
        print(f"| a picture from the bare model, encoded | {without:.1f} ms |")
        print(f"| the same by one client of the server | {within:.1f} ms |")
        print(f"| overhead of the server | {within - without:.1f} ms |", flush=True)


def report_preview(run: Path, size: tuple[int, int], options: argparse.Namespace) -> None:
    with serving(run, options.words) as server:
        asyncio.run(crowd(server, size, 1, 3, 60))
        found = previews(server, 20)
        shown = f"{1000 * statistics.median(found):.0f} ms (median of {len(found)})" if found else "none came"
        print(f"| from the start of sampling to the first preview | {shown} |", flush=True)


def report_rate(run: Path, size: tuple[int, int], options: argparse.Namespace) -> None:
    with serving(run, options.words) as server:
        for clients in (1, 16):
            asyncio.run(crowd(server, size, clients, 2 * clients, 60))
            began = time.perf_counter()
            answers = asyncio.run(crowd(server, size, clients, options.n, 60))
            rate = sum(a.right for a in answers) / (time.perf_counter() - began)
            print(f"| pictures a second, {clients} at a time | {rate:.1f} |", flush=True)


def report_load(run: Path, size: tuple[int, int], options: argparse.Namespace) -> None:
    with serving(run, options.words, max(256, options.clients)) as server:
        asyncio.run(crowd(server, size, 16, 64, 60))
        before = server.memory()
        command = [sys.executable, "-m", "locust", "-f", Path(__file__).with_name("load.py"), "--headless"]
        command += ["--host", f"http://127.0.0.1:{server.port}", "--run-time", f"{options.seconds:.0f}s"]
        command += ["--users", options.clients, "--spawn-rate", options.clients, "--stop-timeout", f"{TIMEOUT:.0f}"]
        told = {"LOAD_MODEL": server.model, "LOAD_SIZE": f"{size[0]}x{size[1]}", "LOAD_TIMEOUT": str(TIMEOUT)}
        done = subprocess.run([*map(str, command)], env=os.environ | told, capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if not lines:
            raise SystemExit(f"bench: locust told nothing (pip install locust)\n{done.stderr[-2000:]}")
        ends, after = json.loads(lines[-1]), server.memory()
        counts = ", ".join(str(ends.get(name, 0)) for name in ("right", "lost", "wrong", "refused"))
        print(f"| {options.clients} clients for {ends['seconds']:.0f} s: right, lost, wrong, refused | {counts} |")
        print(f"| pictures a second | {ends.get('right', 0) / ends['seconds']:.1f} |")
        print(f"| p50, p99 of an answer | {ends['p50']:.2f} s, {ends['p99']:.2f} s |")
        print(f"| memory of the server before, after | {before:.0f} MB, {after:.0f} MB |", flush=True)


REPORTS = {
    "ready": report_ready,
    "overhead": report_overhead,
    "preview": report_preview,
    "rate": report_rate,
    "load": report_load,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run that answers Generate")
    parser.add_argument("--only", default=",".join(REPORTS), help="which figures, by comma")
    parser.add_argument("--n", type=int, default=200, help="pictures of overhead and rate")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--ray", default="", metavar="REPLICAS", help="draw on Ray, as `huabi serve --replicas`")
    options = parser.parse_args()
    options.words = ["--engine", "ray", "--replicas", options.ray] if options.ray else []
    if wrong := [name for name in options.only.split(",") if name not in REPORTS]:
        parser.error(f"--only knows {', '.join(REPORTS)}, not {', '.join(wrong)}")
    _, spec, _ = models.described(options.run)
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"
    print(f"{options.run.name}: {platform.machine()}, {cores}, ", end="")
    print(f"OMP_NUM_THREADS {threads}, torch {torch.__version__}, load {os.getloadavg()[0]:.1f} at the start\n")
    print("| | |\n|---|---|")
    for name in options.only.split(","):
        REPORTS[name](options.run, (spec.size[1], spec.size[0]), options)


if __name__ == "__main__":
    main()
