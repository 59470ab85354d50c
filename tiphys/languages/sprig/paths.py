"""sprig's paths, those of Go's `path`; those of `filepath` are the same on Linux."""

from __future__ import annotations

from typing import Final

from tiphys.languages.golang.values import Function

__all__ = ["FUNCTIONS"]


def _clean(path: str) -> str:
    """`path.Clean`: no `.`, no `//`, no `..` but at the start of a relative path; `.` for nothing."""
    parts: list[str] = []
    rooted = path.startswith("/")
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            parts.append(part)
        elif parts and parts[-1] != "..":
            parts.pop()
        elif not rooted:
            parts.append(part)
    return ("/" if rooted else "") + "/".join(parts) or "."


def _base(path: str) -> str:
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def _dir(path: str) -> str:
    return _clean(path[: path.rfind("/") + 1])


def _ext(path: str) -> str:
    name = path[path.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot:] if dot >= 0 else ""


def _is_abs(path: str) -> bool:
    return path.startswith("/")


FUNCTIONS: Final = (
    Function("base", ("string",), _base, "string"),
    Function("dir", ("string",), _dir, "string"),
    Function("clean", ("string",), _clean, "string"),
    Function("ext", ("string",), _ext, "string"),
    Function("isAbs", ("string",), _is_abs, "bool"),
    Function("osBase", ("string",), _base, "string"),
    Function("osDir", ("string",), _dir, "string"),
    Function("osClean", ("string",), _clean, "string"),
    Function("osExt", ("string",), _ext, "string"),
    Function("osIsAbs", ("string",), _is_abs, "bool"),
)
