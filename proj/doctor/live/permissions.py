"""What the account of the app may do: enough, and not everything."""

from __future__ import annotations

import re
from urllib.parse import quote

from proj.doctor.finding import listed
from proj.doctor.live.reached import Reached
from proj.errors import ManagementUnavailable
from proj.topology.names import DELAY_LEVELS, DELIVERY_EXCHANGE

CONTROL = "celery.pidbox"
"""The exchange through which Celery's commands and Flower reach the workers."""


def permission_missing(reached: Reached) -> str | None:
    api = reached.management
    if api is None:
        return None
    try:
        path = f"/permissions/{api.virtual_host}/{quote(reached.account, safe='')}"
        patterns = api.get(path) or {}
    except ManagementUnavailable:
        return None  # told to administrators only
    names = (reached.queue, reached.dead_letters, DELAY_LEVELS[-1], CONTROL)
    needed = [("configure", name) for name in (DELAY_LEVELS[-1], CONTROL, DELIVERY_EXCHANGE)]
    needed += [("write", name) for name in (*names, "amq.default")]
    needed += [("read", name) for name in (*names, DELIVERY_EXCHANGE)]
    lacking = [(right, name) for right, name in needed if not _covers(patterns.get(right), name)]
    return listed([f"{right} {name!r}" for right, name in lacking])


def account_is_administrator(reached: Reached) -> str | None:
    api = reached.management
    if api is None or api.user != reached.account:
        return None
    tags = (api.get("/whoami") or {}).get("tags") or ()
    # Before RabbitMQ 3.9 a text, with commas.
    return repr(api.user) if "administrator" in tags else None


def _covers(pattern: str | None, name: str) -> bool:
    try:
        return bool(pattern and re.search(pattern, name))
    except re.error:
        return True  # Erlang's patterns know more than Python's
