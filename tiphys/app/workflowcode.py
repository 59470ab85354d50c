"""Which parameters of a Workflow become code: part of a script, of what a shell runs, or of a manifest. Pure; any shape is survived."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tiphys.schema.loader import Document

__all__ = ["Owner", "direct", "exposed"]

_NAMED: Final = r"(inputs|workflow)\.parameters(?:\.([\w-]+)|\[['\"]([^'\"]+)['\"]\])"
_REFERENCE: Final = re.compile(rf"\{{\{{\s*{_NAMED}\s*\}}\}}")
_EXPRESSION: Final = re.compile(r"\{\{=(.*?)\}\}", re.DOTALL)
_IN_EXPRESSION: Final = re.compile(_NAMED)
_CLEANING: Final = re.compile(
    r"\b(?:asInt|asFloat|int64|float64|atoi|len|b64enc|b32enc|sha\d+sum|adler32sum|toJson|quote|squote|regex\w+|matches)\b|==|!=|[<>]"
)
_ITEM: Final = re.compile(r"\{\{=?\s*item\b")
_SHELL: Final = re.compile(r"(?:.*/)?(?:sh|bash|ash|dash|zsh|ksh)\Z")
_SHELL_FLAG: Final = re.compile(r"-[a-zA-Z]*c[a-zA-Z]*\Z")
_INTERPRETER: Final = re.compile(r"(?:.*/)?(?:python[\d.]*|node|perl|ruby)\Z")


@dataclass(frozen=True, slots=True)
class Owner:
    """What has templates: the `spec` of a Workflow or WorkflowTemplate, its namespace, what to call it, and its text (`None`: the
    Workflow stands in a Sensor)."""

    spec: Mapping[str, Any]
    namespace: str
    title: str
    document: Document | None


class _Template(NamedTuple):
    owner: Owner
    place: int
    body: Mapping[str, Any]


class _Call(NamedTuple):
    """A step or task: what it calls, and its arguments."""

    callee: int
    arguments: Mapping[str, str]


def exposed(owner: Owner, entrypoint: str, namespace: str, known: Mapping[tuple[str, str], Owner]) -> dict[str, str]:
    """The workflow's parameters that become code once its `entrypoint` runs (empty: the one of its spec), each with the place.

    `known` are WorkflowTemplates by namespace and name (cluster-wide ones under an empty namespace). Parameters with an `enum` are left
    out: Argo Workflows holds a value to it.
    """
    reading = _Reading(namespace, known)
    start = entrypoint or str(owner.spec.get("entrypoint") or "")
    first = reading.enter(owner, start)
    reading.enter(owner, str(owner.spec.get("onExit") or ""))
    found = reading.settle()
    if first is not None:
        for name, place in reading.inputs[first].items():
            found.setdefault(name, place)
    held = {
        str(one.get("name"))
        for one in map(_map, _list(_map(owner.spec.get("arguments")).get("parameters")))
        if _list(one.get("enum"))
    }
    return {name: place for name, place in found.items() if name not in held}


class _Reading:
    """The templates that a run can come to, and their parameters that become code."""

    def __init__(self, namespace: str, known: Mapping[tuple[str, str], Owner]) -> None:
        self._namespace, self._known = namespace, known
        self._numbers: dict[tuple[int, int], int] = {}
        self._calls: list[list[_Call]] = []
        self.inputs: list[dict[str, str]] = []
        self._workflow: dict[str, str] = {}

    def enter(self, owner: Owner, name: str) -> int | None:
        """Read a template and all that it calls; its number, or `None` if there is none of this name."""
        waiting: list[_Template] = []
        first = self._number(owner, name, waiting)
        while waiting:
            template = waiting.pop()
            number = self._numbers[id(template.owner.spec), template.place]
            for kind, parameter, place in _code(template):
                (self.inputs[number] if kind == "inputs" else self._workflow).setdefault(parameter, place)
            for step in _steps(template.body):
                self._call(number, template.owner, step, waiting)
        return first

    def settle(self) -> dict[str, str]:
        """Carry what becomes code from the called to the callers; returns the workflow's parameters."""
        changed = True
        while changed:
            changed = False
            for number, calls in enumerate(self._calls):
                for call in calls:
                    for name, place in list(self.inputs[call.callee].items()):
                        for kind, parameter in _references(call.arguments.get(name, "")):
                            known = self.inputs[number] if kind == "inputs" else self._workflow
                            if parameter not in known:
                                known[parameter] = place
                                changed = True
        return self._workflow

    def _number(self, owner: Owner, name: str, waiting: list[_Template]) -> int | None:
        for index, body in enumerate(_list(owner.spec.get("templates"))):
            if name and _map(body).get("name") == name:
                return self._add(_Template(owner, index, _map(body)), waiting)
        return None

    def _add(self, template: _Template, waiting: list[_Template]) -> int:
        key = (id(template.owner.spec), template.place)
        if key not in self._numbers:
            self._numbers[key] = len(self._calls)
            self._calls.append([])
            self.inputs.append({})
            waiting.append(template)
        return self._numbers[key]

    def _call(self, number: int, owner: Owner, step: Mapping[str, Any], waiting: list[_Template]) -> None:
        reference = _map(step.get("templateRef"))
        if reference:
            space = "" if reference.get("clusterScope") is True else self._namespace
            other = self._known.get((space, str(reference.get("name"))))
            callee = self._number(other, str(reference.get("template")), waiting) if other else None
        else:
            callee = self._number(owner, str(step.get("template") or ""), waiting)
        if callee is None:
            return
        given = map(_map, _list(_map(step.get("arguments")).get("parameters")))
        items = step.get("withParam")
        texts = {str(one.get("name")): str(one.get("value", "")) for one in given}
        if isinstance(items, str):
            texts = {name: f"{text} {items}" if _ITEM.search(text) else text for name, text in texts.items()}
        self._calls[number].append(_Call(callee, texts))


def _steps(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for group in _list(body.get("steps")):
        yield from map(_map, group if isinstance(group, list) else [group])
    yield from map(_map, _list(_map(body.get("dag")).get("tasks")))


def _code(template: _Template) -> Iterator[tuple[str, str, str]]:
    """The references in code of a template: what kind, the parameter, and the place for people."""
    for path, text in _texts(template.body):
        for kind, parameter in _references(text):
            owner = template.owner
            name = str(template.body.get("name"))
            where = f" ({owner.document.where(f'spec.templates[{template.place}].{path}')})" if owner.document else ""
            yield kind, parameter, f"{path} of template {name} of {owner.title}{where}"


def _texts(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    script, manifest = _map(body.get("script")).get("source"), _map(body.get("resource")).get("manifest")
    if isinstance(script, str):
        yield "script.source", script
    if isinstance(manifest, str):
        yield "resource.manifest", manifest
    containers = [("container", body.get("container"))]
    for path in ("initContainers", "sidecars"):
        containers += [(f"{path}[{index}]", one) for index, one in enumerate(_list(body.get(path)))]
    several = _list(_map(body.get("containerSet")).get("containers"))
    containers += [(f"containerSet.containers[{index}]", one) for index, one in enumerate(several)]
    for path, container in containers:
        for key, index, text in _commands(_map(container)):
            yield f"{path}.{key}[{index}]", text


def _commands(container: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """The words of a container's command line that an interpreter runs: key, index, text."""
    words = [(key, index, word) for key in ("command", "args") for index, word in enumerate(map(str, _list(container.get(key))))]
    for number, (_, _, word) in enumerate(words):
        if _SHELL.match(word):
            flag = _SHELL_FLAG
        elif _INTERPRETER.match(word):
            flag = re.compile(r"-c\Z" if "python" in word else r"-e\Z")
        else:
            continue
        place = number + 1
        seen = False
        while place < len(words) and words[place][2].startswith(("-", "+")):
            option = words[place][2]
            seen = seen or bool(flag.match(option))
            place += 2 if option in ("-o", "+o", "-O") or (flag is _SHELL_FLAG and re.match(r"-[a-zA-Z]*o\Z", option)) else 1
        if seen and place < len(words):
            yield words[place]
        return


def _references(text: str) -> list[tuple[str, str]]:
    """The parameters that a text takes as they are; of an expression, those that nothing in it may have made harmless."""
    found = [(kind, name or quoted) for kind, name, quoted in _REFERENCE.findall(text)]
    for expression in _EXPRESSION.findall(text):
        if not _CLEANING.search(expression):
            found += [(kind, name or quoted) for kind, name, quoted in _IN_EXPRESSION.findall(expression)]
    return found


def direct(obj: Mapping[str, Any], dest: str) -> str:
    """What code the place `dest` (an sjson path) of an object is; empty if it is none, or not certain."""
    steps = dest.split(".")
    here: Any = obj
    for number, step in enumerate(steps):
        rest = steps[number:]
        if isinstance(here, Mapping):
            if len(rest) == 2 and rest[0] in ("args", "command") and rest[1].isdigit():
                code = {(key, str(index)) for key, index, _ in _commands(here)}
                return "what an interpreter runs" if (rest[0], rest[1]) in code else ""
            if rest == ["script", "source"]:
                return "a script"
            if rest == ["resource", "manifest"]:
                return "a manifest"
            here = here.get(step)
        elif isinstance(here, list) and step.isdigit() and int(step[:9]) < len(here):
            here = here[int(step[:9])]
        else:
            return ""
    return ""


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
