"""The tutorial's task: work for one second for every dot in the message."""

import time

from celery.utils.log import get_task_logger

from proj import app

logger = get_task_logger(__name__)

SECONDS_PER_DOT = 1


@app.task
def process_message(body: str) -> None:
    """Process one message of the work queue; ``'Resize photo 7...'`` takes three seconds.

    A message without Celery headers, from any AMQP client, runs here too: its text is ``body``.
    The message is acknowledged when this function returns. If its process dies before, another
    worker is given the message, so a task must bear being run twice.
    """
    logger.info(" [x] Received %r", body)
    time.sleep(body.count(".") * SECONDS_PER_DOT)
    logger.info(" [x] Done")
