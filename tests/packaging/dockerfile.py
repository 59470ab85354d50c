"""The Dockerfile, read: its stages, their instructions, and what a builder would see of this folder."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name in capitals and the rest, without continuation lines."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return self.text.split()


@dataclass
class Stage:
    """A stage: what it is built on, and its instructions in order."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        return [one for one in self.instructions if one.name == name]


def read(text: str) -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first stage with their defaults, and the stages."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        instruction = Instruction(name.upper(), rest.strip())
        if instruction.name == "FROM":
            base, *alias = instruction.words
            stages.append(Stage(base, alias[1] if alias else ""))
        elif instruction.name == "ARG" and not stages:
            key, _, value = instruction.text.partition("=")
            arguments[key] = value
        else:
            stages[-1].instructions.append(instruction)
    return arguments, stages


def context() -> set[Path]:
    """Top-level entries and files that `.dockerignore` lets through. It is read as what it is: nothing, but for what `!` names."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*", "everything is left out first"
    return {ROOT / line[1:].rstrip("/") for line in lines if line.startswith("!")}


def copy(stage: Stage, target: Path) -> None:
    """Carry out a stage's COPY instructions from the context into `target`, as a builder does."""
    allowed = context()
    for instruction in stage.all("COPY"):
        *sources, place = [word for word in instruction.words if not word.startswith("--")]
        for source in sources:
            path = ROOT / source.rstrip("/")
            assert any(path == one or one in path.parents for one in allowed), f"{source} is not in the context"
            if path.is_dir():
                shutil.copytree(path, target / place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (target / place).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target / place / path.name)
