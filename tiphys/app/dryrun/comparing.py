"""What is expected, held against what happens.

An expectation is a list with an item for each arrival: a map of `SENSOR/TRIGGER` (with `[DEPENDENCY]` behind it where several
dependencies of the trigger listen to the event) to what becomes of the event there. That is an outcome alone (`filtered`), or a map of
`outcome`, `because` (part of the reason), `object` (all of it; `objects`, a list, where a source holds several; `request`, where it is
no object that is made) or `contains` (the part of it that matters), `warnings`, `error` (part of it). A request's item has `answer`, and
`keptBack` where the EventSource's filter lets nothing through. An arrival that makes several events has their maps in a list `events`.

What is not written is not asked for, but for this: a trigger that fires or fails, a request that is refused and an event that is kept back
must be written, or they are a difference.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tiphys.app.dryrun.outcomes import Act, Arrived, Came
from tiphys.app.dryrun.yaml_text import dump_yaml

__all__ = ["as_it_happens", "difference", "outcome_reason", "updated"]

_LOUD: Final = frozenset(("fired", "errored", "refused"))
_REFUSED: Final = 400
_PART_OF: Final = frozenset(("because", "error"))


# -- what happens, in the words of an expectation


def as_it_happens(arrived: Sequence[Arrived]) -> list[dict[str, Any]]:
    """A whole expectation that holds."""
    return [_item(one) for one in arrived]


def _item(arrived: Arrived) -> dict[str, Any]:
    item: dict[str, Any] = {}
    if arrived.answer is not None:
        item["answer"] = f"{arrived.answer[0]} {arrived.answer[1]}"
    if arrived.kept_back:
        item["keptBack"] = arrived.kept_back
    if len(arrived.events) == 1:
        return item | _of_event(arrived.events[0])
    return item | ({"events": [_of_event(one) for one in arrived.events]} if arrived.events else {})


def _of_event(came: Came) -> dict[str, Any]:
    verdicts = [one for one in came.explained["verdicts"] if one["sensor"]]
    listening = Counter((one["sensor"], one["trigger"]) for one in verdicts)
    acts: dict[tuple[str, str, str], list[Act]] = {}
    for act in came.acts:
        acts.setdefault((act.sensor, act.trigger, act.completed_by), []).append(act)
    found = {}
    for verdict in verdicts:
        place = verdict["sensor"], verdict["trigger"]
        name = "/".join(place) + (f"[{verdict['dependency']}]" if listening[place] > 1 else "")
        found[name] = _entry(verdict, acts.get((*place, verdict["dependency"]), []))
    return found


def _entry(verdict: Mapping[str, Any], acts: Sequence[Act]) -> dict[str, Any]:
    entry: dict[str, Any] = {"outcome": verdict["outcome"]}
    if verdict["outcome"] != "fired" and (reason := outcome_reason(verdict)):
        entry["because"] = reason
    entry |= _done([act for act in acts if not act.dlq])
    if instead := _done([act for act in acts if act.dlq]):
        entry["dlqTrigger"] = instead
    return entry


def _done(acts: Sequence[Act]) -> dict[str, Any]:
    """What firings would do, or why not."""
    entry: dict[str, Any] = {}
    made = [act for act in acts if not act.error]
    if len(made) == 1:
        entry["object" if made[0].is_object else "request"] = made[0].preview
    elif made:
        entry["objects"] = [act.preview for act in made]
    if failed := [act.error for act in acts if act.error]:
        entry["error"] = "; ".join(failed)
    if due := next((act.due for act in acts if act.due), ""):
        entry["due"] = due
    if warnings := [text for act in acts for text in act.warnings]:
        entry["warnings"] = warnings
    return entry


def outcome_reason(verdict: Mapping[str, Any]) -> str:
    """Why an event did not fire: what `explain` says, or the clauses that did not pass."""
    if verdict.get("why"):
        return str(verdict["why"])
    return "; ".join(_failed(verdict["filters"])) if "filters" in verdict else str(verdict.get("join", ""))


def _failed(finding: Mapping[str, Any]) -> Iterator[str]:
    if finding["judgement"] == "passed":
        return
    deeper = [text for child in finding["children"] for text in _failed(child)]
    if deeper:
        yield from deeper
        return
    found = f", found {finding['found']}" if finding["found"] else ""
    why = f" ({finding['why']})" if finding["why"] else ""
    yield f"{finding['asked']}: {finding['judgement']}{found}{why}"


# -- what was asked for


def difference(expected: Sequence[Any], arrived: Sequence[Arrived], name: str) -> str:
    """A unified diff from what is expected to what happens, empty if they agree; `name` is the expectation's file."""
    wanted, found = [], []
    happened = as_it_happens(arrived)
    for index in range(max(len(expected), len(happened))):
        asked = expected[index] if index < len(expected) else None
        got = happened[index] if index < len(happened) else None
        wanted.append(asked)
        found.append(_seen(asked, got) if isinstance(asked, Mapping) and got is not None else got)
    if wanted == found:
        return ""
    before, after = dump_yaml(wanted).splitlines(), dump_yaml(found).splitlines()
    return "\n".join(difflib.unified_diff(before, after, f"{name} (expected)", "what happens", lineterm="")) + "\n"


def _seen(asked: Mapping[str, Any], got: Mapping[str, Any]) -> dict[str, Any]:
    """What happens, as far as it was asked for or must be known."""
    seen = {}
    for name, wanted in asked.items():
        if name not in got:
            continue
        if name == "events" and isinstance(wanted, list):
            pairs = [(wanted[index] if index < len(wanted) else {}, one) for index, one in enumerate(got[name])]
            seen[name] = [_seen(part if isinstance(part, Mapping) else {}, one) for part, one in pairs]
        elif name == "answer":
            seen[name] = wanted if wanted in (got[name], int(got[name].split()[0])) else got[name]
        elif name == "keptBack":
            seen[name] = _part(wanted, got[name])
        else:
            seen[name] = _seen_entry(wanted, got[name])
    return seen | {name: value for name, value in got.items() if name not in asked and _must_be_known(name, value)}


def _must_be_known(name: str, value: Any) -> bool:
    if name == "answer":
        return int(value.split()[0]) >= _REFUSED
    return name in ("keptBack", "events") or value["outcome"] in _LOUD


def _seen_entry(wanted: Any, got: Mapping[str, Any]) -> Any:
    if not isinstance(wanted, Mapping):
        return got["outcome"] if "error" not in got or wanted != got["outcome"] else {"outcome": wanted, "error": got["error"]}
    seen: dict[str, Any] = {}
    for name, value in wanted.items():
        if name == "contains":
            previews = [got[kind] for kind in ("object", "request", "objects") if kind in got]
            if previews:
                seen[name] = overlap(value, previews[0])
        elif name in got:
            seen[name] = _part(value, got[name]) if name in _PART_OF else _ordered(value, got[name])
    if "outcome" not in wanted and got["outcome"] != "fired":
        seen["outcome"] = got["outcome"]
    if "error" in got and "error" not in wanted:
        seen["error"] = got["error"]
    return seen


def _part(wanted: Any, got: str) -> Any:
    return wanted if isinstance(wanted, str) and wanted in got else got


def overlap(asked: Any, got: Any) -> Any:
    """The part of `got` that `asked` speaks of: the same keys of maps, lists item by item."""
    if isinstance(asked, Mapping) and isinstance(got, Mapping):
        return {key: overlap(value, got[key]) for key, value in asked.items() if key in got}
    if isinstance(asked, list) and isinstance(got, list):
        return [overlap(asked[index] if index < len(asked) else None, one) for index, one in enumerate(got)]
    return got


def _ordered(asked: Any, got: Any) -> Any:
    """`got` with the keys of its maps in the order of `asked`, so that a diff shows nothing but differences."""
    if isinstance(asked, Mapping) and isinstance(got, Mapping):
        keys = [key for key in asked if key in got] + [key for key in got if key not in asked]
        return {key: _ordered(asked.get(key), got[key]) for key in keys}
    if isinstance(asked, list) and isinstance(got, list):
        return [_ordered(asked[index] if index < len(asked) else None, one) for index, one in enumerate(got)]
    return got


# -- writing it anew


def updated(expected: Sequence[Any] | None, arrived: Sequence[Arrived]) -> list[Any]:
    """An expectation that holds: what was asked for before in the form in which it was asked, what must be known beside it, and all of
    what nothing was asked about."""
    happened = as_it_happens(arrived)
    before = list(expected or [])
    return [_anew(before[index] if index < len(before) else None, got) for index, got in enumerate(happened)]


def _anew(asked: Any, got: Mapping[str, Any]) -> dict[str, Any]:
    known: Mapping[str, Any] = asked if isinstance(asked, Mapping) else {}
    fresh: dict[str, Any] = {}
    for name, value in got.items():
        if known and name not in known and not _must_be_known(name, value):
            continue
        if name == "events":
            parts = known.get(name)
            parts = parts if isinstance(parts, list) else []
            fresh[name] = [_anew(parts[index] if index < len(parts) else None, one) for index, one in enumerate(value)]
        elif name == "answer":
            status = int(value.split()[0])
            fresh[name] = status if known.get(name) == status else value
        elif name == "keptBack":
            fresh[name] = _part(known.get(name), value)
        else:
            fresh[name] = _anew_entry(known.get(name), value)
    return fresh


def _anew_entry(asked: Any, got: Mapping[str, Any]) -> Any:
    if asked == got["outcome"] and "error" not in got:
        return asked
    if isinstance(asked, Mapping):
        return _seen_entry(asked, got) or got["outcome"]
    whole = {name: value for name, value in got.items() if name != "because"}
    return whole if len(whole) > 1 else got["outcome"]
