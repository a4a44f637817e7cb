"""Celery's request, whose end is settled by us: only a success is acknowledged without a thought.

Results, signals and events are Celery's own, in Celery's order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar

from celery.exceptions import InvalidTaskError, TimeLimitExceeded
from celery.utils.log import get_logger
from celery.worker.request import Request
from celery.worker.state import task_ready

from proj.dead_letters.letter import ErrorDetails
from proj.dead_letters.reasons import Reason
from proj.settlement.attempts import begun_before
from proj.settlement.decision import Action
from proj.settlement.outcome import DONE, GIVEN_BACK, Ending, Outcome, failed, try_again
from proj.topology.delays import DELAYED_UNTIL
from proj.worker.failing import record_failure
from proj.worker.outcomes import error_of, outcome_of
from proj.worker.validating import problem_of

__all__ = ["settled"]

logger = get_logger(__name__)


@cache
def settled(base: Any, settler: Any) -> Any:
    """Return ``base``, a task's class of requests, settled by ``settler``."""
    # A class made before for another settler is replaced, not wrapped once more.
    plain = base.plain if issubclass(base, SettledRequest) else base
    return type("Request", (SettledRequest, plain), {"settler": settler, "plain": plain})


class SettledRequest(Request):
    """Celery's request; mixed into the one that a task names in its place."""

    settler: ClassVar[Any]
    outcome: Outcome = DONE
    acknowledged: bool
    is_given_back = False
    """Its message has gone back to the queue: whatever its process still says is too late."""

    def __init__(self, message: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(message, *arguments, **options)
        problem = problem_of(self)
        if problem:
            raise InvalidTaskError(problem)
        if begun_before(message.headers, redelivered=False):
            # A copy stands for the message that was given back: to the task it is the same one.
            self.delivery_info["redelivered"] = True
        if DELAYED_UNTIL in message.headers:
            self.request_dict["eta"] = message.headers[DELAYED_UNTIL]
        self.settler.unsettled.add(self)

    def acknowledge(self) -> None:
        """Acknowledge a success at once, as Celery does; settle everything else."""
        if self.outcome.ending is Ending.DONE:
            self.settler.unsettled.discard(self)
            super().acknowledge()
        elif not self.acknowledged:
            self.settle()

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - Celery's signature
        """Settle a delivery that Celery would reject: never by ``basic.reject``."""
        if self.acknowledged:
            return
        if requeue:
            self.outcome = try_again(self.outcome.error)
        elif self.outcome.ending is Ending.DONE:
            self.outcome = failed(Reason.REJECTED, ErrorDetails())
        self.settle()
        self.send_event("task-rejected", requeue=requeue)

    def settle(self) -> None:
        """Hand this request's message over to the settler, once."""
        self.settler.unsettled.discard(self)
        late = not self.acknowledged
        self.acknowledged = True
        decision = self.settler.decide(
            self.message, self.outcome, self.task.name, has_begun=self._has_begun()
        )
        self.settler.carry_out(self.message, decision, self.task.name, acknowledge=late)

    def give_back(self) -> None:
        """Let another worker have the message, as if this one had never been given it."""
        self.is_given_back = True
        if not self.acknowledged:
            self.outcome = GIVEN_BACK
            self.settle()

    @property
    def is_handed_over(self) -> bool:
        """Whether the pool has it."""
        return self._apply_result is not None or self.time_start is not None

    def revoked(self) -> bool:
        """Return whether it must not begin: also where it went back while it waited here."""
        if self.is_given_back:
            task_ready(self)
            return True
        return bool(super().revoked())

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001 - Celery's signature
        """Tell of a time limit as Celery does; after a hard one, settle."""
        if soft or self.is_given_back:
            super().on_timeout(soft, timeout)
            return
        details = ErrorDetails.of(TimeLimitExceeded(timeout))
        with self._ending(failed(Reason.TIME_LIMIT, details)):
            super().on_timeout(soft, timeout)

    def on_failure(
        self,
        exc_info: Any,
        send_failed_event: bool = True,  # noqa: FBT001, FBT002 - Celery's signature
        return_ok: bool = False,  # noqa: FBT001, FBT002 - Celery's signature
    ) -> None:
        """Tell of a failure as Celery does, and settle."""
        if self.is_given_back:
            task_ready(self)
            return
        error = error_of(exc_info)
        outcome = outcome_of(self, error, str(exc_info.traceback))
        with self._ending(outcome):
            if isinstance(error, MemoryError) or self._is_last(outcome):
                # Celery would end the worker, or ask for one more try.
                task_ready(self)
                record_failure(self, exc_info)
                self.acknowledge()
            else:
                super().on_failure(exc_info, send_failed_event, return_ok)

    def _has_begun(self) -> bool:
        # A process that is lost before it has told that it began must count: nothing loops.
        return self.time_start is not None or self.outcome.ending is Ending.TRY_AGAIN

    def _is_last(self, outcome: Outcome) -> bool:
        """Return whether the limit forbids the try that Celery would ask for now."""
        if outcome.ending is not Ending.TRY_AGAIN:
            return False
        decision = self.settler.decide(self.message, outcome, self.task.name, has_begun=True)
        return bool(decision.action is Action.DEAD_LETTER)

    @contextmanager
    def _ending(self, outcome: Outcome) -> Iterator[None]:
        """Settle as ``outcome`` whatever a result backend or a receiver of a signal raises."""
        was_early = self.acknowledged and not self.task.acks_late
        self.outcome = outcome
        try:
            yield
        except Exception:
            logger.exception("Task %s[%s] ended, and telling of it failed", self.name, self.id)
            if not self.acknowledged:
                self.settle()
        if was_early and outcome.ending is Ending.FAILED and not self.is_given_back:
            self.is_given_back = True
            self.settle()

    def _announce_revoked(
        self,
        reason: str,
        terminated: bool,  # noqa: FBT001 - Celery's signature
        signum: Any,
        expired: bool,  # noqa: FBT001 - Celery's signature
    ) -> None:
        details = ErrorDetails(message=f"expired at {self.expires}")
        with self._ending(failed(Reason.EXPIRED, details) if expired else DONE):
            super()._announce_revoked(reason, terminated, signum, expired)

    def _retry_worker_lost(self, exc: BaseException, exc_info: Any) -> bool:
        # Celery publishes a retry, and acknowledges; or it cannot, and goes on as without one.
        outcome, self.outcome = self.outcome, DONE
        if super()._retry_worker_lost(exc, exc_info):
            return True
        self.outcome = outcome
        return False

    def _success_was_stored(self) -> Any:
        stored = super()._success_was_stored()
        if stored:
            self.outcome = DONE
        return stored
