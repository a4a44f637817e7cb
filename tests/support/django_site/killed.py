"""Web processes killed around COMMIT: ``python -m tests.support.django_site.killed SEED COUNT``.

Each is forked, takes up to four orders, one in four of which it rolls back, and ends by SIGKILL: at
a point that the seed names, or at whatever moment its parent's timer ends. The parent prints, for
each, the last point that the process had passed.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import sys
import time
from typing import Any
from unittest.mock import patch

import django
from django.db import connections, transaction

POINTS = ("started", "begun", "written", "committed", "published", "deleted")
"""Not yet at work; in a transaction; rows written; committed; confirmed; out of the outbox."""

TRANSACTIONS = 4
LONGEST_LIFE_SECONDS = 0.06


class WebProcess:
    """What a forked process does; ``passed`` is shared with its parent."""

    def __init__(self, name: str, passed: mmap.mmap) -> None:
        chance = random.Random(name)  # noqa: S311 - a seeded run, not a secret
        self.name = name
        self.passed = passed
        self.alias = chance.choice(list(connections))
        self.rolled_back = chance.randrange(TRANSACTIONS)
        self.killed_by_timer = chance.random() < 0.3
        self.life_seconds = chance.random() * LONGEST_LIFE_SECONDS
        self.last_point = chance.choice(POINTS[1:])
        self.last_transaction = chance.randrange(TRANSACTIONS)

    def run(self) -> None:
        """Take orders until killed."""
        from proj.contrib.django import outbox  # noqa: PLC0415 - after django.setup()

        publish = outbox.publish

        def publish_and_tell(*arguments: Any, **options: Any) -> None:
            self.pass_point("committed")
            publish(*arguments, **options)
            self.pass_point("published")

        with patch.object(outbox, "publish", publish_and_tell):
            for number in range(TRANSACTIONS):
                self.number = number
                self.order(rolled_back=number == self.rolled_back)
        os.kill(os.getpid(), signal.SIGKILL)

    def order(self, *, rolled_back: bool) -> None:
        """Take one order."""
        from tests.support.django_site.shop.models import Order  # noqa: PLC0415 - as above
        from tests.support.django_site.shop.tasks import pack  # noqa: PLC0415 - as above

        order = f"{'rolled-back' if rolled_back else 'order'}-{self.name}-{self.number}"
        with transaction.atomic(using=self.alias):
            Order.objects.using(self.alias).create(number=order)
            self.pass_point("begun")
            pack.delay(order)
            self.pass_point("written")
            transaction.set_rollback(rolled_back, using=self.alias)
        self.pass_point("deleted")

    def pass_point(self, point: str) -> None:
        """Note the point; die there if that is this process's fate."""
        self.passed[0] = POINTS.index(point)
        here = (point, self.number) == (self.last_point, self.last_transaction)
        if here and not self.killed_by_timer:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Fork and kill one process after the other."""
    seed, count = sys.argv[1:]
    django.setup()
    from proj import app  # noqa: PLC0415 - as above

    app.finalize()
    for each in range(int(count)):
        passed = mmap.mmap(-1, 1)
        web = WebProcess(f"{seed}-{each}", passed)
        child = os.fork()
        if not child:
            try:
                web.run()
            finally:
                os._exit(1)
        if web.killed_by_timer:
            time.sleep(web.life_seconds)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"{web.name} ended by itself"
        assert os.WTERMSIG(status) == signal.SIGKILL
        print(POINTS[passed[0]], flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()
