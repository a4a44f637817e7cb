"""``python -m proj.producer``: sends messages to the work queue, each confirmed by the broker."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from kombu.exceptions import OperationalError

from proj import app
from proj.configuration import work_queue_settings
from proj.errors import BrokerUnavailable, WorkQueueError
from proj.publishing.many import publish_many
from proj.publishing.outcomes import Interrupted, Outcomes
from proj.publishing.plain import publish_plain

__all__ = ["main"]

MANY = 1000
"""From this count on, messages are sent many at once, and not told one by one."""

BAR_WIDTH = 40

EXAMPLES = """\
examples:
  python -m proj.producer                        'Message 0' to 'Message 9'
  python -m proj.producer 'Resize photo 7...'    a message that takes three seconds
  python -m proj.producer --count 100000         'Message 0' to 'Message 99999', many at once
  python -m proj.producer --plain                text for any AMQP client, without Celery headers
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Send what ``arguments`` ask for; return the exit code."""
    options = _parse(arguments)
    bodies = options.bodies or (f"Message {number}" for number in range(options.count))
    try:
        if not options.plain and not options.bodies and options.count >= MANY:
            return _send_many(bodies, options.count)
        return _send_all(bodies, _send_plain if options.plain else _send_task)
    except OperationalError as error:
        broker = app.connection_for_write().as_uri()
        told = error if isinstance(error, WorkQueueError) else BrokerUnavailable(broker, str(error))
        print(told, file=sys.stderr)
    except WorkQueueError as error:
        print(error, file=sys.stderr)
    except Interrupted as interrupted:
        print(f"\nInterrupted: {interrupted.outcomes.confirmed:,} are sent.", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        print("Interrupted: what is marked [x] is sent, nothing else.", file=sys.stderr)
        return 130
    return 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m proj.producer",
        description="Send messages to the work queue, each confirmed by the broker.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bodies", nargs="*", metavar="MESSAGE", help="messages of your own")
    parser.add_argument("--count", type=_count, default=10, help="how many (default: 10)")
    parser.add_argument("--plain", action="store_true", help="bare text, no Celery headers")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("a count is 0 or more")
    return count


def _send_all(bodies: Iterable[str], send: Callable[[str], None]) -> int:
    for body in bodies:
        send(body)
        print(f" [x] Sent {body!r}", flush=True)
    return 0


def _send_many(bodies: Iterable[str], count: int) -> int:
    task = work_queue_settings(app).plain_message_task
    began = time.monotonic()
    line = ""

    def show(outcomes: Outcomes) -> None:
        nonlocal line
        done = outcomes.total * BAR_WIDTH // count
        bar = "#" * done + "." * (BAR_WIDTH - done)
        told = f" [{bar}] {outcomes.confirmed:,} of {count:,} sent"
        # A log gets a line for each step of the bar, a terminal one line that grows.
        if sys.stdout.isatty():
            print(f"\r{told}", end="", flush=True)
        elif bar not in line:
            print(told, flush=True)
        line = told

    # Messages of a task that is known here follow its template: twice as many a second.
    app.loader.import_default_modules()
    publish_many((app.signature(task, args=(body,)) for body in bodies), on_progress=show)
    seconds = time.monotonic() - began
    print(f"\n [x] Sent {count:,} messages in {seconds:.1f} s, {count / seconds:,.0f} a second")
    return 0


def _send_task(body: str) -> None:
    task = work_queue_settings(app).plain_message_task
    app.signature(task, args=(body,)).apply_async()


def _send_plain(body: str) -> None:
    publish_plain(app, body)


if __name__ == "__main__":
    sys.exit(main())
