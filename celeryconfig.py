"""Every setting that you may change, one block for each subject.

Celery's own settings: https://docs.celeryq.dev/en/stable/userguide/configuration.html
A ``work_queue_*`` setting can also come from the environment: ``WORK_QUEUE_NAME=photos``.
"""

# --- The broker ---------------------------------------------------------------------------------
# The environment variable CELERY_BROKER_URL goes before this line. As it stands, the broker is one
# file in this folder: no server, one machine. RabbitMQ: "amqp://user:password@host:5672//"; a list
# of such URLs means a cluster.
broker_url = "sqlite:///task_queue.db"

# --- The tasks that the workers know ------------------------------------------------------------
imports = ["tasks.messages", "tasks.webhooks"]

# --- The queue ----------------------------------------------------------------------------------
# work_queue_name = "task_queue"        # its dead-letter queue is task_queue.dead_letters
# work_queue_ownership = "arguments"    # "policy": declared bare, a broker policy sets the rest
# work_queue_type = "quorum"            # "classic": one node, not replicated

# --- Publishing ---------------------------------------------------------------------------------
# work_queue_publish_deadline_seconds = 10   # a publish returns or raises by then, whatever happens

# --- What becomes of a message ------------------------------------------------------------------
# work_queue_attempts_limit = 5              # begun that often, it is dead-lettered
# work_queue_dead_letter_failures = True     # False: a task that failed for good is acknowledged

# --- Dead letters -------------------------------------------------------------------------------
# work_queue_dead_letters_keep_seconds = None   # 30 * 86400: older ones are removed, and logged
# work_queue_dead_letters_keep_count = None     # 10000: the newest of them are kept

# --- Workers ------------------------------------------------------------------------------------
# work_queue_stop_grace_seconds = 25         # after SIGTERM; what is unfinished then goes back
# work_queue_stall_seconds = 30              # idle, with messages waiting: connect again

# --- Plain messages: no Celery headers, any AMQP client, any language ---------------------------
# work_queue_plain_message_task = "tasks.messages.process_message"   # None: none is taken in

# --- Results: none are kept unless a backend is named -------------------------------------------
# result_backend = "rpc://"

# --- What only RabbitMQ's management API can tell: alarms, members, policies ---------------------
# work_queue_management_url = "http://user:password@host:15672"

# --- What Flower sees ---------------------------------------------------------------------------
worker_send_task_events = True
task_send_sent_event = True
