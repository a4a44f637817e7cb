"""Which bindings take which routing keys."""

from __future__ import annotations

import pytest

from proj.embedded.routing import headers_match, topic_matches, words_of


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.c", False),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("a.#.c", "a.c", True),
        ("a.#.c", "a.b.b.c", True),
        ("a.#.c", "a.b.b", False),
        ("#", "", True),
        ("*", "", False),
        ("#.#", "a.b", True),
        ("#.x.*", "a.x.x.y", True),
        ("*.#.*", "a", False),
        ("a.b", "a.bc", False),
    ],
)
def test_a_topic_pattern_takes_what_rabbitmq_would(pattern: str, key: str, expected: bool) -> None:  # noqa: FBT001
    """A star is exactly one word, a hash any number of them, also none."""
    assert topic_matches(words_of(pattern), words_of(key)) is expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"a": 1, "b": 2}, False),
        ({"x-match": "any", "a": 1, "b": 2}, True),
        ({"x-match": "all", "a": 1}, True),
        ({"a": 1, "x-other": 9}, True),
        ({"x-match": "all-with-x", "a": 1, "x-other": 9}, False),
        ({"x-match": "any"}, False),
        ({}, True),
    ],
)
def test_headers_match_all_or_any(arguments: dict[str, object], expected: bool) -> None:  # noqa: FBT001
    """The binding's x-match decides; headers that begin with x- count only when asked."""
    assert headers_match(arguments, {"a": 1}) is expected
