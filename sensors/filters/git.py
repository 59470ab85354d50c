"""`filters.git` (ours): which branches, tags and files a push concerns, in the words of GitHub Actions.

As there: with patterns for branches alone, tags do not pass, and the other way round; with neither, both do. Files are asked for branches
only. A ref that was deleted does not pass. Where the event does not list all files that changed it passes, since a build too many is better
than one that never runs, and the tree says so. Several refs in one event: it passes if one of them does.
"""

from __future__ import annotations

import re
from typing import Final

from sensors.filters.finding import PASSED, Finding, Judged, Judgement
from sensors.filters.pushes import Change, changes_of
from sensors.manifest import GitFilter
from tiphys.bus.event import NOT_JSON, Event
from tiphys.errors import FieldError, PatternError, shorten
from tiphys.languages.githubglob import Globs

__all__ = ["GitClause"]

_SKIP: Final = re.compile(
    r"\[(?:skip ci|ci skip|no ci|skip actions|actions skip)\]|\n[ \t]*skip-checks:[ \t]*true\s*\Z", re.IGNORECASE
)
_NOTHING: Final = "the data has no push and no pull request in it"


class GitClause:
    """The compiled filter. `number` is its clause number in the dependency's program; `faults` have paths from the filter."""

    def __init__(self, git: GitFilter, number: int) -> None:
        self.number = number
        self._faults: list[FieldError] = []
        self._refs = {
            "branch": self._globs("branches", git.branches, "branchesIgnore", git.branches_ignore),
            "tag": self._globs("tags", git.tags, "tagsIgnore", git.tags_ignore),
        }
        self._of_refs = any(globs for globs, _ in self._refs.values())
        ignored = ("ignore", git.ignore) if git.ignore else ("pathsIgnore", git.paths_ignore)
        self._files, self._files_wanted = self._globs("paths", git.paths, *ignored)
        self._skip = git.skip_ci
        self.faults = tuple(self._faults)
        asked = git.model_dump(by_alias=True, exclude_defaults=True)
        self._asked = "git: " + ", ".join(
            name if value is True else f"{name} {' '.join(map(shorten, value))}" for name, value in asked.items()
        )
        self._failed, self._erred = Judged(Judgement.FAILED, number), Judged(Judgement.ERRORED, number)

    def _globs(self, name: str, wanted: list[str], other: str, ignored: list[str]) -> tuple[Globs | None, bool]:
        """The patterns, and whether what is among them is wanted."""
        field, patterns = (name, wanted) if wanted else (other, ignored)
        for index, pattern in enumerate(patterns):
            if name != "paths" and pattern.removeprefix("!").startswith("refs/"):
                remedy = "leave out refs/heads/ or refs/tags/"
                self._faults.append(FieldError(f"{field}[{index}]", "names a full ref", remedy, shorten(pattern)))
            try:
                Globs(["**", pattern])
            except PatternError as error:
                self._faults.append(FieldError(f"{field}[{index}]", error.problem, error.remedy, shorten(pattern)))
        if not patterns or self._faults:
            return None, True
        try:
            return Globs(patterns), bool(wanted)
        except PatternError as error:
            self._faults.append(FieldError(field, error.problem, error.remedy, shorten(error.text)))
            return None, True

    def judge(self, event: Event) -> Judged:
        """Does one of the refs pass? An error only where the data is not JSON."""
        payload = event.payload if event.data is not None else None
        if payload is NOT_JSON or self.faults:
            return self._erred
        passes = any(self._passes(change)[0] for change in changes_of(payload, event.type))
        return PASSED if passes else self._failed

    def _passes(self, change: Change) -> tuple[bool, str]:
        """Whether, and why."""
        if change.deleted:
            return False, f"the {change.kind} was deleted"
        globs, wanted = self._refs[change.kind]
        if globs is None and self._of_refs:
            return False, f"nothing is asked about a {change.kind}"
        if globs is not None and (change.name in globs) is not wanted:
            return False, f"the {change.kind} is {'ignored' if not wanted else 'not asked for'}"
        if self._skip and (found := _SKIP.search(change.message)):
            return False, f"its message says {found[0].strip()}"
        if self._files is not None and change.kind == "branch":
            return self._changed(change, self._files)
        return True, ""

    def _changed(self, change: Change, globs: Globs) -> tuple[bool, str]:
        file = next((one for one in sorted(change.files) if (one in globs) is self._files_wanted), None)
        if file is not None:
            return True, f"{shorten(file)} changed"
        if change.missing:
            return True, f"it cannot be told which files changed: {change.missing}; it passes all the same"
        if not change.files:
            return False, "no file changed"
        return False, f"{'none of the' if self._files_wanted else 'all'} {len(change.files)} changed files {self._them()}"

    def _them(self) -> str:
        return "is asked for" if self._files_wanted else "are ignored"

    def explain(self, event: Event) -> Finding:
        """The same judgement, with each ref and what became of it."""
        judgement = self.judge(event).judgement
        if judgement is Judgement.ERRORED:
            return Finding(self._asked, judgement, why="the event's data is not JSON", clause=self.number)
        children = []
        for change in changes_of(event.payload if event.data is not None else None, event.type):
            passes, why = self._passes(change)
            judged = Judgement.PASSED if passes else Judgement.FAILED
            children.append(Finding(f"{change.kind} {shorten(change.name)}", judged, why=why, clause=self.number))
        why = "" if children else _NOTHING
        return Finding(self._asked, judgement, why=why, clause=self.number, children=tuple(children))
