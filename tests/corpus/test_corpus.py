"""Manifests of argo-events' own examples and of its users: each loads, or lint says what is wrong with it and where.

The folder is no part of the project: it stands beside the checkout (`../shared/corpus`), or where `TIPHYS_CORPUS` says.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from tiphys.app.admission import KINDS, admit
from tiphys.app.lint import Finding, lint_paths
from tiphys.errors import ManifestError
from tiphys.schema.loader import load_documents

CORPUS = Path(os.environ.get("TIPHYS_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"there is no corpus at {CORPUS}; TIPHYS_CORPUS names another place")


@cache
def findings() -> tuple[Finding, ...]:
    return tuple(lint_paths([CORPUS], "argo"))


def test_every_manifest_loads_or_lint_says_what_is_wrong_and_where() -> None:
    # given
    refused = {(one.file, one.line) for one in findings() if one.level == "error"}
    files = sorted(path for path in CORPUS.rglob("*") if path.suffix in (".yaml", ".yml", ".json"))
    seen = 0
    for file in files:
        for document in load_documents(file.read_bytes(), str(file)).documents:
            if document.object.get("kind") not in KINDS:
                continue
            seen += 1
            # when
            try:
                admit(document, "argo")
            except ManifestError as error:
                # then
                places = {(str(file), int(one.where.rpartition(":")[2])) for one in error.errors}
                assert places
                assert places <= refused, file
    assert seen > 200


def test_every_finding_says_something_and_stands_in_the_text() -> None:
    lengths: dict[str, int] = {}
    for one in findings():
        assert one.rule, one
        assert one.text.strip(), one
        assert one.remedy.strip(), one
        if one.file not in lengths:
            lengths[one.file] = Path(one.file).read_bytes().count(b"\n") + 1
        assert 1 <= one.line <= lengths[one.file], one


def test_harmless_fields_are_one_line_of_a_file() -> None:
    summaries = [one.file for one in findings() if one.rule == "TIP401"]
    assert summaries
    assert len(summaries) == len(set(summaries))


def test_a_file_alone_can_be_linted_too() -> None:
    for file in {Path(one.file) for one in findings()}:
        assert all(one.file == str(file) for one in lint_paths([file], "argo"))


def test_arguments_disagree_with_their_template_just_where_they_do() -> None:
    """`workflows/INDEX.tsv` pairs sensors and templates: of two the arguments are wrong, of one they were at that commit."""
    rows = [line.split("\t") for line in (CORPUS / "workflows" / "INDEX.tsv").read_text().splitlines()[1:]]
    pairs = [(CORPUS / "workflows" / row[0], CORPUS / "wild" / row[-1]) for row in rows if row[-1].endswith((".yaml", ".yml"))]
    assert len(pairs) > 10
    disagree = {
        sensor.name.partition("__")[0]
        for template, sensor in pairs
        if any(one.rule == "TIP109" for one in lint_paths([template, sensor], "argo"))
    }
    assert disagree == {"Longdv20", "DevOPS-Toys", "rackerlabs"}
