"""sprig's `semver` and `semverCompare`, with the constraints of `Masterminds/semver` 3.3 (`^1.2`, `~1.2.3`, `1.x || >=2.1 <3`, `1 - 2`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tiphys.languages import regex
from tiphys.languages.golang.values import Function, GoError
from tiphys.languages.sprig import versions
from tiphys.languages.sprig.bounds import well_formed
from tiphys.languages.sprig.versions import Version

__all__ = ["FUNCTIONS"]

_LONGEST: Final = 1_000
_LABELS: Final = r"[0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*"
_PART: Final = r"[0-9|x|X|\*]+"
_OPERATORS: Final = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^"
_WILD: Final = rf"v?(?:{_PART})(?:\.{_PART})?(?:\.{_PART})?(?:-{_LABELS})?(?:\+{_LABELS})?"
_RANGE: Final = regex.compile(rf"\s*({_WILD})\s+-\s+({_WILD})\s*")
_EACH: Final = regex.compile(rf"(?:{_OPERATORS})\s*{_WILD}")
_VALID: Final = regex.compile(rf"^(?:\s*(?:{_OPERATORS})\s*{_WILD}\s*)(?:(?:\s+|,\s*)(?:{_OPERATORS})\s*{_WILD}\s*)*$")
_ONE: Final = regex.compile(
    rf"^\s*({_OPERATORS})\s*(v?({_PART})(\.{_PART})?(\.{_PART})?(-{_LABELS})?(\+{_LABELS})?)\s*$",
)
_X: Final = ("x", "X", "*", "")


@dataclass(frozen=True, slots=True)
class _Constraint:
    """One comparison. `dirty` where a part of the version is a wildcard or missing, `minor_dirty` and `patch_dirty` which."""

    operator: str
    version: Version
    dirty: bool = False
    minor_dirty: bool = False
    patch_dirty: bool = False

    def holds(self, version: Version) -> bool:
        """Whether a version meets it."""
        return _CHECKS[self.operator](version, self)


@lru_cache(maxsize=512)
def _parse(text: str) -> tuple[tuple[_Constraint, ...], ...]:
    """Any of the tuples, and in it all. Raises `GoError`."""
    if len(text) > _LONGEST:
        raise GoError(f"a constraint of {len(text):,} characters; at most {_LONGEST:,} are read")
    text = well_formed(text)
    for match in list(_RANGE.finditer(text)):
        text = text.replace(match.group(), f">= {match.group(1)}, <= {match.group(2)} ", 1)
    return tuple(_all_of(part) for part in text.split("||"))


def _all_of(text: str) -> tuple[_Constraint, ...]:
    if not _VALID.search(text):
        raise GoError(f"improper constraint: {text}")
    return tuple(_one(match.group()) for match in _EACH.finditer(text))


def _one(text: str) -> _Constraint:
    match = next(iter(_ONE.finditer(text)), None)
    if match is None:
        raise GoError(f"improper constraint: {text}")
    operator, written, major, minor, patch, prerelease = (match.group(number) or "" for number in range(1, 7))
    if major in _X:
        return _Constraint(operator, _version("0.0.0" + prerelease), dirty=True)
    if minor.removeprefix(".") in _X:
        return _Constraint(operator, _version(f"{major}.0.0{prerelease}"), dirty=True, minor_dirty=True)
    if patch.removeprefix(".") in _X:
        return _Constraint(operator, _version(f"{major}{minor}.0{prerelease}"), dirty=True, patch_dirty=True)
    return _Constraint(operator, _version(written))


def _version(text: str) -> Version:
    try:
        return versions.parse(text)
    except GoError as error:
        raise GoError("constraint Parser Error") from error


def _unasked(version: Version, constraint: _Constraint) -> bool:
    """A prerelease is only for a constraint that names one."""
    return bool(version.prerelease) and not constraint.version.prerelease


def _not_equal(version: Version, constraint: _Constraint) -> bool:
    wanted = constraint.version
    if constraint.dirty:
        if _unasked(version, constraint):
            return False
        if wanted.major != version.major:
            return True
        if wanted.minor != version.minor and not constraint.minor_dirty:
            return True
        if constraint.minor_dirty:
            return False
        if wanted.patch != version.patch and not constraint.patch_dirty:
            return True
        if constraint.patch_dirty:
            return bool(version.prerelease or wanted.prerelease) and bool(
                versions.compare_prereleases(version.prerelease, wanted.prerelease)
            )
    return version.compare(wanted) != 0


def _greater(version: Version, constraint: _Constraint) -> bool:
    wanted = constraint.version
    if _unasked(version, constraint):
        return False
    if constraint.dirty and version.major != wanted.major:
        return version.major > wanted.major
    if constraint.minor_dirty:
        return False
    if constraint.patch_dirty:
        return version.minor > wanted.minor
    return version.compare(wanted) > 0


def _less(version: Version, constraint: _Constraint) -> bool:
    return not _unasked(version, constraint) and version.compare(constraint.version) < 0


def _greater_or_equal(version: Version, constraint: _Constraint) -> bool:
    return not _unasked(version, constraint) and version.compare(constraint.version) >= 0


def _less_or_equal(version: Version, constraint: _Constraint) -> bool:
    wanted = constraint.version
    if _unasked(version, constraint):
        return False
    if not constraint.dirty:
        return version.compare(wanted) <= 0
    if version.major != wanted.major:
        return version.major < wanted.major
    return version.minor <= wanted.minor or constraint.minor_dirty


def _tilde(version: Version, constraint: _Constraint) -> bool:
    wanted = constraint.version
    if _unasked(version, constraint) or version.compare(wanted) < 0:
        return False
    if not (wanted.major or wanted.minor or wanted.patch or constraint.minor_dirty or constraint.patch_dirty):
        return True  # `~0.0.0` and `*` mean any
    return version.major == wanted.major and (version.minor == wanted.minor or constraint.minor_dirty)


def _tilde_or_equal(version: Version, constraint: _Constraint) -> bool:
    if constraint.dirty:
        return _tilde(version, constraint)
    return not _unasked(version, constraint) and version.compare(constraint.version) == 0


def _caret(version: Version, constraint: _Constraint) -> bool:
    wanted = constraint.version
    if _unasked(version, constraint) or version.compare(wanted) < 0 or version.major != wanted.major:
        return False
    if wanted.major or constraint.minor_dirty:
        return True
    if wanted.minor or constraint.patch_dirty:
        return version.minor == wanted.minor
    return not version.minor and version.patch == wanted.patch


_CHECKS: Final[Mapping[str, Callable[[Version, _Constraint], bool]]] = {
    "": _tilde_or_equal,
    "=": _tilde_or_equal,
    "!=": _not_equal,
    ">": _greater,
    "<": _less,
    ">=": _greater_or_equal,
    "=>": _greater_or_equal,
    "<=": _less_or_equal,
    "=<": _less_or_equal,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}


def _semver_compare(constraint: str, version: str) -> bool:
    either = _parse(constraint)
    found = versions.parse(version)
    return any(all(each.holds(found) for each in every) for every in either)


FUNCTIONS: Final = (
    Function("semver", ("string",), versions.parse, "*semver.Version"),
    Function("semverCompare", ("string", "string"), _semver_compare, "bool"),
)
