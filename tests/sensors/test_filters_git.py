"""`filters.git` (ours): pushes, in the words of GitHub Actions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sensors.filters import FilterProgram, Judgement
from sensors.manifest import Dependency
from tests.sensors.test_filters import event

PASSED, FAILED, ERRORED = Judgement.PASSED, Judgement.FAILED, Judgement.ERRORED
ZERO = "0" * 40


def program(**git: Any) -> FilterProgram:
    spec = {"name": "d", "eventSourceName": "webhook", "eventName": "example", "filters": {"git": git}}
    return FilterProgram(Dependency.model_validate(spec))


def push(ref: str = "refs/heads/main", files: list[str] | None = None, message: str = "change", **more: Any) -> dict[str, Any]:
    commit = {"id": "c1", "message": message, "added": files or [], "modified": [], "removed": []}
    body = {"ref": ref, "before": "b0", "after": "c1", "commits": [commit], "head_commit": commit} | more
    return {"body": body}


def passes(git: dict[str, Any], data: Any, **attributes: str) -> bool:
    compiled = program(**git)
    assert compiled.faults() == []
    judged = compiled.judge(event(data, **attributes))
    assert compiled.explain(event(data, **attributes)).judgement is judged.judgement
    return judged.judgement is PASSED


def why(git: dict[str, Any], data: Any, **attributes: str) -> str:
    root = program(**git).explain(event(data, **attributes)).children[0]
    return root.children[0].why if root.children else root.why


@pytest.mark.parametrize(
    ("git", "ref", "expected"),
    [
        ({"branches": ["main", "release/**"]}, "refs/heads/main", True),
        ({"branches": ["main", "release/**"]}, "refs/heads/release/1/2", True),
        ({"branches": ["main"]}, "refs/heads/dev", False),
        ({"branches": ["main"]}, "refs/tags/main", False),
        ({"tags": ["v*"]}, "refs/tags/v1", True),
        ({"tags": ["v*"]}, "refs/heads/v1", False),
        ({"branches": ["main"], "tags": ["v*"]}, "refs/tags/v1", True),
        ({"branches": ["main"], "tags": ["v*"]}, "refs/heads/main", True),
        ({"branches": ["**", "!dependabot/**"]}, "refs/heads/dependabot/npm", False),
        ({"branchesIgnore": ["dependabot/**"]}, "refs/heads/dependabot/npm", False),
        ({"branchesIgnore": ["dependabot/**"]}, "refs/heads/main", True),
        ({"branchesIgnore": ["dependabot/**"]}, "refs/tags/v1", False),
        ({"tagsIgnore": ["*-rc*"]}, "refs/tags/v1-rc1", False),
        ({"skipCI": True}, "refs/heads/anything", True),
        ({"skipCI": True}, "refs/tags/v1", True),
        ({"skipCI": True}, "refs/notes/x", False),
    ],
)
def test_branches_and_tags_are_asked_as_github_actions_asks_them(git: dict[str, Any], ref: str, expected: bool) -> None:
    assert passes(git, push(ref)) is expected


@pytest.mark.parametrize(
    ("git", "files", "expected"),
    [
        ({"paths": ["src/**"]}, ["src/a.py", "README.md"], True),
        ({"paths": ["src/**"]}, ["README.md"], False),
        ({"paths": ["**", "!docs/**"]}, ["docs/a.md"], False),
        ({"paths": ["**", "!docs/**"]}, ["docs/a.md", "src/a.py"], True),
        ({"pathsIgnore": ["docs/**"]}, ["docs/a.md"], False),
        ({"ignore": ["docs/**"]}, ["docs/a.md"], False),
        ({"ignore": ["docs/**"]}, ["docs/a.md", "src/a.py"], True),
        ({"ignore": ["docs/**", "!docs/api/**"]}, ["docs/api/a.md"], True),
        ({"paths": ["src/**"], "branches": ["dev"]}, ["src/a.py"], False),
        ({"paths": ["**"]}, [], False),
    ],
)
def test_files_are_asked_as_github_actions_asks_them(git: dict[str, Any], files: list[str], expected: bool) -> None:
    assert passes(git, push(files=files)) is expected


def test_files_are_not_asked_for_tags() -> None:
    assert passes({"paths": ["src/**"]}, push("refs/tags/v1", files=["docs/a"]))


def commits(count: int, files: list[str]) -> list[dict[str, Any]]:
    return [{"id": str(number), "message": "", "added": [], "modified": files, "removed": []} for number in range(count)]


@pytest.mark.parametrize(
    ("more", "attributes", "reason"),
    [
        ({"commits": []}, {}, "no commits are listed"),
        ({"commits": None}, {}, "no commits are listed"),
        ({"commits": [{"id": "1"}]}, {}, "without lists of files"),
        ({"commits": commits(3, ["docs/a"]), "total_commits_count": 30}, {}, "only 3 of 30"),
        ({"commits": commits(5, ["docs/a"]), "total_commits": 6}, {}, "only 5 of 6"),
        ({"commits": commits(2048, ["docs/a"])}, {}, "at most 2048"),
        ({"commits": commits(20, ["docs/a"])}, {"type": "git"}, "at most 20"),
        ({"commits": commits(1, ["docs/a"] * 3000)}, {}, "at most 3000"),
        ({"commits": commits(1, ["docs/a"]), "forced": True}, {}, "forced"),
    ],
)
def test_where_not_all_files_are_told_it_passes_and_says_so(more: dict[str, Any], attributes: dict[str, str], reason: str) -> None:
    for git in ({"paths": ["src/**"]}, {"pathsIgnore": ["docs/**"]}):
        assert passes(git, push(**more), **attributes)
        assert reason in why(git, push(**more), **attributes)


def test_a_push_of_twenty_commits_told_by_a_webhook_is_complete() -> None:
    assert not passes({"paths": ["src/**"]}, push(commits=commits(20, ["docs/a"])))


@pytest.mark.parametrize(
    "message",
    [
        "fix [skip ci]",
        "[ci skip] fix",
        "fix\n\n[no ci]",
        "[skip actions]",
        "[Actions Skip]",
        "fix\n\n\nskip-checks: true",
        "a\n\nskip-checks:true\n",
    ],
)
def test_skipCI_drops_what_says_so(message: str) -> None:
    assert not passes({"skipCI": True}, push(message=message))
    assert passes({"branches": ["main"]}, push(message=message))


@pytest.mark.parametrize("message", ["fix", "skip ci", "skip-checks: true is a trailer\nmore", "[skip-ci]", "skip-checks: true"])
def test_skipCI_lets_pass_what_only_looks_like_it(message: str) -> None:
    assert passes({"skipCI": True}, push(message=message))


DELETED = [
    push(deleted=True, after=ZERO, head_commit=None, commits=[]),
    push(after=ZERO, commits=[]),
    {"body": {"ref": "main", "ref_type": "branch", "X-GitHub-Event": "delete"}},
    {"header": {"X-Gitea-Event": ["delete"]}, "body": {"ref": "main", "ref_type": "branch"}},
    {"body": {"push": {"changes": [{"new": None, "old": {"type": "branch", "name": "main"}}]}}},
    {"body": {"changes": [{"ref": {"id": "refs/heads/main"}, "type": "DELETE"}]}},
]


@pytest.mark.parametrize("data", DELETED)
def test_pipelines_as_code_2044_a_deleted_branch_does_not_pass(data: dict[str, Any]) -> None:
    assert not passes({"branches": ["**"]}, data)
    assert why({"branches": ["**"]}, data) == "the branch was deleted"


BITBUCKET = {"body": {"push": {"changes": [
    {"new": {"type": "branch", "name": "dev", "target": {"message": "a"}}},
    {"new": {"type": "tag", "name": "v1"}, "old": None},
]}}}  # fmt: skip


GITLAB = {"object_kind": "push", "ref": "refs/heads/main", "checkout_sha": "1", "commits": commits(1, ["a"])}
PULL_REQUEST = {"action": "opened", "pull_request": {"base": {"ref": "main"}, "head": {"ref": "x"}}}


@pytest.mark.parametrize(
    ("body", "git"),
    [
        (GITLAB, {"branches": ["main"], "paths": ["a"]}),
        ({"ref": "main", "ref_type": "branch", "master_branch": "main"}, {"branches": ["main"]}),
        ({"ref": "v1", "ref_type": "tag"}, {"tags": ["v1"]}),
        (PULL_REQUEST, {"branches": ["main"], "paths": ["never"]}),
        ({"object_kind": "merge_request", "object_attributes": {"target_branch": "main"}}, {"branches": ["main"]}),
        ({"pullrequest": {"destination": {"branch": {"name": "main"}}}}, {"branches": ["main"]}),
        ({"pullRequest": {"toRef": {"displayId": "main"}}}, {"branches": ["main"]}),
        ({"changes": [{"ref": {"id": "refs/heads/main"}, "type": "UPDATE"}]}, {"branches": ["main"]}),
        (BITBUCKET["body"], {"tags": ["v*"]}),
        (BITBUCKET["body"], {"branches": ["dev"], "paths": ["never"]}),
    ],
)
def test_what_other_forges_tell_is_understood(body: dict[str, Any], git: dict[str, Any]) -> None:
    assert passes(git, {"body": body})
    assert not passes({"branches": ["other"]}, {"body": body})


def test_the_message_is_that_of_the_commit_that_the_branch_is_at() -> None:
    two = [{"id": "a", "message": "[skip ci]"}, {"id": "b", "message": "fix"}]
    data = {"body": {"object_kind": "push", "ref": "refs/heads/main", "checkout_sha": "a", "commits": two}}
    assert not passes({"skipCI": True}, data)
    assert passes({"skipCI": True}, {"body": {**data["body"], "checkout_sha": "b"}})


def test_data_that_is_no_push_does_not_pass_and_is_no_error() -> None:
    for data in ({"body": {"zen": "a", "hook_id": 1}}, {"body": []}, [], None, {}, {"body": {"ref": 5}}):
        assert program(skipCI=True).judge(event(data)).judgement is FAILED
        assert "no push" in program(skipCI=True).explain(event(data)).children[0].why
    assert program(skipCI=True).judge(event(b"{")).judgement is ERRORED


def test_a_failure_names_the_ref_and_the_files() -> None:
    data = push("refs/heads/dev", files=["a"])
    assert why({"branches": ["main"]}, data) == "the branch is not asked for"
    assert why({"tags": ["v*"]}, data) == "nothing is asked about a branch"
    assert why({"paths": ["src/**"]}, data) == "none of the 1 changed files is asked for"
    assert why({"ignore": ["*"]}, data) == "all 1 changed files are ignored"
    assert why({"paths": ["*"]}, data) == "'a' changed"
    assert why({"paths": ["*"]}, push(files=[])) == "no file changed"


@pytest.mark.parametrize(
    ("git", "path"),
    [
        ({"branches": ["main", "["]}, "filters.git.branches[1]"),
        ({"tagsIgnore": ["?x"]}, "filters.git.tagsIgnore[0]"),
        ({"ignore": ["[_]"]}, "filters.git.ignore[0]"),
        ({"branches": ["refs/heads/main"]}, "filters.git.branches[0]"),
        ({"paths": ["!docs/**"]}, "filters.git.paths"),
    ],
)
def test_a_pattern_that_is_none_is_refused_at_load_with_its_path(git: dict[str, Any], path: str) -> None:
    (fault,) = program(**git).faults()
    assert fault.path == path
    assert fault.remedy


@pytest.mark.parametrize(
    "git",
    [
        {},
        {"skipCI": False},
        {"branches": ["a"], "branchesIgnore": ["b"]},
        {"paths": ["a"], "ignore": ["b"]},
        {"ignore": ["a"], "pathsIgnore": ["b"]},
    ],
)
def test_a_git_filter_that_contradicts_itself_or_asks_for_nothing_is_refused(git: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        program(**git)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["refs/heads/main", "main", "tag", "branch", ZERO, ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "body",
                        "ref",
                        "ref_type",
                        "commits",
                        "added",
                        "modified",
                        "removed",
                        "id",
                        "message",
                        "head_commit",
                        "after",
                    ),
                    *("deleted", "forced", "push", "changes", "new", "old", "name", "type", "pull_request", "base", "pullRequest"),
                    *("toRef", "displayId", "object_attributes", "last_commit", "header", "X-Gitea-Event", "total_commits"),
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(json_values, st.sampled_from([{"branches": ["main"]}, {"tags": ["*"]}, {"paths": ["a"]}, {"ignore": ["a"], "skipCI": True}]))
def test_any_data_is_judged_as_it_is_explained(data: Any, git: dict[str, Any]) -> None:
    passes(git, {"body": data})
    passes(git, data)
