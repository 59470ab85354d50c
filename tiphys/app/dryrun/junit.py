"""Results as JUnit's XML, in the form that GitLab, Jenkins and GitHub's actions read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tiphys.app.dryrun.suite import CaseResult

__all__ = ["junit"]

_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[CaseResult]) -> bytes:
    """One suite with a test case for each result."""
    counts = {
        "tests": str(len(results)),
        "failures": str(sum(1 for one in results if one.diff)),
        "errors": str(sum(1 for one in results if one.error)),
        "time": f"{sum(one.seconds for one in results):.3f}",
    }
    root = Element("testsuites", {"name": "tiphys test", **counts})
    suite = SubElement(root, "testsuite", {"name": "tiphys test", **counts, "skipped": "0"})
    for one in results:
        place = {"classname": _clean(str(one.file.parent)), "file": _clean(str(one.file)), "time": f"{one.seconds:.3f}"}
        case = SubElement(suite, "testcase", {"name": _clean(one.name), **place})
        if one.diff:
            SubElement(case, "failure", {"message": "what happens is not what is expected"}).text = _clean(one.diff)
        elif one.error:
            SubElement(case, "error", {"message": _clean(one.error.partition("\n")[0])}).text = _clean(one.error)
    indent(root)
    found: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return found + b"\n"


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
