"""The pages of the documentation, read for what can be checked: blocks, commands, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: the page, the line of its first line, its language and its text."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def pages() -> tuple[Path, ...]:
    return (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))


def blocks(language: str) -> Iterator[Block]:
    for page in pages():
        text = page.read_text()
        for found in _BLOCK.finditer(text):
            if found[1] == language:
                yield Block(page, text.count("\n", 0, found.start(2)) + 1, found[1], found[2])


@dataclass(frozen=True)
class Line:
    """A command of a console block with the output that stands below it, which may be empty."""

    where: str
    command: str
    output: tuple[str, ...]


def console_lines() -> Iterator[Line]:
    for block in blocks("console"):
        for number, part in enumerate(re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]):
            command, *output = part.splitlines()
            yield Line(f"{block} {number}", command, tuple(output))


def links(page: Path) -> Iterator[str]:
    """Targets of the links of a page, but not those in blocks."""
    for found in _LINK.finditer(_BLOCK.sub("", page.read_text())):
        yield found[1]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = _HEADING.findall(_BLOCK.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
