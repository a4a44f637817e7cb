"""A database that nobody has migrated; Django's own runner runs it on each database."""

from __future__ import annotations

from django.db import DatabaseError, connections, transaction
from django.test import TransactionTestCase

from proj import publish_many
from proj.contrib.django.models import OutboxMessage
from tests.support.django_site.shop.tasks import pack
from tests.support.django_site.shop.tests import empty_the_broker, published


class WithoutTheTable(TransactionTestCase):
    """The outbox of each database in turn is not there."""

    databases = ("default", "other")

    def test_the_call_says_which_database_to_migrate(self) -> None:
        """One task and many; outside the block a task is published as ever."""
        empty_the_broker()
        for alias in self.databases:
            with connections[alias].schema_editor() as schema:
                schema.delete_model(OutboxMessage)
            try:
                for call in (lambda: pack.delay("a"), lambda: publish_many([pack.s("b")])):
                    told = f"'{alias}' cannot be written.*migrate --database={alias};"
                    with (
                        self.assertRaisesRegex(DatabaseError, told),
                        transaction.atomic(using=alias),
                    ):
                        call()
                pack.delay("c")
            finally:
                with connections[alias].schema_editor() as schema:
                    schema.create_model(OutboxMessage)
        self.assertEqual(published(), ["c", "c"])
