"""What one look of a relay publishes; Django's own runner runs it on each database."""

from __future__ import annotations

from unittest.mock import patch

from django.db import transaction
from django.test import TransactionTestCase
from django.utils import timezone

from proj import app
from proj.contrib.django.models import OutboxMessage
from proj.contrib.django.publication import TOGETHER
from proj.contrib.django.relay import Relay, Relayed
from tests.support.django_site.shop.tasks import pack
from tests.support.django_site.shop.tests import empty_the_broker, kept, published


def leave_in_the_outbox(*numbers: str) -> None:
    """Commit their tasks in a process that dies before it has published them."""
    with patch("proj.contrib.django.outbox.Outbox.publish"), transaction.atomic():
        for number in numbers:
            pack.delay(number)
    OutboxMessage.objects.update(retry_at=timezone.now())


class RelayTests(TransactionTestCase):
    """One batch of a relay."""

    databases = ("default", "other")

    def setUp(self) -> None:
        """Begin with a queue, and nothing in it."""
        empty_the_broker()

    def test_it_publishes_together_in_the_order_of_the_calls(self) -> None:
        """A batch, none of it singly; what is more waits for the next one."""
        numbers = [str(number) for number in range(TOGETHER + 1)]
        leave_in_the_outbox(*numbers)
        with patch("proj.contrib.django.publication.publish", side_effect=AssertionError):
            self.assertEqual(Relay(app, "default").relay_batch(), Relayed(TOGETHER))
        self.assertEqual((published(), kept()), (numbers[:-1], 1))
        self.assertEqual(Relay(app, "default").relay_batch(), Relayed(1))
        self.assertEqual((published(), kept()), (numbers[-1:], 0))

    def test_a_message_that_cannot_be_made_holds_up_no_other(self) -> None:
        """Those around it are published, each once; it stays, with the reason."""
        leave_in_the_outbox("a", "b", "c")
        broken = OutboxMessage.objects.order_by("pk")[1]
        OutboxMessage.objects.filter(pk=broken.pk).update(properties='{"declare": [')
        with self.assertLogs("proj.contrib.django.relay", "ERROR"):
            self.assertEqual(Relay(app, "default").relay_batch(), Relayed(2, failed=1))
        self.assertEqual(published(), ["a", "c"])
        left = OutboxMessage.objects.get()
        self.assertEqual((left.pk, left.attempts), (broken.pk, 1))
        self.assertGreater(left.retry_at, timezone.now())
        self.assertIn("Expecting value", left.error)
