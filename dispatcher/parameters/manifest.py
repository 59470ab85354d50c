"""A parameter as a manifest has it. Its paths and templates are compiled when the manifest is read, and only run from then on."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from dispatcher.parameters.conversion import WANTED, ValueType, convert
from dispatcher.parameters.showing import show
from dispatcher.parameters.validation import Validation
from tiphys.errors import FaultKind, FieldError, PathError, TemplateError, shorten
from tiphys.languages import gjson, gotemplate, sjson
from tiphys.schema.model import Model, problem

__all__ = ["OnMissing", "PayloadParameter", "TriggerParameter", "TriggerParameterSource", "notices"]

OnMissing = Literal["error", "skip", "default"]

_LATER: Final = "the key or the default is used instead"


class Finder:
    """Where a source looks in one part of an event, the context or the data: `template` first, then `key`.

    `template_error` is set where there is a template that cannot be compiled, so that what comes after it is used.
    """

    __slots__ = ("key", "template", "template_error", "template_text")

    def __init__(self, key: str, template: str) -> None:
        self.key = gjson.compile(key) if key else None
        self.template_text = template
        self.template: gotemplate.Template | None = None
        self.template_error = ""
        if template:
            try:
                self.template = gotemplate.compile(template)
            except TemplateError as error:
                self.template_error = error.problem


class TriggerParameterSource(Model):
    """`src`: where a value comes from (reference 6.3).

    `dataKey` and `contextKey` are gjson paths, `dataTemplate` and `contextTemplate` Go templates over `.Input`; `value` is the default.
    If any of the data fields is set, the context fields have no meaning. Without any of the four it is the default, else the whole event.
    `useRawData` keeps the type of what a key finds; otherwise, and for a template or default, a string is written.

    `all` is ours: it looks in the list of all events of the dependency, oldest first, and not in the latest of them. The list has one where
    the dependency holds one (`hold`).
    """

    dependency_name: str
    context_key: str = ""
    context_template: str = ""
    data_key: str = ""
    data_template: str = ""
    value: str | None = None
    use_raw_data: bool = False
    all_: bool = Field(default=False, alias="all")
    _finder: Finder | None = PrivateAttr(default=None)

    @field_validator("dependency_name")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value:
            raise problem("is empty", "name one of the sensor's dependencies", kind=FaultKind.MISSING)
        return value

    @field_validator("data_key", "context_key")
    @classmethod
    def _is_path(cls, value: str) -> str:
        _check_path(value)
        return value

    @model_validator(mode="after")
    def _template_or_more(self) -> TriggerParameterSource:
        finder = self.finder
        if finder is not None and finder.template_error and finder.key is None and self.value is None:
            field = "dataTemplate" if self.from_data else "contextTemplate"
            raise problem(
                f"{field} cannot be compiled: {finder.template_error}", "correct it; there is neither a key nor a default"
            )
        return self

    def model_post_init(self, context: Any, /) -> None:
        """Compile what is looked for."""
        key, template = (self.data_key, self.data_template) if self.from_data else (self.context_key, self.context_template)
        self._finder = Finder(key, template) if key or template else None

    @property
    def from_data(self) -> bool:
        """Whether it looks in the data, and not in the context."""
        return bool(self.data_key or self.data_template)

    @property
    def finder(self) -> Finder | None:
        """What is looked for; `None` for the default or the whole event."""
        return self._finder


class Inadmissible(Exception):  # noqa: N818  it never leaves this package
    """A value that `type` or `validate` does not let through: `reason` as in `TriggerError`, the `fault` and the `remedy`."""

    def __init__(self, reason: str, fault: str, remedy: str) -> None:
        super().__init__(fault)
        self.reason, self.fault, self.remedy = reason, fault, remedy


class PayloadParameter(Model):
    """An entry of `payload`: a value and its place in the body. An empty `dest` makes the value the whole body.

    Extensions of ours: `type` converts the value before it is set, `validate` says which values are let through, and `onMissing` what to do
    where `src` finds nothing: `error`, `skip` (leave the place alone) or `default` (use `src.value`). Where it is written, `null` and a
    dependency without an event in the firing are nothing as well.
    """

    src: TriggerParameterSource
    dest: str = ""
    operation: Literal["", "append", "overwrite", "prepend"] = ""
    type: ValueType | None = None
    validation: Validation | None = Field(default=None, alias="validate")
    on_missing: OnMissing | None = None
    _place: sjson.Place | None = PrivateAttr(default=None)

    @field_validator("dest")
    @classmethod
    def _is_place(cls, value: str) -> str:
        _check_path(value)
        return value

    @model_validator(mode="after")
    def _agrees(self) -> PayloadParameter:
        default = self.src.value
        if self.on_missing == "default" and default is None:
            raise problem("has onMissing: default and no default", "add src.value", kind=FaultKind.MISSING)
        if self.on_missing in ("error", "skip") and default is not None:
            text = f"has onMissing: {self.on_missing} and a default (src.value)"
            raise problem(text, "leave out src.value, or write onMissing: default")
        if self.type not in (None, "string") and self.operation in ("append", "prepend"):
            raise problem(f"has type: {self.type}, and {self.operation} makes a text", "leave out one of them")
        flaw = self.validation.flaw(self.type) if self.validation is not None else None
        if flaw is None and default is not None:
            try:
                self.admit(gjson.Type.STRING, default.encode("utf-8", "surrogatepass"))
            except Inadmissible as error:
                flaw = f"src.value {error.fault}", "correct one of the two"
        if flaw is not None:
            raise problem(*flaw)
        return self

    def admit(self, kind: gjson.Type, value: bytes) -> tuple[gjson.Type, bytes]:
        """What was found, as `type` and `validate` let it through. Raises `Inadmissible`."""
        if self.type is not None:
            made = convert(kind, value, self.type)
            if made is None:
                text = f"{self._shown(value)} cannot be made {WANTED[self.type]} (type: {self.type})"
                raise Inadmissible("ParameterNotConverted", text, "correct the type, or filter such events out")
            kind, value = made
        if self.validation is not None and (complaint := self.validation.complaint(gjson.decode(value), self.type)):
            text = f"{self._shown(value)} {complaint}"
            raise Inadmissible("ParameterRefused", text, "filter such events out, or widen validate")
        return kind, value

    def _shown(self, value: bytes) -> str:
        src = self.src
        places = (src.data_key, src.data_template, src.context_key, src.context_template, self.dest)
        return show(gjson.decode(value), *places)

    def model_post_init(self, context: Any, /) -> None:
        """Compile the place."""
        self._place = sjson.compile(self.dest) if self.dest else None

    @property
    def place(self) -> sjson.Place | None:
        """`dest`, compiled; `None` if it is empty."""
        return self._place


class TriggerParameter(PayloadParameter):
    """A value, its place in the object (an sjson path), and what to do with what stands there: replace it (also where `operation` is
    empty), or `append` or `prepend` to its text."""

    @model_validator(mode="after")
    def _has_place(self) -> TriggerParameter:
        if not self.dest:
            raise problem("has no dest", "add dest, for example spec.arguments.parameters.0.value", kind=FaultKind.MISSING)
        return self


def _check_path(text: str) -> None:
    if not text:
        return
    try:
        flaw = sjson.compile(text).flaw
    except PathError as error:
        raise problem(error.problem, error.remedy) from error
    if flaw:
        raise problem(flaw, "close its brackets")


def notices(parameter: PayloadParameter, path: str) -> list[FieldError]:
    """What is allowed and hardly meant; `path` is the parameter's in the manifest. For `lint` and conditions."""
    src, found = parameter.src, []
    finder = src.finder
    if src.from_data and (src.context_key or src.context_template):
        name = "contextKey" if src.context_key else "contextTemplate"
        found.append(
            FieldError(
                f"{path}.src.{name}", "is ignored, since a data field is set", "leave one of them out", kind=FaultKind.IGNORED
            )
        )
    if src.use_raw_data and parameter.type is not None:
        text = f"has no effect beside type: {parameter.type}"
        found.append(FieldError(f"{path}.src.useRawData", text, "leave it out", kind=FaultKind.IGNORED))
    elif src.use_raw_data and (finder is None or finder.key is None):
        text = "has no effect: only what a key finds has a type, a template, a default and the whole event are text"
        found.append(FieldError(f"{path}.src.useRawData", text, "use dataKey, or leave it out", kind=FaultKind.IGNORED))
    if finder is not None and finder.template_error:
        name = "dataTemplate" if src.from_data else "contextTemplate"
        text = f"cannot be compiled ({finder.template_error}), so {_LATER}"
        found.append(
            FieldError(f"{path}.src.{name}", text, "correct it", shorten(finder.template_text), kind=FaultKind.BROKEN_TEMPLATE)
        )
    return found
