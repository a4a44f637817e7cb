"""The recipe of docs/doctor.md: a classic queue becomes a quorum queue, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

from proj.doctor.fixing import fix
from proj.doctor.live.broker import publish
from proj.doctor.live.queue import queue_differs
from tests.support.broker import Broker
from tests.support.doctor_scene import looking, virtual_host
from tests.support.producer import run_producer
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from tests.support.worker import Worker
from tests.support.workqueue_command import run

COUNT = 100

TASK = "tasks.messages.process_message"

OLD = {"work_queue_name": "task_queue", "work_queue_type": "classic"}


def workqueue(url: str, *options: str) -> str:
    """Run ``workqueue`` with ``options`` on the broker at ``url``; return what it printed."""
    done = run(url, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_classic_queue_becomes_a_quorum_queue(node: RabbitMQ, tmp_path: Path) -> None:
    """Waiting, delayed and dead messages arrive; each runs, and the finding is gone."""
    with virtual_host(node) as old_url, virtual_host(node) as new_url:
        old = Broker(old_url, "", node.management)
        with looking(old_url, **OLD) as reached:
            fix(reached.examined.app)
            shop = reached.examined.app
            with reached.connection.channel() as channel:
                publish(channel, reached.dead_letters, message_id="dead")
        sent = run_producer(
            *("--plain", "--count", str(COUNT)),
            broker_url=old_url,
            environment={"WORK_QUEUE_TYPE": "classic"},
        )
        assert sent.returncode == 0, sent.stderr
        with looking(old_url, work_queue_name="task_queue") as reached:
            assert any("x-queue-type = " in each for each in queue_differs(reached))

        with Worker("new", new_url, tmp_path) as worker:
            worker.wait_ready()
            assert f"Moved {COUNT} messages" in workqueue(new_url, "move", "--from", old_url)
            moved = workqueue(new_url, "move", "--dead-letters", "--from", old_url)
            assert "Moved 1 messages" in moved
            # Of a producer that still had the old URL.
            shop.send_task(TASK, ("delayed",), countdown=1)
            wait_until(old.waiting, lambda ready: ready == 1, what="the delayed task is due")
            assert "Moved 1 messages" in workqueue(new_url, "move", "--from", old_url)
            expected = sorted(["delayed", *(f"Message {number}" for number in range(COUNT))])
            wait_until(
                lambda: sorted(worker.done()), lambda done: done == expected, what="each ran once"
            )

        with looking(new_url, work_queue_name="task_queue") as reached:
            assert queue_differs(reached) == []
            assert reached.counts(reached.dead_letters) == (1, 0)
        assert (old.waiting(), old.waiting("task_queue.dead_letters")) == (0, 0)
