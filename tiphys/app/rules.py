"""The rules of `tiphys lint`: an id that never changes its meaning, what it says, why, and what to do. `docs/lint.md` is made from them.

A fault or notice of the rooms is text; which rule it falls under is told by that text (`Rule.says`), so that the rooms need not know of
lint. What no rule claims is TIP107 (a fault) or TIP299 (a notice), never lost.

`python -m tiphys.app.rules > docs/lint.md` writes the page.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from typing import Final

from tiphys.app.admission import Level

__all__ = ["BY_ID", "RULES", "Rule", "page", "rule_for"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `level` is that of most of its findings; `says` are regular expressions for the texts of faults and notices that fall
    under it, searched in the order of `RULES`; empty: only lint itself makes such findings, or it is what is left."""

    id: str
    name: str
    level: Level
    summary: str
    why: str
    remedy: str
    says: str = ""

    @property
    def advice(self) -> str:
        """The remedy as it stands behind a finding's text."""
        return self.remedy[:1].lower() + self.remedy[1:].removesuffix(".")


RULES: Final = (
    Rule(
        "TIP100",
        "unreadable",
        "error",
        "The text is no YAML or JSON that could be an object.",
        "The document is not loaded at all; the other documents of the file are.",
        "Correct the text at this line.",
    ),
    Rule(
        "TIP102",
        "misspelt-protection",
        "error",
        "A field that nobody knows looks as if it should protect.",
        "argo-events ignores it in silence and leaves the door open. Here the manifest is refused.",
        "Write the field that is meant, or take it out.",
        r"looks as if it should protect",
    ),
    Rule(
        "TIP101",
        "unknown-field",
        "error",
        "A field that nobody knows.",
        "It has no effect, here and in argo-events, which does not say so: a misspelt or misplaced filter lets everything pass.",
        "Correct the spelling or the place, or take it out.",
        r"^is no field",
    ),
    Rule(
        "TIP109",
        "template-mismatch",
        "error",
        "Arguments and what the WorkflowTemplate declares do not agree.",
        "Argo Workflows accepts the Workflow and fails it later, or runs it without the argument.",
        "Give the arguments that the template declares.",
        r"is no argument of|is required by|is no template of|is missing, and \S+ has none|is none of the values",
    ),
    Rule(
        "TIP105",
        "not-supported",
        "error",
        "argo-events knows it, Tiphys does not yet.",
        "What were silently ignored would be worse than what is refused.",
        "Leave it out, or keep this manifest in argo-events for now.",
        r"(is|are) not supported",
    ),
    Rule(
        "TIP106",
        "duplicate-name",
        "error",
        "A name stands twice where it must be one thing's.",
        "Only one of the two is used.",
        "Choose another name for one of them.",
        r"is used twice|is the name of an event below|stands at .* in the same file",
    ),
    Rule(
        "TIP108",
        "unknown-dependency",
        "error",
        "A dependency is named that the Sensor does not have.",
        "argo-events accepts it when it is loaded; the parameter then has no value, or the condition never holds.",
        "Name one of the Sensor's dependencies.",
        r"names? no dependency|is of no dependency|is no dependency",
    ),
    Rule(
        "TIP103",
        "missing-field",
        "error",
        "A field that is needed is missing or empty.",
        "Without it there is nothing to do, or nothing to listen to.",
        "Add it.",
        r"^is missing|^is empty|^has no dest|says nothing of what to do|^names no ",
    ),
    Rule(
        "TIP104",
        "wrong-type",
        "error",
        "A value is of the wrong type, or none of those that are allowed.",
        "The API server or argo-events refuses it too, or takes it for something else.",
        "Write a value of the type that the text names.",
        r"^(must|should) be ",
    ),
    Rule(
        "TIP107",
        "invalid-value",
        "error",
        "A value that can never do what it is for.",
        "A pattern, path, expression, schedule or option that cannot be read fails for every event.",
        "Correct it as the text says.",
    ),
    Rule(
        "TIP110",
        "same-object",
        "warning",
        "The same kind, namespace and name stands in another file.",
        "Loaded together, one takes the place of the other.",
        "Load one of them, or give one another name or namespace.",
    ),
    Rule(
        "TIP201",
        "not-equal-to-several",
        "warning",
        "A data filter compares with `!=` to several values.",
        "One value that differs is enough, so it holds for nearly every event (argo-events does the same).",
        "For texts write one expression, `^(a|b)$`; else one entry for each value.",
        r"nearly always",
    ),
    Rule(
        "TIP202",
        "ordered-strings",
        "warning",
        "A data filter of `type: string` compares with `<`, `<=`, `>` or `>=`.",
        "It never holds, as in argo-events, so no event passes.",
        "Use `type: number`, or a regular expression with `=`.",
        r"never holds for strings",
    ),
    Rule(
        "TIP203",
        "ignored-comparator",
        "warning",
        "A data filter of `type: bool` has a comparator.",
        "It is ignored, as in argo-events: `!=` lets pass what `=` does.",
        "Write the other value, without a comparator.",
        r"is ignored for booleans",
    ),
    Rule(
        "TIP204",
        "or-drops-on-error",
        "warning",
        "Filters of several kinds are joined by `or`, and one of them can err.",
        "A path that an event does not have is an error, and an error drops the event whatever the other filters say (argo-events too).",
        "Ask for paths that are always there, or put both into `exprs` with `exprLogicalOperator: or`.",
        r"drops the event, whatever",
    ),
    Rule(
        "TIP205",
        "never-true",
        "warning",
        "Something can never happen.",
        "A schedule without a date, a method that is always refused, an `or` over nothing: no event comes of it.",
        "Correct it, or take it out.",
        r"never fires|is never true|every request is refused",
    ),
    Rule(
        "TIP207",
        "unnamed-value",
        "warning",
        "An expression uses a name that no field gives.",
        "It is an error for each event that comes to ask for it.",
        "Add a field of this name.",
        r"which no field gives",
    ),
    Rule(
        "TIP208",
        "broken-template",
        "warning",
        "A template cannot be compiled, and something else stands in for it.",
        "The key or the default is used for every event.",
        "Correct the template, or take it out.",
        r"cannot be compiled \(",
    ),
    Rule(
        "TIP209",
        "unseen-while-down",
        "warning",
        "An event of a bucket that is seen only while the service listens.",
        "What happens while it is down is found by listing the bucket, which does not show this.",
        "Do not rely on it, or ask for events that a listing shows.",
        r"only while the listen stream lives",
    ),
    Rule(
        "TIP210",
        "hook-not-created",
        "warning",
        "A hook that argo-events would create at the other server.",
        "It has to be there before events come.",
        "Create it there, with the same secret.",
        r"hooks are not created",
    ),
    Rule(
        "TIP211",
        "held-without-end",
        "warning",
        "Events are held for a partner that may never come.",
        "An old event then fires together with a much later one, or they pile up.",
        "Add `within` or `conditionsReset`.",
        r"keeps events",
    ),
    Rule(
        "TIP206",
        "ignored-field",
        "warning",
        "A field that has no effect where it stands.",
        "Somebody wrote it because it should do something.",
        "Take it out, or the other field that makes it be ignored.",
        r"has no effect|ignored|is not sent",
    ),
    Rule(
        "TIP301",
        "open-webhook",
        "warning",
        "A route takes requests from anybody who can reach it.",
        "Whoever finds it can make events with any content.",
        "Set `authSecret`, or the secret of a signature.",
        r"takes requests from anybody",
    ),
    Rule(
        "TIP302",
        "code-injection",
        "warning",
        "Text of an event becomes part of a script, of a shell's command or of a manifest.",
        "Argo Workflows puts parameters into the text before it is run, and no quoting holds: a branch called `$(…)` is run.",
        "Pass it as an environment variable and use that in quotes; or let only what you expect pass: `pattern` of an argument, or a data "
        "filter with `^…$` over the same path.",
    ),
    Rule(
        "TIP303",
        "open-code-injection",
        "error",
        "As TIP302, and the text comes from a route that takes requests from anybody.",
        "Whoever can reach the route runs commands in the Workflow's pod, with its service account.",
        "Set `authSecret` or the secret of a signature, and pass the text as an environment variable.",
    ),
    Rule(
        "TIP299",
        "remark",
        "warning",
        "Something else that its owner should know.",
        "The text says what is done differently from what one may expect.",
        "See the text.",
    ),
    Rule(
        "TIP401",
        "removed-fields",
        "information",
        "Fields without effect that do no harm, one line for each file.",
        "argo-events has dropped them, or they are about pods that are not made here.",
        "Take them out when you touch the file.",
    ),
)

BY_ID: Final = {rule.id: rule for rule in RULES}
_LEFT: Final = {"error": "TIP107", "warning": "TIP299", "information": "TIP299"}


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], Rule], ...]:
    return tuple((re.compile(rule.says), rule) for rule in RULES if rule.says)


def rule_for(level: Level, text: str) -> Rule:
    """The rule that a fault or notice with this text falls under."""
    for pattern, rule in _patterns():
        if pattern.search(text):
            return rule
    return BY_ID[_LEFT[level]]


def page() -> str:
    """`docs/lint.md`."""
    rules = sorted(RULES, key=lambda rule: rule.id)
    lines = [_HEAD]
    lines += [f"| [{rule.id}](#{rule.id.lower()}-{rule.name}) | {rule.name} | {rule.level} | {rule.summary} |" for rule in rules]
    for rule in rules:
        lines += [
            "",
            f"## {rule.id} {rule.name}",
            "",
            f"*{rule.level}.* {rule.summary}",
            "",
            rule.why,
            "",
            f"**Remedy.** {rule.remedy}",
        ]
    return "\n".join(lines) + "\n"


_HEAD: Final = """\
# Rules of tiphys lint

`tiphys lint PATH…` reads manifests without a cluster and says what the service would refuse, what argo-events accepts and then ignores or
fails at, and where text of an event could become a command. The files are taken as one installation: arguments are held against the
WorkflowTemplates among them, parameters followed from the EventSource to the script.

Each finding has a rule, `file:line`, a level and a remedy. `-o text` is for people, `-o json` for programs, and `-o github` writes
annotations for GitHub Actions. The exit code is 3 if there is an error, else 0: warnings and information do not fail a build.

| rule | name | level | |
|---|---|---|---|"""

if __name__ == "__main__":
    sys.stdout.write(page())
