"""Arguments of the short form: from the manifest's text to a value, with nothing missed on the way.

An argument is a template over the dependencies' data, a literal, or a value taken from one dependency's data at a path, with a default
and a pattern. The result is always text and is never read as YAML or as a template again. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from dispatcher.parameters.presets import Shape
from dispatcher.parameters.showing import show
from tiphys.bus.event import ALL, NOT_JSON, Event, every
from tiphys.errors import FaultKind, FieldError, LanguageError, PathError, PatternError, TemplateError, TriggerError, shorten
from tiphys.languages import gjson, gotemplate_strict
from tiphys.languages.gotemplate_names import field_name, mentioned, root_names
from tiphys.schema.model import Model, problem

__all__ = ["Argument", "ArgumentSpec", "ArgumentValue", "Scalar", "fixed_values"]

Scalar = str | int | float | bool


class ArgumentSpec(Model):
    """An argument written as a map: `value` as it is, or what stands at `path` (gjson) of dependency `from`, else `default`. With `all` the
    path is one into the list of the data of all its events, oldest first.

    `pattern` is one of `dispatcher.parameters.presets.PATTERNS` by name or a regular expression (RE2) that the whole value must match.
    """

    value: Scalar | None = None
    from_: str = Field(default="", alias="from")
    path: str = ""
    default: Scalar | None = None
    pattern: str = ""
    all_: bool = Field(default=False, alias="all")

    @model_validator(mode="after")
    def _one_way(self) -> ArgumentSpec:
        if (self.value is None) == (not self.from_):
            raise problem(
                "must have either value or from", "write {from: a-dependency, path: body.x} or {value: text}", FaultKind.MISSING
            )
        if self.from_ and not self.path:
            raise problem("has from, but no path", "add path, for example body.ref", kind=FaultKind.MISSING)
        if self.value is not None and (self.path or self.default is not None or self.all_):
            raise problem("has a value, so path, default and all have no meaning", "leave them out", kind=FaultKind.IGNORED)
        return self


def _shape(value: Any) -> str | None:
    if isinstance(value, Mapping | ArgumentSpec):
        return "[map]"
    return "[scalar]" if isinstance(value, Scalar) else None


ArgumentValue = Annotated[
    Annotated[Scalar, Tag("[scalar]")] | Annotated[ArgumentSpec, Tag("[map]")],
    Discriminator(
        _shape,
        custom_error_type="problem",
        custom_error_message="{text}",
        custom_error_context={
            "text": "must be a text, a number, true, false or a map",
            "remedy": "write text, or {from: a-dependency, path: body.x}",
        },
    ),
]
"""An argument as it stands in a manifest. (The tags are in brackets so that they do not show in the paths of errors.)"""


class Argument:
    """A compiled argument. `constant` is its value where no event can change it; `asks_all` says that its template wants the lists of all
    events."""

    __slots__ = (
        "_all",
        "_default",
        "_from",
        "_mentioned",
        "_path",
        "_pattern",
        "_shown_pattern",
        "_template",
        "asks_all",
        "constant",
        "name",
    )

    def __init__(self, name: str, spec: Scalar | ArgumentSpec) -> None:
        """Raises `LanguageError` for a template, path or pattern that does not compile."""
        self.name = name
        self.constant: str | None = None
        self._template: gotemplate_strict.StrictTemplate | None = None
        self._from = self._shown_pattern = ""
        self._mentioned: frozenset[str] = frozenset()
        self._path: gjson.Path | None = None
        self._default: str | None = None
        self._pattern: Shape | None = None
        self._all = self.asks_all = False
        if isinstance(spec, str) and "{{" in spec:
            self._template = gotemplate_strict.compile(spec)
            self._mentioned = frozenset(mentioned(spec))
            self.asks_all = ALL in self._mentioned
        elif isinstance(spec, ArgumentSpec):
            self._shown_pattern = spec.pattern
            self._pattern = Shape(spec.pattern) if spec.pattern else None
            self.constant = None if spec.value is None else text_of(spec.value)
            self._default = None if spec.default is None else text_of(spec.default)
            self._from, self._path, self._all = spec.from_, gjson.compile(spec.path), spec.all_
        else:
            self.constant = text_of(spec)

    @staticmethod
    def faults(name: str, spec: Scalar | ArgumentSpec, dependencies: frozenset[str], path: str) -> list[FieldError]:
        """What is wrong with it at load; `path` is that of the argument."""
        try:
            argument = Argument(name, spec)
        except LanguageError as error:
            where = (
                f"{path}.pattern" if isinstance(error, PatternError) else f"{path}.path" if isinstance(error, PathError) else path
            )
            return [FieldError(where, error.problem, error.remedy, shorten(error.text))]
        found = []
        for dependency, below in argument._dependencies():
            if dependency not in dependencies and dependency not in {field_name(known) for known in dependencies}:
                known = ", ".join(sorted(dependencies)) or "none"
                found.append(
                    FieldError(
                        f"{path}{below}",
                        "names no dependency of this sensor",
                        f"its dependencies are {known}",
                        repr(dependency),
                        kind=FaultKind.UNKNOWN_DEPENDENCY,
                    )
                )
        for key, fixed in (("value", argument.constant), ("default", argument._default)):
            if fixed is not None and not argument.allows(fixed):
                found.append(
                    FieldError(
                        f"{path}.{key}",
                        f"does not match the pattern {argument._shown_pattern}",
                        "correct one of the two",
                        repr(fixed),
                    )
                )
        return found

    def allows(self, value: str) -> bool:
        """Whether the pattern, if there is one, matches the whole value."""
        return self._pattern is None or self._pattern.allows(value)

    def value(self, events: Mapping[str, Event], root: Mapping[str, Any]) -> str:
        """The value for these events; `root` is `template_root(events)`, of all too where one of the arguments asks for it. Raises
        `TriggerError` with the argument's name."""
        if self.constant is not None:
            return self.constant
        if self._template is not None:
            return self._rendered(self._template, events, root)
        found = self._found(events)
        if found is None:
            if self._default is None:
                raise TriggerError(
                    "ArgumentMissing", f"argument {self.name!r}: there is no {self._place}; add a default or correct the path"
                )
            return self._default
        if not self.allows(found):
            shown = show(found, self.name, self._place)
            raise TriggerError(
                "ArgumentRefused",
                f"argument {self.name!r}: {shown}, which is the {self._place}, does not match the pattern {self._shown_pattern}; "
                "filter such events out, or widen the pattern",
            )
        return found

    @property
    def _place(self) -> str:
        where = "the list of all events" if self._all else "the event"
        return f"{self._path.text if self._path else ''} in {where} of dependency {self._from!r}"

    def _rendered(self, template: gotemplate_strict.StrictTemplate, events: Mapping[str, Event], root: Mapping[str, Any]) -> str:
        try:
            # a dependency without an event is null rather than unknown, so that {{ if .push }} can ask for it
            return template.render({**dict.fromkeys(self._mentioned), **root})
        except TemplateError as error:
            absent = [name for name, _ in self._dependencies() if name not in root]
            hint = f" (the event of {', '.join(absent)} is absent or not JSON)" if absent else ""
            raise TriggerError("ArgumentMissing", f"argument {self.name!r}: {error}{hint}") from error

    def found_json(self, events: Mapping[str, Event]) -> bytes | None:
        """What a `from` finds, as its JSON text with all its digits; `None` where nothing is there, and for what is no `from`. Raises
        `TriggerError`; the pattern is not asked."""
        found = self._result(events)
        return None if found is None else found.raw

    def _found(self, events: Mapping[str, Event]) -> str | None:
        found = self._result(events)
        return None if found is None else found.string

    def _result(self, events: Mapping[str, Event]) -> gjson.Result | None:
        event = events.get(self._from)
        if self._path is None or event is None or event.data is None or event.payload is NOT_JSON:
            return None
        if self._all:
            return self._found_in_list(self._path, events)
        try:
            result = self._path.get_from(event.payload, event.data)
        except PathError as error:
            raise TriggerError("ArgumentRefused", f"argument {self.name!r}: {error}") from error
        return result if result.exists and result.type is not gjson.Type.NULL else None

    def _found_in_list(self, path: gjson.Path, events: Mapping[str, Event]) -> gjson.Result | None:
        data = [b"null" if one.payload is NOT_JSON or one.data is None else one.data for one in every(events, self._from)]
        try:
            result = path.get(b"[%b]" % b",".join(data))
        except PathError as error:
            raise TriggerError("ArgumentRefused", f"argument {self.name!r}: {error}") from error
        return result if result.exists and result.type is not gjson.Type.NULL else None

    def _dependencies(self) -> list[tuple[str, str]]:
        """The dependencies that it names, each with the rest of the path to where; none where a template moves the dot."""
        if self._from:
            return [(self._from, ".from")]
        if self._template is None:
            return []
        return [(name, "") for name in root_names(self._template.text) if name != ALL]


def fixed_values(spec: Scalar | ArgumentSpec) -> list[str]:
    """The values of an argument that stand in the manifest: a literal, a default."""
    if isinstance(spec, ArgumentSpec):
        return [text_of(value) for value in (spec.value, spec.default) if value is not None]
    return [] if isinstance(spec, str) and "{{" in spec else [text_of(spec)]


def text_of(value: Scalar) -> str:
    """A manifest's scalar as an argument: `true`, `3`, `1.5`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
