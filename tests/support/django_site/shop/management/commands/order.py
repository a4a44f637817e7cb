"""``manage.py order NUMBER ...``: what a web process does for a request, from the command line."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from proj import publish_many
from tests.support.django_site.shop import tasks
from tests.support.django_site.shop.models import Order


class Command(BaseCommand):
    """Takes orders in one transaction, and says how many seconds that took."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what a test varies."""
        parser.add_argument("numbers", nargs="+")
        parser.add_argument("--task", default="pack")
        parser.add_argument("--countdown", type=float)
        parser.add_argument("--exchange", help="Send the first one to this exchange.")
        parser.add_argument("--many", type=int, help="Send so many of the last one together.")
        parser.add_argument("--again", help="Take this order in a transaction that follows.")
        parser.add_argument("--result", action="store_true", help="Print the last one's result.")
        parser.add_argument("--die", action="store_true", help="SIGKILL right after the commit.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Take the orders."""
        numbers = options["numbers"]
        if options["exchange"]:
            first = {"exchange": options["exchange"], "routing_key": "nowhere"}
        else:
            first = {}
        task = getattr(tasks, options["task"])
        started = time.monotonic()
        with transaction.atomic():
            if options["die"]:
                transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
            for number in numbers:
                Order.objects.create(number=number)
                sent = task.apply_async((number,), countdown=options["countdown"], **first)
                first = {}
            if options["many"]:
                publish_many([task.s(number)] * options["many"])
        self.stdout.write(f"seconds={time.monotonic() - started:.2f}")
        if options["again"]:
            started = time.monotonic()
            with transaction.atomic():
                task.delay(options["again"])
            self.stdout.write(f"seconds={time.monotonic() - started:.2f}")
        if options["result"]:
            self.stdout.write(f"result={sent.get(timeout=20)}")
