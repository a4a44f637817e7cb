"""What real work looks like: a call to somebody else's server, which may be slow, busy or wrong."""

from typing import Any

import requests
from celery import Task
from celery.utils.log import get_task_logger

from proj import app

logger = get_task_logger(__name__)

CONNECT_AND_READ_TIMEOUT_SECONDS = (5, 20)
WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}


class TryAgainLater(Exception):
    """The server answered that it cannot take the request now."""


@app.task(
    bind=True,
    # The task ends by itself after 30 s; a process that does not react is ended after 40 s.
    soft_time_limit=30,
    time_limit=40,
    # These errors pass: try again after about 1, 2, 4, ... at most 600 seconds, eight times.
    # Any other error, such as 404 or 401, will not get better: the task fails at once.
    autoretry_for=(requests.ConnectionError, requests.Timeout, TryAgainLater),
    retry_backoff=True,
    retry_backoff_max=600,
    retry_jitter=True,
    max_retries=8,
)
def deliver(self: Task, url: str, payload: dict[str, Any]) -> int:
    """POST ``payload`` as JSON to ``url`` and return the HTTP status, once the server has taken it.

    A task may run twice: after a retry, or when a process died between the answer and the
    acknowledgement. The task id is the same each time, so the server can tell by the
    Idempotency-Key that it has seen this request before.
    """
    response = requests.post(
        url,
        json=payload,
        headers={"Idempotency-Key": self.request.id},
        timeout=CONNECT_AND_READ_TIMEOUT_SECONDS,
    )
    if response.status_code in WORTH_ANOTHER_TRY:
        raise TryAgainLater(f"{url} answered {response.status_code}")
    response.raise_for_status()
    logger.info("Delivered to %s: %s", url, response.status_code)
    return response.status_code
