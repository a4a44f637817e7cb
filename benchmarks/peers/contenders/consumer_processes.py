"""Celery with our plug-in, each process a consumer; all else as in ``work_queue``."""

from __future__ import annotations

import os

# Before the app is made, which reads it: what that app configures would come too late here.
os.environ["WORK_QUEUE_CONSUMER_PROCESSES"] = "1"

from benchmarks.peers.contenders.work_queue import app, publish, publish_many, work

__all__ = ["app", "publish", "publish_many", "work"]
