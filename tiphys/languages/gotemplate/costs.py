"""What the dear functions of a template cost: they are paid for by what they are given, before they are called.

A step is about half a microsecond. A call costs one, and what it is given and makes a little (`Run.called`); that is too little for
functions that look at each character or item by themselves, do cryptography, or compile a pattern. The numbers were measured over texts of
100,000 characters and lists of 10,000 items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tiphys.languages.gotemplate.execution import Run

__all__ = ["PRICES", "Price"]

Price = Callable[[Run, Sequence[Any]], None]
"""Pays for a call with these arguments. Raises `LimitError`."""

_NO_TEXT: Final = 30
_REPEATED: Final = re.compile(r"(?<=[{,])[0-9]{1,4}(?=[,}])")
_CLASS: Final = re.compile(r"\\[pP]|\(\?[a-zA-Z]*i")
_ALL: Final = ("FindAll", "ReplaceAll", "ReplaceAllLiteral", "Split")


def _walking(bits: int) -> Price:
    """A step for each item of what it is given, however deep, and one for each 2 to the `bits` characters."""

    def pay(run: Run, values: Sequence[Any]) -> None:
        steps = 1
        for value in values:
            if isinstance(value, str):
                steps += len(value) >> bits
            elif isinstance(value, list | dict):
                run.weigh(value, bits)
        run.pay(steps)

    return pay


def _fixed(steps: int) -> Price:
    return lambda run, _values: run.pay(steps)


def _pattern(run: Run, values: Sequence[Any]) -> None:
    """Compiling costs 13 µs a character, and as often as one of Unicode's classes is repeated; a pattern is compiled once."""
    pattern = values[0]
    if isinstance(pattern, str):
        times = 1 + sum(map(int, _REPEATED.findall(pattern))) if _CLASS.search(pattern) else 1
        run.pay_once(pattern, len(pattern) * 26 * times)


def _each_match(run: Run, values: Sequence[Any]) -> None:
    """That, and each match of perhaps every few characters."""
    _pattern(run, values)
    if isinstance(values[1], str):
        run.pay(len(values[1]) >> 2)


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
