"""Decoding by all cores in processes of their own, so that a file that kills its decoder is named and left out.

The processes are started as `python -c`, not by multiprocessing: a user's script needs no main guard, nothing is
forked under torch's threads, and a process that dies takes nothing with it.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ..cores import cores
from .worker import Facts, Job, Task, examine, receive, send

CRASHED = "its decoding crashed or ran out of memory"
_CODE = "import sys; sys.path[:] = {path!r}; from huabi.data.worker import main; main()"
_CHUNK = 64
_CHUNK_BYTES = 1 << 23


class Worker:
    """One decoding process. Raises OSError or EOFError when it is gone."""

    def __init__(self, task: Task) -> None:
        code = _CODE.format(path=[str(p) for p in sys.path])
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.into, self.out = self.process.stdin, self.process.stdout
        try:
            send(self.into, task)
            receive(self.out)
        except BaseException:
            self.close()
            raise

    def ask(self, jobs: Sequence[Job]) -> list[Facts | str]:
        send(self.into, list(jobs))
        results: list[Facts | str] = receive(self.out)
        return results

    def close(self) -> None:
        self.process.kill()
        for stream in (self.into, self.out):
            try:
                stream.close()
            except OSError:  # what could not be written to a dead process
                pass
        self.process.wait()


class Pool:
    """As many processes as are worth it for `count` pictures; use it as a context."""

    def __init__(self, task: Task, count: int) -> None:
        self.task = task
        self.size = max(1, min(cores(), 32, count // _CHUNK + 1))
        row = (task.size[0] * task.size[1] * task.channels * 2) if task.size else 1
        self.chunk = max(1, min(_CHUNK, _CHUNK_BYTES // row))
        self.local = threading.local()
        self.workers: set[Worker] = set()

    def __enter__(self) -> Pool:
        self.threads = ThreadPoolExecutor(self.size)
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown(cancel_futures=True)
        for worker in self.workers:
            worker.close()

    def _worker(self) -> Worker | None:
        """This thread's process, or None where the system lets none be started."""
        if getattr(self.local, "worker", None) is None:
            try:
                self.local.worker = Worker(self.task)
            except (OSError, EOFError):
                return None
            self.workers.add(self.local.worker)
        worker: Worker = self.local.worker
        return worker

    def _answer(self, jobs: Sequence[Job]) -> list[Facts | str]:
        worker = self._worker()
        if worker is None:
            return [examine(job, self.task) for job in jobs]
        try:
            return worker.ask(jobs)
        except (OSError, EOFError):
            self.workers.discard(worker)
            worker.close()
            self.local.worker = None
        if len(jobs) == 1:
            return [CRASHED]
        return [result for job in jobs for result in self._answer([job])]  # which of them was it?

    def results(self, jobs: Sequence[Job]) -> Iterator[Facts | str]:
        """One result for each job, in order; only a few chunks are ahead, so that memory does not grow."""
        waiting: deque[Future[list[Facts | str]]] = deque()
        for start in range(0, len(jobs), self.chunk):
            waiting.append(self.threads.submit(self._answer, jobs[start : start + self.chunk]))
            if len(waiting) > 2 * self.size:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
