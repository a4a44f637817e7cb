"""``python -m examples.demo``: what ``make demo`` runs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from examples.demo.brokers import BROKERS, start_broker
from examples.demo.display import Display, display_for
from examples.demo.interruption import Interruption
from examples.demo.story import BODIES, Story
from tests.support.producer import run_producer
from tests.support.rabbitmq_programs import RabbitMQMissing
from tests.support.worker import Worker

WORKER_NAMES = ("one", "two", "three")


def main() -> int:
    """Run the demo; return 0 only if all ten messages ran to their end."""
    options = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    options.add_argument("--broker", choices=list(BROKERS), default=next(iter(BROKERS)))
    broker_name = options.parse_args().broker

    with Interruption() as interruption, ExitStack() as started:
        # Whatever was started is ended, and its folder removed, before an interruption goes on.
        started.push(lambda *_: interruption.hold())
        display = started.enter_context(display_for(sys.stdout))
        try:
            return _run(broker_name, started, interruption, display)
        except RabbitMQMissing as missing:
            print(missing, file=sys.stderr)
        except KeyboardInterrupt:
            print("\nInterrupted; every process is ended and every file removed.", file=sys.stderr)
            return 130
    return 1


def _run(broker_name: str, started: ExitStack, interruption: Interruption, display: Display) -> int:
    display.say(f"Starting a private broker ({broker_name}) and three workers...")
    with interruption.held():
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="workqueue-demo-")))
        broker_url = start_broker(broker_name, folder, started)
    workers = []
    for name in WORKER_NAMES:
        with interruption.held():
            worker = started.enter_context(Worker(name, broker_url, folder))
        workers.append(worker)
    for worker in workers:
        worker.wait_ready()

    display.say("Each worker is `celery -A proj worker`, and takes one message at a time.")
    display.say(f"`python -m proj.producer` enqueues {len(BODIES)} messages; a dot is one second.")
    sent = run_producer(*BODIES, broker_url=broker_url)
    if sent.returncode:
        print(sent.stderr, file=sys.stderr)
        return sent.returncode

    story = Story(workers, display)
    story.run()
    display.finish(story)
    return 0 if story.all_done() else 1


if __name__ == "__main__":
    sys.exit(main())
