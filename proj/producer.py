"""``python -m proj.producer``: sends messages to the work queue, each confirmed by the broker."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence

from kombu.exceptions import OperationalError

from proj import app
from proj.configuration import work_queue_settings
from proj.errors import BrokerUnavailable, WorkQueueError
from proj.publishing.plain import publish_plain

__all__ = ["main"]

EXAMPLES = """\
examples:
  python -m proj.producer                        'Message 0' to 'Message 9'
  python -m proj.producer 'Resize photo 7...'    a message that takes three seconds
  python -m proj.producer --count 1000           'Message 0' to 'Message 999'
  python -m proj.producer --plain                text for any AMQP client, without Celery headers
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Send what ``arguments`` ask for; return the exit code."""
    options = _parse(arguments)
    bodies = options.bodies or (f"Message {number}" for number in range(options.count))
    try:
        return _send_all(bodies, _send_plain if options.plain else _send_task)
    except OperationalError as error:
        broker = app.connection_for_write().as_uri()
        told = error if isinstance(error, WorkQueueError) else BrokerUnavailable(broker, str(error))
        print(told, file=sys.stderr)
    except WorkQueueError as error:
        print(error, file=sys.stderr)
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


def _send_task(body: str) -> None:
    task = work_queue_settings(app).plain_message_task
    app.signature(task, args=(body,)).apply_async()


def _send_plain(body: str) -> None:
    publish_plain(app, body)


if __name__ == "__main__":
    sys.exit(main())
