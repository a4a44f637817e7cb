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
from typing import Any

CONTENDERS = {
    "nothing": "the transaction alone, no task",
    "stock": "stock Celery, transaction.on_commit",
    "stock-confirmed": "stock Celery, on_commit, confirm_publish",
    "direct": "work queue, on_commit, no outbox",
    "outbox": "work queue, delay() in the transaction",
    "dco": "django-celery-outbox, delay() in it",
}
ROUNDS = 5
REQUESTS = 300
LATENCIES = 10
QUEUE = "bench"
COMMAND = (sys.executable, "-m", "benchmarks.outbox")
KIND = os.environ.get("BENCH_KIND", "")


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


def measure(app: Any) -> dict[str, float]:
    """Return the milliseconds of a request, and until the message arrives."""
    for number in range(20):
        request(app, number)
    started = time.perf_counter()
    for number in range(REQUESTS):
        request(app, number)
    milliseconds = (time.perf_counter() - started) / REQUESTS * 1000
    return {"request": milliseconds, "arrives": arrives_after(app) if KIND != "nothing" else 0.0}


def arrives_after(app: Any) -> float:
    """Return the median of milliseconds from the begin of a request to a consumer."""
    import pika  # noqa: PLC0415 - in the child only

    arrived: dict[int, float] = {}
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["CELERY_BROKER_URL"]))
    channel = connection.channel()

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


def run(kind: str, environment: dict[str, str]) -> dict[str, float]:
    """Return what the child process of one contender measured."""
    command = COMMAND
    environment = {**environment, "BENCH_KIND": kind}
    relay = None
    if kind == "dco":
        relay = subprocess.Popen(
            [*command, "celery_outbox_relay"], env=environment, stdout=-3, stderr=-3
        )
    try:
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        return dict(json.loads(output.stdout.splitlines()[-1]))
    finally:
        if relay is not None:
            relay.terminate()
            relay.wait()


def main() -> None:
    """Let the contenders take turns, and print the table."""
    from tests.support.postgresql import PostgreSQL  # noqa: PLC0415 - in the parent only
    from tests.support.rabbitmq_node import RabbitMQNode  # noqa: PLC0415 - as above

    server = PostgreSQL()
    server.fsync = "on"
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in CONTENDERS}
    with server, RabbitMQNode() as node:
        database = server.add_database("bench")
        environment = {
            **os.environ,
            "BENCH_DATABASE": json.dumps(database),
            "CELERY_BROKER_URL": node.url(),
        }
        for kind in ("outbox", "dco"):
            variables = {**environment, "BENCH_KIND": kind}
            command = [*COMMAND, "migrate"]
            subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
        for _ in range(ROUNDS):
            for kind in CONTENDERS:
                found[kind].append(run(kind, environment))
    medians = {
        kind: {what: statistics.median(each[what] for each in rounds) for what in rounds[0]}
        for kind, rounds in found.items()
    }
    stock = medians["stock"]["request"]
    print(f"{'':40} {'ms/request':>10} {'ratio':>6} {'arrives after, ms':>18}")
    for kind, what in CONTENDERS.items():
        figures = medians[kind]
        arrives = "" if kind == "nothing" else f"{figures['arrives']:18.1f}"
        print(f"{what:40} {figures['request']:10.2f} {figures['request'] / stock:6.2f} {arrives}")


if __name__ == "__main__" and KIND:
    app = configure()
    from django.core.management import execute_from_command_line
    from django.db import connection

    if len(sys.argv) > 1:
        execute_from_command_line(["manage.py", *sys.argv[1:]])
    else:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS bench_order (number bigint)")
        print(json.dumps(measure(app)))
elif __name__ == "__main__":
    main()
