"""Does Argo Workflows accept a Workflow as a manifest would make it, and does it agree with its WorkflowTemplate? Pure.

Followed: `workflow/validate/validate.go` of Argo Workflows 4.0. The arguments of a Workflow stand before those of its template; an
argument that ends up without a value, and an entrypoint that is not there, end the Workflow before its first step. An argument that
nobody declares and nobody reads does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dispatcher.rehearsal import is_stand_in
from dispatcher.trigger import Declared, Notice, Templates
from dispatcher.workflowtemplates import kind_of
from tiphys.errors import FaultKind, shorten

__all__ = ["disagreements"]


def disagreements(
    workflow: Mapping[str, Any], namespace: str, templates: Templates | None, *, complete: bool = True
) -> Iterator[Notice]:
    """What is wrong with a Workflow whose parameters are stand-ins, with paths within it.

    `namespace` is where it is made if it names none. Not `complete`: it may get more arguments than can be seen here.
    """
    spec = workflow.get("spec")
    if workflow.get("kind") != "Workflow" or not isinstance(spec, Mapping):
        return
    arguments = spec.get("arguments")
    entries = arguments.get("parameters") if isinstance(arguments, Mapping) else ()
    entries = entries if isinstance(entries, list | tuple) else None
    if entries is None or any(value is not None and not isinstance(value, Mapping) for value in (arguments, *entries)):
        return  # set as a whole by an event, or null: the rehearsal says so
    yield from _nameless(entries)
    reference = spec.get("workflowTemplateRef")
    if isinstance(reference, Mapping):
        yield from _against(workflow, spec, entries, reference, namespace, templates, complete=complete)
    elif reference is None:
        yield from _empty(entries, frozenset())
        yield from _entrypoint(spec, _names(spec.get("templates")), "spec")


def _nameless(entries: Any) -> Iterator[Notice]:
    for index, entry in enumerate(entries):
        if entry is not None and not entry.get("name"):
            path = f"spec.arguments.parameters[{index}]"
            problem = (
                f"has no name: the object itself lists {index} arguments" if is_stand_in(entry.get("value")) else "has no name"
            )
            yield Notice(
                path, f"{problem}; add its name, or correct the number in the parameter's dest", FaultKind.WRONG_PLACE, fails=True
            )


def _empty(entries: Any, valued: frozenset[str]) -> Iterator[Notice]:
    """Arguments without a value. Those that are `valued` in the template hide it there."""
    for index, entry in enumerate(entries):
        if entry and entry.get("name") and entry.get("value") is None and not entry.get("valueFrom"):
            problem = f"{entry['name']} has no value and no parameter sets one"
            if entry["name"] in valued:
                problem += ", and the template's is hidden by it"
            remedy = f"add value, or a parameter with dest spec.arguments.parameters.{index}.value"
            path = f"spec.arguments.parameters[{index}]"
            yield Notice(path, f"{problem}; {remedy}", FaultKind.TEMPLATE_MISMATCH, fails=True)


def _against(
    workflow: Mapping[str, Any],
    spec: Mapping[str, Any],
    entries: Any,
    reference: Mapping[str, Any],
    namespace: str,
    templates: Templates | None,
    *,
    complete: bool,
) -> Iterator[Notice]:
    if spec.get("templates"):
        problem = "stand beside workflowTemplateRef, which Argo Workflows refuses"
        yield Notice("spec.templates", f"{problem}; keep one of them", FaultKind.TEMPLATE_MISMATCH, fails=True)
    metadata = workflow.get("metadata")
    space = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    space = space if isinstance(space, str) and space else namespace
    name, cluster_scope = reference.get("name"), reference.get("clusterScope") is True
    if templates is None or not isinstance(name, str) or is_stand_in(name) or is_stand_in(space):
        return
    declared = templates.declared(space, name, cluster_scope)
    if declared is None:
        yield from _empty(entries, frozenset())
        return
    title = f"{kind_of(cluster_scope)} {name}"
    yield from _empty(entries, frozenset(one.name for one in declared.parameters.values() if not one.required))
    given = {str(entry["name"]) for entry in entries if entry and entry.get("name")}
    if complete and not any(map(is_stand_in, given)):
        yield from _missing(declared, given, title)
    yield from _unread(declared, given, title)
    yield from _entrypoint({**spec, "entrypoint": spec.get("entrypoint") or declared.entrypoint}, declared.templates, title)


def _missing(declared: Declared, given: set[str], title: str) -> Iterator[Notice]:
    missing = [one.name for one in declared.parameters.values() if one.required and one.name not in given]
    if missing:
        problem = f"lack {', '.join(missing)}, which {title} requires"
        yield Notice("spec.arguments", f"{problem}; add them with their values", FaultKind.TEMPLATE_MISMATCH, fails=True)


def _unread(declared: Declared, given: set[str], title: str) -> Iterator[Notice]:
    """Arguments that do nothing. Templates of other WorkflowTemplates can read them too: then nothing is said, unless it is plain that
    they were meant to be declared."""
    unread = sorted(name for name in given - declared.parameters.keys() - declared.read if not is_stand_in(name))
    if not unread or (declared.calls_others and not declared.misplaced):
        return
    known = ", ".join(declared.parameters) or "none"
    problem = f"name {', '.join(unread)}, which {title} does not declare"
    remedy = f"it declares {known}"
    if declared.misplaced:
        remedy = f"it has spec.{declared.misplaced}, which Argo Workflows does not know: write spec.arguments.parameters there"
    yield Notice("spec.arguments", f"{problem}; {remedy}", FaultKind.TEMPLATE_MISMATCH, fails=bool(declared.misplaced))


def _entrypoint(spec: Mapping[str, Any], known: frozenset[str], title: str) -> Iterator[Notice]:
    entrypoint = spec.get("entrypoint")
    if is_stand_in(entrypoint) or not known:
        return
    if not entrypoint:
        problem, remedy = "has no entrypoint", f"write one of {', '.join(sorted(known))}"
        yield Notice("spec", f"{problem}; {remedy}", FaultKind.TEMPLATE_MISMATCH, fails=True)
    elif entrypoint not in known:
        where = "among its templates" if title == "spec" else f"of {title}"
        problem = f"{shorten(entrypoint)} is no template {where}"
        yield Notice("spec.entrypoint", f"{problem}; there are {', '.join(sorted(known))}", FaultKind.TEMPLATE_MISMATCH, fails=True)


def _names(templates: Any) -> frozenset[str]:
    entries = templates if isinstance(templates, list) else []
    names = [entry.get("name") for entry in entries if isinstance(entry, Mapping)]
    if any(is_stand_in(name) for name in names):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str))
