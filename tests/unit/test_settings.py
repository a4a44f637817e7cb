"""What the work queue reads from the Celery configuration and from the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proj.errors import SettingsError
from proj.settings import Settings, read, task_option


def test_nothing_configured_gives_the_defaults() -> None:
    """A user who configures nothing gets the quorum queue ``task_queue``, owned by arguments."""
    assert read({}, {}) == Settings(name="task_queue", ownership="arguments", type="quorum")


def test_the_environment_goes_before_the_configuration() -> None:
    """A value from the environment overrides the same key of the Celery configuration."""
    settings = read({"work_queue_name": "photos"}, {"WORK_QUEUE_NAME": "letters"})

    assert settings.name == "letters"


def test_text_from_the_environment_becomes_the_type_of_its_setting() -> None:
    """Numbers, flags and None arrive from the environment as what they mean."""
    settings = read(
        {},
        {
            "WORK_QUEUE_PUBLISH_DEADLINE_SECONDS": "2.5",
            "WORK_QUEUE_ATTEMPTS_LIMIT": "3",
            "WORK_QUEUE_DEAD_LETTER_FAILURES": "false",
            "WORK_QUEUE_PLAIN_MESSAGE_TASK": "None",
        },
    )

    assert settings.publish_deadline_seconds == 2.5
    assert settings.attempts_limit == 3
    assert settings.dead_letter_failures is False
    assert settings.plain_message_task is None


def test_all_problems_are_reported_together_with_key_expectation_and_value() -> None:
    """One run shows the user everything that is wrong, not the first thing only."""
    with pytest.raises(SettingsError) as raised:
        read({"work_queue_ownership": "mine", "work_queue_type": "stream"}, {"WORK_QUEUE_NAME": ""})

    told = str(raised.value)
    assert "work_queue_ownership: expected 'arguments' or 'policy', found 'mine'" in told
    assert "work_queue_type: expected 'quorum' or 'classic', found 'stream'" in told
    assert "WORK_QUEUE_NAME: expected a queue name" in told


@pytest.mark.parametrize(
    ("configuration", "environment", "told"),
    [
        ({"work_queue_ownershp": "policy"}, {}, "did you mean work_queue_ownership?"),
        ({}, {"WORK_QUEUE_NAM": "x"}, "did you mean WORK_QUEUE_NAME?"),
    ],
)
def test_an_unknown_key_is_an_error_with_the_nearest_right_name(
    configuration: dict[str, Any], environment: dict[str, str], told: str
) -> None:
    """A misspelt key never passes in silence, wherever it stands."""
    with pytest.raises(SettingsError, match=told.replace("?", r"\?")):
        read(configuration, environment)


def test_what_kubernetes_adds_for_a_service_of_that_name_is_not_ours() -> None:
    """Beside a service named ``work-queue`` every pod has such variables; they mean nothing."""
    environment = {
        "WORK_QUEUE_SERVICE_HOST": "10.0.0.1",
        "WORK_QUEUE_SERVICE_PORT": "5672",
        "WORK_QUEUE_SERVICE_PORT_AMQP": "5672",
        "WORK_QUEUE_PORT": "tcp://10.0.0.1:5672",
        "WORK_QUEUE_PORT_5672_TCP_ADDR": "10.0.0.1",
    }

    assert read({}, environment) == Settings()


def test_an_option_of_a_task_that_cannot_work_is_an_error_that_names_the_task() -> None:
    """``@app.task(attempts_limit=0)`` is told by its task, its option and its value."""
    task = SimpleNamespace(name="shop.pack", attempts_limit=0)

    with pytest.raises(
        SettingsError, match=r"task shop\.pack: attempts_limit: expected .* found 0"
    ):
        task_option(task, "attempts_limit")
    assert task_option(SimpleNamespace(name="shop.pack", attempts_limit=3), "attempts_limit") == 3
    assert task_option(SimpleNamespace(name="shop.pack"), "attempts_limit") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("work_queue_name", "amq.mine"),
        ("work_queue_name", "x" * 300),
        ("work_queue_name", 7),
        ("work_queue_plain_message_task", 7),
        ("work_queue_publish_deadline_seconds", 0),
        ("work_queue_publish_deadline_seconds", "soon"),
        ("work_queue_publish_deadline_seconds", float("inf")),
        ("work_queue_attempts_limit", 2.5),
        ("work_queue_attempts_limit", 0),
        ("work_queue_attempts_limit", True),
        ("work_queue_dead_letter_failures", "perhaps"),
        ("work_queue_management_url", "localhost:15672"),
        ("work_queue_management_url", "ftp://localhost"),
    ],
)
def test_a_value_that_cannot_work_is_refused(key: str, value: object) -> None:
    """A value outside what the broker or the promise allows is an error that names the key."""
    with pytest.raises(SettingsError, match=key):
        read({key: value}, {})


def test_the_password_of_a_url_that_is_refused_is_not_shown() -> None:
    """A management URL with a wrong scheme is told without its account."""
    with pytest.raises(SettingsError, match=r"found '\*\*@broker:15672'"):
        read({"work_queue_management_url": "amqp://me:s3cret@broker:15672"}, {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("WORK_QUEUE_TYPE", "bogus"),
        ("CELERY_BROKER_URL", "ampq://guest:secret@localhost//"),
        ("CELERY_BROKER_URL", "amqp://guest:se/cret@localhost:5672//"),
    ],
)
def test_a_command_with_wrong_settings_ends_with_the_text_alone(key: str, value: str) -> None:
    """No traceback, no password, code 1."""
    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "proj", "worker"],
        env={**os.environ, key: value},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    told = ended.stderr[ended.stderr.index("Error: The work queue's settings are wrong:") :]
    assert len(told.splitlines()) == 2
    assert "Traceback" not in ended.stderr
    assert "cret" not in ended.stderr
