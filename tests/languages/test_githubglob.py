"""The examples of GitHub's "filter pattern cheat sheet", and what it says in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import PatternError
from tiphys.languages.githubglob import Globs

BRANCHES_AND_TAGS = [
    (["feature/*"], ["feature/my-branch", "feature/your-branch"], ["feature", "feature/a/b", "my/feature/a"]),
    (
        ["feature/**"],
        ["feature/beta-a/my-branch", "feature/your-branch", "feature/mona/the/octocat"],
        ["feature", "features/a"],
    ),
    (["main", "releases/mona-the-octocat"], ["main", "releases/mona-the-octocat"], ["main2", "releases", "amain"]),
    (["*"], ["main", "releases"], ["all/the/branches"]),
    (["**"], ["all/the/branches", "every/tag"], []),
    (["*feature"], ["mona-feature", "feature", "ver-10-feature"], ["feature-1", "a/feature"]),
    (["v2*"], ["v2", "v2.0", "v2.9"], ["v1", "v2/a"]),
    (["v[12].[0-9]+.[0-9]+"], ["v1.10.1", "v2.0.0"], ["v3.0.0", "v1.0", "v1x10x1"]),
]
PATHS = [
    (["*"], ["README.md", "server.rb"], ["docs/README.md"]),
    (["*.jsx?"], ["page.js", "page.jsx"], ["page.jsxx", "js/page.js"]),
    (["**"], ["all/the/files.md"], []),
    (["*.js"], ["app.js", "index.js"], ["js/app.js"]),
    (["**.js"], ["index.js", "js/index.js", "src/js/app.js"], ["index.jsx"]),
    (["docs/*"], ["docs/README.md", "docs/file.txt"], ["docs/a/b.md"]),
    (["docs/**"], ["docs/README.md", "docs/mona/octocat.txt"], ["docs", "my/docs/a"]),
    (["docs/**/*.md"], ["docs/README.md", "docs/mona/hello-world.md", "docs/a/markdown/file.md"], ["docs/a.txt", "adocs/a.md"]),
    (["**/docs/**"], ["docs/hello.md", "dir/docs/my-file.txt", "space/docs/plan/space.doc"], ["mydocs/a", "docs"]),
    (["**/README.md"], ["README.md", "js/README.md"], ["MYREADME.md"]),
    (["**/*src/**"], ["a/src/app.js", "my-src/code/js/app.js"], ["src"]),
    (["**/*-post.md"], ["my-post.md", "path/their-post.md"], ["post.md"]),
    (["**/migrate-*.sql"], ["migrate-10909.sql", "db/migrate-v1.0.sql", "db/sept/migrate-v1.sql"], ["migrate.sql"]),
    (["*.md", "!README.md"], ["hello.md"], ["README.md", "docs/hello.md"]),
    (["*.md", "!README.md", "README*"], ["hello.md", "README.md", "README.doc"], []),
]
WORDS = [
    (["Octo*"], ["Octocat", "Octo"], ["Octo/cat"]),
    (["[CB]at"], ["Cat", "Bat"], ["bat", "CBat"]),
    (["[1-2]00"], ["100", "200"], ["300"]),
    (["[0-9a-z]"], ["7", "q"], ["Q", "-"]),
    (["a!b"], ["a!b"], ["a"]),
    (["\\!a", "\\*", "a\\+"], ["!a", "*", "a+"], ["a", "aa"]),
    (["a.b"], ["a.b"], ["axb"]),
    (["a**/b"], ["a/b", "ax/y/b"], ["ab"]),
    (["**"], ["with\nline"], []),
]


@pytest.mark.parametrize(("patterns", "among", "others"), [*BRANCHES_AND_TAGS, *PATHS, *WORDS])
def test_a_name_is_among_patterns_as_github_documents_it(patterns: list[str], among: list[str], others: list[str]) -> None:
    globs = Globs(patterns)
    assert [name for name in among if name not in globs] == []
    assert [name for name in others if name in globs] == []


@pytest.mark.parametrize(
    "pattern", ["", "!", "[", "[]", "[!a]", "[a-Z]", "[z-a]", "[a", "[a-]", "[_]", "?a", "+", "a*+", "**?", "a+?", "a\\", "a??"]
)
def test_what_github_does_not_define_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        Globs(["**", pattern])


def test_a_list_that_only_takes_away_is_refused() -> None:
    with pytest.raises(PatternError, match="takes away from nothing"):
        Globs(["!main"])


@given(st.lists(st.text("ab*?+[]!\\/-.", max_size=8), min_size=1, max_size=3), st.text("ab/.", max_size=8))
def test_any_patterns_are_refused_or_answer(patterns: list[str], name: str) -> None:
    try:
        globs = Globs(patterns)
    except PatternError:
        assert any(set(pattern) & set("?+[\\!") or not pattern for pattern in patterns)
    else:
        assert (name in globs) in (True, False)


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: not text.startswith("!")))
def test_an_escaped_name_is_among_itself_alone(name: str) -> None:
    globs = Globs(["".join(f"\\{char}" for char in name)])
    assert name in globs
    assert f"{name}x" not in globs
