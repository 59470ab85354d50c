"""From a source to a value: template, key, default, error, in that order (reference 6.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from dispatcher.parameters.manifest import Finder, Inadmissible, OnMissing, PayloadParameter, TriggerParameterSource
from tiphys.bus.event import NOT_JSON, Event, every
from tiphys.bus.wire import context_json, sensor_event_json
from tiphys.errors import PathError, TemplateError, TriggerError, WireError, shorten
from tiphys.languages import gjson, gotemplate
from tiphys.schema.yaml_events import YamlProblem, build

__all__ = ["Resolved", "Resolver", "resolve", "resolve_parameter"]

_JSON, _YAML = "application/json", "application/yaml"
_SHOWN_KEYS: Final = 12


@dataclass(frozen=True, slots=True)
class Resolved:
    """A value and its type. `value` is the text as bytes: of an object or array its JSON text, of a number its digits, of null `null`.

    It is `Type.STRING` for a default, for what a template yields and for the whole event.
    """

    type: gjson.Type
    value: bytes

    @property
    def text(self) -> str:
        """`value` decoded."""
        return gjson.decode(self.value)


class _Unusable(Exception):  # noqa: N818  it never leaves this module
    """An event's data cannot be looked into; the text says why."""


class Resolver:
    """Resolves the sources of one attempt: each event's context and decoded data is made once. `warnings` collects what was passed over."""

    def __init__(self, events: Mapping[str, Event], warnings: list[str] | None = None) -> None:
        self._events = events
        self._warnings = warnings
        self._texts: dict[tuple[str, bool, bool], bytes] = {}
        self._inputs: dict[tuple[str, bool, bool], Any] = {}

    def parameter(self, parameter: PayloadParameter, where: str = "") -> Resolved | None:
        """The value of a parameter, converted and validated; `None` where its place is left alone: as in `resolve`, and for
        `onMissing: skip`.

        Raises `TriggerError` as `resolve` does, and `ParameterNotConverted` and `ParameterRefused` for a value that `type` and `validate`
        do not let through. None of these heals by waiting.
        """
        found = self.resolve(parameter.src, where, parameter.on_missing)
        if found is None or (parameter.type is None and parameter.validation is None):
            return found
        try:
            return Resolved(*parameter.admit(found.type, found.value))
        except Inadmissible as error:
            name = parameter.src.dependency_name
            raise TriggerError(error.reason, f"{where}dependency {name}: {error.fault}; {error.remedy}") from error

    def resolve(self, src: TriggerParameterSource, where: str = "", on_missing: OnMissing | None = None) -> Resolved | None:
        """The value; `None` if the dependency has no event in this firing and there is no default. `where` begins the text of errors.

        Raises `TriggerError` where nothing is found (`ParameterNotFound`) or the data is not what it is said to be
        (`ParameterDataUnusable`), and there is no default. `on_missing` written: `null` is nothing as well; with `skip` it is `None` where
        it would be an error; with `error` it is one also where the dependency has no event.
        """
        skip = on_missing == "skip"
        event = self._events.get(src.dependency_name)
        finder = src.finder
        default = None if src.value is None else Resolved(gjson.Type.STRING, src.value.encode("utf-8", "surrogatepass"))
        if event is None:
            if on_missing == "error":
                why = f"dependency {src.dependency_name} has no event in this firing; make the condition need it, or write onMissing: skip"
                raise TriggerError("ParameterNotFound", f"{where}{why}")
            return default
        try:
            if finder is None:
                return default or Resolved(gjson.Type.STRING, self._whole(src, event))
            text = self._text(src, event)
        except (_Unusable, WireError) as error:
            if default is not None:
                self._warn(f"{where}dependency {src.dependency_name}: {error}; the default is used")
                return default
            if skip:
                self._warn(f"{where}dependency {src.dependency_name}: {error}; it is skipped (onMissing)")
                return None
            raise TriggerError("ParameterDataUnusable", f"{where}dependency {src.dependency_name}: {error}") from error
        found, why = self._find(src, finder, event, text, where, null=on_missing is None)
        if found is not None or default is not None or skip:
            return found or default
        raise TriggerError(
            "ParameterNotFound", f"{where}dependency {src.dependency_name}: {why}; correct it or add a default (value)"
        )

    def _find(
        self, src: TriggerParameterSource, finder: Finder, event: Event, text: bytes, where: str, *, null: bool
    ) -> tuple[Resolved | None, str]:
        """What template and key yield, or why they yield nothing. `null` says that a null is something."""
        reasons = []
        part = "data" if src.from_data else "context"
        if finder.template_text:
            rendered, why = self._render(src, finder, text)
            if rendered is not None:
                return rendered, ""
            reasons.append(f"{part}Template {shorten(finder.template_text)} {why}")
            if finder.key is not None or src.value is not None:
                self._warn(f"{where}dependency {src.dependency_name}: {reasons[0]}; what comes after it is used")
        if finder.key is not None:
            try:
                found = finder.key.get_from(event.payload, text) if text is event.data else finder.key.get(text)
            except PathError as error:
                raise TriggerError("ParameterNotFound", f"{where}dependency {src.dependency_name}: {error}") from error
            if found.exists and (null or found.type is not gjson.Type.NULL):
                kept = found.type in (gjson.Type.JSON, gjson.Type.NULL)
                return Resolved(found.type, found.raw if kept else found.utf8), ""
            nothing = "null" if found.exists else "nothing"
            reasons.append(f"there is {nothing} at {part}Key {finder.key.text!r}{self._around(src, finder.key.text, text)}")
        return None, ", and ".join(reasons)

    def _render(self, src: TriggerParameterSource, finder: Finder, text: bytes) -> tuple[Resolved | None, str]:
        if finder.template is None:
            return None, f"cannot be compiled: {finder.template_error}"
        try:
            rendered = finder.template.render(self._input(src, text))
        except (TemplateError, PathError) as error:
            return None, f"failed: {error.problem}"
        if rendered in ("", gotemplate.NO_VALUE):
            return None, "yields nothing" if not rendered else f"yields {gotemplate.NO_VALUE}"
        return Resolved(gjson.Type.STRING, rendered.encode("utf-8", "surrogatepass")), ""

    def _text(self, src: TriggerParameterSource, event: Event) -> bytes:
        """The JSON text to look into. Raises `_Unusable`, `WireError`."""
        at = src.dependency_name, src.from_data, src.all_
        if at not in self._texts:
            part = _data if src.from_data else context_json
            self._texts[at] = self._list(src, part) if src.all_ else part(event)
        return self._texts[at]

    def _whole(self, src: TriggerParameterSource, event: Event) -> bytes:
        return self._list(src, sensor_event_json) if src.all_ else sensor_event_json(event)

    def _list(self, src: TriggerParameterSource, part: Callable[[Event], bytes]) -> bytes:
        """The same of each event of a dependency, as a JSON array; numbers keep their digits."""
        return b"[%b]" % b",".join([part(one) for one in every(self._events, src.dependency_name)])

    def _input(self, src: TriggerParameterSource, text: bytes) -> Any:
        """That text decoded, as templates see it."""
        at = src.dependency_name, src.from_data, src.all_
        if at not in self._inputs:
            self._inputs[at] = gjson.parse(text).value
        return self._inputs[at]

    def _around(self, src: TriggerParameterSource, path: str, text: bytes) -> str:
        try:
            return _instead(path, self._input(src, text))
        except PathError as error:
            return f" (it {error.problem})"

    def _warn(self, text: str) -> None:
        if self._warnings is not None:
            self._warnings.append(text)


def resolve(src: TriggerParameterSource, events: Mapping[str, Event], warnings: list[str] | None = None) -> Resolved | None:
    """The value of one source. See `Resolver.resolve`."""
    return Resolver(events, warnings).resolve(src)


def resolve_parameter(
    parameter: PayloadParameter, events: Mapping[str, Event], where: str = "", warnings: list[str] | None = None
) -> Resolved | None:
    """The value of one parameter. See `Resolver.parameter`."""
    return Resolver(events, warnings).parameter(parameter, where)


def _data(event: Event) -> bytes:
    data = event.data
    if event.datacontenttype == _JSON:
        if data is None or (event.payload is NOT_JSON and not gjson.valid(data)):
            raise _Unusable("its data is no JSON")
        return data
    if event.datacontenttype == _YAML:
        return _yaml_as_json(data or b"")
    raise _Unusable(f"its data is {shorten(event.datacontenttype)}, and only {_JSON} and {_YAML} can be looked into")


def _yaml_as_json(data: bytes) -> bytes:
    """The first document, as JSON with sorted keys."""
    try:
        first = next(build(data.decode()), None)
        return orjson.dumps(first.value if first else None, option=orjson.OPT_SORT_KEYS)
    except YamlProblem as error:
        raise _Unusable(f"its data is no YAML: line {error.line}: {error.problem}") from error
    except (UnicodeDecodeError, orjson.JSONEncodeError) as error:
        raise _Unusable(f"its data is no YAML: {error}") from error


def _instead(path: str, value: Any) -> str:
    """What there is instead: the keys of the last object on the way that exists. Never a value."""
    way: list[str] = []
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            break
        way.append(key)
        value = value[key]
    name = ".".join(way) or "the top"
    if isinstance(value, dict):
        keys = [shorten(key)[1:-1] for key in list(value)[:_SHOWN_KEYS]]
        more = f" and {len(value) - _SHOWN_KEYS} more" if len(value) > _SHOWN_KEYS else ""
        return f" ({name} has {', '.join(keys)}{more})" if keys else f" ({name} is empty)"
    if isinstance(value, list):
        return f" ({name} is a list of {len(value)})"
    return f" ({name} is no object)"
