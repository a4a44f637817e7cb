"""A plain AMQP consumer, as the tutorial has it: ``python plain_consumer.py URL``."""

import sys
import time

import pika


def work(channel, method, properties, body):
    """Work for one second for every dot, then acknowledge."""
    print(f" [x] Received {body.decode()!r}", flush=True)
    time.sleep(body.count(b"."))
    print(" [x] Done", flush=True)
    channel.basic_ack(delivery_tag=method.delivery_tag)


connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.queue_declare(queue="task_queue", durable=True)
channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue="task_queue", on_message_callback=work)
print(" [*] Waiting for messages", flush=True)
channel.start_consuming()
