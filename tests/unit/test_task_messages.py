"""A message made from a template is the one that Celery makes."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from celery import Celery
from celery.utils.saferepr import saferepr

from proj.publishing.prepared import ByKombu
from proj.publishing.template import representation
from tests.support.task_messages import by_celery, by_template, make_app

CALLS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "no arguments": ((), {}, {}),
    "text": (("Message 0",), {}, {}),
    "text with quotes and new lines": (('it\'s "so"\n\\',), {}, {}),
    "long text": (("x" * 3000,), {"more": "y" * 3000}, {}),
    "nested": (([1, {"a": (2.5, None)}],), {"b": {"c": [True]}}, {}),
    "a list of arguments": ([1, 2], {}, {}),
    "dates and decimals": (
        (datetime(2030, 1, 2, tzinfo=timezone.utc), Decimal("1.5")),
        {},
        {},
    ),
    "priority": ((1,), {}, {"priority": 5}),
    "queue": ((1,), {}, {"queue": "other"}),
    "exchange and routing key": ((1,), {}, {"exchange": "news", "routing_key": "a.b"}),
    "pickle": (({1, 2},), {}, {"serializer": "pickle"}),
    "compression": (("x" * 500,), {}, {"compression": "gzip"}),
    "time limits": ((1,), {}, {"time_limit": 9, "soft_time_limit": 8}),
    "kept result": ((1,), {}, {"ignore_result": False}),
    "transient": ((1,), {}, {"delivery_mode": 1}),
    "not mandatory": ((1,), {}, {"mandatory": False}),
}


class DescribingChannel:
    """Whose messages are what Kombu hands over: body, properties, headers."""

    @staticmethod
    def prepare_message(*described: Any) -> tuple[Any, ...]:
        """Return what the message is made of."""
        return described


def note_celerys_own(monkeypatch: pytest.MonkeyPatch, app: Celery) -> list[str]:
    """Return a list to which each message that Celery makes adds a name."""
    made: list[str] = []
    create = app.amqp.create_task_message

    def create_and_note(task_id: str, name: str, *args: Any, **options: Any) -> Any:
        made.append(name)
        return create(task_id, name, *args, **options)

    monkeypatch.setattr(app.amqp, "create_task_message", create_and_note)
    return made


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_a_template_makes_what_celery_makes(
    call: str, *, events: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Body, headers in their order, properties, destination and event are equal."""
    app = make_app(task_send_sent_event=events)
    args, kwargs, options = CALLS[call]
    made_by_celery = note_celerys_own(monkeypatch, app)
    found = by_template(app, args, kwargs, **options)

    assert made_by_celery == ["echo"], "Celery made another than the first message"
    wanted = by_celery(app, args, kwargs, **options)
    assert found == wanted
    assert found is not None
    assert list(found.options["headers"]) == list(wanted.options["headers"])
    assert found.preparing is not None
    assert found.preparing(DescribingChannel, found) == ByKombu(DescribingChannel)(wanted)


@pytest.mark.parametrize("seed", range(20))
def test_arguments_are_shown_as_celery_shows_them(seed: int) -> None:
    """Cut to any length, quoted, nested: what workers log and Flower shows is the same."""
    chance = random.Random(seed)  # noqa: S311 - seeded choices
    values: list[Any] = [1, -5, 10**30, True, None, 1.5, float("inf"), "", "it's", '"', "\\'"]
    values += ["x" * 50, "Grüße\n", "y" * 1100, (1,), [2], {"a": (1,)}, b"x", Decimal("1.5")]

    for _ in range(200):
        kind = chance.choice((tuple, list))
        shown = kind(chance.choice(values) for _ in range(chance.randrange(6)))
        for longest in (1024, 30, 10):
            found = representation(shown, longest, 3)
            assert found == saferepr(shown, longest, maxlevels=3), shown


def test_a_task_id_is_a_random_uuid() -> None:
    """Of version 4 and written as Celery writes it; no two are equal."""
    app = make_app()
    templates, echo = app.send_task.templates, app.tasks["echo"]

    found = [templates.message(echo, (), {}, None, {}).id for _ in range(1000)]

    assert len(set(found)) == len(found)
    for each in map(UUID, found):
        assert (each.version, each.variant) == (4, RFC_4122)
    assert [str(UUID(each)) for each in found] == found
