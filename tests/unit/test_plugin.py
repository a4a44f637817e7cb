"""What ``plugin.install`` gives an app, and what it leaves alone."""

from __future__ import annotations

import pickle

import pytest
from celery import Celery
from kombu import Exchange, Queue

from proj import plugin
from proj.configuration import work_queue_settings
from proj.errors import SettingsError
from proj.publishing.send_task import SendTask


def test_an_app_becomes_a_work_queue() -> None:
    """Late acknowledgement, a prefetch of one, one durable queue, JSON only."""
    app = Celery("theirs", set_as_current=False)
    plugin.install(app)

    assert app.conf.task_acks_late is True
    assert app.conf.worker_prefetch_multiplier == 1
    assert list(app.amqp.queues) == ["task_queue"]
    assert app.amqp.default_queue.durable is True
    assert set(app.conf.accept_content) == {"json"}


def test_what_the_app_sets_itself_stays() -> None:
    """The plug-in speaks only where the user's configuration is silent."""
    app = Celery("theirs", set_as_current=False)
    app.conf.worker_prefetch_multiplier = 4
    app.config_from_object({"task_acks_late": False})
    plugin.install(app)

    assert app.conf.task_acks_late is False
    assert app.conf.worker_prefetch_multiplier == 4
    assert app.conf.task_reject_on_worker_lost is True


def test_the_order_of_installing_and_configuring_does_not_matter() -> None:
    """Configured before, after or again: the work queue's values hold below the user's own."""
    app = Celery("theirs", set_as_current=False)
    plugin.install(app)
    assert app.conf.task_default_queue == "task_queue"
    app.config_from_object({"work_queue_name": "photos"}, force=True)

    assert app.conf.task_default_queue == "photos"
    assert app.amqp.default_queue.name == "photos"


def test_installing_twice_changes_nothing() -> None:
    """A second call is harmless."""
    app = Celery("theirs", set_as_current=False)
    plugin.install(app)
    plugin.install(app)

    assert list(app.amqp.queues) == ["task_queue"]


def test_an_app_that_has_published_before_becomes_a_work_queue() -> None:
    """What Celery has cached of an app's messaging is replaced."""
    app = Celery("theirs", set_as_current=False)
    _ = app.amqp
    plugin.install(app)

    assert app.amqp.publish_deadline_seconds == 10
    assert list(app.amqp.queues) == ["task_queue"]


def test_a_queue_without_exchange_keeps_its_own_name_as_routing_key() -> None:
    """Celery would give it the work queue's key, and the default exchange goes by the key."""
    app = Celery("theirs", set_as_current=False)
    app.conf.task_queues = [Queue("letters")]
    plugin.install(app)

    assert app.amqp.queues["letters"].routing_key == "letters"


def test_the_apps_own_queues_stay_beside_the_work_queue() -> None:
    """Queues that the app defines are kept, and the work queue stands among them."""
    app = Celery("theirs", set_as_current=False)
    app.conf.task_queues = [Queue("letters", Exchange("letters"), routing_key="letters")]
    plugin.install(app)

    assert set(app.amqp.queues) == {"task_queue", "letters"}
    assert app.amqp.queues["letters"].exchange.name == "letters"


def test_an_app_with_a_default_queue_of_its_own_keeps_its_name() -> None:
    """``task_default_queue`` names the work queue where ``work_queue_name`` does not."""
    app = Celery("theirs", set_as_current=False)
    app.conf.task_default_queue = "photos"
    plugin.install(app)

    assert work_queue_settings(app).name == "photos"
    assert app.amqp.default_queue.name == "photos"


def test_a_django_style_namespace_is_understood() -> None:
    """With ``namespace="CELERY"`` our keys stand beside Celery's: ``CELERY_WORK_QUEUE_NAME``."""
    app = Celery("theirs", set_as_current=False)
    app.config_from_object({"CELERY_WORK_QUEUE_NAME": "photos"}, namespace="CELERY")
    plugin.install(app)

    assert app.amqp.default_queue.name == "photos"


@pytest.mark.parametrize(
    ("namespace", "key"), [(None, "work_queue_ownershp"), ("CELERY", "CELERY_WORK_QUEUE_OWNERSHP")]
)
def test_a_misspelt_key_is_an_error_as_soon_as_the_configuration_is_read(
    namespace: str | None, key: str
) -> None:
    """Celery swallows errors of its configuration signals; this one reaches the user."""
    app = Celery("theirs", set_as_current=False)
    app.config_from_object({key: "policy"}, namespace=namespace)
    plugin.install(app)

    with pytest.raises(SettingsError, match="did you mean"):
        _ = app.conf.task_acks_late


def test_an_app_that_was_pickled_is_a_work_queue_too() -> None:
    """Spawned processes get their app so: its settings, its publishing and its tasks' base."""
    app = Celery("theirs", set_as_current=False)
    app.conf.work_queue_name = "photos"
    plugin.install(app)
    assert app.conf.task_default_queue == "photos"

    copy = pickle.loads(pickle.dumps(app))  # noqa: S301 - our own

    assert copy.conf.task_default_queue == "photos"
    assert copy.conf.task_acks_late is True
    assert isinstance(copy.send_task, SendTask)
    assert isinstance(pickle.loads(pickle.dumps(copy)).send_task, SendTask)  # noqa: S301 - as above


def test_a_setting_that_is_changed_in_mid_program_counts_or_is_refused() -> None:
    """Never ignored: a deadline counts from then on, and the queue's name comes too late."""
    app = Celery("theirs", set_as_current=False)
    plugin.install(app)
    assert app.amqp.publish_deadline_seconds == 10
    app.conf.work_queue_publish_deadline_seconds = 2
    assert app.amqp.publish_deadline_seconds == 2

    app.conf.work_queue_name = "photos"
    for _ in range(2):
        with pytest.raises(SettingsError, match="work_queue_name: changed after 'task_queue'"):
            app.send_task("whatever")
