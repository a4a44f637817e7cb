"""Tasks that note in the ledger what they did."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import shared_task
from django.db import connection, transaction

from tests.support.django_site.shop.models import Order
from tests.support.ledger import Ledger


def ledger() -> Ledger:
    """Return the ledger of this run."""
    return Ledger(Path(os.environ["LEDGER"]))


@shared_task
def pack(number: str) -> str:
    """Pack the parcel of an order."""
    ledger().write("packed", number)
    return number


@shared_task(outbox=False)
def announce(number: str) -> None:
    """Tell of an order, whether it will be committed or not."""
    ledger().write("announced", number)


@shared_task
def pack_at(number: str) -> None:
    """Note when the parcel was packed."""
    ledger().write("packed-at", f"{number}@{time.time()}")


@shared_task(bind=True, max_retries=1)
def retry_in_a_transaction(self: Any, number: str) -> None:
    """Fail once inside a transaction: its retry must outlive the rollback."""
    with transaction.atomic():
        if not self.request.retries:
            raise self.retry(countdown=0)
        ledger().write("retried", number)


@shared_task(bind=True)
def replace_in_a_transaction(self: Any, number: str) -> None:
    """Let ``pack`` do the work; the exception that says so rolls the transaction back."""
    with transaction.atomic():
        raise self.replace(pack.si(number))


@shared_task
def order_and_pack(number: str) -> None:
    """Send a task from a task, in a transaction."""
    ledger().write("connected", str(connection.connection is not None))
    with transaction.atomic():
        Order.objects.create(number=number)
        pack.delay(number)
