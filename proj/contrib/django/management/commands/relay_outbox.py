"""``manage.py relay_outbox``: publish what was left in the outbox, where no worker does it."""

from __future__ import annotations

import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from kombu.exceptions import OperationalError

from proj.configuration import work_queue_settings
from proj.contrib.django.apps import celery_app
from proj.contrib.django.models import OutboxMessage
from proj.contrib.django.outbox import databases
from proj.contrib.django.relay import Relay, Relayed


class Command(BaseCommand):
    """Runs a relay until it is told to stop; several may run side by side."""

    help = "Publish the tasks that committed transactions have left in the outbox."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the one option."""
        parser.add_argument(
            "--once",
            action="store_true",
            help="Publish what is due, say what stays, and end; exit code 1 if something failed.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Relay; raises ``CommandError`` for one line instead of a traceback."""
        relay = Relay(celery_app())
        if options["once"]:
            self._relay_once(relay)
            return
        stopping = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        relay.run(stopping, self._report)

    def _report(self, relayed: Relayed) -> None:
        self.stdout.write(f"Published {relayed.published}, not published {relayed.failed}.")

    def _relay_once(self, relay: Relay) -> None:
        published = 0
        try:
            while (relayed := relay.relay_batch()).published:
                published += relayed.published
        except (DatabaseError, OperationalError) as error:
            raise CommandError(f"Published {published}, then: {error}") from error
        aliases = databases(work_queue_settings(relay.app))
        waiting = [OutboxMessage.objects.using(alias) for alias in aliases]
        failed = sum(each.filter(attempts__gt=0).count() for each in waiting)
        stay = sum(each.count() for each in waiting)
        self.stdout.write(f"Published {published}; {stay} stay, {failed} of them failed before.")
        if failed:
            raise CommandError("See why in Django's admin: Work queue, outbox messages.")
