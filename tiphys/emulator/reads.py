"""Reading: one object, a list in pages, the start of a watch."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from tiphys.emulator.kinds import Kind
from tiphys.emulator.selectors import Predicate, compile_selectors
from tiphys.emulator.statuses import ApiError, Cause, bad_request, expired, invalid, not_found
from tiphys.emulator.store import Store, pages
from tiphys.emulator.tables import Shape, asked_shape, partial, renderer, table
from tiphys.emulator.verbs import Target
from tiphys.emulator.watches import Hub, Watch

__all__ = ["Reads", "is_true"]

_OPTIONS = Kind("meta.k8s.io", "v1", "listoptions", "ListOptions")

_TOO_OLD: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue "
    "parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token "
    "results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and "
    "now may show up in the list."
)


class _Token(NamedTuple):
    """A continue token: the revision of the list (-1: whatever is newest) and the key that the next page starts behind."""

    revision: int
    after: tuple[str, str]

    def __str__(self) -> str:
        text = orjson.dumps({"v": "meta.k8s.io/v1", "rv": self.revision, "start": "/".join(self.after)})
        return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _token(text: str) -> _Token:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        namespace, _, name = found["start"].rpartition("/")
        return _Token(int(found["rv"]), (namespace, name))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error


class Reads:
    """The verbs that change nothing."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store, self._hub = store, hub

    def get(self, target: Target, query: Mapping[str, str], accept: str) -> bytes:
        """GET of one object."""
        found = self._store.get(target.key)
        if found is None:
            raise not_found(target.kind, target.name)
        return renderer(target.kind, asked_shape(accept), query.get("includeObject", ""))(found.value)

    async def listing(self, target: Target, query: Mapping[str, str], accept: str) -> bytes:
        """GET of a collection: all of it, or a page of `limit` objects as of one revision."""
        kind = target.kind
        matches = compile_selectors(kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        limit = _number(query, "limit")
        at, after = self._snapshot(query, limit)
        values, last = await self._collect(target, at, after, matches, limit)
        meta: dict[str, Any] = {"resourceVersion": str(at)}
        if last is not None:
            meta["continue"] = str(_Token(at, last))
        return _show(kind, asked_shape(accept), values, meta, query.get("includeObject", ""))

    def watch(self, target: Target, query: Mapping[str, str], accept: str) -> Watch:
        """GET with `watch=true`. Raises `ApiError` for options that Kubernetes refuses before it starts a stream."""
        kind = target.kind
        if "sendInitialEvents" in query:
            text = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
            raise invalid(_OPTIONS, "", [Cause("sendInitialEvents", "FieldValueForbidden", f"Forbidden: {text}")])
        if query.get("resourceVersionMatch"):
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            raise invalid(_OPTIONS, "", [Cause("resourceVersionMatch", "FieldValueForbidden", f"Forbidden: {text}")])
        version = _number(query, "resourceVersion")
        return Watch(
            self._hub,
            self._store,
            kind,
            target.namespace or None,
            after=version or None,
            matches=compile_selectors(kind, query.get("labelSelector", ""), query.get("fieldSelector", "")),
            render=renderer(kind, asked_shape(accept), query.get("includeObject", "")),
            bookmarks=is_true(query.get("allowWatchBookmarks")),
            timeout=_number(query, "timeoutSeconds"),
        )

    def _snapshot(self, query: Mapping[str, str], limit: int) -> tuple[int, tuple[str, str]]:
        """The revision that a list shows, and the key behind which it starts. Raises `ApiError` 400, 410, 422 or 504."""
        version, match = _number(query, "resourceVersion"), query.get("resourceVersionMatch", "")
        now = self._store.revision
        if text := query.get("continue", ""):
            if version or match:
                raise bad_request("specifying resource version is not allowed when using continue")
            token = _token(text)
            at = now if token.revision < 0 else token.revision
            if at < self._store.compacted:
                raise expired(_TOO_OLD, str(_Token(-1, token.after)))
            return at, token.after
        if match and not query.get("resourceVersion"):
            cause = Cause(
                "resourceVersionMatch",
                "FieldValueForbidden",
                "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            )
            raise invalid(_OPTIONS, "", [cause])
        if version > now:
            text = f"Too large resource version: {version}, current: {now}"
            causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
            raise ApiError("Timeout", text, details={"causes": causes}, retry_after=1)
        if version and (match == "Exact" or (limit and not match)):
            if version < self._store.compacted:
                raise expired(f"The resourceVersion for the provided list is too old: {version} ({self._store.compacted})")
            return version, ("", "")
        return now, ("", "")

    async def _collect(
        self, target: Target, at: int, after: tuple[str, str], matches: Predicate | None, limit: int
    ) -> tuple[list[bytes], tuple[str, str] | None]:
        """Up to `limit` objects (0 is all), and the key of the last one where there are more behind it."""
        values: list[bytes] = []
        last = after
        size = min(limit + 1, 500) if limit and matches is None else 500
        for page in pages(self._store, target.kind.storage, target.namespace or None, at=at, after=after, size=size):
            if at < self._store.compacted:
                raise expired(f"The resourceVersion for the provided list is too old: {at} ({self._store.compacted})")
            for namespace, name, value in page:
                if matches is not None and not matches(orjson.loads(value)):
                    continue
                if limit and len(values) == limit:
                    return values, last
                values.append(value)
                last = (namespace, name)
            await asyncio.sleep(0)
        return values, None


def _show(kind: Kind, shape: Shape, values: list[bytes], meta: dict[str, Any], include: str) -> bytes:
    if shape == "table":
        return orjson.dumps(table(kind, [orjson.loads(value) for value in values], include, meta=meta))
    if shape == "metadata":
        items = [partial(orjson.loads(value)) for value in values]
        return orjson.dumps({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": items})
    render = renderer(kind, shape, include)
    head = orjson.dumps({"kind": kind.lists, "apiVersion": kind.api_version, "metadata": meta})[:-1]
    return head + b',"items":[' + b",".join(map(render, values)) + b"]}"


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    if not text.isascii() or not text.isdecimal():
        if name == "resourceVersion":
            raise bad_request(f'invalid resource version: strconv.ParseUint: parsing "{text}": invalid syntax')
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def is_true(text: str | None) -> bool:
    """A boolean query parameter as Go reads it: `true`, `1`; there but empty counts as true."""
    return text is not None and text.lower() not in {"0", "false", "f"}
