"""The folders of a server in which long work reads and writes; clients know what is in them by names alone."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import RequestError

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"  # no path, no option
BUILT_IN = ("digits", "world")  # data that need no folder


class Place:
    """Runs lie in `runs`, data in the folders of `data`; either may be missing."""

    def __init__(self, runs: Path | None = None, data: Path | None = None) -> None:
        self._runs, self._data = (folder.absolute() if folder else None for folder in (runs, data))

    @property
    def trains(self) -> bool:
        return self._runs is not None

    @property
    def takes_data(self) -> bool:
        return self._data is not None

    def run(self, name: str) -> Path:
        """Where a run of this name lies, or would."""
        if self._runs is None:
            raise RequestError("this server keeps no runs; start it with --runs DIR")
        return self._runs / name

    def known_run(self, name: str) -> Path:
        """The folder of a run that has begun; raises `RequestError` where there is none."""
        run = self.run(name)
        if not (run / "run.json").is_file() or not _inside(run):
            raise RequestError(f"no run called {name} here")
        return run

    def runs(self) -> list[Path]:
        """The runs that have begun, the last changed first."""
        if self._runs is None or not self._runs.is_dir():
            return []
        named = (run for run in self._runs.iterdir() if re.match(NAME, run.name))
        found = [run for run in named if (run / "run.json").is_file() and _inside(run)]
        return sorted(found, key=lambda run: (run / "run.json").stat().st_mtime, reverse=True)

    def source(self, name: str) -> str:
        """What `huabi` takes for the data of this name; raises `RequestError` where there is none."""
        if name == "digits" or re.match(r"world(:|$)", name):
            return name
        folder = self._data / name if self._data else None
        if folder is None or not folder.is_dir() or not _inside(folder):
            raise RequestError(f"no data {name!r} here; put its folder into the server's --data DIR")
        return str(folder)

    def sources(self) -> list[str]:
        """The names of the data that are there."""
        if self._data is None or not self._data.is_dir():
            return list(BUILT_IN)
        folders = (f.name for f in self._data.iterdir() if re.match(NAME, f.name) and f.is_dir() and _inside(f))
        return [*BUILT_IN, *sorted(folders)]

    def called(self, source: str) -> str | None:
        """By which name a client asks for the data of a run; None where it cannot."""
        if source in BUILT_IN or source.startswith("world:"):
            return source
        path = Path(source).absolute()
        return path.name if path.parent == self._data and path.is_dir() else None

    def incoming(self, name: str) -> Path:
        """The folder for data that a client sends."""
        if self._data is None:
            raise RequestError("this server takes no data; start it with --data DIR")
        if name in BUILT_IN:
            raise RequestError(f"{name} is built in; give the data another name")
        return self._data / name

    def hidden(self, line: str) -> str:
        """What a child says, without our paths."""
        for folder in (self._runs, self._data):
            if folder is not None:
                line = line.replace(f"{folder}/", "").replace(str(folder), "")
        return line


def _inside(folder: Path) -> bool:
    """Whether it is really there, and no link that leads out."""
    return folder.resolve().parent == folder.parent.resolve()
