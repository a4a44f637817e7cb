"""What a failed publish tells."""

from __future__ import annotations

import pickle

import pytest
from amqp.exceptions import (
    AccessRefused,
    MessageNacked,
    NotFound,
    PreconditionFailed,
    RecoverableConnectionError,
)
from celery.exceptions import QueueNotFound
from kombu import Queue
from kombu.exceptions import OperationalError

from proj.broker.channel import Blocked, Returned, Unconfirmed
from proj.errors import (
    BrokerUnavailable,
    OutcomeUnknown,
    PublishError,
    QueueMismatch,
    QueueUnknown,
    Refused,
    SettingsError,
    Unroutable,
    WorkQueueError,
)
from proj.publishing.failures import as_publish_error
from proj.publishing.producer import Producer
from tests.support.publishing_app import make_app

PUBLISH = (60, 40)
WHERE = {"task_id": "the-id", "queue": "task_queue", "exchange": "", "routing_key": "task_queue"}
BROKER = "amqp://guest:**@localhost:5672//"


@pytest.mark.parametrize(
    "kind", [BrokerUnavailable, OutcomeUnknown, QueueUnknown, Refused, Unroutable]
)
def test_every_error_is_one_that_celery_and_kombu_know(kind: type[PublishError]) -> None:
    """Handlers of ``OperationalError`` catch it, and pickling keeps all that it tells."""
    error = kind(BROKER, "because\nof this", **WHERE)

    assert isinstance(error, (OperationalError, WorkQueueError))
    assert "\n" not in str(error)
    assert "the-id" in str(error)
    assert BROKER in str(error)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(copy), str(copy), vars(copy)) == (kind, str(error), vars(error))


@pytest.mark.parametrize(
    "error",
    [QueueMismatch("q", "x-queue-type", "quorum", "classic"), SettingsError(["  one", "  two"])],
)
def test_errors_that_are_no_publish_pickle_too(error: WorkQueueError) -> None:
    """Celery carries what a task raised between processes."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (Returned(BROKER, "NO_ROUTE"), Unroutable, "NO_ROUTE"),
        (NotFound("no exchange 'x'", PUBLISH), Unroutable, "no exchange 'x'"),
        (MessageNacked(), Refused, "basic.nack"),
        (PreconditionFailed("message size 9 is larger", PUBLISH), Refused, "message size 9"),
        (AccessRefused("write access refused", PUBLISH), Refused, "write access refused"),
        (AccessRefused("Login was refused", (0, 0)), BrokerUnavailable, "Login was refused"),
        (Blocked("low on memory"), BrokerUnavailable, "low on memory"),
        (Unconfirmed("no answer in time"), OutcomeUnknown, "no answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), BrokerUnavailable, "refused"),
        (TimeoutError("timed out"), BrokerUnavailable, "no answer in time"),
        (OSError(), BrokerUnavailable, "OSError"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value)[:20],
)
def test_what_happened_decides_the_kind(
    error: Exception, kind: type[PublishError], told: str
) -> None:
    """Each failure of broker, protocol and socket has its kind, and its reason in it."""
    failure = as_publish_error(error, BROKER, WHERE)

    assert type(failure) is kind
    assert told in str(failure)


def test_a_refusal_of_the_second_copy_says_nothing_of_the_first() -> None:
    """Once a message may be held, its outcome stays unknown whatever comes after."""
    failure = as_publish_error(MessageNacked(), BROKER, WHERE, perhaps_held=True)

    assert type(failure) is OutcomeUnknown


def test_a_producer_without_a_channel_has_lost_its_connection() -> None:
    """After Ctrl-C, say: Kombu would blame the message, and it was told to be refused."""
    with pytest.raises(RecoverableConnectionError):
        Producer(None).maybe_declare(Queue("task_queue"))


def test_what_a_router_of_the_users_own_raises_is_left_as_it_is() -> None:
    """It knows best what is wrong, also where something else led to it."""

    def route(name: str, *_: object, **__: object) -> None:
        try:
            next(iter(()))
        except StopIteration:
            raise QueueNotFound(f"nobody does {name} today") from None

    app = make_app("amqp://127.0.0.1:1//", task_routes=[route])

    with pytest.raises(QueueNotFound, match="nobody does echo today") as raised:
        app.send_task("echo")

    assert type(raised.value) is QueueNotFound
