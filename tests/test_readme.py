"""Every command and every program in the READMEs runs, word by word; only what would take minutes is made short."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from conftest import TINY, write_pictures
from huabi.cli import app

ROOT = Path(__file__).parent.parent
READMES = ["README.md", "README.zh.md"]
PAGES = [*READMES, "bench/README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


def commands(name: str) -> list[list[str]]:
    lines = [line for block in blocks(name, "sh") for line in block.splitlines()]
    lines += re.findall(r"`((?:torchrun|huabi (?:doctor|--help))[^`]*)`", (ROOT / name).read_text(encoding="utf-8"))
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def run(words: list[str], folder: Path) -> None:
    if words[0] == "torchrun":
        words = [sys.executable, "-m", "torch.distributed.run", *words[1:]]
    elif words[0] == "huabi":
        words = [sys.executable, "-m", "huabi", *words[1:]]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr}"


def short(words: list[str]) -> list[str]:
    """A training of two steps of a tiny net instead of minutes, and a few pictures to measure."""
    if "compare" in words:
        return [*words, "--families", "vae", "--size", "8", "--n", "8", "--budget", "1s"]
    if "evaluate" in words:
        return [*words, "--n", "8"]
    if "train" not in words:
        return words
    tiny = TINY[words[words.index("train") + 1]]
    words = [*words, *(part for key, value in tiny.items() for part in ("--set", f"{key}={value}")), "--size", "8"]
    if "--budget" in words:
        at = words.index("--budget")
        words[at : at + 2] = ["--steps", "2"]
    else:
        words += ["--steps", "2"]
    return words


def test_the_commands_run(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos")
    found = commands("README.md")  # those in Chinese are the same, see below
    assert len(found) >= 8
    for words in found:
        if words[0] == "make":
            run(["make", "--dry-run", *words[1:]], ROOT)
        else:
            if words[0] == "torchrun":
                words = [word.replace("runs/photos", "runs/two") for word in words]
            run(short(words), tmp_path)
    assert (tmp_path / "new.png").exists()
    assert (tmp_path / "same.png").read_bytes() == (tmp_path / "seven.png").read_bytes()


@pytest.mark.parametrize("name", READMES)
def test_the_programs_run(name: str, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    programs = blocks(name, "python")
    assert programs
    for program in programs:
        quick = program.replace("steps=200", "steps=2").replace("(data, 64, seed=0), 20)", "(data, 8, seed=0), 2)")
        (tmp_path / "program.py").write_text(quick, encoding="utf-8")
        run([sys.executable, "program.py"], tmp_path)


def said(text: str) -> list[tuple[str, bool]]:
    """Commands of Huabi in a text, and whether one stands on a line of its own."""
    lines = [(line, True) for line in re.findall(r"^(?: {4})?(huabi .*)$", text, re.MULTILINE)]
    return lines + [(line, False) for line in re.findall(r"`(huabi [^`]+)`", text)]


@pytest.mark.parametrize("name", PAGES)
def test_what_is_said_can_be_typed(name: str) -> None:
    """Each command's options and arguments are known to it; what stands for itself, or in a README, is whole."""
    group: Any = typer.main.get_command(app)
    wrong = []
    for line, alone in said((ROOT / name).read_text(encoding="utf-8")):
        words = shlex.split(line, comments=True)
        if "..." in line or len(words) < 3:
            continue
        try:
            group.commands[words[1]].make_context(words[1], words[2:])
        except Exception as error:
            lacks = type(error).__name__ in ("MissingParameter", "BadOptionUsage")
            if alone or name in READMES or not lacks:
                wrong.append(f"{line}: {error}")
    assert not wrong


def test_both_languages_say_the_same() -> None:
    assert commands("README.md") == commands("README.zh.md")
    assert set(blocks("README.zh.md", "python")) <= set(blocks("README.md", "python"))


@pytest.mark.parametrize("name", PAGES)
def test_links_and_pictures_are_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / name).parent / target).exists(), target
