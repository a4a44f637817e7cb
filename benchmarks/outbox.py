"""What a task costs a Django request: `python -m benchmarks.outbox`.

Needs the project with its extra `django`, psycopg, pika, and django-celery-outbox. A request is a
transaction that inserts one row and sends one task; PostgreSQL (fsync on) and RabbitMQ are private
and local, each message goes to a durable quorum queue. The contenders take turns, and the medians
of the rounds are shown. "arrives after": from the beginning of the request until a plain consumer
has the message. Caveats: all on one machine; no worker runs; stock Celery's publish is not
confirmed unless it says so, and neither of its rows survives a process that dies between COMMIT
and publish. django-celery-outbox publishes nothing in the request: its relay, with its default
settings, does.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any

CONTENDERS = {
    "nothing": "the transaction alone, no task",
    "stock": "stock Celery, transaction.on_commit",
    "stock-confirmed": "stock Celery, on_commit, confirm_publish",
    "direct": "work queue, on_commit, no outbox",
    "outbox": "work queue, delay() in the transaction",
    "dco": "django-celery-outbox, delay() in it",
}
ROUNDS = 30
REQUESTS = 20
LATENCIES = 10
COMMAND = (sys.executable, "-m", "benchmarks.outbox")
KIND = os.environ.get("BENCH_KIND", "")
QUEUE = f"bench-{KIND}"


def configure() -> Any:
    """Set Django up for the contender KIND, and return its Celery app."""
    import django  # noqa: PLC0415 - in the child only
    from celery import Celery  # noqa: PLC0415 - as above
    from django.conf import settings  # noqa: PLC0415 - as above
    from kombu import Queue  # noqa: PLC0415 - as above

    ours = KIND in ("direct", "outbox")
    apps = ["proj.contrib.django"] if ours else ["django_celery_outbox"] if KIND == "dco" else []
    settings.configure(
        DATABASES={"default": json.loads(os.environ["BENCH_DATABASE"])},
        INSTALLED_APPS=apps,
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        CELERY_OUTBOX_APP="__main__.app",
    )
    if KIND == "dco":
        from django_celery_outbox import OutboxCelery  # noqa: PLC0415 - where it competes

        made = OutboxCelery("bench")
    else:
        made = Celery("bench")
    made.conf.update(
        task_queues=[Queue(QUEUE, routing_key=QUEUE, queue_arguments={"x-queue-type": "quorum"})],
        task_default_queue=QUEUE,
        task_ignore_result=True,
        broker_transport_options={"confirm_publish": KIND == "stock-confirmed" or ours},
    )
    made.task(nothing, name="nothing")
    made.finalize()
    django.setup()
    return made


def nothing(number: int) -> None:
    """Be the task; nobody runs it."""


def request(app: Any, number: int) -> None:
    """Serve one request."""
    from django.db import connection, transaction  # noqa: PLC0415 - in the child only

    task = app.tasks["nothing"]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_order (number) VALUES (%s)", [number])
        if KIND in ("outbox", "dco"):
            task.delay(number)
        elif KIND != "nothing":
            transaction.on_commit(lambda: task.delay(number))


def serve(app: Any) -> None:
    """Answer each line of the standard input with milliseconds."""
    number = 0
    for line in sys.stdin:
        if line.strip() == "arrival":
            print(arrives_after(app), flush=True)
            continue
        started = time.perf_counter()
        for _ in range(REQUESTS):
            request(app, number := number + 1)
        print((time.perf_counter() - started) / REQUESTS * 1000, flush=True)


def arrives_after(app: Any) -> float:
    """Return the median of milliseconds from the begin of a request to a consumer."""
    import pika  # noqa: PLC0415 - in the child only

    arrived: dict[int, float] = {}
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["CELERY_BROKER_URL"]))
    channel = connection.channel()
    app.amqp.queues[QUEUE].bind(app.connection().default_channel).declare()

    def note(_channel: Any, _method: Any, _properties: Any, body: bytes) -> None:
        arrived[json.loads(body)[0][0]] = time.perf_counter()

    channel.basic_consume(QUEUE, note, auto_ack=True)
    threading.Thread(target=channel.start_consuming, daemon=True).start()
    waits = []
    for number in range(10**6, 10**6 + LATENCIES):
        begun = time.perf_counter()
        request(app, number)
        while number not in arrived:
            time.sleep(0.0005)
        waits.append((arrived[number] - begun) * 1000)
    return statistics.median(waits)


def ask(process: subprocess.Popen[str], question: str) -> float:
    """Return what a contender's process answers."""
    assert process.stdin
    assert process.stdout
    print(question, file=process.stdin, flush=True)
    return float(process.stdout.readline())


def main() -> None:
    """Let the contenders take turns, and print the table."""
    from tests.support.postgresql import PostgreSQL  # noqa: PLC0415 - in the parent only
    from tests.support.rabbitmq_node import RabbitMQNode  # noqa: PLC0415 - as above

    server = PostgreSQL()
    server.fsync = "on"
    with server, RabbitMQNode() as node, ExitStack() as processes:
        environment = {
            **os.environ,
            "BENCH_DATABASE": json.dumps(server.add_database("bench")),
            "CELERY_BROKER_URL": node.url(),
        }
        contenders = {}
        for kind in CONTENDERS:
            variables = {**environment, "BENCH_KIND": kind}
            subprocess.run([*COMMAND, "migrate"], env=variables, check=True, stdout=-3)
            contenders[kind] = processes.enter_context(
                subprocess.Popen(COMMAND, env=variables, stdin=-1, stdout=-1, text=True)
            )
            processes.callback(contenders[kind].kill)
            ask(contenders[kind], "warm up")
        rounds = [{kind: ask(contenders[kind], "go") for kind in CONTENDERS} for _ in range(ROUNDS)]
        relay = subprocess.Popen(
            [*COMMAND, "celery_outbox_relay"], env=variables, stdout=-3, stderr=-3
        )
        processes.callback(relay.kill)
        arrivals = {kind: ask(contenders[kind], "arrival") for kind in list(CONTENDERS)[1:]}
    show(rounds, arrivals)


def show(rounds: list[dict[str, float]], arrivals: dict[str, float]) -> None:
    """Print a line for each contender; a ratio is the median of the rounds' ratios."""
    print(f"{'':40} {'ms/request':>10} {'ratio':>6} {'arrives after, ms':>18}")
    for kind, what in CONTENDERS.items():
        milliseconds = statistics.median(each[kind] for each in rounds)
        ratio = statistics.median(each[kind] / each["stock"] for each in rounds)
        arrival = f"{arrivals[kind]:18.1f}" if kind in arrivals else ""
        print(f"{what:40} {milliseconds:10.2f} {ratio:6.2f} {arrival}")


if __name__ == "__main__" and KIND:
    app = configure()
    from django.core.management import execute_from_command_line
    from django.db import connection

    if len(sys.argv) > 1:
        execute_from_command_line(["manage.py", *sys.argv[1:]])
    else:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS bench_order (number bigint)")
        serve(app)
elif __name__ == "__main__":
    main()
