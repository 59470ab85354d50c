"""Values in the texts of errors: shown, so that one sees what is wrong, unless where they come from or go to speaks of a secret."""

from __future__ import annotations

import re
from typing import Final

from tiphys.errors import shorten

__all__ = ["show"]

_SECRET: Final = re.compile(
    r"auth(?!or)|authori[sz]ation|bearer|cookie|credential|passw|passphrase|pwd|secret|signature|token|(api|private|access)[-_]?key",
    re.IGNORECASE,
)


def show(value: str, *places: str) -> str:
    """`value` as in `shorten`; only its length if one of `places` (a path, a template, a name) says that it may be a secret."""
    if any(_SECRET.search(place) for place in places):
        return f"a value of {len(value)} characters, not shown since it may be secret,"
    return shorten(value)
