"""JSONPath as evilmonkeyinc/jsonpath 0.8.1 reads it, which argo-events gives to the filters of EventSources as `jsonpath(text, path)`.

`$.a.b[1]`, `$..name`, `$.list[0:2]`, `$.list[0,1]`, `$.list[?(@.price < 10)]`, `$.list[(@.length-1)]`. A path that finds nothing where it
must (a key, an index) is an error; wildcards, slices, unions and filters give a list of what they find.
https://github.com/evilmonkeyinc/jsonpath
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from tiphys.languages.golang.values import GoError
from tiphys.languages.jsonpath.purse import Purse, Spent
from tiphys.languages.jsonpath.selectors import parse
from tiphys.languages.jsonpath.steps import Step
from tiphys.languages.jsonpath.tokens import tokenize

__all__ = ["query"]


def query(path: str, value: Any) -> Any:
    """What `path` finds in decoded JSON. Raises `GoError` for a path that is none, that finds nothing, or that has too much to look at."""
    try:
        first, *rest = _compile(path)
        return first.apply(Purse(), value, value, rest)
    except Spent as error:
        raise GoError("jsonpath: the path has too much to look at") from error
    except RecursionError as error:
        raise GoError("jsonpath: nested too deeply") from error


@lru_cache(maxsize=256)
def _compile(path: str) -> list[Step]:
    purse = Purse()
    return [parse(token, purse) for token in tokenize(path)]
