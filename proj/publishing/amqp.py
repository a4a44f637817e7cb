"""What ``app.amqp`` is with the plug-in: Celery's own, over our connections."""

from __future__ import annotations

from celery.app.amqp import AMQP as CeleryAMQP

from proj.broker.connection import Connection

__all__ = ["AMQP"]


class AMQP(CeleryAMQP):
    """Celery's messaging of an app with the plug-in (``app.amqp_cls``)."""

    Connection = Connection
    BrokerConnection = Connection
