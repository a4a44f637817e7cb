"""``manage.py workqueue ...``: what ``celery -A proj workqueue ...`` does, for this project."""

from __future__ import annotations

import argparse
from typing import Any

from celery.bin.base import CLIContext
from django.core.management.base import BaseCommand

from proj.commands import workqueue
from proj.contrib.django.apps import celery_app


class Command(BaseCommand):
    """Hands all arguments on."""

    help = "Operate the work queue: manage.py workqueue --help"

    def run_from_argv(self, argv: list[str]) -> None:
        """Run from the command line; ends the process with the command's exit code."""
        self.handle(arguments=argv[2:])

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take whatever comes, for ``call_command``."""
        parser.add_argument("arguments", nargs=argparse.REMAINDER)

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the command that the arguments name."""
        context = CLIContext(app=celery_app(), no_color=False, workdir=None)
        workqueue.main(options["arguments"], prog_name="manage.py workqueue", obj=context)
