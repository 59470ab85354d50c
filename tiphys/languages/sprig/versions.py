"""Semantic versions as `Masterminds/semver` 3.3 reads and compares them: `v1.2` is 1.2.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from tiphys.languages import regex
from tiphys.languages.golang.values import Function, GoError, Struct, Uint64

__all__ = ["Version", "compare_prereleases", "parse"]

_LABELS: Final = r"[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*"
_VERSION: Final = regex.compile(rf"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-({_LABELS}))?(?:\+({_LABELS}))?$")
_LONGEST: Final = 1_000
_LARGEST: Final = (1 << 64) - 1


@dataclass(frozen=True, eq=False)
class Version(Struct):
    """`*semver.Version`; `original` is the text that it was read from."""

    major: int
    minor: int
    patch: int
    prerelease: str
    metadata: str
    original: str

    go: ClassVar[str] = "*semver.Version"
    kind: ClassVar[str] = "ptr"
    methods: ClassVar[Mapping[str, Function]] = {}

    def __str__(self) -> str:
        """`1.2.3-rc.1+build`, without a `v`."""
        text = f"{self.major}.{self.minor}.{self.patch}"
        return text + (f"-{self.prerelease}" if self.prerelease else "") + (f"+{self.metadata}" if self.metadata else "")

    def __eq__(self, other: object) -> bool:
        """As `DeepEqual` has it: the original counts."""
        return isinstance(other, Version) and self.original == other.original and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self.original)

    def compare(self, other: Version) -> int:
        """-1, 0 or 1; metadata does not count, a prerelease comes before its release."""
        mine, theirs = (self.major, self.minor, self.patch), (other.major, other.minor, other.patch)
        if mine != theirs:
            return 1 if mine > theirs else -1
        if not self.prerelease or not other.prerelease:
            return bool(other.prerelease) - bool(self.prerelease)
        return compare_prereleases(self.prerelease, other.prerelease)


def parse(text: str) -> Version:
    """`NewVersion`. Raises `GoError`."""
    match = next(iter(_VERSION.finditer(text)), None) if len(text) <= _LONGEST and text.isascii() else None
    if match is None:
        raise GoError("Invalid Semantic Version")
    major, minor, patch = (int(digits or 0) for digits in match.groups()[:3])
    if max(major, minor, patch) > _LARGEST:
        raise GoError("Error parsing version segment: value out of range")
    prerelease, metadata = match.group(4) or "", match.group(5) or ""
    if any(len(label) > 1 and label[0] == "0" and label.isdigit() for label in prerelease.split(".")):
        raise GoError("Version segment starts with 0")
    return Version(major, minor, patch, prerelease, metadata, text)


def compare_prereleases(left: str, right: str) -> int:
    """Label by label: numbers by their size and before texts, texts by their bytes, and a label that is missing before all."""
    mine, theirs = left.split("."), right.split(".")
    for index in range(max(len(mine), len(theirs))):
        order = _compare_labels(mine[index] if index < len(mine) else "", theirs[index] if index < len(theirs) else "")
        if order:
            return order
    return 0


def _compare_labels(left: str, right: str) -> int:
    if left == right:
        return 0
    if not left or not right:
        return 1 if left else -1
    mine, theirs = _number(left), _number(right)
    if mine is None and theirs is None:
        return 1 if left > right else -1
    if mine is None or theirs is None:
        return 1 if mine is None else -1
    return 1 if mine > theirs else -1


def _number(label: str) -> int | None:
    if not label.isdigit():
        return None
    number = int(label)
    return number if number <= _LARGEST else None


def _compare(version: Version, other: Any) -> int:
    if not isinstance(other, Version):
        raise GoError(f"wrong type for value; expected *semver.Version; got {type(other).__name__}")
    return version.compare(other)


_OTHER: Final = ("*semver.Version",)

Version.methods = {
    function.name: function
    for function in (
        Function("Major", (), lambda version: Uint64(version.major), "uint64"),
        Function("Minor", (), lambda version: Uint64(version.minor), "uint64"),
        Function("Patch", (), lambda version: Uint64(version.patch), "uint64"),
        Function("Prerelease", (), lambda version: version.prerelease, "string"),
        Function("Metadata", (), lambda version: version.metadata, "string"),
        Function("Original", (), lambda version: version.original, "string"),
        Function("String", (), str, "string"),
        Function("Compare", _OTHER, _compare, "int"),
        Function("Equal", _OTHER, lambda version, other: _compare(version, other) == 0, "bool"),
        Function("LessThan", _OTHER, lambda version, other: _compare(version, other) < 0, "bool"),
        Function("LessThanEqual", _OTHER, lambda version, other: _compare(version, other) <= 0, "bool"),
        Function("GreaterThan", _OTHER, lambda version, other: _compare(version, other) > 0, "bool"),
        Function("GreaterThanEqual", _OTHER, lambda version, other: _compare(version, other) >= 0, "bool"),
    )
}
