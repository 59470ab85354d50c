"""The rules of `tiphys lint`: an id that never changes its meaning, what it says, why, and what to do.

Each finding carries its kind from the line that makes it (`tiphys.errors.FaultKind`); there is one rule for each kind, and none without.
`docs/lint.md` is made from them (`tiphys.app.rules_page`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tiphys.app.notices import Level
from tiphys.errors import FaultKind

__all__ = ["BY_KIND", "RULES", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, of findings of one `kind`. `level` is that of most of them."""

    id: str
    kind: FaultKind
    level: Level
    summary: str
    why: str
    remedy: str

    @property
    def name(self) -> str:
        """Its name for people: `unknown-field`."""
        return self.kind.value

    @property
    def advice(self) -> str:
        """The remedy as it stands behind a finding's text."""
        return self.remedy[:1].lower() + self.remedy[1:].removesuffix(".")


RULES: Final = (
    Rule(
        "TIP100",
        FaultKind.UNREADABLE,
        "error",
        "The text is no YAML or JSON that could be an object.",
        "The document is not loaded at all; the other documents of the file are.",
        "Correct the text at this line.",
    ),
    Rule(
        "TIP101",
        FaultKind.UNKNOWN_FIELD,
        "error",
        "A field that nobody knows.",
        "It has no effect, here and in argo-events, which does not say so: a misspelt or misplaced filter lets everything pass.",
        "Correct the spelling or the place, or take it out.",
    ),
    Rule(
        "TIP102",
        FaultKind.MISSPELT_PROTECTION,
        "error",
        "A field that nobody knows looks as if it should protect.",
        "argo-events ignores it in silence and leaves the door open. Here the manifest is refused.",
        "Write the field that is meant, or take it out.",
    ),
    Rule(
        "TIP103",
        FaultKind.MISSING,
        "error",
        "A field that is needed is missing or empty.",
        "Without it there is nothing to do, or nothing to listen to.",
        "Add it.",
    ),
    Rule(
        "TIP104",
        FaultKind.WRONG_TYPE,
        "error",
        "A value is of the wrong type, or none of those that are allowed.",
        "The API server or argo-events refuses it too, or takes it for something else.",
        "Write a value of the type that the text names.",
    ),
    Rule(
        "TIP105",
        FaultKind.NOT_SUPPORTED,
        "error",
        "argo-events knows it, Tiphys does not yet.",
        "What were silently ignored would be worse than what is refused.",
        "Leave it out, or keep this manifest in argo-events for now.",
    ),
    Rule(
        "TIP106",
        FaultKind.DUPLICATE_NAME,
        "error",
        "A name stands twice where it must be one thing's.",
        "Only one of the two is used.",
        "Choose another name for one of them.",
    ),
    Rule(
        "TIP107",
        FaultKind.INVALID,
        "error",
        "A value that can never do what it is for.",
        "A pattern, path, expression, schedule or option that cannot be read fails for every event.",
        "Correct it as the text says.",
    ),
    Rule(
        "TIP108",
        FaultKind.UNKNOWN_DEPENDENCY,
        "error",
        "A dependency is named that the Sensor does not have.",
        "argo-events accepts it when it is loaded; the parameter then has no value, or the condition never holds.",
        "Name one of the Sensor's dependencies.",
    ),
    Rule(
        "TIP109",
        FaultKind.TEMPLATE_MISMATCH,
        "error",
        "Arguments and what the WorkflowTemplate declares do not agree.",
        "Argo Workflows accepts the Workflow and fails it later, or runs it without the argument.",
        "Give the arguments that the template declares.",
    ),
    Rule(
        "TIP110",
        FaultKind.SAME_OBJECT,
        "information",
        "Objects of the same kind, namespace and name stand in several files; one line for all of them.",
        "Overlays look so. Loaded together, one takes the place of the other.",
        "Load one of them at a time, or give one another name or namespace.",
    ),
    Rule(
        "TIP111",
        FaultKind.WRONG_PLACE,
        "error",
        "A parameter writes where the object has nothing.",
        "The value goes to a place that nobody reads, or past the end of a list, and the entry for it keeps its old value.",
        "Write the path of a place that the object has.",
    ),
    Rule(
        "TIP112",
        FaultKind.SOURCE_MISMATCH,
        "error",
        "A dependency names an event that the EventSource among the files does not have.",
        "No event ever comes, and nobody says so: argo-events does not look.",
        "Correct the name, or add the event to the EventSource.",
    ),
    Rule(
        "TIP113",
        FaultKind.NO_SUCH_VALUE,
        "error",
        "A path that the data of the event never has.",
        "argo-events drops the event with an error in its log, or fails each firing. Most often `body.` is missing before it.",
        "Write the path from the top of the event's data, as the source's page shows it.",
    ),
    Rule(
        "TIP114",
        FaultKind.SAME_ROUTE,
        "error",
        "Two events ask for the same port and path.",
        "Of two in one EventSource only one is reached, in argo-events as well. Several EventSources share a port here, where argo-events "
        "has a pod for each: the younger one is then served at `/NAMESPACE/EVENTSOURCE/EVENT` only.",
        "Give one of them another `endpoint`.",
    ),
    Rule(
        "TIP201",
        FaultKind.NOT_EQUAL_TO_SEVERAL,
        "warning",
        "A data filter compares with `!=` to several values.",
        "One value that differs is enough, so it holds for nearly every event (argo-events does the same).",
        "For texts write one expression, `^(a|b)$`; else one entry for each value.",
    ),
    Rule(
        "TIP202",
        FaultKind.ORDERED_STRINGS,
        "warning",
        "A data filter of `type: string` compares with `<`, `<=`, `>` or `>=`.",
        "It never holds, as in argo-events, so no event passes.",
        "Use `type: number`, or a regular expression with `=`.",
    ),
    Rule(
        "TIP203",
        FaultKind.IGNORED_COMPARATOR,
        "warning",
        "A data filter of `type: bool` has a comparator.",
        "It is ignored, as in argo-events: `!=` lets pass what `=` does.",
        "Write the other value, without a comparator.",
    ),
    Rule(
        "TIP204",
        FaultKind.OR_DROPS_ON_ERROR,
        "warning",
        "Filters of several kinds are joined by `or`, and one of them can err.",
        "A path that an event does not have is an error, and an error drops the event whatever the other filters say (argo-events too).",
        "Ask for paths that are always there, or put both into `exprs` with `exprLogicalOperator: or`.",
    ),
    Rule(
        "TIP205",
        FaultKind.NEVER_TRUE,
        "warning",
        "Something can never happen.",
        "A schedule without a date, a method that is always refused, an `or` over nothing: no event comes of it.",
        "Correct it, or take it out.",
    ),
    Rule(
        "TIP206",
        FaultKind.IGNORED,
        "warning",
        "A field that has no effect where it stands.",
        "Somebody wrote it because it should do something.",
        "Take it out, or the other field that makes it be ignored.",
    ),
    Rule(
        "TIP207",
        FaultKind.UNNAMED_VALUE,
        "warning",
        "An expression uses a name that no field gives.",
        "It is an error for each event that comes to ask for it.",
        "Add a field of this name.",
    ),
    Rule(
        "TIP208",
        FaultKind.BROKEN_TEMPLATE,
        "warning",
        "A template cannot be compiled, and something else stands in for it.",
        "The key or the default is used for every event.",
        "Correct the template, or take it out.",
    ),
    Rule(
        "TIP209",
        FaultKind.UNSEEN_WHILE_DOWN,
        "warning",
        "An event of a bucket that is seen only while the service listens.",
        "What happens while it is down is found by listing the bucket, which does not show this.",
        "Do not rely on it, or ask for events that a listing shows.",
    ),
    Rule(
        "TIP210",
        FaultKind.HOOK_INACTIVE,
        "warning",
        "A hook that is made switched off.",
        "`active` is false by default, and the other server calls no hook that is not active.",
        "Set `active: true`.",
    ),
    Rule(
        "TIP211",
        FaultKind.HELD_WITHOUT_END,
        "warning",
        "Events are held for a partner that may never come.",
        "An old event then fires together with a much later one, or they pile up.",
        "Add `within` or `conditionsReset`.",
    ),
    Rule(
        "TIP212",
        FaultKind.WHOLE_EVENT,
        "warning",
        "A parameter names no value of the event.",
        "Its value is then the whole event as JSON, the data in it as base64.",
        "Name what is meant with `dataKey`, `dataTemplate` or `contextKey`.",
    ),
    Rule(
        "TIP213",
        FaultKind.UNUSABLE_BUS,
        "warning",
        "A setting of an EventBus that argo-events accepts and then cannot use, or reads otherwise.",
        "Here nothing depends on it; in argo-events no event would pass.",
        "Correct it, if argo-events runs this EventBus too.",
    ),
    Rule(
        "TIP214",
        FaultKind.POINTLESS,
        "warning",
        "An extension of ours in a form that says no more than without it.",
        "Somebody wrote it because it should do something.",
        "Write what is meant, or take it out.",
    ),
    Rule(
        "TIP215",
        FaultKind.FIXED_NAME,
        "warning",
        "A trigger makes an object whose name is always the same.",
        "While the object of one firing is there, the next firing fails: the name is taken (argo-events: `AlreadyExists`).",
        "Use `generateName`, or set the name by a parameter; where one object is meant, `onConflict: skip` or `operation: update`.",
    ),
    Rule(
        "TIP216",
        FaultKind.ABSENT_DEPENDENCY,
        "warning",
        "A parameter of a dependency whose event a firing does not have, or need not have.",
        "The parameter is left out in silence; in a `payload` argo-events ends with a panic, and here the firing fails.",
        "Name the dependency in `conditions`, or give a default (`value`).",
    ),
    Rule(
        "TIP299",
        FaultKind.REMARK,
        "warning",
        "Something else that its owner should know.",
        "The text says what is done differently from what one may expect.",
        "See the text.",
    ),
    Rule(
        "TIP301",
        FaultKind.OPEN_ROUTE,
        "warning",
        "A route takes requests from anybody who can reach it.",
        "Whoever finds it can make events with any content.",
        "Set `authSecret`, or the secret of a signature.",
    ),
    Rule(
        "TIP302",
        FaultKind.CODE_INJECTION,
        "warning",
        "Text of an event becomes part of a script, of a shell's command or of a manifest.",
        "Argo Workflows puts parameters into the text before it is run, and no quoting holds: a branch called `$(…)` is run.",
        "Pass it as an environment variable and use that in quotes; or let only what you expect pass: `pattern` of an argument, or a data "
        "filter with `^…$` over the same path.",
    ),
    Rule(
        "TIP303",
        FaultKind.OPEN_CODE_INJECTION,
        "error",
        "As TIP302, and the text comes from a route that takes requests from anybody.",
        "Whoever can reach the route runs commands in the Workflow's pod, with its service account.",
        "Set `authSecret` or the secret of a signature, and pass the text as an environment variable.",
    ),
    Rule(
        "TIP304",
        FaultKind.CHOSEN_SOURCE,
        "warning",
        "An event sets where the object of a trigger is read from.",
        "Whoever sends the event chooses what is made in the cluster, and which server gets the credentials beside the address.",
        "Fix the address, and take no more than a branch or a commit from the event.",
    ),
    Rule(
        "TIP305",
        FaultKind.UNPROTECTED,
        "warning",
        "The object of a trigger, or its password or token, goes over a connection that anybody on the way can read and change.",
        "What the object says is made in the cluster, as the account of the Sensor; with a password others can do what the trigger may.",
        "Use https or SSH with the host's key.",
    ),
    Rule(
        "TIP401",
        FaultKind.HARMLESS,
        "information",
        "Fields without effect that do no harm, one line for each file.",
        "argo-events has dropped them, or they are about pods that are not made here.",
        "Take them out when you touch the file.",
    ),
    Rule(
        "TIP402",
        FaultKind.EMBEDDED_BUS,
        "information",
        "An EventBus that names servers.",
        "Tiphys keeps events in its own log: the servers are neither started nor connected to; EventSources and Sensors share the name.",
        "Nothing; or take the EventBus out when argo-events is gone.",
    ),
)

BY_KIND: Final = {rule.kind: rule for rule in RULES}
