"""The work queue that loses nothing, for Celery on RabbitMQ."""
