"""Every error that Tiphys raises on purpose.

    TiphysError                      exit code 1
    ├── SettingsError                exit code 2   a flag, variable or settings file
    ├── ManifestError                exit code 3   a manifest, with the fields at fault
    ├── LanguageError                              a text in a small language
    │   ├── PathError  TemplateError  CronError  DurationError  ConditionError  PatternError  WireError
    │   │   ExpressionError  ScriptError
    │   │   └── ScriptsUnavailable                 no worker could run it now: it may at another time
    ├── StoreError                   exit code 4   the log or the ledger
    │   ├── StoreUnavailable                       full or read-only: refused now, may heal
    │   ├── StoreLocked                            another process has the data folder
    │   ├── StaleEpoch                             another engine took over: this one stops
    │   ├── StaleClaim                             the claim ran out or was resolved
    │   └── UnknownRecord                          no such event, firing or manifest
    ├── ClientError                  exit code 5   a server that we call
    │   ├── Unreachable                            no connection was made: nothing was done there
    │   │   └── NotAllowed                         the settings keep requests away from there
    │   ├── OutcomeUnknown                         cut off after the request left: it may have been done
    │   └── Refused                                the server answered, and the answer is no
    ├── SecretError                                a secret that is absent or cannot be read now
    ├── SourceError                                an event source that cannot listen
    └── TriggerError                               a firing that cannot be carried out as it stands

Constructors take data; the text is made here, once, so that every message names what is wrong, the value and the remedy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = [
    "ClientError",
    "ConditionError",
    "CronError",
    "DurationError",
    "ExpressionError",
    "FaultKind",
    "FieldError",
    "JsonError",
    "LanguageError",
    "ManifestError",
    "NotAllowed",
    "OutcomeUnknown",
    "PathError",
    "PatternError",
    "Refused",
    "ScriptError",
    "ScriptsUnavailable",
    "SecretError",
    "SettingsError",
    "SourceError",
    "StaleClaim",
    "StaleEpoch",
    "StoreError",
    "StoreLocked",
    "StoreUnavailable",
    "TemplateError",
    "TiphysError",
    "TriggerError",
    "UnknownRecord",
    "Unreachable",
    "WireError",
]

_SHOWN: Final = 120


def shorten(value: object) -> str:
    """`repr` of a value, cut to what fits in one line of a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


class TiphysError(Exception):
    """Root of the tree. `exit_code` is what the command line ends with."""

    exit_code: int = 1


class SettingsError(TiphysError):
    """A setting is wrong: `name` as the user wrote it, `problem`, and the `remedy`."""

    exit_code = 2

    def __init__(self, name: str, problem: str, remedy: str = "") -> None:
        super().__init__(f"{name}: {problem}" + (f"; {remedy}" if remedy else ""))
        self.name, self.problem, self.remedy = name, problem, remedy


class FaultKind(StrEnum):
    """What sort of thing is wrong with a manifest, or seldom meant. `tiphys lint` has one rule for each (`tiphys.app.rules`)."""

    UNREADABLE = "unreadable"
    UNKNOWN_FIELD = "unknown-field"
    MISSPELT_PROTECTION = "misspelt-protection"
    MISSING = "missing-field"
    WRONG_TYPE = "wrong-type"
    NOT_SUPPORTED = "not-supported"
    DUPLICATE_NAME = "duplicate-name"
    INVALID = "invalid-value"
    UNKNOWN_DEPENDENCY = "unknown-dependency"
    TEMPLATE_MISMATCH = "template-mismatch"
    SAME_OBJECT = "same-object"
    WRONG_PLACE = "wrong-place"
    SOURCE_MISMATCH = "source-mismatch"
    NO_SUCH_VALUE = "no-such-value"
    SAME_ROUTE = "same-route"
    NOT_EQUAL_TO_SEVERAL = "not-equal-to-several"
    ORDERED_STRINGS = "ordered-strings"
    IGNORED_COMPARATOR = "ignored-comparator"
    OR_DROPS_ON_ERROR = "or-drops-on-error"
    NEVER_TRUE = "never-true"
    IGNORED = "ignored-field"
    UNNAMED_VALUE = "unnamed-value"
    BROKEN_TEMPLATE = "broken-template"
    UNSEEN_WHILE_DOWN = "unseen-while-down"
    HOOK_INACTIVE = "hook-inactive"
    HELD_WITHOUT_END = "held-without-end"
    WHOLE_EVENT = "whole-event"
    UNUSABLE_BUS = "unusable-bus-setting"
    POINTLESS = "pointless"
    FIXED_NAME = "fixed-name"
    ABSENT_DEPENDENCY = "absent-dependency"
    REMARK = "remark"
    OPEN_ROUTE = "open-webhook"
    CODE_INJECTION = "code-injection"
    OPEN_CODE_INJECTION = "open-code-injection"
    CHOSEN_SOURCE = "chosen-source"
    UNPROTECTED = "unprotected-transport"
    HARMLESS = "removed-fields"
    EMBEDDED_BUS = "embedded-bus"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a manifest that is wrong.

    `path` is dotted with indices (`spec.triggers[0].template.name`); `where` is `file:line` or empty; `shown` is the value as
    it is printed, or empty where the field is missing; `kind` says which rule of `tiphys lint` it falls under.
    """

    path: str
    problem: str
    remedy: str = ""
    shown: str = ""
    where: str = ""
    kind: FaultKind = FaultKind.INVALID

    def __str__(self) -> str:
        head = f"{self.where}: " if self.where else ""
        value = f" (found {self.shown})" if self.shown else ""
        tail = f"; {self.remedy}" if self.remedy else ""
        return f"{head}{self.path}: {self.problem}{value}{tail}"


class ManifestError(TiphysError):
    """A manifest is refused. `errors` has every field at fault, in the order of the text; `notices` what is no fault and was found
    beside them."""

    exit_code = 3

    def __init__(self, errors: Sequence[FieldError], notices: Sequence[FieldError] = ()) -> None:
        self.errors = tuple(errors)
        self.notices = tuple(notices)
        super().__init__("\n".join(map(str, self.errors)))


class LanguageError(TiphysError):
    """A text in one of the small languages is wrong: `text`, `problem`, `remedy` and the `offset` where it is known."""

    language = "text"

    def __init__(self, text: str, problem: str, remedy: str = "", offset: int | None = None) -> None:
        at = f" at {offset}" if offset is not None else ""
        super().__init__(f"{self.language} {shorten(text)}{at}: {problem}" + (f"; {remedy}" if remedy else ""))
        self.text, self.problem, self.remedy, self.offset = text, problem, remedy, offset


class PathError(LanguageError):
    language = "path"


class TemplateError(LanguageError):
    language = "template"


class CronError(LanguageError):
    language = "schedule"


class DurationError(LanguageError):
    language = "duration"


class ConditionError(LanguageError):
    """The `conditions` of a trigger. `kind` is that of the fault in the manifest."""

    language = "conditions"

    def __init__(
        self, text: str, problem: str, remedy: str = "", offset: int | None = None, *, kind: FaultKind = FaultKind.INVALID
    ) -> None:
        super().__init__(text, problem, remedy, offset)
        self.kind = kind


class PatternError(LanguageError):
    language = "regular expression"


class ExpressionError(LanguageError):
    language = "expression"


class ScriptError(LanguageError):
    """A Lua script or a jq program. `killed`: it used more time, memory or output than it may, and its worker was replaced."""

    language = "script"

    def __init__(self, text: str, problem: str, remedy: str = "", offset: int | None = None, *, killed: bool = False) -> None:
        super().__init__(text, problem, remedy, offset)
        self.killed = killed


class ScriptsUnavailable(ScriptError):
    """No worker process could run the script: none starts, too many calls wait, or the service stops. Nothing of it has run."""


class JsonError(LanguageError):
    language = "JSON"


class WireError(LanguageError):
    language = "message"


class StoreError(TiphysError):
    """The log or the ledger could not do what was asked."""

    exit_code = 4


class StoreUnavailable(StoreError):
    """The store refuses writes now (disk full, read-only, over its bound). Nothing was written; try again after
    `retry_after` seconds."""

    def __init__(self, reason: str, retry_after: float = 5.0) -> None:
        super().__init__(f"the store takes no writes: {reason}; trying again every {retry_after:g} s, no restart is needed")
        self.reason, self.retry_after = reason, retry_after


class StoreLocked(StoreError):
    """Another process has the data folder open."""

    def __init__(self, folder: str, holder: str = "") -> None:
        by = f" by {holder}" if holder else ""
        super().__init__(f"the data folder {folder} is in use{by}; stop that process or choose another folder with --data")
        self.folder, self.holder = folder, holder


class StaleEpoch(StoreError):
    """This engine's epoch is no longer the ledger's: another engine has taken over, and this one must stop."""

    def __init__(self, mine: int, current: int) -> None:
        super().__init__(f"another engine owns the ledger (epoch {current}, mine is {mine}); this one stops")
        self.mine, self.current = mine, current


class StaleClaim(StoreError):
    """The claim on a firing ran out, or the firing was resolved by somebody else."""

    def __init__(self, firing: str) -> None:
        super().__init__(f"the claim on firing {firing} is no longer valid; its outcome was not recorded by this attempt")
        self.firing = firing


class UnknownRecord(StoreError):
    """There is no such record; `kind` is `event`, `firing`, `manifest` or `sensor`, `hint` what may help."""

    def __init__(self, kind: str, key: str, hint: str = "it may be older than the retention") -> None:
        super().__init__(f"there is no {kind} {key!r}; {hint}")
        self.kind, self.key, self.hint = kind, key, hint


class ClientError(TiphysError):
    """A server that we call. `target` names it (a URL or a host, never a secret)."""

    exit_code = 5

    def __init__(self, target: str, problem: str) -> None:
        super().__init__(f"{target}: {problem}")
        self.target, self.problem = target, problem


class Unreachable(ClientError):
    """No connection could be made, so nothing was done there."""


class NotAllowed(Unreachable):
    """The service's settings keep requests away from there, so that none was made."""


class OutcomeUnknown(ClientError):
    """The request left and no full answer came (time limit, reset, 5xx): it may or may not have been done."""


class Refused(ClientError):
    """The server answered with a refusal. `status` is its HTTP status, `reason` its machine-readable reason."""

    def __init__(self, target: str, status: int, reason: str, problem: str, retry_after: float | None = None) -> None:
        super().__init__(target, f"{status} {reason}: {problem}" if reason else f"{status}: {problem}")
        self.status, self.reason, self.retry_after = status, reason, retry_after


class SecretError(TiphysError):
    """A secret is absent (`known` is true: the answer is final until it changes) or cannot be read now."""

    def __init__(self, namespace: str, name: str, key: str, problem: str, *, known: bool) -> None:
        super().__init__(f"secret {namespace}/{name}, key {key}: {problem}")
        self.namespace, self.name, self.key, self.known = namespace, name, key, known


class SourceError(TiphysError):
    """An event source cannot listen. It is tried again with back-off; the text goes to the EventSource's status."""


class TriggerError(TiphysError):
    """A firing cannot be carried out. `transient` says whether waiting may help; `reason` is one CamelCase word."""

    def __init__(self, reason: str, problem: str, *, transient: bool = False) -> None:
        super().__init__(f"{reason}: {problem}")
        self.reason, self.problem, self.transient = reason, problem, transient
