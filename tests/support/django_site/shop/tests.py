"""What a Django developer expects of transactions; Django's own runner runs it on each database."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

from celery import chain, group
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext
from kombu import Connection, Queue

from proj import app, publish_many
from proj.contrib.django.models import OutboxMessage
from tests.support.django_site.shop.models import Order
from tests.support.django_site.shop.tasks import announce, pack


class OutboxInDefault:
    """A router that lets one database have the table."""

    def allow_migrate(self, alias: str, app_label: str, **_: object) -> bool | None:
        """Answer for our app only."""
        return alias == "default" if app_label == "work_queue" else None


def published(queue: str = "task_queue") -> list[str]:
    """Take the waiting messages, and return their tasks' first arguments, in their order."""
    with Connection(os.environ["CELERY_BROKER_URL"]) as broker:
        channel = broker.channel()
        taken = []
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            taken.append(json.loads(channel.message_to_python(message).body)[0][0])
    return taken


def verbs(queries: CaptureQueriesContext) -> list[str]:
    """Return the first word of each statement on rows."""
    words = (each["sql"].split()[0] for each in queries)
    return [word for word in words if word in ("INSERT", "SELECT", "DELETE")]


def kept() -> int:
    """Return the number of messages in the outbox."""
    return OutboxMessage.objects.count()


def empty_the_broker() -> None:
    """Publish once, which declares the queue, and take that out."""
    pack.apply_async(("first",), outbox=False)
    published()


class Transactions(TransactionTestCase):
    """Real commits."""

    databases = ("default", "other")

    def setUp(self) -> None:
        """Begin with a queue, and nothing in it."""
        empty_the_broker()

    def test_outside_a_transaction_a_task_is_published_at_once(self) -> None:
        """No row is written."""
        with self.assertNumQueries(0):
            pack.delay("a")
        self.assertEqual(published(), ["a"])

    def test_a_committed_task_is_published_and_leaves_the_outbox(self) -> None:
        """Before the commit the row alone exists; the id is known at the call."""
        with transaction.atomic():
            sent = pack.delay("a")
            self.assertEqual(OutboxMessage.objects.get().task_id, sent.id)
            self.assertEqual(published(), [])
        self.assertEqual((published(), kept()), (["a"], 0))

    def test_a_call_in_a_transaction_costs_one_insert(self) -> None:
        """And the commit one deletion, for all tasks together; one look more after savepoints."""
        connection.clean_savepoints()
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            for number in "abc":
                pack.delay(number)
        self.assertEqual(verbs(queries), ["INSERT"] * 3 + ["DELETE"])
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            pack.delay("d")
            with transaction.atomic():
                pack.delay("e")
        self.assertEqual(verbs(queries), ["INSERT", "INSERT", "SELECT", "DELETE"])
        self.assertEqual(published(), ["a", "b", "c", "d", "e"])

    def test_many_tasks_are_one_insert(self) -> None:
        """``publish_many`` needs no broker before the commit, and keeps an ETA for later."""
        calls = [pack.s("a"), pack.s("b"), pack.s("c").set(countdown=60)]
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            outcomes = publish_many(calls)
            self.assertEqual((outcomes.confirmed, kept(), published()), (3, 3, []))
            late = OutboxMessage.objects.last()
            self.assertIsNotNone(json.loads(late.headers)["eta"])
            self.assertEqual(late.routing_key, "task_queue")
        self.assertEqual(verbs(queries).count("INSERT"), 1)
        self.assertEqual((published(), kept()), (["a", "b"], 0))

    def test_many_tasks_that_were_rolled_back_never_existed(self) -> None:
        """Of the same call, only the task that wants no outbox was published."""
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            publish_many([pack.s("a"), announce.s("b"), pack.s("c").set(outbox=False)])
            self.assertEqual(kept(), 1)
            raise ZeroDivisionError
        self.assertEqual((published(), kept()), (["b", "c"], 0))

    def test_a_task_that_was_rolled_back_never_existed(self) -> None:
        """No row, no message."""
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            pack.delay("a")
            raise ZeroDivisionError
        self.assertEqual((published(), kept()), ([], 0))

    def test_a_rolled_back_savepoint_takes_its_tasks_with_it(self) -> None:
        """What stands around it is published, in the order of the calls."""
        with transaction.atomic():
            pack.delay("before")
            with self.assertRaises(ZeroDivisionError), transaction.atomic():
                pack.delay("inside")
                raise ZeroDivisionError
            with transaction.atomic():
                pack.delay("kept")
            pack.delay("after")
        self.assertEqual((published(), kept()), (["before", "kept", "after"], 0))

    def test_a_savepoint_that_is_rolled_back_by_hand(self) -> None:
        """Django runs the hooks of such a savepoint; its tasks are gone all the same."""
        with transaction.atomic():
            pack.delay("before")
            savepoint = transaction.savepoint()
            pack.delay("inside")
            transaction.savepoint_rollback(savepoint)
        self.assertEqual((published(), kept()), (["before"], 0))

    def test_a_durable_block(self) -> None:
        """The outermost block, by Django's own check."""
        with transaction.atomic(durable=True):
            pack.delay("a")
        self.assertEqual((published(), kept()), (["a"], 0))

    def test_hooks_run_in_the_order_of_their_calls(self) -> None:
        """A hook between two tasks sees the first one published, and the second one not."""
        seen: list[list[str]] = []
        with transaction.atomic():
            pack.delay("a")
            transaction.on_commit(lambda: seen.append(published()))
            pack.delay("b")
        self.assertEqual((seen, published()), ([["a"]], ["b"]))

    def test_a_task_that_a_hook_sends_is_published_at_once(self) -> None:
        """The transaction is over by then: ``delay_on_commit`` works as before."""
        with transaction.atomic():
            pack.delay_on_commit("a")
            self.assertEqual(kept(), 0)
        self.assertEqual((published(), kept()), (["a"], 0))

    def test_a_call_and_a_task_may_opt_out(self) -> None:
        """The call goes before the task."""
        with transaction.atomic():
            pack.apply_async(("now",), outbox=False)
            announce.delay("as well")
            announce.apply_async(("kept",), outbox=True)
            self.assertEqual(published(), ["now", "as well"])
            transaction.set_rollback(True)
        self.assertEqual((published(), kept()), ([], 0))

    def test_groups_and_chains_are_kept(self) -> None:
        """Each message of a canvas, although Celery hands its own producer on."""
        with transaction.atomic():
            group(pack.si("a"), pack.si("b")).apply_async()
            chain(pack.si("c"), pack.si("d")).apply_async()
            app.send_task("elsewhere.task", ("e",))
            self.assertEqual((published(), kept()), ([], 4))
        self.assertEqual((published(), kept()), (["a", "b", "c", "e"], 0))

    def test_a_queue_that_is_not_configured(self) -> None:
        """A queue that the call brings along, and that exists, gets its task."""
        elsewhere = Queue("elsewhere")
        with Connection(os.environ["CELERY_BROKER_URL"]) as broker:
            elsewhere(broker.channel()).declare()
        with transaction.atomic():
            pack.apply_async(("a",), queue=elsewhere)
            self.assertEqual(kept(), 1)
        self.assertEqual((published("elsewhere"), kept()), (["a"], 0))

    def test_a_message_is_complete(self) -> None:
        """Options, headers and an absolute ETA, counted from the call."""
        with transaction.atomic():
            pack.apply_async(
                ("a",), countdown=60, priority=3, headers={"tenant": "t1"}, compression="zlib"
            )
            message = OutboxMessage.objects.get()
            transaction.set_rollback(True)
        headers, properties = json.loads(message.headers), json.loads(message.properties)
        due = datetime.fromisoformat(headers["eta"]) - datetime.now(timezone.utc)
        self.assertTrue(timedelta(seconds=50) < due <= timedelta(seconds=60), due)
        self.assertEqual((headers["tenant"], properties["priority"]), ("t1", 3))
        self.assertEqual(headers["compression"], "application/x-gzip")
        self.assertEqual((message.exchange, message.routing_key), ("", "task_queue"))

    def test_arguments_that_cannot_be_serialised_fail_at_the_call(self) -> None:
        """As they do without a transaction, and nothing is written."""
        with transaction.atomic():
            with self.assertRaises(Exception) as refused:
                pack.delay(object())
            self.assertIn("not JSON serializable", str(refused.exception))
        self.assertEqual(kept(), 0)

    def test_the_database_whose_block_is_open_keeps_the_task(self) -> None:
        """The other one may commit or roll back as it likes."""
        with transaction.atomic(using="other"):
            pack.delay("a")
            self.assertEqual((kept(), OutboxMessage.objects.using("other").count()), (0, 1))
            with transaction.atomic():
                transaction.set_rollback(True)
        self.assertEqual(published(), ["a"])
        self.assertEqual(OutboxMessage.objects.using("other").count(), 0)

    @override_settings(DATABASE_ROUTERS=["tests.support.django_site.shop.tests.OutboxInDefault"])
    def test_a_database_without_an_outbox_publishes_at_once(self) -> None:
        """Routers say which databases have one."""
        with transaction.atomic(using="other"):
            pack.delay("a")
            self.assertEqual(published(), ["a"])
        with transaction.atomic():
            pack.delay("b")
            self.assertEqual(published(), [])

    def test_the_admin_shows_what_waits(self) -> None:
        """Task, id, attempts and the reason, for whoever may see it."""
        with transaction.atomic():
            waiting = pack.delay("a")
            OutboxMessage.objects.update(attempts=3, error="no queue took it " + 60 * "because ")
            self.client.force_login(User.objects.create_superuser("root"))
            page = self.client.get("/admin/work_queue/outboxmessage/").content.decode()
            transaction.set_rollback(True)
        for shown in (waiting.id, pack.name, "no queue took it"):
            self.assertIn(shown, page)
        self.assertLess(page.count("because"), 10)

    def test_a_request_that_fails_sends_nothing(self) -> None:
        """``ATOMIC_REQUESTS``: the view is one transaction."""
        self.client.raise_request_exception = False
        self.assertEqual(self.client.get("/order/1/fails/").status_code, 500)
        self.assertEqual((published(), kept(), Order.objects.count()), ([], 0, 0))
        self.assertEqual(self.client.get("/order/2/well/").status_code, 200)
        self.assertEqual((published(), kept(), Order.objects.count()), (["2"], 0, 1))

    def test_a_broker_that_is_away_fails_no_commit(self) -> None:
        """The message stays, and the error goes to the log."""
        away = patch("proj.contrib.django.outbox.publish", side_effect=ValueError("broken"))
        with away, self.assertLogs("proj.contrib.django.outbox", "ERROR"), transaction.atomic():
            pack.delay("a")
        self.assertEqual((published(), kept()), ([], 1))


class InTestCase(TestCase):
    """A test case's own transaction never commits."""

    def setUp(self) -> None:
        """Begin with a queue, and nothing in it."""
        empty_the_broker()

    def test_hooks_are_captured_and_run(self) -> None:
        """``captureOnCommitCallbacks(execute=True)`` publishes what its block sent."""
        pack.delay("before")
        with self.captureOnCommitCallbacks(execute=True) as hooks:
            pack.delay("a")
            pack.delay("b")
            self.assertEqual(published(), [])
        self.assertEqual((published(), len(hooks), kept()), (["a", "b"], 2, 1))
        with self.captureOnCommitCallbacks() as hooks:
            pack.delay("c")
        self.assertEqual((published(), len(hooks), kept()), ([], 1, 2))
