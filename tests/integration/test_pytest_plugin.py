"""The pytest plug-in, as a project meets it: pytest in a process and a folder of its own."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.documents import write_programs
from tests.support.worker import ROOT

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.own_machine

PROJECT = """
import pytest
from celery import Celery, shared_task
from proj import plugin

app = Celery("shop", broker="amqp://nowhere.invalid//", backend="redis://nowhere.invalid")
app.conf.task_always_eager = True
plugin.install(app)


@shared_task(bind=True, max_retries=3)
def carry(self, pair, times=0):
    if self.request.retries < times:
        raise self.retry(countdown=3600)
    return [self.request.retries, pair]


@shared_task
def break_(text):
    raise ValueError(text)


@shared_task(bind=True)
def again(self):
    self.apply_async(countdown=60)


@shared_task
def give_up(how):
    how = {"fail": pytest.fail, "interrupt": _interrupt}[how]
    how("in the midst of a task")


def _interrupt(reason):
    raise KeyboardInterrupt(reason)
"""

TESTS = """
import gc
import os
import pytest
from celery import signals
from shop import again, app, break_, carry, give_up


def test_passes_results_come_back_through_serialisation(work_queue):
    result = carry.delay((1, 2), times=2)
    assert work_queue.drain() == 1
    assert not result.ready()
    assert work_queue.drain(delayed=True) == 2
    assert result.get(timeout=1) == [2, [1, 2]]
    assert work_queue.enqueued == []


def test_passes_what_waits_is_found_by_all_that_is_given(work_queue):
    carry.apply_async([(1, 2)], {"times": 0}, countdown=90)
    carry.delay((3, 4))
    found = work_queue.assert_enqueued(
        "shop.carry", args=[(1, 2)], kwargs={"times": 0}, queue="task_queue", countdown=90
    )
    assert found.args == [[1, 2]]
    for wrong in ({"args": [(1, 3)]}, {"queue": "other"}, {"countdown": 80}, {"kwargs": {"a": 1}}):
        with pytest.raises(AssertionError, match=r"Enqueued:\\s+Enqueued.*args=..3, 4.."):
            work_queue.assert_enqueued(carry, **wrong)


def test_passes_a_delayed_task_runs_when_it_is_due_first(work_queue):
    order = []
    receiver = lambda args, **_: order.append(args[0])
    signals.task_prerun.connect(receiver)
    carry.apply_async(["late"], countdown=3600)
    carry.apply_async(["early"], countdown=60)
    carry.delay("now")
    assert work_queue.drain(delayed=True) == 3
    assert order == ["now", "early", "late"]


def test_passes_an_expected_dead_letter(work_queue):
    break_.delay("no address")
    work_queue.expect_dead_letter(break_, reason="failed", text="no address")
    work_queue.drain()
    [letter] = work_queue.dead_letters
    assert letter.letter.error.message == "no address"


def test_fails_for_an_unexpected_dead_letter(work_queue):
    work_queue.expect_dead_letter(break_, text="one")
    break_.delay("one")
    break_.delay("two")
    work_queue.drain()


def test_fails_for_an_expected_letter_that_did_not_come(work_queue):
    work_queue.expect_dead_letter(break_, reason="failed")


def test_fails_for_a_task_that_enqueues_itself(work_queue):
    again.delay()
    work_queue.drain(delayed=True, at_most=20)


def test_fails_inside_a_task(work_queue):
    give_up.delay("fail")
    work_queue.drain()


def test_passes_a_ctrl_c_inside_a_task_is_not_swallowed(work_queue):
    give_up.delay("interrupt")
    with pytest.raises(KeyboardInterrupt):
        work_queue.drain()
    work_queue.assert_enqueued(give_up)


def test_passes_no_signal_of_a_worker_of_its_own_is_sent(work_queue):
    heard = []
    for signal in (signals.worker_init, signals.worker_shutdown):
        signal.connect(lambda **_: heard.append(1), weak=False)
    work_queue.drain()
    assert not heard


def test_passes_draining_leaves_no_open_file(work_queue):
    def drained():
        carry.delay("x")
        work_queue.drain()
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    first = drained()
    assert [drained() for _ in range(5)][-1] <= first


def test_passes_afterwards_the_app_is_as_it_was():
    assert app.conf.task_always_eager
    assert app.connection_for_write().as_uri() == "amqp://guest:**@nowhere.invalid:5672//"
"""

DJANGO_TEST = """
import examples.django_site
import django
from django.core.management import call_command
from django.db import transaction
from django.test import TestCase

django.setup()
call_command("migrate", verbosity=0)

from examples.django_site.parcels.models import Parcel
from examples.django_site.parcels.tasks import pack


def test_it(work_queue):
    with transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True):
            parcel = Parcel.objects.create(address="Elm Street")
            pack.delay(parcel.pk)
            assert not work_queue.enqueued
        work_queue.assert_enqueued(pack, args=[parcel.pk])
        assert work_queue.drain() == 1
        parcel.refresh_from_db()
        assert parcel.state == "done"
        transaction.set_rollback(True)
    assert not Parcel.objects.exists()
"""


def test_it_runs_what_was_enqueued_and_fails_for_what_nobody_expected(
    pytester: pytest.Pytester,
) -> None:
    """Every test passes or fails as its name says, with warnings as errors, under xdist too.

    The broker and the result backend of the app's configuration do not exist.
    """
    pytester.makepyfile(shop=PROJECT, test_shop=TESTS)

    done = pytester.runpytest_subprocess("-W", "error", "-rA", "--numprocesses", "2")

    done.assert_outcomes(passed=8, failed=4)
    output = done.stdout.str()
    assert "FAILED test_shop.py::test_fails_inside_a_task - Failed: in the midst" in output
    # Where CI is set, pytest tells it in the summary too.
    assert set(re.findall("Unexpected dead letter: (.*)", output)) == {
        "task='shop.break_', reason='failed', ValueError: two"
    }
    assert (
        "Expected, and not there: a dead letter with task='shop.break_', reason='failed'" in output
    )
    assert "The queues are not empty after 20 deliveries" in output


def test_a_task_sees_what_the_transaction_of_the_test_has_not_committed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a Django project, a drained task runs in the transaction of the test, which stays open."""
    monkeypatch.setenv("SITE_FOLDER", str(pytester.path / "site"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(DJANGO_TEST)

    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)


def test_an_app_without_the_plug_in_is_told_so(pytester: pytest.Pytester) -> None:
    """The fixture names the app and both remedies, in one error."""
    pytester.makepyfile(
        "import celery\napp = celery.Celery('theirs')\ndef test_it(work_queue): pass\n"
    )

    done = pytester.runpytest_subprocess()

    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*'theirs' is no work queue: call proj.plugin.install(app)*"])


def test_the_examples_of_the_documentation_run(pytester: pytest.Pytester) -> None:
    """What ``docs/testing.md`` shows from an empty folder on passes."""
    write_programs("testing.md", pytester.path)

    done = pytester.runpytest_subprocess("-W", "error")

    done.assert_outcomes(passed=3)


def test_unused_it_costs_nothing_and_it_can_be_left_out(pytester: pytest.Pytester) -> None:
    """Tests that do not ask for the fixture load no Celery, and ``-p no:`` knows its name."""
    pytester.makepyfile(
        "import sys\ndef test_it(): assert not {'celery', 'kombu'} & set(sys.modules)"
    )

    # pytest-celery, where it is installed, loads Celery.
    pytester.runpytest_subprocess("-p", "no:celery").assert_outcomes(passed=1)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:celery_workqueue", "--fixtures"],
        cwd=pytester.path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "work_queue" not in done.stdout
