"""Bytes as text where Go reads them: what is not UTF-8 becomes U+FFFD, one for each byte."""

from __future__ import annotations

__all__ = ["decoded"]


def decoded(data: bytes) -> str:
    """The text. `bytes.decode("utf-8", "replace")` would make one U+FFFD of several bytes."""
    found: list[str] = []
    while True:
        try:
            found.append(data.decode())
        except UnicodeDecodeError as error:
            found.append(data[: error.start].decode() + "\ufffd" * (error.end - error.start))
            data = data[error.end :]
        else:
            return "".join(found)
