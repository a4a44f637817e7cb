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
from proj.contrib.django.outbox import databases
from proj.contrib.django.relay import Relay, Relayed
from proj.contrib.django.worker import relaying
from proj.errors import SettingsError


class Command(BaseCommand):
    """Relays until it is told to stop; several may run side by side."""

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
        app = celery_app()
        try:
            aliases = databases(work_queue_settings(app))
        except SettingsError as error:
            raise CommandError(str(error)) from error
        if options["once"]:
            for alias in aliases:
                self._relay_once(Relay(app, alias))
            return
        stopping = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        for thread in relaying(app, stopping, self._report):
            thread.join()

    def _report(self, relayed: Relayed) -> None:
        self.stdout.write(f"Published {relayed.published}, not published {relayed.failed}.")

    def _relay_once(self, relay: Relay) -> None:
        published = 0
        try:
            while (relayed := relay.relay_batch()).published:
                published += relayed.published
            stay, failed = relay.messages.count(), relay.messages.filter(attempts__gt=0).count()
        except (DatabaseError, OperationalError) as error:
            raise CommandError(f"{relay.alias}: published {published}, then: {error}") from error
        said = f"{relay.alias}: published {published}; {stay} stay, {failed} of them failed before."
        if failed:
            raise CommandError(f"{said} Django's admin shows why: Work queue, outbox messages.")
        self.stdout.write(said)
