"""What the dear functions of templates and expressions cost: they are paid for by what they are given, before they are called.

A step is about half a microsecond. That every call costs one, and what it is given and makes a little, is too little for functions that
look at each character or item by themselves, do cryptography, or compile a pattern. The numbers were measured over texts of 100,000
characters and lists of 10,000 items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

__all__ = ["PRICES", "Payer", "Price", "of_pattern", "weight"]


class Payer(Protocol):
    """One rendering or evaluation, and what it may still spend. Each of these raises the language's own error where that is too little."""

    def pay(self, steps: int) -> None:
        """For what is about to be done."""

    def pay_once(self, what: str, steps: int) -> None:
        """The same, but for what was paid for before."""

    def weigh(self, value: Any, bits: int) -> None:
        """For going over a list or map: a step for each item within it, one for each 2 to the `bits` characters."""


Price = Callable[[Payer, Sequence[Any]], None]
"""Pays for a call with these arguments."""

_NO_TEXT: Final = 30
_REPEATED: Final = re.compile(r"(?<=[{,])[0-9]{1,4}(?=[,}])")
_CLASS: Final = re.compile(r"\\[pP]|\(\?[a-zA-Z]*i")
_ALL: Final = ("FindAll", "ReplaceAll", "ReplaceAllLiteral", "Split")


def weight(value: Any, bits: int, most: int) -> int:
    """Items of a value, however deep, and its characters by 2 to the `bits`. Counts on while it is not more than `most`."""
    found, waiting = 0, [value]
    while waiting and found <= most:
        one = waiting.pop()
        kind = type(one)
        if kind is str:
            found += 1 + (len(one) >> bits)
        elif isinstance(one, dict):
            found += 1 + len(one)
            waiting += one.values()
        elif isinstance(one, list):
            found += 1
            waiting += one
        else:
            found += 1
    return found


def of_pattern(pattern: str) -> int:
    """Steps to compile a regular expression: 13 µs a character, and as often as one of Unicode's classes is repeated."""
    times = 1 + sum(map(int, _REPEATED.findall(pattern))) if _CLASS.search(pattern) else 1
    return len(pattern) * 26 * times


def _walking(bits: int) -> Price:
    """A step for each item of what it is given, however deep, and one for each 2 to the `bits` characters."""

    def pay(payer: Payer, values: Sequence[Any]) -> None:
        steps = 1
        for value in values:
            if isinstance(value, str):
                steps += len(value) >> bits
            elif isinstance(value, list | dict):
                payer.weigh(value, bits)
        payer.pay(steps)

    return pay


def _fixed(steps: int) -> Price:
    return lambda payer, _values: payer.pay(steps)


def _pattern(payer: Payer, values: Sequence[Any]) -> None:
    """A pattern is compiled once."""
    if isinstance(values[0], str):
        payer.pay_once(values[0], of_pattern(values[0]))


def _each_match(payer: Payer, values: Sequence[Any]) -> None:
    """That, and each match of perhaps every few characters."""
    _pattern(payer, values)
    if isinstance(values[1], str):
        payer.pay(len(values[1]) >> 2)


def _prices() -> dict[str, Price]:
    walking = {
        _NO_TEXT: "deepCopy mustDeepCopy deepEqual merge mustMerge mergeOverwrite mustMergeOverwrite uniq mustUniq has mustHas without "
        "mustWithout sortAlpha join toStrings dict compact mustCompact concat",
        5: "toString print println printf cat squote quote html js toJson mustToJson toRawJson mustToRawJson toPrettyJson mustToPrettyJson",
        8: "sha1sum sha256sum sha512sum adler32sum b64enc b64dec",
        4: "nospace initials regexQuoteMeta",
        3: "fromJson mustFromJson urlquery b32enc b32dec wrap",
        2: "wrapWith buildCustomCert genCAWithKey genSelfSignedCertWithKey genSignedCertWithKey",
    }
    found = {name: _walking(bits) for bits, names in walking.items() for name in names.split()}
    found |= {name: _fixed(16) for name in ("encryptAES", "decryptAES")}
    found |= {name: _fixed(400) for name in ("genPrivateKey", "genCA", "genSelfSignedCert", "genSignedCert")}
    for name, price in {"Match": _pattern, "Find": _pattern}.items() | dict.fromkeys(_ALL, _each_match).items():
        found[f"regex{name}"] = found[f"mustRegex{name}"] = price
    return found


PRICES: Final[Mapping[str, Price]] = _prices()
"""By the function's name; the others cost what every call does."""
