"""Flower's settings, which ``celery -A proj flower`` reads from this folder.

Every option of Flower: https://flower.readthedocs.io/en/latest/config.html . Each can also come
from the command line (``--port=5556``), and those that this file does not set from the environment
(``FLOWER_PORT=5556``).
"""

from tornado.options import options

from proj.contrib.flower import extend_broker_page

# --- Who may look -------------------------------------------------------------------------------
# Flower shows the arguments of every task and can stop workers, so nobody sees it without a login.
if not (options.basic_auth or options.auth):
    raise SystemExit(
        "Flower needs a login. Set FLOWER_BASIC_AUTH=user:password, or --auth for OAuth, and start "
        "it again. https://flower.readthedocs.io/en/latest/auth.html"
    )
address = options.address or "127.0.0.1"

# --- What is shown ------------------------------------------------------------------------------
extend_broker_page()  # dead-letter queues, and the embedded broker
tasks_columns = "name,args,state,received,runtime,worker,uuid"

# --- What is kept -------------------------------------------------------------------------------
max_tasks = 10_000  # in memory; the oldest go first
