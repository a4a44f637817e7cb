"""Every error that this package raises: what happened, to which queue or message, what to do next.

WorkQueueError
├── SettingsError            the configuration is wrong; all problems in one text
├── QueueMismatch            a queue exists with other properties than the configuration says
├── LoginRefused             the broker knows neither this account nor its virtual host
├── PermissionRefused        the broker does not let the account do what a worker does
├── DelaysRefused            the broker does not let us declare what delayed tasks need
├── BrokerSilent             the broker was asked, and refused or did not answer
├── LettersUnreadable        the dead-letter queue cannot be read; nothing was changed
├── NoSuchLetter             no dead letter has an id that begins so
├── AmbiguousLetter          the ids of several dead letters begin so
├── ReplayStopped            some dead letters were replayed, and the rest is where it was
├── LetterFileUnusable       a file of dead letters cannot be written, or read
├── ManagementUnavailable    the management API does not answer, or refuses the account
└── PublishError             a message was not published for sure (also kombu's OperationalError)
    ├── BrokerUnavailable    no connection, or a broker that takes no messages; nothing was sent
    │   └── BrokerUntrusted  TLS was refused by one side: a certificate, or no TLS at all
    ├── Unroutable           no queue took the message
    │   └── QueueUnknown     the configuration has no such queue (also celery's QueueNotFound)
    ├── Refused              the broker said no: the queue is full, or a limit is exceeded
    ├── Unwritable           a property cannot be written as AMQP; nothing was sent
    └── OutcomeUnknown       sent, but not answered in time: the broker may hold it or not
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from celery.exceptions import ImproperlyConfigured, QueueNotFound
from click import ClickException
from kombu.exceptions import OperationalError


class WorkQueueError(Exception):
    """The root of every error of this package; it pickles, which Celery asks of an error."""

    _made_of: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        """Remember what the error is made of."""
        error = super().__new__(cls)
        error._made_of = arguments, options
        return error

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        arguments, options = self._made_of
        return partial(type(self), **options), arguments


class SettingsError(WorkQueueError, ImproperlyConfigured, ClickException):
    """The configuration is wrong: a line for each problem, with key, expectation and value.

    Each of Celery's commands ends with this text and code 1, as with click's own errors.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(["The work queue's settings are wrong:", *self.problems]))


class QueueMismatch(WorkQueueError):
    """The queue exists with another property than the configuration asks for (RabbitMQ's 406)."""

    def __init__(self, queue: str, argument: str, wanted: str, found: str) -> None:
        self.queue, self.argument, self.wanted, self.found = queue, argument, wanted, found
        super().__init__(
            f"The queue {queue!r} exists with {argument} = {found}, but this configuration asks "
            f"for {wanted}. Nothing was changed. Either fit the configuration to the queue "
            f'(work_queue_ownership, work_queue_type; "policy" takes a queue that a plain client '
            f"declared), or, once the queue is empty, delete it on the broker (rabbitmqctl "
            f"delete_queue {queue}) and start again."
        )


def _for_a_server(advice: str, broker: str) -> str:
    # The embedded broker's reasons tell what to do; what a server needs would only mislead.
    return "" if broker.startswith("sqlite:") or not advice else f" {advice}"


class _BrokerRefusal(WorkQueueError):
    """``broker`` (its password masked) refused something, and gave a ``reason``."""

    told = ""
    advice = ""

    def __init__(self, broker: str, reason: str) -> None:
        self.broker, self.reason = broker, reason
        told = self.told.format(broker=broker, reason=reason.rstrip("."))
        super().__init__(told + _for_a_server(self.advice, broker))


class LoginRefused(_BrokerRefusal):
    """The broker refused the account, or its access to the virtual host."""

    told = (
        "The broker {broker} refused the login: {reason}. Correct the account, its password "
        "or the virtual host in CELERY_BROKER_URL, or give the account access "
        "(rabbitmqctl add_user, add_vhost, set_permissions)."
    )


class PermissionRefused(_BrokerRefusal):
    """The broker knows the account, and does not let it do what a worker does."""

    told = (
        "The broker {broker} does not permit what a worker does: {reason}. Give the account "
        "a worker's permissions (rabbitmqctl set_permissions, docs/permissions-and-tls.md)."
    )


class DelaysRefused(_BrokerRefusal):
    """The broker does not let this account declare what delayed tasks need."""

    told = (
        "The broker {broker} refused what delayed tasks need: {reason}. Let its account configure, "
        "write and read 'celery_delayed_.*' and the work queue (rabbitmqctl set_permissions)."
    )


class BrokerSilent(_BrokerRefusal):
    """The broker did not tell what a command asked, or do what it wanted."""

    told = "The broker {broker} refused, or did not answer: {reason}."
    advice = (
        "See that it runs and has no alarm, and that CELERY_BROKER_URL names it, with an "
        "account that may configure, write and read the queues."
    )


class LettersUnreadable(WorkQueueError):
    """The dead-letter queue cannot be read; what was not removed is where it was."""

    def __init__(self, queue: str, broker: str, reason: str) -> None:
        super().__init__(
            f"The dead letters in {queue!r} on {broker} cannot be read: {reason.rstrip('.')}. See "
            f"that CELERY_BROKER_URL names the broker, and WORK_QUEUE_NAME the work queue; a "
            f"worker declares both queues as it starts."
        )


class NoSuchLetter(WorkQueueError):
    """No dead letter has this id."""

    def __init__(self, beginning: str) -> None:
        super().__init__(
            f"No dead letter has an id that begins with {beginning!r}. It may be replayed or "
            f"removed already, or held for a moment by somebody who looks: try again, or list them."
        )


class AmbiguousLetter(WorkQueueError):
    """Several dead letters have an id that begins so."""

    def __init__(self, beginning: str, ids: Sequence[str]) -> None:
        shown = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")  # noqa: PLR2004 - as many as a line holds
        super().__init__(f"{len(ids)} ids begin with {beginning!r}: {shown}. Type more of the one.")


class ReplayStopped(WorkQueueError):
    """No queue takes more; what was replayed is replayed, the rest is where it was."""

    def __init__(self, replayed: int, reason: str) -> None:
        self.replayed = replayed
        super().__init__(
            f"The replay stopped after {replayed} letters: {reason}. The others are still dead "
            f"letters; the same command again goes on from there."
        )


class LetterFileUnusable(WorkQueueError):
    """A file of dead letters cannot be written or read; no letter was removed."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"The file {path!r} cannot be used: {reason}. No dead letter was removed.")


class ManagementUnavailable(_BrokerRefusal):
    """The broker's management API does not answer, or not to this account."""

    told = (
        "The management API at {broker} cannot be read: {reason}. See that "
        "work_queue_management_url names it (http://host:15672), with an account that has "
        "the tag monitoring (rabbitmqctl set_user_tags)."
    )


class PublishError(WorkQueueError, OperationalError):
    """A message may not be on the broker; says which message, which broker, and what to do.

    Celery's and Kombu's own handlers know it as ``kombu.exceptions.OperationalError``.
    """

    happened = "The broker {broker} did not take {message}: {reason}."
    next_step = "Publish it again."
    advice = ""

    def __init__(
        self,
        broker: str,
        reason: str,
        *,
        task_id: str | None = None,
        queue: str | None = None,
        exchange: str | None = None,
        routing_key: str | None = None,
    ) -> None:
        self.broker, self.reason = broker, " ".join(reason.split())
        self.task_id, self.queue = task_id, queue
        self.exchange, self.routing_key = exchange, routing_key
        to_exchange = f"exchange {exchange!r} with routing key {routing_key!r}"
        super().__init__(
            f"{self.happened} {self.next_step}{_for_a_server(self.advice, broker)}".format(
                broker=broker,
                reason=self.reason.rstrip("."),
                message=f"task {task_id}" if task_id else "the message",
                destination=to_exchange if queue is None else f"queue {queue!r}",
            )
        )


class BrokerUnavailable(PublishError):
    """The broker cannot be reached, or takes no messages: nothing was sent."""

    happened = "Cannot reach the broker {broker}: {reason}."
    next_step = "So {message} was not sent."
    advice = (
        "See that the broker runs and has no alarm, and that CELERY_BROKER_URL names it, with an "
        "account and a virtual host that it knows."
    )


class BrokerUntrusted(BrokerUnavailable):
    """The broker's certificate does not prove that it is the one, or it refused ours, or TLS."""

    happened = "No TLS connection to the broker {broker}: {reason}."
    next_step = "Nothing was sent, and nothing goes without TLS."
    advice = (
        "See that the broker's certificate is in date, names the host in CELERY_BROKER_URL, and is "
        "signed by the authority in ca_certs (broker_use_ssl); and that the broker takes this "
        "one's certfile."
    )


class Unroutable(PublishError):
    """No queue took the message: the broker gave it back."""

    happened = "No queue took {message} for {destination} on {broker}: {reason}."
    next_step = "Declare the queue (a worker does it as it starts), or correct the name."


class QueueUnknown(Unroutable, QueueNotFound):
    """The call, or ``task_routes``, names a queue that the configuration does not have."""

    happened = "Nothing was sent to {broker}: no {destination} is configured, for {message}."
    next_step = (
        "Correct the name, or add the queue to task_queues; "
        "queue=kombu.Queue(name, no_declare=True) takes one that exists on the broker."
    )
    __str__ = Exception.__str__  # not a KeyError's, which quotes


class Refused(PublishError):
    """The broker refused the message: the queue is full, or a limit is exceeded."""

    happened = "The broker {broker} refused {message} for {destination}: {reason}."
    next_step = (
        "It is not queued. Let workers make room, raise the limit, or give the account access "
        "(rabbitmqctl set_permissions), and publish it again."
    )


class Unwritable(PublishError, ValueError):
    """A property of the message cannot be written as AMQP 0-9-1: nothing was sent."""

    happened = "Cannot write {message} for {destination} on {broker} as AMQP: {reason}."
    next_step = (
        "So it was not sent. Correct the call: a priority is 0 to 255, a routing key or another "
        "text property has at most 255 bytes, and headers hold numbers, text, dates, lists, dicts."
    )


class OutcomeUnknown(PublishError):
    """The message was sent, and no answer came in time: the broker may hold it or not."""

    happened = "The broker {broker} did not confirm {message} for {destination}: {reason}."
    next_step = (
        "It may be queued or not. Publish it again with the same task id: "
        "then it runs at least once, and perhaps twice."
    )
