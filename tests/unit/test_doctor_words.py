"""Every finding has words, and a section in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from proj.doctor import finding
from proj.doctor.examined import Examined
from proj.doctor.examining import LIVE, STATIC
from proj.doctor.finding import SEVERITIES, catalogue
from tests.support.doctor_scene import app_with

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "doctor.md"

NOT_OF_A_CHECK = {"broker-refuses", "broker-unreachable", "login-refused", "management-unreadable"}
"""Found by what keeps a check from being made."""


def test_every_check_has_words_and_no_words_are_left_over() -> None:
    """A live check is named as its finding; there are at least 25 of them."""
    checks = {check.__name__.replace("_", "-") for check in LIVE}
    checks |= {name for check in STATIC for name, _ in check(Examined(app_with()))}

    assert set(catalogue().sections()) == checks | NOT_OF_A_CHECK
    assert len(checks) >= 25


def test_the_words_of_each_finding_are_whole() -> None:
    """Severity, fact, reason and remedy; the fact has a place for what was found."""
    for name in catalogue().sections():
        words = catalogue()[name]
        assert set(words) == {"severity", "fact", "why", "remedy"}, name
        assert words["severity"] in SEVERITIES, name
        assert words["fact"].count("{}") == 1, name


def test_every_finding_has_its_section_in_the_documentation() -> None:
    """The page that a finding names exists: a heading with its name."""
    headings = re.findall(r"^### `?([\w-]+)`?$", DOCUMENTATION.read_text(), re.MULTILINE)

    assert sorted(headings) == sorted(catalogue().sections())


def test_the_documentation_has_the_reason_and_the_remedy_of_each() -> None:
    """What the command says and what the page says is the same."""
    page = DOCUMENTATION.read_text()
    for name in catalogue().sections():
        told = finding.finding(name, "x", queue="task_queue", app="proj")
        section = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]

        assert told.why in section, name
        assert told.remedy in section, name
        assert told.severity.capitalize() in section, name


def test_a_remedy_names_the_queue_and_the_app() -> None:
    """What can be copied into a terminal is whole."""
    told = finding.finding("policy-differs", "x", queue="photos", app="shop").remedy

    assert "'^photos$'" in told
    assert '"dead-letter-routing-key":"photos.dead_letters"' in told
