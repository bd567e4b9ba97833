"""The architecture holds: imports go one way, the public face is exact, and help is quick."""

from __future__ import annotations

import ast
import subprocess
import sys
import types
from pathlib import Path

import pytest

import huabi

ROOT = Path(huabi.__file__).parent
FORBIDDEN = {  # a folder or file, and what it never imports
    "nets": ("",),
    "families": ("trainer", "job", "checkpoint", "cli", "serve", "data", "drawing"),
    "external": ("families", "trainer", "job", "checkpoint", "cli", "data", "drawing"),
    "metrics": ("families", "trainer", "job", "cli"),
    "serve": ("families", "trainer", "job", "nets", "cli"),
    "data": ("families", "trainer", "job", "checkpoint", "cli", "nets"),
    "model.py": ("families", "trainer", "data", "checkpoint"),
    "trainer.py": ("families", "data", "checkpoint", "job", "cli"),
    "prompt.py": ("families", "trainer", "model", "checkpoint", "data", "cli"),
    "diffusion.py": ("families", "trainer", "nets", "model"),
    "sampling.py": ("families", "trainer", "nets", "model"),
}


def imports_of(path: Path) -> set[str]:
    """Modules of ours that a file imports, relative to the package: `families.gan`, `model`."""
    here = path.relative_to(ROOT).parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = list(here[: len(here) - node.level])
            if node.module:
                found.add(".".join([*base, node.module]))
            else:
                found |= {".".join([*base, alias.name]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("huabi"):
            found.add(node.module.removeprefix("huabi").lstrip("."))
    return found


@pytest.mark.parametrize("part", FORBIDDEN)
def test_imports_go_one_way(part: str) -> None:
    files = [ROOT / part] if part.endswith(".py") else sorted((ROOT / part).rglob("*.py"))
    assert files
    for file in files:
        for name in imports_of(file):
            if name.startswith(part):
                continue
            for bad in FORBIDDEN[part]:
                assert bad, f"{file.name} imports {name}: nets know nothing of ours"
                assert not f"{name}.".startswith(f"{bad}."), f"{file.name} imports {name}"


def test_nothing_posix_only_is_imported_at_the_top() -> None:
    posix = {"fcntl", "resource", "pwd", "grp", "termios"}
    for file in ROOT.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not posix & {name.split(".")[0] for name in names}, file.name


def test_nothing_reads_a_pickle_but_weights() -> None:
    for file in ROOT.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if file.name != "worker.py":  # which speaks with its own parent, through a pipe
            assert "import pickle" not in text
        if file.name != "weights.py":
            assert "torch.load(" not in text, file.name


def test_the_public_face_is_exact() -> None:
    assert sorted(huabi.__all__) == huabi.__all__
    for _ in range(2):  # a module of the same name would take the function's place once it is imported
        for name in huabi.__all__:
            assert not isinstance(getattr(huabi, name), types.ModuleType)
    assert not {p.stem for p in ROOT.glob("*.py")} & set(huabi.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = huabi.nothing
    assert (ROOT / "py.typed").exists()


HELP = "import sys; sys.argv = ['huabi', '--help']; import huabi.cli as c; c.main()"


@pytest.mark.parametrize("code", ["import huabi", "import huabi.prompt", HELP])
def test_importing_and_help_load_no_torch(code: str) -> None:
    check = f"import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr)); {code}"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "False"
