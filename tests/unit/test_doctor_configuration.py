"""What ``doctor --static`` finds in a configuration: each appears, and its remedy ends it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

import pytest
from kombu import Exchange, Queue

from proj.doctor.examined import Examined
from proj.doctor.examining import STATIC
from proj.errors import SettingsError
from tests.support.doctor_scene import FINE, app_with, facts, names

WORK_QUEUE = {"x-queue-type": "quorum", "x-max-priority": 9}


@dataclass
class Case:
    """A configuration with the finding ``name``, and what the remedy makes of it."""

    name: str
    wrong: dict[str, Any] = field(default_factory=dict)
    right: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    """Options of the task where it is wrong."""
    stock: bool = False
    """Whether the app is without the plug-in where it is wrong."""
    stock_is_right: bool = False
    """Whether it is without where it is right."""


CASES = [
    Case("early-acknowledgement", {"task_acks_late": False}),
    Case("early-acknowledgement", task={"acks_late": False}),
    Case("early-acknowledgement", stock=True),
    Case("lost-process-acknowledged", {"task_reject_on_worker_lost": False}),
    Case("lost-process-acknowledged", task={"reject_on_worker_lost": False}),
    Case(
        "lost-process-acknowledged",
        stock=True,
        right={"task_reject_on_worker_lost": True},
        stock_is_right=True,
    ),
    Case("failures-rejected", {"task_acks_on_failure_or_timeout": False}, stock=True),
    Case("failures-rejected", task={"acks_on_failure": False}, stock=True, stock_is_right=True),
    Case("timeouts-requeued", {"task_acks_on_timeout": False}, stock=True),
    Case("timeouts-requeued", {"task_acks_on_failure_or_timeout": False}, stock=True),
    Case("timeouts-requeued", task={"acks_on_timeout": False}, stock=True, stock_is_right=True),
    Case("acknowledgement-settings-unused", {"task_acks_on_timeout": False}),
    Case("acknowledgement-settings-unused", task={"acks_on_failure": False}),
    Case("failures-not-kept", {"work_queue_dead_letter_failures": False}),
    Case("failures-not-kept", task={"dead_letter_failures": False}),
    Case("plug-in-missing", stock=True),
    Case("plug-in-missing", {"worker_consumer": "celery.worker.consumer:Consumer"}),
    Case("confirms-off", stock=True),
    Case(
        "confirms-off",
        {"broker_transport_options": {"confirm_publish": False}},
        {"broker_transport_options": {"confirm_publish": True}},
        stock=True,
        stock_is_right=True,
    ),
    Case("mandatory-off", task={"mandatory": False}),
    Case("mandatory-off", stock=True),
    Case("transient-messages", {"task_default_delivery_mode": "transient"}),
    Case("transient-messages", task={"delivery_mode": 1}),
    Case("transient-messages", {"task_routes": {"shop.*": {"delivery_mode": 1}}}),
    Case(
        "transient-messages",
        {"task_queues": [Queue("mail", durable=False)]},
        {"task_queues": [Queue("mail", Exchange("mail"))]},
    ),
    Case(
        "transient-messages",
        {"task_queues": [Queue("mail", Exchange("mail", delivery_mode=1))]},
        {"task_queues": [Queue("mail", Exchange("mail", delivery_mode=2))]},
    ),
    Case("always-eager", {"task_always_eager": True}),
    Case("broker-not-supported", {"broker_url": "redis://cache.example"}),
    Case("auto-created-queues", {"task_create_missing_queues": True}),
    Case("auto-created-queues", stock=True),
    Case(
        "priorities-ignored",
        {"task_default_priority": 3, "work_queue_type": "classic"},
        {"task_default_priority": 3},
    ),
    Case("priorities-ignored", {"work_queue_type": "classic"}, task={"priority": 9}),
    Case(
        "priorities-ignored",
        {"work_queue_type": "classic", "task_routes": {"shop.pack": {"priority": 9}}},
    ),
    Case(
        "priorities-ignored",
        {"task_queues": [Queue("mail", queue_arguments=WORK_QUEUE)]},
        {"task_queues": [Queue("mail", queue_arguments={"x-max-priority": 9})]},
    ),
    Case("visibility-timeout-stray", {"broker_transport_options": {"visibility_timeout": 7_200}}),
    Case("delays-in-memory", stock=True),
    Case(
        "delays-in-memory",
        stock=True,
        right={
            "task_default_queue": "work",
            "task_queues": [
                Queue("work", Exchange("x", "topic"), queue_arguments={"x-queue-type": "quorum"})
            ],
        },
        stock_is_right=True,
    ),
    Case("prefetch-above-one", {"worker_prefetch_multiplier": 0}),
    Case("prefetch-above-one", stock=True),
    Case("rate-limit-holds-process", {"task_default_rate_limit": "10/m"}),
    Case("rate-limit-holds-process", task={"rate_limit": "1/s"}),
    Case("heartbeat-off", {"broker_heartbeat": 0}),
    Case("worker-gives-up", {"broker_connection_retry": False}),
    Case("worker-gives-up", {"broker_connection_retry_on_startup": False}),
    Case("worker-gives-up", {"broker_connection_max_retries": 100}),
    Case("time-limit-missing", {"task_time_limit": None}),
    Case("time-limit-beyond-consumer-timeout", {"task_time_limit": 3_600}),
    Case("time-limit-beyond-consumer-timeout", task={"time_limit": 1_801}),
    Case("pickle-accepted", {"accept_content": ["json", "pickle"]}),
    Case("pickle-accepted", {"result_accept_content": ["application/x-python-serialize"]}),
    Case("default-credentials", {"broker_url": "amqps://guest:guest@localhost//"}),
    Case("default-credentials", {"broker_url": "amqps://localhost//"}),
    Case("default-credentials", {"broker_url": ["amqps://me:x@one//", "amqps://guest:guest@two"]}),
    Case("default-credentials", {"broker_read_url": "amqps://guest:guest@localhost//"}),
    Case(
        "no-tls",
        {"broker_url": "amqp://me:x@broker.example//"},
        {"broker_url": "amqp://me:x@127.0.0.1//"},
    ),
    Case(
        "no-tls",
        {"broker_url": "amqp://me:x@10.0.0.5//"},
        {"broker_url": "amqp://me:x@10.0.0.5//", "broker_use_ssl": True},
    ),
    Case(
        "tls-unverified",
        {"broker_use_ssl": {"cert_reqs": ssl.CERT_NONE}},
        {"broker_use_ssl": {"cert_reqs": ssl.CERT_REQUIRED}},
    ),
    Case("task-module-broken", {"imports": ["shop_that_is_not_there"]}),
    Case(
        "task-unknown",
        {"beat_schedule": {"nightly": {"task": "shop.count", "schedule": 60}}},
        {"beat_schedule": {"nightly": {"task": "shop.pack", "schedule": 60}}},
    ),
    Case(
        "task-unknown",
        {"work_queue_plain_message_task": "shop.unpack"},
        {"work_queue_plain_message_task": "shop.pack"},
    ),
]


def test_a_fine_configuration_has_no_findings() -> None:
    """With the plug-in, a time limit, an account and TLS there is nothing to find."""
    assert names(app_with()) == set()


@pytest.mark.filterwarnings("ignore:[^$]*task attribute is deprecated")
@pytest.mark.parametrize("case", CASES, ids=[f"{n}-{each.name}" for n, each in enumerate(CASES)])
def test_a_finding_appears_and_its_remedy_ends_it(case: Case) -> None:
    """Wherever it was set, by the user or by Celery's default, for all tasks or for one."""
    wrong = app_with(case.wrong, task=case.task, plug_in=not case.stock)
    right = app_with(case.right, plug_in=not case.stock_is_right)

    assert case.name in names(wrong)
    assert case.name not in names(right)


def test_every_static_check_has_a_case() -> None:
    """No check goes unproved; chords have a test of their own, beside this file."""
    proved = {each.name for each in CASES} | {"chord-without-backend"}

    assert proved == {name for check in STATIC for name, _ in check(Examined(app_with()))}


def test_the_fact_names_the_task_whose_own_option_is_wrong() -> None:
    """An option of one task is told with that task, a setting with its value."""
    assert facts(app_with(task={"acks_late": False}), "early-acknowledgement") == [
        "acks_late = False of shop.pack: the broker deletes a message before its task has run."
    ]
    assert facts(app_with({"task_acks_late": False}), "early-acknowledgement")[0].startswith(
        "task_acks_late = False:"
    )


def test_an_option_that_every_task_corrects_is_no_finding() -> None:
    """``task_acks_late = False`` does nothing where each task says otherwise itself."""
    app = app_with({"task_acks_late": False}, task={"acks_late": True})

    assert "early-acknowledgement" not in names(app)


def test_django_style_names_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace, and the environment, are the user's configuration too."""
    app = app_with()
    app.config_from_object(
        {"CELERY_TASK_ACKS_LATE": False, **{f"CELERY_{k.upper()}": v for k, v in FINE.items()}},
        namespace="CELERY",
        force=True,
    )
    monkeypatch.setenv("WORK_QUEUE_DEAD_LETTER_FAILURES", "false")

    assert names(app) == {"early-acknowledgement", "failures-not-kept"}


def test_a_broker_url_that_is_none_is_told_without_its_password() -> None:
    """What stands where a port is expected may be a part of a password."""
    with pytest.raises(SettingsError, match="broker_url: it is no URL") as told:
        names(app_with({"broker_url": "amqp://me:s3cret/x@broker.example"}))

    assert "s3cret" not in str(told.value)


def test_no_password_is_told() -> None:
    """Facts, reasons and remedies of every case together hold no password."""
    told = [
        str(each)
        for case in CASES
        for each in facts(app_with(case.wrong, plug_in=not case.stock), case.name)
    ]

    assert len(told) > 40
    assert not [each for each in told if "s3cret" in each]
