"""`huabi` as a child of the server, which does not outlive it: `python -m huabi.serve.child WORDS`.

Its standard input is a pipe that the server holds; where that ends, the server is gone, and the child stops as on
SIGTERM: what it trained is saved. What it says then is said to nobody.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading


def _watch() -> None:
    while os.read(0, 1024):  # not through sys.stdin, whose lock must be free at the end
        pass
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, 1)
    os.dup2(nobody, 2)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_watch, daemon=True).start()
    runpy.run_module("huabi", run_name="__main__", alter_sys=True)
