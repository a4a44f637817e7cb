"""Whether a binding takes a message, for each kind of exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXCHANGE_KINDS = frozenset({"direct", "topic", "fanout", "headers"})


def matches(
    kind: str,
    pattern: str,
    routing_key: str,
    arguments: Mapping[str, Any],
    headers: Mapping[str, Any],
) -> bool:
    """Say whether a binding with ``pattern`` and ``arguments`` takes the message.

    Source: https://www.rabbitmq.com/docs/exchanges.
    """
    if kind == "fanout":
        return True
    if kind == "topic":
        return topic_matches(words_of(pattern), words_of(routing_key))
    if kind == "headers":
        return headers_match(arguments, headers)
    return pattern == routing_key


def words_of(routing_key: str) -> list[str]:
    """Split a routing key at its dots; the empty key has no words."""
    return routing_key.split(".") if routing_key else []


def topic_matches(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """Match words against a pattern in which ``*`` is one word and ``#`` any number of them."""
    # Row by row over the pattern: which beginnings of the words are matched so far.
    matched = [True] + [False] * len(words)
    for part in pattern:
        if part == "#":
            first = matched.index(True) if True in matched else len(matched)
            matched = [position >= first for position in range(len(matched))]
        else:
            matched = [False] + [
                before and part in ("*", word) for before, word in zip(matched, words, strict=False)
            ]
    return matched[-1]


def headers_match(arguments: Mapping[str, Any], headers: Mapping[str, Any]) -> bool:
    """Compare a binding's arguments with the headers: all of them, or any with ``x-match: any``."""
    mode = arguments.get("x-match", "all")
    compared = [
        headers.get(name) == value
        for name, value in arguments.items()
        # "all-with-x" and "any-with-x" compare the x- headers as well.
        if name != "x-match" and (not name.startswith("x-") or mode.endswith("-with-x"))
    ]
    return any(compared) if mode.startswith("any") else all(compared)
