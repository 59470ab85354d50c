"""The page of lint's rules is made from their table."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT
from tiphys.app.rules import RULES
from tiphys.app.rules_page import page


def test_the_page_is_what_the_table_makes() -> None:
    assert (ROOT / "docs/lint.md").read_text() == page(), "python -m tiphys.app.rules_page > docs/lint.md"


def test_every_rule_has_a_section_of_its_own() -> None:
    sections = re.findall(r"^## (TIP\d{3}) ([a-z-]+)$", page(), re.MULTILINE)
    assert sorted(sections) == sorted((rule.id, rule.name) for rule in RULES)
    assert len(set(sections)) == len({rule.id for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)


def test_the_rules_that_are_said_of_an_extension_are_rules() -> None:
    assert set(re.findall(r"TIP\d{3}", page().partition("## ")[0])) <= {rule.id for rule in RULES}


def test_the_index_links_the_page() -> None:
    assert "(lint.md)" in (ROOT / "docs/index.md").read_text()
