"""The XML that an object store answers, read without trust: no document type, no entities, bounded depth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

__all__ = ["Element", "XmlError", "parse"]

_DEPTH: Final = 32


class XmlError(ValueError):
    """Not XML, or XML that no object store writes."""


@dataclass(slots=True)
class Element:
    """An element by its local name, with its text and its children in order."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        """The children of that name."""
        return [child for child in self.children if child.name == name]

    def get(self, name: str) -> str:
        """The text of the first child of that name; empty if there is none."""
        return next((child.text for child in self.children if child.name == name), "")


def parse(document: bytes) -> Element:
    """The root element. Raises `XmlError`."""
    root = Element("")
    open_elements = [root]
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def start(name: str, _attributes: object) -> None:
        if len(open_elements) > _DEPTH:
            raise XmlError("it is nested too deeply")
        element = Element(name.rpartition(" ")[2])
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_name: str) -> None:
        open_elements.pop()

    def text(data: str) -> None:
        open_elements[-1].text += data

    def document_type(*_: object) -> None:
        raise XmlError("it has a document type")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = document_type
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise XmlError(str(error)) from error
    return root.children[0]
