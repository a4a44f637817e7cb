"""How often a message has been begun, told alike from every broker and every type of queue.

A copy of ours tells in ``x-attempts`` how often the message was begun before it. Beyond that, only
the broker knows of a delivery whose worker was lost: a quorum queue counts in ``x-delivery-count``,
a classic queue sets ``redelivered``, and nothing more. Measured: a quorum queue of RabbitMQ 3.10
counts every return, of 4.3 only a rejected or lost delivery; we give nothing back by either, so
what is counted is what was lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proj.dead_letters.letter import ATTEMPTS

__all__ = ["begun_before", "is_uncounted", "may_have_begun"]

BROKER_COUNT = "x-delivery-count"

BROKER_COUNT_KEPT = 10
"""From this count on ours replaces the broker's: its own limit of 20 must not come first."""


def may_have_begun(headers: Mapping[str, Any], *, redelivered: bool) -> bool:
    """Return whether anything tells of an earlier delivery; False for almost every message."""
    return redelivered or ATTEMPTS in headers or bool(headers.get(BROKER_COUNT))


def begun_before(headers: Mapping[str, Any], *, redelivered: bool) -> int:
    """Return how often the message was begun before this delivery."""
    told = _count(headers.get(ATTEMPTS)) or 0
    if not redelivered:
        return told
    return told + max(1, _count(headers.get(BROKER_COUNT)) or 1)


def is_uncounted(headers: Mapping[str, Any], *, redelivered: bool) -> bool:
    """Return whether one more lost delivery could go uncounted: a copy must carry the count first.

    So it is for every redelivery from a classic queue, and for a count of the broker's that is
    near its own limit, or stale: brought along from another queue, by a shovel for example.
    """
    count = _count(headers.get(BROKER_COUNT))
    if not redelivered:
        return bool(count)
    return count is None or count >= BROKER_COUNT_KEPT


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value
