"""The functions of sprig 3.3.0 (`TxtFuncMap`), which Go templates and expressions call: https://masterminds.github.io/sprig/.

`FUNCTIONS` has each by its name, `REFUSED` the names of those that are not given, with the reasons in `REASONS`.

They do what sprig's do, to the letter, with these differences:

* nothing reads files, the network or the environment, and nothing takes long: what a function makes is bounded
  (`tiphys.languages.sprig.bounds`), and what makes RSA keys or stretches passwords at random is refused;
* a panic is an error;
* maps have an order, that of their keys; the local zone is UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Final

from tiphys.languages.golang.values import Function
from tiphys.languages.sprig import (
    cases,
    certificates,
    crypto,
    dates,
    defaults,
    dicts,
    encodings,
    kinds,
    lists,
    names,
    numbers,
    paths,
    regexes,
    semver,
    string_lists,
    strings,
    urls,
)
from tiphys.languages.sprig.bounds import MAX_CHARACTERS, MAX_ITEMS, MAX_TEXT

__all__ = ["FUNCTIONS", "MAX_CHARACTERS", "MAX_ITEMS", "MAX_TEXT", "REASONS", "REFUSED"]

_ENVIRONMENT: Final = "it would show the environment of a process that serves every tenant"
_NEW_KEY: Final = (
    "it makes an RSA key, which takes seconds of processor time; the function of the same name WithKey takes a key that is there"
)
_BCRYPT: Final = "a hash that is slow on purpose is not made on the way of an event"

REASONS: Final[Mapping[str, str]] = {
    "env": _ENVIRONMENT,
    "expandenv": _ENVIRONMENT,
    "getHostByName": "it would ask the network in the middle of a decision",
    "bcrypt": _BCRYPT,
    "htpasswd": _BCRYPT,
    "genCA": _NEW_KEY,
    "genSelfSignedCert": _NEW_KEY,
    "genSignedCert": _NEW_KEY,
}
"""Functions of sprig that are refused, and why."""

REFUSED: Final = frozenset(REASONS)

FUNCTIONS: Final[Mapping[str, Function]] = {
    function.name: function
    for function in chain.from_iterable(
        module.FUNCTIONS
        for module in (
            cases,
            certificates,
            crypto,
            dates,
            defaults,
            dicts,
            encodings,
            kinds,
            lists,
            names,
            numbers,
            paths,
            regexes,
            semver,
            string_lists,
            strings,
            urls,
        )
    )
}
"""The functions by their names."""
