"""``workqueue doctor``: what a person, or a program, sees of it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proj.commands import workqueue
from tests.support.doctor_scene import app_with


def run(*options: str, **configuration: Any) -> Result:
    """Run the command with ``options`` on an app with that configuration."""
    celery = SimpleNamespace(app=app_with(configuration))
    return CliRunner().invoke(workqueue, ["doctor", *options], obj=celery)


def test_a_finding_is_a_block_and_the_exit_code_1() -> None:
    """Fact, reason, remedy and page, without colour where nobody looks; a summary at the end."""
    done = run("--static", task_time_limit=None)

    assert (done.exit_code, done.stderr) == (1, "")
    assert done.stdout == (
        "CAN DELAY OR REPEAT WORK  time-limit-missing\n"
        "  fact:   task_time_limit = None: no hard time limit.\n"
        "  why:    A task that hangs holds its process until somebody kills it; with all processes "
        "held, the worker takes nothing more.\n"
        "  remedy: Set task_time_limit (seconds) above the longest task, or "
        "@app.task(time_limit=...).\n"
        "  page:   docs/doctor.md#time-limit-missing\n"
        "\n"
        "1 finding: 1 can delay or repeat work.\n"
    )


def test_nothing_found_is_exit_code_0() -> None:
    """A finding that is left out on purpose counts no more."""
    done = run("--static", "--ignore", "time-limit-missing", task_time_limit=None)

    assert done.exit_code == 0
    assert done.stdout == "Nothing found.\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--ignore", "nothing-of-ours"), "There is no finding 'nothing-of-ours'."),
        (("--fix", "--static"), "--fix declares on the broker"),
        (("--no-such-option",), "No such option"),
    ],
)
def test_wrong_usage_is_exit_code_2(options: tuple[str, ...], told: str) -> None:
    """In one line, before anything is looked at."""
    done = run(*options)

    assert done.exit_code == 2
    assert told in done.stderr


def test_wrong_settings_are_told_in_one_text() -> None:
    """A value that cannot work ends the command with all problems, and exit code 1."""
    app = app_with()
    app.conf.work_queue_ownership = "mine"
    done = CliRunner().invoke(workqueue, ["doctor", "--static"], obj=SimpleNamespace(app=app))

    assert done.exit_code == 1
    assert "work_queue_ownership: expected 'arguments' or 'policy'" in done.stderr


def test_the_most_urgent_stands_first_and_the_json_says_the_same() -> None:
    """Severities in their order; the documented keys; no password in either."""
    wrong: dict[str, Any] = {
        "broker_url": "amqp://shop:s3cret@broker.example//",
        "work_queue_dead_letter_failures": False,
        "task_time_limit": None,
    }
    text, told = run("--static", **wrong), run("--static", "--json", **wrong)

    names = ["failures-not-kept", "time-limit-missing", "no-tls"]
    shown = [line.split()[-1] for line in text.stdout.splitlines() if line[:3] == "CAN"]
    assert shown == names
    found = json.loads(told.stdout)
    assert [each["name"] for each in found["findings"]] == names
    assert set(found) == {"fixed", "findings"}
    assert set(found["findings"][0]) == {"name", "severity", "fact", "why", "remedy", "page"}
    assert "s3cret" not in text.output + told.output


def test_a_broker_that_is_not_supported_is_a_finding() -> None:
    """Nothing of it is loaded, or asked, or declared."""
    done = run("--fix", broker_url="redis://:s3cret@cache.example")

    assert done.exit_code == 1
    assert "The broker is 'redis'." in done.stdout
    assert "s3cret" not in done.output
