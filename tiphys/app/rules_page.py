"""The page of lint's rules: `python -m tiphys.app.rules_page > docs/lint.md`."""

from __future__ import annotations

import sys
from typing import Final

from tiphys.app.rules import RULES

__all__ = ["page"]

_HEAD: Final = """\
# Rules of tiphys lint

`tiphys lint PATH…` reads manifests without a cluster and says what the service would refuse, what argo-events accepts and then ignores or
fails at, and where text of an event could become a command. The files are taken as one installation: what a Sensor waits for is looked up
in the EventSources among them, arguments are held against the WorkflowTemplates, parameters are followed from the request to the script.
Where several files have an object of the name, the nearest counts: of the same namespace, file and folder. Nothing is said about what is
not among the files.

Each finding has a rule, `file:line`, a level and a remedy. An id never changes its meaning.

| `-o` | for |
|---|---|
| `text` | people: a line each, and the counts |
| `json` | programs: a list of `rule`, `name`, `level`, `path`, `text`, `remedy`, `file`, `line` |
| `github` | annotations of GitHub Actions, at the lines of a pull request |
| `sarif` | code scanning and editors (SARIF 2.1.0) |

| exit code | means |
|---|---|
| 0 | no error: warnings and information do not fail a build |
| 2 | a path that is not there, or a wrong option |
| 3 | at least one finding is an error |

What Tiphys adds to argo-events' manifests has rules as well:

| extension | page | what lint says of it |
|---|---|---|"""

_EXTENSIONS: Final = (
    (
        "`!`, `count`, `within`, `correlate`, `hold`",
        "[conditions](conditions.md)",
        "spans and keys where nothing is held (TIP206), what never holds (TIP205) or is held without end (TIP211), idle counts (TIP214)",
    ),
    (
        "`once`",
        "[once](once.md)",
        "a key of no dependency (TIP108), one that is the same for all (TIP107), a span shorter than a redelivery takes (TIP214)",
    ),
    (
        "`type`, `validate`, `onMissing`",
        "[parameters](parameters.md)",
        "a default that they refuse (TIP107), `onMissing: default` without one (TIP103), `useRawData` beside `type` (TIP206)",
    ),
    (
        "`filters.git`",
        "[filters](filters.md)",
        "full refs and patterns that cannot be read (TIP107), nothing asked (TIP103), `*` where names have a slash (TIP214)",
    ),
    (
        "`workflow` and its `arguments`",
        "[triggers](triggers.md)",
        "arguments that the template does not take (TIP109), names of no dependency (TIP108), text that becomes code (TIP302, TIP303)",
    ),
    (
        "`signature` and `dedupe` of a webhook",
        "[webhook](sources/webhook.md)",
        "no secret at all (TIP301), a misspelt one (TIP102), a header that all deliveries share (TIP205)",
    ),
    (
        "`filter` of an EventSource",
        "[filters of sources](sources/filters.md)",
        "expressions that cannot be read (TIP107), comparisons that surprise (TIP299)",
    ),
)


def page() -> str:
    """`docs/lint.md`."""
    lines = [_HEAD]
    lines += [f"| {extension} | {where} | {text} |" for extension, where, text in _EXTENSIONS]
    lines += ["", "| rule | name | level | |", "|---|---|---|---|"]
    lines += [f"| [{rule.id}](#{rule.id.lower()}-{rule.name}) | {rule.name} | {rule.level} | {rule.summary} |" for rule in RULES]
    for rule in RULES:
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


if __name__ == "__main__":
    sys.stdout.write(page())
