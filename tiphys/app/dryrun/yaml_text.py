"""YAML that people read and our own loader reads back as it was: texts over several lines as blocks, quotes where kubectl needs them."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from tiphys.schema.scalars import ScalarError, resolve

__all__ = ["dump_yaml"]

_WIDTH: Final = 120
_BREAKS: Final = re.compile("[\r\x85\u2028\u2029]")
"""What YAML takes for the end of a line, beside the usual one."""


class _Dumper(yaml.SafeDumper):
    """Anchors are nobody's friend in an expectation."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "'" if _means_something_else(value) else None
    if _BREAKS.search(value):
        style = '"'
    elif "\n" in value:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _means_something_else(value: str) -> bool:
    try:
        return resolve(value, tag=None, plain=True) != value
    except ScalarError:
        return True


_Dumper.add_representer(str, _text)


def dump_yaml(value: Any) -> str:
    """JSON-like values as a YAML document."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text.removesuffix("...\n")
