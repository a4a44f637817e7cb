"""Compare publishing on RabbitMQ: `python benchmarks/publishing.py [--broker URL]`.

One by one, confirmed: our apply_async, stock Celery with confirm_publish, pika with confirms. Many:
publish_many, and pika without confirms, which also publishes the task's message. One process, one
connection, an empty durable queue for each run; see README.md for what that does not show.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pika
from celery import Celery
from kombu import Queue

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from rounds import draw_charts, measure, print_machine, print_ratios  # noqa: E402 - found by the path above

from proj import plugin, publish_many  # noqa: E402 - as above
from tests.support.rabbitmq import new_rabbitmq  # noqa: E402 - as above

QUEUE = "benchmark_publishing"


class Contenders:
    """What publishes to the broker of ``url``, to a queue of ``queue_type``."""

    def __init__(self, url: str, queue_type: str) -> None:
        self.queue_type = queue_type
        self.parameters = pika.URLParameters(url)
        self.ours = Celery("ours", broker=url, set_as_current=False)
        self.ours.conf.update(work_queue_name=QUEUE, work_queue_type=queue_type)
        plugin.install(self.ours)
        self.stock = Celery("stock", broker=url, set_as_current=False)
        queue = Queue(QUEUE, routing_key=QUEUE, queue_arguments={}, no_declare=True)
        self.stock.conf.update(
            task_queues=[queue],
            task_default_queue=QUEUE,
            broker_transport_options={"confirm_publish": True},
        )
        for app in (self.ours, self.stock):
            app.task(name="nothing", ignore_result=True, shared=False)(_nothing)

    def empty_queue(self) -> None:
        """Make the queue anew, as the plug-in declares it."""
        with pika.BlockingConnection(self.parameters) as connection:
            connection.channel().queue_delete(QUEUE)
        with self.ours.connection() as connection:
            self.ours.amqp.default_queue(connection.default_channel).declare()

    def timed(self, publish: Callable[[int], object], count: int) -> float:
        """Publish ``count`` messages to an empty queue; return messages a second."""
        self.empty_queue()
        publish(10)  # connected, declared, templates made
        began = time.perf_counter()
        publish(count)
        return count / (time.perf_counter() - began)

    def one_by_one(self, app: Celery) -> Callable[[int], object]:
        """Return what calls ``delay`` in a loop."""
        task = app.tasks["nothing"]

        def publish(count: int) -> None:
            for number in range(count):
                task.delay(f"Message {number}")

        return publish

    def many(self, count: int) -> None:
        """Publish by ``publish_many``."""
        task = self.ours.tasks["nothing"]
        publish_many(task.s(f"Message {number}") for number in range(count))

    def by_pika(self, *, confirmed: bool, task: bool) -> Callable[[int], None]:
        """Return what publishes by pika: a task's message, or plain text."""
        message = self.ours.send_task.templates.message(
            self.ours.tasks["nothing"], ("Message 0",), {}, None, {}
        )
        headers = message.options["headers"]

        def publish(count: int) -> None:
            with pika.BlockingConnection(self.parameters) as connection:
                channel = connection.channel()
                if confirmed:
                    channel.confirm_delivery()
                for number in range(count):
                    body, properties = f"Message {number}", pika.BasicProperties(delivery_mode=2)
                    if task:
                        task_id = str(uuid4())
                        body = json.dumps(((body,), {}, message.call[2]))
                        properties = pika.BasicProperties(
                            content_type="application/json",
                            content_encoding="utf-8",
                            delivery_mode=2,
                            correlation_id=task_id,
                            headers={**headers, "id": task_id, "root_id": task_id},
                        )
                    channel.basic_publish("", QUEUE, body.encode(), properties)
                # The broker has taken all that came before.
                channel.queue_declare(QUEUE, passive=True)

        return publish


def _nothing(*_: object) -> None:
    pass


def run(url: str, options: argparse.Namespace) -> None:
    """Measure, and print."""
    contenders = Contenders(url, options.queue_type)
    singly = {
        "apply_async": contenders.one_by_one(contenders.ours),
        "stock apply_async, confirm_publish": contenders.one_by_one(contenders.stock),
        "pika, confirmed, task": contenders.by_pika(confirmed=True, task=True),
    }
    many = {
        "publish_many": contenders.many,
        "pika, not confirmed, task": contenders.by_pika(confirmed=False, task=True),
        "pika, not confirmed, plain text": contenders.by_pika(confirmed=False, task=False),
    }
    ways = [(each, options.count // 10) for each in singly.items()]
    ways += [(each, options.count) for each in many.items()]
    print_machine(["celery", "kombu", "amqp", "pika"])
    print(f"a {options.queue_type} queue; {options.count // 10:,} singly, {options.count:,} many")
    figures = measure(
        {name: lambda p=p, n=n: contenders.timed(p, n) for (name, p), n in ways}, options.rounds
    )
    pairs = [("apply_async", name) for name in list(singly)[1:]]
    pairs += [("publish_many", "stock apply_async, confirm_publish")]
    pairs += [("publish_many", name) for name in list(many)[1:]]
    print_ratios(figures, pairs, "messages/s")
    charts = {
        "publish one by one, messages/s": {name: figures[name] for name in singly},
        "publish many at once, messages/s": {name: figures[name] for name in many},
    }
    draw_charts(options.charts, charts, options.queue_type)


def main() -> None:
    """Run against ``--broker``, else a private node of our own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--broker", help="amqp URL; without it a private node is started")
    parser.add_argument("--count", type=int, default=20_000, help="messages of one run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queue-type", default="quorum", choices=["quorum", "classic"])
    parser.add_argument("--charts", type=Path, help="write an SVG for each figure in this folder")
    options = parser.parse_args()
    if options.broker:
        run(options.broker, options)
    else:
        with new_rabbitmq() as node:
            run(node.url("/"), options)


if __name__ == "__main__":
    main()
